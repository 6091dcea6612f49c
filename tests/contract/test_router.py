"""The contract of the Router port, on the fake and on a real HAProxy behind a real guard process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from analysis.model import Role
from controller.core.model import Mark, RouteState
from controller.ports import Conflict, Fenced, Halted, Refused, RouteWrite
from tests.contract.router_fixtures import AnyWorld, World, application, opened

KILL = Mark(None, "kill", "someone pressed the button", "kill-1")
ABORT = Mark("r1", "abort", "someone aborted")
HAPROXY: list[Any] = ["fake", pytest.param("real", marks=[pytest.mark.real, pytest.mark.timeout(60)])]


@pytest.fixture(params=HAPROXY)
def world(request: pytest.FixtureRequest) -> Iterator[AnyWorld]:
    """For what every router does: the routes of a cluster take the same tests with worlds of their own."""
    with opened(request.param) as world:
        yield world


@pytest.fixture(params=HAPROXY)
def haproxy(request: pytest.FixtureRequest) -> Iterator[World]:
    """For what only a guard does."""
    with opened(request.param) as world:
        yield world


def weights(world: AnyWorld) -> tuple[int, int]:
    return world.weights()


def said(route: RouteState) -> RouteState:
    """Without the proxies' own word, which comes when it comes."""
    return replace(route, unconfirmed="")


def at_weight(world: AnyWorld, weight_pct: int, epoch: int = 1, lease_s: float = 60.0) -> RouteState:
    route = world.router.claim(world.app, epoch)
    return world.router.write(world.app, RouteWrite(weight_pct, "r1", epoch, route.revision, lease_s))


def test_a_new_route_is_all_on_stable_and_verified(world: AnyWorld) -> None:
    route = world.router.read(world.app)
    assert (route.weight_pct, route.live_pct, route.epoch, route.revision) == (0, 0, 0, 0)
    assert (route.halts, route.mark, route.release_id, route.lease_left_s, route.trouble) == ((), None, None, None, "")
    assert route.verified


def test_a_new_route_whose_proxy_serves_a_canary_is_brought_to_stable(haproxy: World) -> None:
    haproxy.tamper("set weight shop/canary 40")
    assert haproxy.router.read(haproxy.app).live_pct == 0
    assert weights(haproxy) == (100, 0)


@pytest.mark.parametrize("weight_pct", [1, 33, 50, 99, 100])
def test_a_write_sets_both_weights_and_reads_them_back(world: AnyWorld, weight_pct: int) -> None:
    if weight_pct > world.most_pct:
        with pytest.raises(Refused):
            at_weight(world, weight_pct)
        assert weights(world) == (100, 0)
        return
    route = at_weight(world, weight_pct)
    assert (route.weight_pct, route.live_pct, route.release_id) == (weight_pct, weight_pct, "r1")
    assert route.lease_left_s is not None
    assert 50 < route.lease_left_s <= 60
    assert weights(world) == (100 - weight_pct, weight_pct)


def test_a_write_to_zero_holds_no_lease(world: AnyWorld) -> None:
    route = at_weight(world, 20)
    route = world.router.write(world.app, RouteWrite(0, "r1", 1, route.revision, 60))
    assert (route.weight_pct, route.live_pct, route.lease_left_s) == (0, 0, None)
    assert weights(world) == (100, 0)


def test_every_accepted_change_gives_a_new_revision_and_a_read_gives_none(world: AnyWorld) -> None:
    seen = [world.router.read(world.app).revision, world.router.claim(world.app, 1).revision]
    seen.append(world.router.write(world.app, RouteWrite(5, "r1", 1, seen[-1], 60)).revision)
    seen.append(world.router.halt(world.app, KILL, revert=True).revision)
    seen.append(world.router.unhalt(world.app, frozenset({"kill-1"}), 1).revision)
    assert seen == sorted(set(seen))
    world.router.renew(world.app, "r1", 1, 60)
    assert world.router.read(world.app).revision == seen[-1]


def test_a_write_with_a_revision_of_before_is_a_conflict_and_changes_nothing(world: AnyWorld) -> None:
    route = at_weight(world, 5)
    with pytest.raises(Conflict):
        world.router.write(world.app, RouteWrite(50, "r1", 1, route.revision - 1, 60))
    assert weights(world) == (95, 5)


