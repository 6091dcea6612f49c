"""The Router port when HAProxy drifts or is gone, the guard dies, the disk refuses, or a HALT file appears."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from controller.core.model import Mark, RouteState
from controller.ports import Conflict, Halted, Refused, RouteWrite, Unavailable, Unknown
from tests.contract.router_fixtures import World, opened

KILL = Mark(None, "kill", "someone pressed the button", "kill-1")


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
