"""The Endpoints port: addresses in server slots, on the fake and on a real HAProxy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from analysis.model import Role
from controller.adapters.endpoints import Endpoint
from controller.ports import Fenced, Refused, Unavailable, Unknown
from tests.contract.router_fixtures import World, eventually, opened


@pytest.fixture(params=["fake", pytest.param("real", marks=[pytest.mark.real, pytest.mark.timeout(60)])])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with opened(request.param) as world:
        yield world


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
    bare = replace(world.app, router=replace(world.app.haproxy, canary_pool=None))
    with pytest.raises(Refused):
        world.router.set_endpoints(bare, Role.CANARY, [], 1)
