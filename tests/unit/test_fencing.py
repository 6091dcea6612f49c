"""Who is believed about a newer leader: behind HAProxy the guard, in a cluster the store and no note on an object."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.model import Role
from controller.act import act, act_at_rest
from controller.core.effects import Ensure, Lower, Unhalt
from controller.core.model import Application, Mark, Observation, RouteState
from controller.fencing import Outranked
from controller.observe import claimed_route
from controller.ports import Fenced, Ports, Unavailable
from tests.unit.behaviour.world import World
from tests.unit.core.build import a_cluster_app, a_release, a_route, an_app

STOP = Lower(Mark("shop-1", "aborted", "for a test"))
CLUSTER, LOCAL = a_cluster_app(), an_app()


class Noted:
    """A route of several objects, one of which names ``newest``."""

    def __init__(self, epoch: int, newest: int) -> None:
        self.route = a_route(10, epoch=epoch, newest_epoch=newest)
        self.claimed: list[int] = []

    def read(self, _app: Application, _hint: bool = False, _lease: bool = True) -> RouteState:
        return self.route

    def claim(self, _app: Application, epoch: int) -> RouteState:
        self._fence(epoch)
        self.claimed.append(epoch)
        return replace(self.route, epoch=epoch)

    def lower(self, _app: Application, mark: Mark, epoch: int) -> RouteState:
        self._fence(epoch)
        self.route = replace(self.route, weight_pct=0, live_pct=0, mark=mark)
        return self.route

    def unhalt(self, _app: Application, _engagements: frozenset[str], epoch: int) -> RouteState:
        self._fence(epoch)
        return self.route

    def _fence(self, epoch: int) -> None:
        if epoch < max(self.route.epoch, self.route.newest_epoch):
            raise Fenced("a newer leader")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def ports_of(world: World, router: Any) -> Ports:
    return replace(world.ports, router=router)


@pytest.mark.parametrize("router", [Noted(999, 999), Noted(0, 999)], ids=["all", "one_of_several"])
def test_in_a_cluster_a_note_holds_the_application_and_says_what_to_do(world: World, router: Noted) -> None:
    with pytest.raises(Outranked, match=r"HTTPRoute web/shop .*epoch 999.* only shop .*--min-epoch 1000"):
        claimed_route(ports_of(world, router), CLUSTER, world.epoch)
    assert router.claimed == []


def test_a_note_that_comes_between_the_look_and_the_claim_holds_one_application_too(world: World) -> None:
    router = Noted(0, 999)
    router.read = lambda _app, _hint=False, _lease=True: a_route(10, epoch=0)  # type: ignore[method-assign]
    with pytest.raises(Outranked, match="only shop is held"):
        claimed_route(ports_of(world, router), CLUSTER, world.epoch)


def test_behind_haproxy_the_guard_is_believed(world: World) -> None:
    with pytest.raises(Fenced):
        claimed_route(ports_of(world, Noted(999, 999)), LOCAL, world.epoch)


@pytest.mark.parametrize("app", [CLUSTER, LOCAL], ids=["cluster", "haproxy"])
def test_a_store_with_a_newer_leader_ends_the_lead(world: World, app: Application) -> None:
    world.memory.lead("rival", world.clock.now_s())
    ports, router = ports_of(world, Noted(999, 999)), Noted(999, 999)
    with pytest.raises(Fenced):
        claimed_route(ports, app, world.epoch)
    with pytest.raises(Fenced):
        act(ports_of(world, router), a_release(app=app), Observation(), (STOP,), world.epoch)
    assert router.route.weight_pct == 10


def test_a_store_that_cannot_be_asked_holds_and_overrules_nobody(world: World) -> None:
    world.store.fail(Unavailable("planted by the test"), "epoch")
    router = Noted(999, 999)
    with pytest.raises(Outranked):
        claimed_route(ports_of(world, router), CLUSTER, world.epoch)
    acted = act(ports_of(world, router), a_release(app=CLUSTER), Observation(), (STOP,), world.epoch)
    assert len(acted.troubles) == 1
    assert router.route.weight_pct == 10


@pytest.mark.parametrize("router", [Noted(999, 999), Noted(0, 999)], ids=["all", "one_of_several"])
def test_a_stop_goes_past_a_note_in_a_release_and_at_rest(world: World, router: Noted) -> None:
    before, ports = router.route, ports_of(world, router)
    assert act(ports, a_release(app=CLUSTER), Observation(), (STOP,), world.epoch).troubles == ()
    assert router.route.weight_pct == 0
    router.route = before
    assert act_at_rest(ports, CLUSTER, (STOP,), world.epoch).troubles == ()
    assert router.route.weight_pct == 0


def test_what_is_no_stop_is_told_as_a_trouble_of_one_application(world: World) -> None:
    ports = ports_of(world, Noted(999, 999))
    acted = act_at_rest(ports, CLUSTER, (Unhalt(frozenset({"k-1"})),), world.epoch)
    assert "only shop is held" in acted.troubles[0]

    def fenced(*_args: object) -> None:
        raise Fenced("a newer leader")

    world.workload.watch("ensure", fenced)
    wanted = (Ensure(Role.CANARY, "v2"),)
    acted = act(ports, a_release(app=CLUSTER), Observation(), wanted, world.epoch)
    assert "only shop is held" in acted.troubles[0]
    with pytest.raises(Fenced):
        act(ports, a_release(app=LOCAL), Observation(), wanted, world.epoch)
