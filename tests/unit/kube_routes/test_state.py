"""Several objects, one route: what they agree on counts, and where they differ nothing looks as if it were well."""

from __future__ import annotations

import pytest

from controller.adapters.kube.routes.objects import Seen
from controller.adapters.kube.routes.record import Record
from controller.adapters.kube.routes.state import LeaseSeen, of_all, route_state
from controller.adapters.kube.routes.strategy import Look
from controller.core.model import Mark
from controller.core.targets import RouteKind
from controller.ports import Conflict, Fenced, Halted, PortError, Refused, Unavailable, Unknown
from tests.unit.kube_routes.build import found

LEASE = LeaseSeen(40.0)
KILL = Mark(None, "killed", "smoke", "k-1")
ABORT = Mark("r1", "aborted", "by ann")


def seen(live_pct: int | None, record: Record | None, differs: str = "", unconfirmed: str = "") -> Seen:
    look = Look(live_pct, differs, bool(differs), unconfirmed)
    return Seen(found(RouteKind.HTTP_ROUTE, {"metadata": {}}), record, look)


def at(weight_pct: int, epoch: int = 3, revision: int = 5, release_id: str | None = "r1") -> Record:
    return Record(epoch, revision, weight_pct, release_id)


def test_objects_that_agree_are_one_verified_route() -> None:
    state = route_state([seen(25, at(25)), seen(25, at(25, revision=2))], LEASE)
    assert (state.weight_pct, state.live_pct, state.revision, state.epoch) == (25, 25, 7, 3)
    assert (state.release_id, state.lease_left_s, state.lease_expired, state.trouble) == ("r1", 40.0, False, "")
    assert state.verified


@pytest.mark.parametrize(
    ("first", "second", "weight_pct", "live_pct"),
    [
        (seen(25, at(25)), seen(0, at(0)), 25, None),
        (seen(0, at(0)), seen(0, at(25)), 25, 0),
        (seen(25, at(25)), seen(80, at(25)), 25, 80),
        (seen(25, at(25)), seen(10, at(10)), 25, None),
        (seen(0, at(0)), seen(80, at(0)), 0, 80),
        (seen(25, at(25)), seen(None, at(25)), 25, None),
    ],
)
def test_one_of_two_that_stayed_behind_is_neither_the_new_weight_nor_nothing(
    first: Seen, second: Seen, weight_pct: int, live_pct: int | None
) -> None:
    for order in ([first, second], [second, first]):
        state = route_state(order, LEASE)
        assert (state.weight_pct, state.live_pct) == (weight_pct, live_pct)
        assert not state.verified


def test_an_object_that_cannot_be_read_leaves_the_others_to_be_seen() -> None:
    state = route_state([seen(25, at(25)), Unavailable("the server is away")], LEASE)
    assert (state.weight_pct, state.live_pct, state.release_id) == (25, None, "r1")
    assert "the server is away" in state.trouble
    with pytest.raises(Unavailable):
        route_state([Unavailable("away")], LEASE)


def test_a_leader_has_claimed_the_route_when_it_has_claimed_every_object() -> None:
    assert route_state([seen(0, at(0, epoch=4)), seen(0, at(0, epoch=3))], LEASE).epoch == 3
    assert route_state([seen(0, at(0, epoch=4)), seen(0, None)], LEASE).epoch == 0


def test_halts_of_any_object_hold_and_a_mark_of_any_is_heard() -> None:
    other = Mark(None, "killed", "smoke", "k-2")
    records = [Record(3, 1, 0, "r1", (KILL,)), Record(3, 1, 0, "r1", (KILL, other), ABORT)]
    state = route_state([seen(0, record) for record in records], LEASE)
    assert (state.halts, state.mark) == ((KILL, other), ABORT)


def test_objects_of_two_releases_belong_to_none() -> None:
    assert route_state([seen(0, at(0)), seen(0, at(0, release_id="r2"))], LEASE).release_id is None


@pytest.mark.parametrize(
    ("weight_pct", "lease", "left_s", "expired"),
    [
        (25, LeaseSeen(40.0), 40.0, False),
        (25, LeaseSeen(0.0), 0.0, True),
        (25, LeaseSeen(-5.0), 0.0, True),
        (25, LeaseSeen(None), None, True),
        (25, LeaseSeen(looked=False), None, False),
        (0, LeaseSeen(-5.0), None, False),
        (0, LeaseSeen(None), None, False),
    ],
)
def test_a_weight_without_a_living_lease_has_expired(
    weight_pct: int, lease: LeaseSeen, left_s: float | None, expired: bool
) -> None:
    state = route_state([seen(weight_pct, at(weight_pct))], lease)
    assert (state.lease_left_s, state.lease_expired) == (left_s, expired)


def test_what_differs_and_what_is_unconfirmed_is_told_of_every_object() -> None:
    state = route_state([seen(25, at(25), "a is odd", "b waits"), seen(25, at(25), "c is odd")], LEASE)
    assert state.trouble == "a is odd; c is odd"
    assert state.unconfirmed == "b waits"


@pytest.mark.parametrize(
    ("errors", "worst"),
    [
        ([Unavailable("x"), Fenced("x")], Fenced),
        ([Conflict("x"), Unknown("x")], Unknown),
        ([Unavailable("x"), Refused("x")], Refused),
        ([Refused("x"), Halted("x")], Halted),
        ([Unavailable("x"), Conflict("x")], Conflict),
    ],
)
def test_of_several_troubles_the_one_that_says_most_is_raised(errors: list[PortError], worst: type[PortError]) -> None:
    with pytest.raises(worst):
        of_all([seen(0, None), *errors])