def test_a_write_of_an_epoch_that_never_claimed_is_a_conflict(world: AnyWorld) -> None:
    route = at_weight(world, 5)
    with pytest.raises(Conflict):
        world.router.write(world.app, RouteWrite(50, "r1", 2, route.revision, 60))
    assert weights(world) == (95, 5)


def test_after_a_claim_nothing_of_an_older_epoch_lands(world: AnyWorld) -> None:
    at_weight(world, 5, epoch=1)
    route = world.router.claim(world.app, 2)
    old: list[Callable[[], object]] = [
        lambda: world.router.write(world.app, RouteWrite(50, "r1", 1, route.revision, 60)),
        lambda: world.router.write(world.app, RouteWrite(0, "r1", 1, route.revision, 60)),
        lambda: world.router.lower(world.app, ABORT, 1),
        lambda: world.router.renew(world.app, "r1", 1, 60),
        lambda: world.router.unhalt(world.app, frozenset({"kill-1"}), 1),
        lambda: world.router.claim(world.app, 1),
    ]
    for call in old:
        with pytest.raises(Fenced):
            call()
    assert world.router.read(world.app).revision == route.revision
    assert weights(world) == (95, 5)


def test_after_a_claim_no_endpoints_of_an_older_epoch_land(haproxy: World) -> None:
    at_weight(haproxy, 5, epoch=1)
    haproxy.router.claim(haproxy.app, 2)
    with pytest.raises(Fenced):
        haproxy.router.set_endpoints(haproxy.app, Role.STABLE, [], 1)


def test_a_claim_of_the_same_epoch_again_changes_nothing(world: AnyWorld) -> None:
    assert said(world.router.claim(world.app, 3)) == said(world.router.claim(world.app, 3))


def test_lower_needs_no_revision_and_fences_older_epochs(world: AnyWorld) -> None:
    at_weight(world, 50)
    route = world.router.lower(world.app, ABORT, 7)
    assert (route.weight_pct, route.live_pct, route.mark, route.epoch) == (0, 0, ABORT, 7)
    assert weights(world) == (100, 0)
    with pytest.raises(Fenced):
        world.router.write(world.app, RouteWrite(50, "r1", 1, route.revision, 60))


def test_lower_again_changes_nothing_more(world: AnyWorld) -> None:
    at_weight(world, 50)
    assert said(world.router.lower(world.app, ABORT, 1)) == said(world.router.lower(world.app, ABORT, 1))


def test_a_halt_needs_no_epoch_and_with_revert_takes_the_canary_to_zero(world: AnyWorld) -> None:
    at_weight(world, 50, epoch=9)
    route = world.router.halt(world.app, KILL, revert=True)
    assert (route.weight_pct, route.live_pct, route.halts, route.lease_left_s) == (0, 0, (KILL,), None)
    assert weights(world) == (100, 0)


def test_a_halt_without_revert_keeps_the_weight_and_lets_nothing_rise(world: AnyWorld) -> None:
    at_weight(world, 20)
    route = world.router.halt(world.app, KILL, revert=False)
    assert (route.weight_pct, route.live_pct) == (20, 20)
    with pytest.raises(Halted):
        world.router.write(world.app, RouteWrite(21, "r1", 1, route.revision, 60))
    with pytest.raises(Halted):
        world.router.write(world.app, RouteWrite(20, "r2", 1, route.revision, 60))
    route = world.router.write(world.app, RouteWrite(20, "r1", 1, route.revision, 60))
    route = world.router.write(world.app, RouteWrite(10, "r1", 1, route.revision, 60))
    assert (route.weight_pct, route.live_pct, route.halts) == (10, 10, (KILL,))
    world.router.renew(world.app, "r1", 1, 60)


def test_a_halted_route_can_be_claimed_and_stays_halted(world: AnyWorld) -> None:
    world.router.halt(world.app, KILL, revert=True)
    route = world.router.claim(world.app, 4)
    assert route.halts == (KILL,)
    with pytest.raises(Halted):
        world.router.write(world.app, RouteWrite(1, "r1", 4, route.revision, 60))


