"""An application at rest costs no call: a watch answers looks at it, or the server where the watch may be late."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from controller.adapters.clock import SystemClock
from controller.adapters.kube.kinds import HTTP_ROUTE, Kind
from controller.adapters.kube.routes.caches import RouteCaches
from controller.adapters.kube.routes.kinds import strategies
from controller.adapters.kube.routes.router import KubeRouter
from controller.adapters.kube.watching import Pace
from controller.core.model import RouteState
from controller.ports import Refused, RouteWrite
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.small.faults import Fault, Trouble
from tests.kube.route_kits import KITS, RouteKit
from tests.kube.route_stage import ABORT, KILL, RouteStage, staged

QUICK = Pace(first_pause_s=0.02, longest_pause_s=0.1)


class Hints:
    def __init__(self) -> None:
        self.heard: list[tuple[Kind, str, str]] = []

    def __call__(self, *hint: object) -> None:
        kind, namespace, name = hint
        assert isinstance(kind, Kind)
        self.heard.append((kind, str(namespace), str(name)))


@pytest.fixture
def hints() -> Hints:
    return Hints()


@pytest.fixture(params=[None, "its own"], ids=["every namespace", "one namespace"])
def caches(request: pytest.FixtureRequest, stage: RouteStage, hints: Hints) -> Iterator[RouteCaches]:
    namespaces = None if request.param is None else [stage.cluster.namespace]
    caches = RouteCaches(stage.api, SystemClock(), namespaces, hints, QUICK)
    stage.router = KubeRouter(stage.api, stage.clock, caches, wait=stage.waits.append)
    yield caches
    caches.stop()


@pytest.fixture(params=KITS, ids=lambda kit: kit.kind.value)
def stage(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[RouteStage]:
    kit: RouteKit = request.param
    with staged(cluster, kit) as stage:
        yield stage


def at_rest(stage: RouteStage, caches: RouteCaches) -> None:
    """Claimed, at 0, and known to the watch."""
    stage.router.claim(stage.app, 1)
    stage.router.lower(stage.app, ABORT, 1)
    kind = strategies()[stage.kit.kind].kind
    assert caches.wait(kind, stage.cluster.namespace, 8.0)
    stage.cluster.wait(lambda: stage.router.read(stage.app, hint=True).mark == ABORT, "the watch has heard of it")


def test_a_look_at_an_application_at_rest_costs_no_call(stage: RouteStage, caches: RouteCaches) -> None:
    at_rest(stage, caches)
    before = len(stage.calls())
    for _ in range(50):
        seen = stage.router.read(stage.app, hint=True)
        assert (seen.weight_pct, seen.live_pct, seen.epoch) == (0, 0, 1)
    assert stage.calls()[before:] == []


def test_what_is_marked_on_a_route_with_a_weight_costs_no_call_either(cluster: Cluster) -> None:
    """The search for forgotten kills asks for every route, those of running releases too; their lease it leaves."""
    with staged(cluster, KITS[0]) as stage:
        caches = RouteCaches(stage.api, SystemClock(), [cluster.namespace], Hints(), QUICK)
        stage.router = KubeRouter(stage.api, stage.clock, caches, wait=stage.waits.append)
        try:
            revision = stage.router.claim(stage.app, 1).revision
            stage.router.write(stage.app, RouteWrite(10, "r-1", 1, revision, 60.0))
            assert caches.wait(HTTP_ROUTE, cluster.namespace, 8.0)

            def marks() -> RouteState:
                return stage.router.read(stage.app, hint=True, lease=False)

            cluster.wait(lambda: marks().weight_pct == 10, "the watch has heard of it")
            before = len(stage.calls())
            assert {marks().weight_pct for _ in range(20)} == {10}
            assert stage.calls()[before:] == []
            assert stage.router.read(stage.app, hint=True).lease_left_s is not None
            stage.another().halt(stage.app, KILL, revert=False)
            cluster.wait(lambda: marks().halts == (KILL,), "the halt is heard of")
        finally:
            caches.stop()


def test_a_change_is_heard_and_hinted_at(stage: RouteStage, caches: RouteCaches, hints: Hints) -> None:
    at_rest(stage, caches)
    hints.heard.clear()
    stage.kit.edit(stage.cluster, 50)
    stage.cluster.wait(lambda: stage.router.read(stage.app, hint=True).live_pct != 0, "the edit is heard")
    assert (stage.cluster.namespace, stage.kit.carrier) in {(space, name) for _, space, name in hints.heard}
    halted = stage.another().halt(stage.app, KILL, revert=True)
    assert halted.halts == (KILL,)
    stage.cluster.wait(lambda: stage.router.read(stage.app, hint=True).halts == (KILL,), "the kill is heard")


def test_a_route_with_a_weight_is_asked_for_even_on_a_hint(stage: RouteStage, caches: RouteCaches) -> None:
    at_rest(stage, caches)
    route = stage.write(stage.router.read(stage.app), 10)
    assert route.live_pct == 10
    stage.cluster.wait(lambda: stage.router.read(stage.app, hint=True).weight_pct == 10, "the weight is heard")
    before = len(stage.calls())
    assert stage.router.read(stage.app, hint=True).lease_left_s == 60.0
    assert [call.verb for call in stage.calls()[before:]].count("get") >= 1


def test_after_the_watches_are_stopped_every_look_asks(stage: RouteStage, caches: RouteCaches) -> None:
    at_rest(stage, caches)
    caches.stop()
    before = len(stage.calls())
    assert stage.router.read(stage.app, hint=True).live_pct == 0
    assert [call.verb for call in stage.calls()[before:]].count("get") >= 1


def test_a_watch_that_is_lost_is_not_believed(small_cluster: Cluster) -> None:
    with staged(small_cluster, KITS[0]) as stage:
        caches = RouteCaches(stage.api, SystemClock(), [small_cluster.namespace], Hints(), QUICK)
        stage.router = KubeRouter(stage.api, stage.clock, caches, wait=stage.waits.append)
        try:
            at_rest(stage, caches)
            with (
                small_cluster.faults.on(Fault(Trouble.END, verb="watch", resource="httproutes")),
                small_cluster.faults.on(Fault(Trouble.ANSWER, verb="list", resource="httproutes", code=403)),
                small_cluster.faults.on(Fault(Trouble.ANSWER, verb="watch", resource="httproutes", code=403)),
            ):
                before = len(stage.calls())

                def asked() -> bool:
                    assert stage.router.read(stage.app, hint=True).live_pct == 0
                    return any(call.verb == "get" for call in stage.cluster.calls()[before:])

                small_cluster.wait(asked, "the server is asked instead")
        finally:
            caches.stop()


def test_an_object_outside_the_watched_namespaces_is_asked_for(cluster: Cluster) -> None:
    with staged(cluster, KITS[0]) as stage:
        caches = RouteCaches(stage.api, SystemClock(), ["elsewhere"], Hints(), QUICK)
        router = KubeRouter(stage.api, stage.clock, caches)
        try:
            assert router.read(stage.app, hint=True).live_pct == 0
            assert not caches.wait(HTTP_ROUTE, cluster.namespace, 0.0)
            cluster.delete("httproutes", "shop")
            with pytest.raises(Refused):
                router.read(stage.app, hint=True)
        finally:
            caches.stop()
