"""The guard's answers as tables: what each request does, what refuses it, and what must not happen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.model import Mark
from controller.guard.core import Order, accept, born, may_rise, order, overdue, recorded, resumed
from controller.guard.model import (
    LOST_ID,
    MAX_HALTS,
    OVERFLOW_ID,
    Claim,
    Deny,
    Halt,
    Lower,
    Names,
    Read,
    Renew,
    Route,
    RouteRequest,
    Unhalt,
    World,
    Write,
)

NAMES = Names("shop")
NOW = World(1_000.0)
BLIND = World(1_000.0, files_readable=False)
KILL = Mark("r1", "kill", "pressed", "k1")
REST = Route(NAMES, revision=3, epoch=2)
LIVE = Route(NAMES, 20, 5, 2, "r1", lease_s=60.0, lease_until_s=1_050.0)
HELD = replace(LIVE, halts=(KILL,))
GO = Write(NAMES, 30, "r1", 2, 5, 60.0)


@pytest.mark.parametrize(
    ("route", "request_", "kind"),
    [
        pytest.param(LIVE, replace(GO, epoch=1), "fenced", id="a write of an older epoch"),
        pytest.param(LIVE, replace(GO, epoch=1, weight_pct=0), "fenced", id="even at weight 0"),
        pytest.param(LIVE, replace(GO, epoch=3), "conflict", id="a write of an epoch that has not claimed"),
        pytest.param(LIVE, replace(GO, revision=4), "conflict", id="a write on an older revision"),
        pytest.param(LIVE, replace(GO, revision=6), "conflict", id="a write on a revision that does not exist yet"),
        pytest.param(LIVE, replace(GO, names=Names("shop", "stable", "green")), "refused", id="other server names"),
        pytest.param(LIVE, replace(GO, weight_pct=101), "refused", id="more than all"),
        pytest.param(LIVE, replace(GO, weight_pct=-1), "refused", id="less than nothing"),
        pytest.param(LIVE, replace(GO, lease_s=0), "refused", id="a weight without a lease"),
        pytest.param(LIVE, replace(GO, lease_s=float("nan")), "refused", id="a lease that is not a number"),
        pytest.param(LIVE, replace(GO, lease_s=3601), "refused", id="a lease beyond the limit"),
        pytest.param(HELD, GO, "halted", id="a raise of a halted route"),
        pytest.param(
            HELD, replace(GO, weight_pct=20, release_id="r2"), "halted", id="another canary at the same weight"
        ),
        pytest.param(HELD, replace(GO, weight_pct=1, release_id="r2"), "halted", id="another canary at a lower weight"),
        pytest.param(LIVE, Claim(NAMES, 1), "fenced", id="a claim of an older epoch"),
        pytest.param(LIVE, Lower(NAMES, KILL, 1), "fenced", id="a lower of an older epoch"),
        pytest.param(LIVE, Unhalt(NAMES, frozenset({"k1"}), 1), "fenced", id="an unhalt of an older epoch"),
        pytest.param(LIVE, Renew(NAMES, "r1", 1, 60), "fenced", id="a renewal of an older epoch"),
        pytest.param(LIVE, Renew(NAMES, "r1", 3, 60), "refused", id="a renewal of an epoch that has not claimed"),
        pytest.param(LIVE, Renew(NAMES, "r2", 2, 60), "refused", id="a renewal of another release"),
        pytest.param(LIVE, Renew(NAMES, "r1", 2, 0), "refused", id="a renewal for no time"),
        pytest.param(
            replace(LIVE, lease_expired=True), Renew(NAMES, "r1", 2, 60), "refused", id="a lease that is over"
        ),
    ],
)
def test_what_is_denied(route: Route, request_: RouteRequest, kind: str) -> None:
    with pytest.raises(Deny) as denied:
        accept(route, request_, NOW)
    assert denied.value.kind == kind
    assert denied.value.text


def test_nothing_rises_while_the_halt_files_cannot_be_seen() -> None:
    with pytest.raises(Deny, match="HALT files") as denied:
        accept(LIVE, GO, BLIND)
    assert denied.value.kind == "refused"
    assert accept(LIVE, replace(GO, weight_pct=10), BLIND).weight_pct == 10


@pytest.mark.parametrize(
    ("route", "request_", "expected"),
    [
        pytest.param(LIVE, Read(NAMES), LIVE, id="a read changes nothing"),
        pytest.param(LIVE, Claim(NAMES, 2), LIVE, id="the same claim again changes nothing"),
        pytest.param(LIVE, Claim(NAMES, 9), replace(LIVE, epoch=9, revision=6), id="a claim keeps the weight"),
        pytest.param(HELD, Halt(NAMES, KILL, False), HELD, id="the same halt again changes nothing"),
        pytest.param(LIVE, Halt(NAMES, KILL, False), replace(HELD, revision=6), id="a halt keeps the weight"),
        pytest.param(HELD, Unhalt(NAMES, frozenset({"k2"}), 2), HELD, id="an unknown id releases nothing"),
        pytest.param(HELD, Unhalt(NAMES, frozenset(), 2), HELD, id="no id releases nothing"),
        pytest.param(HELD, Unhalt(NAMES, frozenset({"k1"}), 2), replace(LIVE, revision=6), id="its id releases it"),
        pytest.param(
            HELD, Unhalt(NAMES, frozenset({"k1"}), 7), replace(LIVE, epoch=7, revision=6), id="a newer epoch is kept"
        ),
        pytest.param(
            LIVE,
            Renew(NAMES, "r1", 2, 90),
            replace(LIVE, lease_s=90, lease_until_s=1_090.0, lease_saved_s=1_090.0),
            id="a lease begins anew",
        ),
        pytest.param(
            replace(REST, release_id="r1"),
            Renew(NAMES, "r1", 2, 90),
            replace(REST, release_id="r1"),
            id="no weight, no lease",
        ),
    ],
)
def test_what_is_accepted(route: Route, request_: RouteRequest, expected: Route) -> None:
    assert accept(route, request_, NOW) == expected


@pytest.mark.parametrize("weight_pct", [0, 10, 20])
def test_the_same_release_may_stay_or_go_down_while_halted(weight_pct: int) -> None:
    after = accept(HELD, replace(GO, weight_pct=weight_pct), NOW)
    assert (after.weight_pct, after.halts) == (weight_pct, (KILL,))


def test_another_release_may_write_zero_while_halted() -> None:
    assert accept(HELD, replace(GO, weight_pct=0, release_id="r2"), NOW).release_id == "r2"


def test_a_write_records_weight_release_and_lease_and_clears_what_went_before() -> None:
    tired = replace(REST, lease_expired=True, mark=Mark("r0", "lease_expired", "old"))
    after = accept(tired, replace(GO, revision=3), NOW)
    assert recorded(after) == Route(NAMES, 30, 4, 2, "r1", lease_s=60.0, lease_saved_s=1_060.0)
    assert after.lease_until_s == 1_060.0


def test_lower_takes_the_weight_the_lease_and_a_newer_epoch() -> None:
    after = accept(LIVE, Lower(NAMES, KILL, 8), NOW)
    assert recorded(after) == Route(NAMES, 0, 6, 8, "r1", mark=KILL)
    assert after.lease_until_s is None
    assert accept(after, Lower(NAMES, KILL, 8), NOW) == after


def test_halt_with_revert_takes_the_weight_of_a_route_that_was_only_halted() -> None:
    after = accept(HELD, Halt(NAMES, KILL, True), NOW)
    assert (after.weight_pct, after.halts, after.lease_until_s) == (0, (KILL,), None)


def test_halts_beyond_the_limit_are_kept_as_one_that_a_person_must_release() -> None:
    route = LIVE
    for number in range(MAX_HALTS + 5):
        route = accept(route, Halt(NAMES, replace(KILL, engagement=f"k{number}"), True), NOW)
    assert len(route.halts) == MAX_HALTS + 1
    route = accept(route, Unhalt(NAMES, frozenset(f"k{number}" for number in range(MAX_HALTS + 5)), 2), NOW)
    overflow = f"{OVERFLOW_ID}:k{MAX_HALTS}"
    assert [mark.engagement for mark in route.halts] == [overflow]
    assert may_rise(route, NOW)
    assert accept(route, Halt(NAMES, replace(KILL, engagement=f"k{MAX_HALTS}"), True), NOW).halts == route.halts
    assert accept(route, Unhalt(NAMES, frozenset({overflow}), 2), NOW).halts == ()


def test_letting_go_of_one_overflow_does_not_let_go_of_the_next() -> None:
    def flooded(prefix: str) -> str | None:
        route = LIVE
        for number in range(MAX_HALTS + 1):
            route = accept(route, Halt(NAMES, replace(KILL, engagement=f"{prefix}{number}"), True), NOW)
        return route.halts[-1].engagement

    assert flooded("a") != flooded("b")


def test_a_route_born_after_a_lost_record_is_halted() -> None:
    assert [mark.engagement for mark in born(NAMES, lost=True).halts] == [LOST_ID]
    assert born(NAMES, lost=False) == Route(NAMES)


@pytest.mark.parametrize(("now_s", "expired"), [(1_049.9, False), (1_050.0, True), (2_000.0, True)])
def test_a_lease_is_over_at_its_end_and_not_before(now_s: float, expired: bool) -> None:
    after = overdue(LIVE, World(now_s))
    assert (after.lease_expired, after.weight_pct) == (expired, 0 if expired else 20)
    assert (after.mark is not None, after.revision) == (expired, 6 if expired else 5)


def test_a_route_at_zero_has_no_lease_to_lose() -> None:
    assert overdue(replace(REST, lease_until_s=1.0), NOW) == replace(REST, lease_until_s=1.0)


@pytest.mark.parametrize(
    ("files", "ids"),
    [
        (set(), []),
        ({"HALT"}, ["file:HALT"]),
        ({"HALT.shop"}, ["file:HALT.shop"]),
        ({"HALT", "HALT.shop"}, ["file:HALT", "file:HALT.shop"]),
        ({"HALT.shopper", "HALT.", "halt"}, []),
    ],
)
def test_which_files_halt_a_route(files: set[str], ids: list[str]) -> None:
    after = overdue(LIVE, World(1_000.0, frozenset(files)))
    assert [mark.engagement for mark in after.halts] == ids
    assert after.weight_pct == (0 if ids else 20)
    assert overdue(after, World(1_000.0, frozenset(files))) == after


def test_a_file_halt_is_released_only_when_the_file_is_gone_and_seen_to_be() -> None:
    halted = overdue(LIVE, World(1_000.0, frozenset({"HALT"})))
    wish = Unhalt(NAMES, frozenset({"file:HALT", "k1"}), 2)
    for world in (World(1_000.0, frozenset({"HALT"})), BLIND):
        with pytest.raises(Deny):
            accept(halted, wish, world)
    assert accept(halted, wish, NOW).halts == ()
    assert overdue(halted, NOW).halts == halted.halts


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (LIVE, LIVE, Order.NOTHING),
        (LIVE, replace(LIVE, live_pct=20, trouble="x", lease_until_s=9.0), Order.NOTHING),
        (LIVE, replace(LIVE, weight_pct=19), Order.PROXY_FIRST),
        (LIVE, HELD, Order.PROXY_FIRST),
        (HELD, LIVE, Order.RECORD_FIRST),
        (LIVE, replace(LIVE, weight_pct=21), Order.RECORD_FIRST),
        (LIVE, replace(LIVE, epoch=3), Order.RECORD_FIRST),
        (LIVE, replace(HELD, weight_pct=90), Order.PROXY_FIRST),
    ],
)
def test_which_comes_first(before: Route, after: Route, expected: Order) -> None:
    assert order(before, after) is expected


def test_a_guard_that_restarts_again_and_again_renews_no_lease() -> None:
    """The controller is gone: however often the guard starts, the end of the lease stays where it was."""
    route = accept(LIVE, Renew(NAMES, "r1", 2, 60), NOW)
    assert route.lease_until_s is not None
    for minute in range(1, 4):
        later = replace(NOW, now_s=NOW.now_s + 25 * minute)
        route = resumed(recorded(route), later)
        assert route.lease_until_s is not None
        assert route.lease_until_s <= NOW.now_s + 60 + 60 / 3
        route = replace(route, lease_until_s=route.lease_until_s)
    assert overdue(route, replace(NOW, now_s=NOW.now_s + 81)).weight_pct == 0


def test_a_renewal_is_saved_only_when_the_end_has_moved_by_a_third_of_the_lease() -> None:
    route = accept(LIVE, Renew(NAMES, "r1", 2, 60), NOW)
    soon = accept(route, Renew(NAMES, "r1", 2, 60), replace(NOW, now_s=NOW.now_s + 19))
    later = accept(route, Renew(NAMES, "r1", 2, 60), replace(NOW, now_s=NOW.now_s + 20))
    assert order(route, soon) is Order.NOTHING
    assert order(route, later) is Order.RECORD_FIRST
    assert later.lease_saved_s == later.lease_until_s


def test_after_a_restart_of_the_machine_a_lease_begins_anew_and_is_bounded() -> None:
    assert resumed(replace(recorded(LIVE), lease_saved_s=1e9), NOW).lease_until_s == NOW.now_s + 60


def test_a_lease_of_an_older_record_begins_anew_and_is_bounded() -> None:
    stored = recorded(LIVE)
    assert resumed(stored, NOW).lease_until_s == 1_060.0
    assert resumed(replace(stored, lease_s=1e12), NOW).lease_until_s == 4_600.0
    assert resumed(REST, NOW) == REST


EPOCHS = st.integers(0, 4)
MARKS = st.builds(lambda k: Mark("r1", "kill", "x", k), st.sampled_from(["k1", "k2"]))
REQUESTS = st.one_of(
    st.builds(Claim, st.just(NAMES), EPOCHS),
    st.builds(
        lambda w, r, e, back: (w, r, e, back),
        st.integers(0, 100),
        st.sampled_from(["r1", "r2"]),
        EPOCHS,
        st.integers(0, 1),
    ),
    st.builds(Lower, st.just(NAMES), MARKS, EPOCHS),
    st.builds(Halt, st.just(NAMES), MARKS, st.booleans()),
    st.builds(Unhalt, st.just(NAMES), st.frozensets(st.sampled_from(["k1", "k2"])), EPOCHS),
)


@given(st.lists(REQUESTS, max_size=30))
def test_whatever_is_asked_weights_halts_epochs_and_revisions_keep_their_rules(
    requests: list[RouteRequest | tuple[int, str, int, int]],
) -> None:
    route = Route(NAMES)
    for item in requests:
        request = (
            Write(NAMES, item[0], item[1], item[2], route.revision - item[3], 60.0) if isinstance(item, tuple) else item
        )
        try:
            after = accept(route, request, NOW)
        except Deny:
            continue
        assert after.epoch >= route.epoch
        assert after.revision >= route.revision
        if recorded(after) != recorded(route):
            assert after.revision > route.revision
        if after.weight_pct > route.weight_pct:
            assert not route.halts
            assert isinstance(request, Write)
            assert (request.epoch, request.revision) == (route.epoch, route.revision)
        if {m.engagement for m in route.halts} - {m.engagement for m in after.halts}:
            assert isinstance(request, Unhalt)
        route = after