def test_halts_add_up_and_each_is_taken_off_by_its_own_id(world: AnyWorld) -> None:
    second = replace(KILL, engagement="kill-2")
    route = at_weight(world, 5)
    for mark in (KILL, second, KILL):
        route = world.router.halt(world.app, mark, revert=True)
    assert route.halts == (KILL, second)
    route = world.router.unhalt(world.app, frozenset({"kill-1", "kill-9"}), 1)
    assert route.halts == (second,)
    with pytest.raises(Halted):
        world.router.write(world.app, RouteWrite(5, "r1", 1, route.revision, 60))
    route = world.router.unhalt(world.app, frozenset({"kill-2"}), 1)
    assert (route.halts, route.weight_pct) == ((), 0)
    assert world.router.write(world.app, RouteWrite(5, "r1", 1, route.revision, 60)).live_pct == 5


@pytest.mark.parametrize(
    "write",
    [
        RouteWrite(101, "r1", 1, 1, 60),
        RouteWrite(-1, "r1", 1, 1, 60),
        RouteWrite(5, "r1", 1, 1, 0),
        RouteWrite(5, "r1", 1, 1, 1e9),
        RouteWrite(5, "", 1, 1, 60),
    ],
)
def test_a_write_out_of_bounds_is_refused(world: AnyWorld, write: RouteWrite) -> None:
    route = world.router.claim(world.app, 1)
    with pytest.raises(Refused):
        world.router.write(world.app, replace(write, revision=route.revision))
    assert weights(world) == (100, 0)


def test_a_backend_or_server_that_haproxy_lacks_is_refused(haproxy: World) -> None:
    missing = application(haproxy.app.haproxy.guard, backend="nowhere")
    other = replace(haproxy.app, router=replace(haproxy.app.haproxy, canary_server="green"))
    for app in (missing, other):
        with pytest.raises(Refused):
            haproxy.router.read(app)
    with pytest.raises(Refused):
        haproxy.router.halt(missing, KILL, revert=True)


def test_a_lease_that_nobody_renews_takes_the_route_to_zero(haproxy: World) -> None:
    before = at_weight(haproxy, 25, lease_s=0.4)
    haproxy.pass_time(0.5)
    assert weights(haproxy) == (100, 0)
    route = haproxy.router.read(haproxy.app)
    assert (route.weight_pct, route.live_pct, route.lease_expired, route.lease_left_s) == (0, 0, True, None)
    assert route.revision > before.revision
    assert route.mark is not None
    assert route.mark.code == "lease_expired"
    with pytest.raises(Refused):
        haproxy.router.renew(haproxy.app, "r1", 1, 60)
    with pytest.raises(Conflict):
        haproxy.router.write(haproxy.app, RouteWrite(25, "r1", 1, before.revision, 60))
    route = haproxy.router.write(haproxy.app, RouteWrite(25, "r1", 1, route.revision, 60))
    assert (route.live_pct, route.lease_expired) == (25, False)


def test_a_lease_that_nobody_renews_is_told_and_not_renewed_again(world: AnyWorld) -> None:
    at_weight(world, 25, lease_s=0.4)
    world.pass_time(1.5)
    assert world.router.read(world.app).lease_expired
    with pytest.raises(Refused):
        world.router.renew(world.app, "r1", 1, 60)
    route = world.router.read(world.app)
    route = world.router.write(world.app, RouteWrite(25, "r1", 1, route.revision, 60))
    assert (route.live_pct, route.lease_expired) == (25, False)


def test_a_renewed_lease_keeps_the_weight(world: AnyWorld) -> None:
    at_weight(world, 25, lease_s=1.5)
    world.router.renew(world.app, "r1", 1, 60)
    world.pass_time(1.5)
    route = world.router.read(world.app)
    assert (route.live_pct, route.lease_expired) == (25, False)


def test_a_lease_is_renewed_by_its_release_only(world: AnyWorld) -> None:
    at_weight(world, 25)
    with pytest.raises(Refused):
        world.router.renew(world.app, "r2", 1, 60)
    with pytest.raises(Refused):
        world.router.renew(world.app, "r1", 2, 60)
