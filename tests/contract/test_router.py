"""The contract of the Router port, on the fake and on a real HAProxy behind a real guard process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from analysis.model import Role
from controller.adapters.endpoints import Endpoint
from controller.core.model import Mark, RouteState
from controller.ports import Conflict, Fenced, Halted, Refused, RouteWrite, Unavailable, Unknown
from tests.contract.router_fixtures import World, application, eventually, opened

KILL = Mark(None, "kill", "someone pressed the button", "kill-1")
ABORT = Mark("r1", "abort", "someone aborted")


@pytest.fixture(params=["fake", pytest.param("real", marks=[pytest.mark.real, pytest.mark.timeout(60)])])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with opened(request.param) as world:
        yield world


def weights(world: World) -> tuple[int, int]:
    servers = world.servers("shop")
    return servers["stable"].weight, servers["canary"].weight


def at_weight(world: World, weight_pct: int, epoch: int = 1, lease_s: float = 60.0) -> RouteState:
    route = world.router.claim(world.app, epoch)
    return world.router.write(world.app, RouteWrite(weight_pct, "r1", epoch, route.revision, lease_s))


def test_a_new_route_is_all_on_stable_and_verified(world: World) -> None:
    route = world.router.read(world.app)
    assert (route.weight_pct, route.live_pct, route.epoch, route.revision) == (0, 0, 0, 0)
    assert (route.halts, route.mark, route.release_id, route.lease_left_s, route.trouble) == ((), None, None, None, "")
    assert route.verified


def test_a_new_route_whose_proxy_serves_a_canary_is_brought_to_stable(world: World) -> None:
    world.tamper("set weight shop/canary 40")
    assert world.router.read(world.app).live_pct == 0
    assert weights(world) == (100, 0)


@pytest.mark.parametrize("weight_pct", [1, 33, 50, 99, 100])
def test_a_write_sets_both_weights_and_reads_them_back(world: World, weight_pct: int) -> None:
    route = at_weight(world, weight_pct)
    assert (route.weight_pct, route.live_pct, route.release_id) == (weight_pct, weight_pct, "r1")
    assert route.lease_left_s is not None
    assert 50 < route.lease_left_s <= 60
    assert weights(world) == (100 - weight_pct, weight_pct)


def test_a_write_to_zero_holds_no_lease(world: World) -> None:
    route = at_weight(world, 20)
    route = world.router.write(world.app, RouteWrite(0, "r1", 1, route.revision, 60))
    assert (route.weight_pct, route.live_pct, route.lease_left_s) == (0, 0, None)
    assert weights(world) == (100, 0)


def test_every_accepted_change_gives_a_new_revision_and_a_read_gives_none(world: World) -> None:
    seen = [world.router.read(world.app).revision, world.router.claim(world.app, 1).revision]
    seen.append(world.router.write(world.app, RouteWrite(5, "r1", 1, seen[-1], 60)).revision)
    seen.append(world.router.halt(world.app, KILL, revert=True).revision)
    seen.append(world.router.unhalt(world.app, frozenset({"kill-1"}), 1).revision)
    assert seen == sorted(set(seen))
    world.router.renew(world.app, "r1", 1, 60)
    assert world.router.read(world.app).revision == seen[-1]


def test_a_write_with_a_revision_of_before_is_a_conflict_and_changes_nothing(world: World) -> None:
    route = at_weight(world, 5)
    with pytest.raises(Conflict):
        world.router.write(world.app, RouteWrite(50, "r1", 1, route.revision - 1, 60))
    assert weights(world) == (95, 5)


def test_a_write_of_an_epoch_that_never_claimed_is_a_conflict(world: World) -> None:
    route = at_weight(world, 5)
    with pytest.raises(Conflict):
        world.router.write(world.app, RouteWrite(50, "r1", 2, route.revision, 60))
    assert weights(world) == (95, 5)


def test_after_a_claim_nothing_of_an_older_epoch_lands(world: World) -> None:
    at_weight(world, 5, epoch=1)
    route = world.router.claim(world.app, 2)
    old: list[Callable[[], object]] = [
        lambda: world.router.write(world.app, RouteWrite(50, "r1", 1, route.revision, 60)),
        lambda: world.router.write(world.app, RouteWrite(0, "r1", 1, route.revision, 60)),
        lambda: world.router.lower(world.app, ABORT, 1),
        lambda: world.router.renew(world.app, "r1", 1, 60),
        lambda: world.router.unhalt(world.app, frozenset({"kill-1"}), 1),
        lambda: world.router.claim(world.app, 1),
        lambda: world.router.set_endpoints(world.app, Role.STABLE, [], 1),
    ]
    for call in old:
        with pytest.raises(Fenced):
            call()
    assert world.router.read(world.app).revision == route.revision
    assert weights(world) == (95, 5)


def test_a_claim_of_the_same_epoch_again_changes_nothing(world: World) -> None:
    assert world.router.claim(world.app, 3) == world.router.claim(world.app, 3)


def test_lower_needs_no_revision_and_fences_older_epochs(world: World) -> None:
    at_weight(world, 50)
    route = world.router.lower(world.app, ABORT, 7)
    assert (route.weight_pct, route.live_pct, route.mark, route.epoch) == (0, 0, ABORT, 7)
    assert weights(world) == (100, 0)
    with pytest.raises(Fenced):
        world.router.write(world.app, RouteWrite(50, "r1", 1, route.revision, 60))


def test_lower_again_changes_nothing_more(world: World) -> None:
    at_weight(world, 50)
    assert world.router.lower(world.app, ABORT, 1) == world.router.lower(world.app, ABORT, 1)


def test_a_halt_needs_no_epoch_and_with_revert_takes_the_canary_to_zero(world: World) -> None:
    at_weight(world, 50, epoch=9)
    route = world.router.halt(world.app, KILL, revert=True)
    assert (route.weight_pct, route.live_pct, route.halts, route.lease_left_s) == (0, 0, (KILL,), None)
    assert weights(world) == (100, 0)


def test_a_halt_without_revert_keeps_the_weight_and_lets_nothing_rise(world: World) -> None:
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


def test_a_halted_route_can_be_claimed_and_stays_halted(world: World) -> None:
    world.router.halt(world.app, KILL, revert=True)
    route = world.router.claim(world.app, 4)
    assert route.halts == (KILL,)
    with pytest.raises(Halted):
        world.router.write(world.app, RouteWrite(1, "r1", 4, route.revision, 60))


def test_halts_add_up_and_each_is_taken_off_by_its_own_id(world: World) -> None:
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
def test_a_write_out_of_bounds_is_refused(world: World, write: RouteWrite) -> None:
    route = world.router.claim(world.app, 1)
    with pytest.raises(Refused):
        world.router.write(world.app, replace(write, revision=route.revision))
    assert weights(world) == (100, 0)


def test_a_backend_or_server_that_haproxy_lacks_is_refused(world: World) -> None:
    missing = application(world.app.router.guard, backend="nowhere")
    other = replace(world.app, router=replace(world.app.router, canary_server="green"))
    for app in (missing, other):
        with pytest.raises(Refused):
            world.router.read(app)
    with pytest.raises(Refused):
        world.router.halt(missing, KILL, revert=True)


def test_a_lease_that_nobody_renews_takes_the_route_to_zero(world: World) -> None:
    before = at_weight(world, 25, lease_s=0.4)
    world.pass_time(0.5)
    assert weights(world) == (100, 0)
    route = world.router.read(world.app)
    assert (route.weight_pct, route.live_pct, route.lease_expired, route.lease_left_s) == (0, 0, True, None)
    assert route.revision > before.revision
    assert route.mark is not None
    assert route.mark.code == "lease_expired"
    with pytest.raises(Refused):
        world.router.renew(world.app, "r1", 1, 60)
    with pytest.raises(Conflict):
        world.router.write(world.app, RouteWrite(25, "r1", 1, before.revision, 60))
    route = world.router.write(world.app, RouteWrite(25, "r1", 1, route.revision, 60))
    assert (route.live_pct, route.lease_expired) == (25, False)


def test_a_renewed_lease_keeps_the_weight(world: World) -> None:
    at_weight(world, 25, lease_s=0.6)
    world.router.renew(world.app, "r1", 1, 60)
    world.pass_time(0.6)
    route = world.router.read(world.app)
    assert (route.live_pct, route.lease_expired) == (25, False)


def test_a_lease_is_renewed_by_its_release_only(world: World) -> None:
    at_weight(world, 25)
    with pytest.raises(Refused):
        world.router.renew(world.app, "r2", 1, 60)
    with pytest.raises(Refused):
        world.router.renew(world.app, "r1", 2, 60)


def test_drift_is_corrected_counted_and_changes_no_revision(world: World) -> None:
    before = at_weight(world, 10)
    world.tamper("set weight shop/canary 200")
    world.pass_time(0)
    assert weights(world) == (90, 10)
    route = world.router.read(world.app)
    assert (route.live_pct, route.drift_count, route.revision) == (10, 1, before.revision)
    world.pass_time(0)
    assert world.router.read(world.app).drift_count == 1


def test_a_reload_of_haproxy_is_drift_too(world: World) -> None:
    at_weight(world, 10)
    world.reload_haproxy()
    world.pass_time(0)
    assert weights(world) == (90, 10)
    assert world.router.read(world.app).drift_count == 1


def test_a_halted_route_is_followed_down_and_never_corrected_up(world: World) -> None:
    at_weight(world, 10)
    world.router.halt(world.app, KILL, revert=False)
    world.reload_haproxy()
    world.pass_time(0)
    assert weights(world) == (100, 0)
    assert world.router.read(world.app).weight_pct == 0


def test_a_halted_route_at_zero_stays_there_when_someone_raises_it_by_hand(world: World) -> None:
    at_weight(world, 10)
    world.router.halt(world.app, KILL, revert=True)
    world.tamper("set weight shop/canary 50")
    world.pass_time(0)
    assert weights(world) == (100, 0)


def test_a_stable_server_in_maintenance_is_put_back(world: World) -> None:
    at_weight(world, 1)
    world.tamper("set server shop/stable state maint")
    world.pass_time(0)
    assert world.servers("shop")["stable"].admin == "ready"


def test_a_canary_server_in_maintenance_is_left_there_and_reported(world: World) -> None:
    at_weight(world, 1)
    world.tamper("set server shop/canary state maint")
    world.pass_time(0)
    route = world.router.read(world.app)
    assert (route.weight_pct, route.live_pct, route.verified) == (1, 0, False)
    assert "maint" in route.trouble
    assert world.servers("shop")["canary"].admin == "maint"


def test_with_haproxy_gone_the_record_is_made_and_pushed_when_it_is_back(world: World) -> None:
    at_weight(world, 50)
    world.stop_haproxy()
    route = world.router.read(world.app)
    assert (route.weight_pct, route.live_pct, route.verified) == (50, None, False)
    assert route.trouble
    route = world.router.halt(world.app, KILL, revert=True)
    assert (route.weight_pct, route.live_pct, route.halts) == (0, None, (KILL,))
    world.start_haproxy()
    world.tamper("set weight shop/canary 50")
    world.pass_time(0)
    assert weights(world) == (100, 0)
    assert world.router.read(world.app).trouble == ""


def test_haproxy_back_from_a_stop_gets_its_weight_again_and_it_counts_as_drift(world: World) -> None:
    at_weight(world, 50)
    world.stop_haproxy()
    world.pass_time(0)
    world.start_haproxy()
    world.pass_time(0)
    assert weights(world) == (50, 50)
    assert world.router.read(world.app).drift_count == 1


def test_a_route_nobody_knows_yet_is_unavailable_while_haproxy_is_gone_but_can_be_halted(world: World) -> None:
    world.stop_haproxy()
    with pytest.raises(Unavailable):
        world.router.read(world.app)
    assert world.router.halt(world.app, KILL, revert=True).halts == (KILL,)
    world.start_haproxy()
    assert world.router.read(world.app).halts == (KILL,)


def test_without_its_guard_the_route_is_unavailable_and_the_weights_stay(world: World) -> None:
    at_weight(world, 10)
    world.kill_guard()
    calls: list[Callable[[], object]] = [
        lambda: world.router.read(world.app),
        lambda: world.router.write(world.app, RouteWrite(20, "r1", 1, 2, 60)),
        lambda: world.router.halt(world.app, KILL, revert=True),
    ]
    for call in calls:
        with pytest.raises(Unavailable):
            call()
    assert weights(world) == (90, 10)


def test_a_guard_that_was_killed_comes_back_with_everything_but_the_age_of_the_lease(world: World) -> None:
    at_weight(world, 10)
    before = world.router.halt(world.app, KILL, revert=False)
    world.kill_guard()
    world.start_guard()
    after = world.router.read(world.app)
    assert after.lease_left_s is not None
    assert 50 < after.lease_left_s <= 60
    assert replace(after, lease_left_s=None) == replace(before, lease_left_s=None)
    with pytest.raises(Halted):
        world.router.write(world.app, RouteWrite(11, "r1", 1, after.revision, 60))


def test_a_guard_that_finds_haproxy_below_its_record_at_its_start_does_not_raise_it(world: World) -> None:
    before = at_weight(world, 10)
    world.kill_guard()
    world.reload_haproxy()
    world.start_guard()
    world.pass_time(0)
    assert weights(world) == (100, 0)
    route = world.router.read(world.app)
    assert (route.weight_pct, route.live_pct) == (0, 0)
    assert route.revision > before.revision
    assert route.mark is not None
    assert route.mark.code == "found_lower"


@pytest.mark.parametrize("name", ["HALT", "HALT.shop"])
def test_a_halt_file_reverts_the_route_and_its_removal_alone_releases_nothing(world: World, name: str) -> None:
    at_weight(world, 10)
    world.halt_file(name, there=True)
    world.pass_time(0)
    assert weights(world) == (100, 0)
    route = world.router.read(world.app)
    assert [mark.engagement for mark in route.halts] == [f"file:{name}"]
    with pytest.raises(Refused):
        world.router.unhalt(world.app, frozenset({f"file:{name}"}), 1)
    world.halt_file(name, there=False)
    world.pass_time(0)
    with pytest.raises(Halted):
        world.router.write(world.app, RouteWrite(1, "r1", 1, route.revision, 60))
    route = world.router.unhalt(world.app, frozenset({f"file:{name}"}), 1)
    assert world.router.write(world.app, RouteWrite(1, "r1", 1, route.revision, 60)).live_pct == 1


def test_a_halt_file_holds_the_very_next_write(world: World) -> None:
    route = world.router.claim(world.app, 1)
    world.halt_file("HALT", there=True)
    with pytest.raises((Halted, Conflict)):
        world.router.write(world.app, RouteWrite(1, "r1", 1, route.revision, 60))
    assert weights(world) == (100, 0)


def test_a_halt_file_of_another_backend_holds_nothing_here(world: World) -> None:
    world.halt_file("HALT.other", there=True)
    assert at_weight(world, 10).live_pct == 10


def test_a_disk_that_refuses_lets_nothing_rise_and_every_stop_still_stops(world: World) -> None:
    route = at_weight(world, 10)
    world.break_disk(True)
    with pytest.raises(Refused):
        world.router.write(world.app, RouteWrite(20, "r1", 1, route.revision, 60))
    assert weights(world) == (90, 10)
    assert world.router.read(world.app).weight_pct == 10
    for _ in range(2):
        with pytest.raises(Unknown):
            world.router.halt(world.app, KILL, revert=True)
    assert weights(world) == (100, 0)
    assert world.router.read(world.app).halts == (KILL,)
    world.break_disk(False)
    world.pass_time(0)
    world.kill_guard()
    world.start_guard()
    assert world.router.read(world.app).halts == (KILL,)


def slots(world: World, role: Role) -> dict[str, tuple[int, str]]:
    states = world.router.endpoint_states(world.app, role)
    return {state.slot: (state.port, state.admin) for state in states if state.admin != "maint"}


def fill(world: World, *endpoints: tuple[int, bool], epoch: int = 1) -> None:
    addresses = [Endpoint("127.0.0.1", port, drain) for port, drain in endpoints]
    world.router.set_endpoints(world.app, Role.CANARY, addresses, epoch)


def test_endpoints_fill_free_slots_and_keep_their_place(world: World) -> None:
    fill(world, (4001, False), (4002, False))
    first = slots(world, Role.CANARY)
    assert sorted(first.values()) == [(4001, "ready"), (4002, "ready")]
    fill(world, (4003, False), (4002, False), (4001, False))
    second = slots(world, Role.CANARY)
    assert first.items() <= second.items()
    assert len(second) == 3
    assert slots(world, Role.STABLE) == {}


def test_a_draining_endpoint_keeps_its_slot_and_gets_nothing_new(world: World) -> None:
    fill(world, (4001, False), (4002, False))
    fill(world, (4001, True), (4002, False))
    assert sorted(slots(world, Role.CANARY).values()) == [(4001, "drain"), (4002, "ready")]
    fill(world, (4001, False), (4002, False))
    assert sorted(slots(world, Role.CANARY).values()) == [(4001, "ready"), (4002, "ready")]


def test_an_endpoint_that_is_gone_is_drained_and_then_parked(world: World) -> None:
    fill(world, (4001, False), (4002, False))
    fill(world, (4002, False))
    assert set(slots(world, Role.CANARY).values()) <= {(4001, "drain"), (4002, "ready")}
    world.pass_time(0)
    assert list(slots(world, Role.CANARY).values()) == [(4002, "ready")]
    fill(world)
    world.pass_time(0)
    assert slots(world, Role.CANARY) == {}


def test_a_full_pool_takes_successors_while_their_predecessors_drain(world: World) -> None:
    fill(world, *((port, False) for port in range(4001, 4005)))
    fill(world, *((port, False) for port in range(4003, 4007)))
    ready = {port for port, admin in slots(world, Role.CANARY).values() if admin == "ready"}
    assert ready == {4003, 4004, 4005, 4006}


def test_more_endpoints_than_slots_are_refused_and_change_nothing(world: World) -> None:
    fill(world, (4001, False))
    with pytest.raises(Refused, match="4 server slots, 5"):
        fill(world, *((port, False) for port in range(4001, 4006)))
    assert list(slots(world, Role.CANARY).values()) == [(4001, "ready")]


@pytest.mark.parametrize("endpoint", [Endpoint("localhost", 80), Endpoint("127.0.0.1", 0), Endpoint("::1;quit", 80)])
def test_an_endpoint_that_is_not_an_address_is_refused(world: World, endpoint: Endpoint) -> None:
    with pytest.raises(Refused):
        world.router.set_endpoints(world.app, Role.CANARY, [endpoint], 1)


def test_an_endpoint_listed_twice_is_refused(world: World) -> None:
    with pytest.raises(Refused):
        fill(world, (4001, False), (4001, True))


def test_an_address_of_ip_version_six_is_taken(world: World) -> None:
    world.router.set_endpoints(world.app, Role.CANARY, [Endpoint("0:0:0:0:0:0:0:1", 4001)], 1)
    (state,) = [s for s in world.router.endpoint_states(world.app, Role.CANARY) if s.admin == "ready"]
    assert (state.host, state.port) == ("::1", 4001)


def test_slots_are_filled_again_after_a_reload_and_after_a_crash_of_the_guard(world: World) -> None:
    fill(world, (4001, False), (4002, True))
    world.reload_haproxy()
    eventually(lambda: _passed(world) and len(slots(world, Role.CANARY)) == 2)
    assert sorted(slots(world, Role.CANARY).values()) == [(4001, "ready"), (4002, "drain")]
    world.kill_guard()
    world.reload_haproxy()
    world.start_guard()
    eventually(lambda: _passed(world) and len(slots(world, Role.CANARY)) == 2)
    assert sorted(slots(world, Role.CANARY).values()) == [(4001, "ready"), (4002, "drain")]


def _passed(world: World) -> bool:
    world.pass_time(0)
    return True


def test_endpoints_while_haproxy_is_gone_are_unknown_or_unavailable_and_converge_when_called_again(
    world: World,
) -> None:
    fill(world, (4001, False))
    world.stop_haproxy()
    with pytest.raises((Unknown, Unavailable)):
        fill(world, (4001, False))
    world.start_haproxy()
    fill(world, (4001, False))
    assert list(slots(world, Role.CANARY).values()) == [(4001, "ready")]


def test_an_older_epoch_cannot_fill_a_pool(world: World) -> None:
    fill(world, (4001, False), epoch=5)
    with pytest.raises(Fenced):
        fill(world, (4002, False), epoch=4)
    assert list(slots(world, Role.CANARY).values()) == [(4001, "ready")]


def test_a_route_without_pools_refuses_endpoints(world: World) -> None:
    bare = replace(world.app, router=replace(world.app.router, canary_pool=None))
    with pytest.raises(Refused):
        world.router.set_endpoints(bare, Role.CANARY, [], 1)
