"""Stops on every kind of route while the API server, other writers and everything else are in trouble. Scenarios 12, 13
and 14: an abort that waits for nothing; and writes whose answers are lost, which are never repeated blindly."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from controller.adapters.kube.errors import Busy
from controller.adapters.kube.routes.router import wait
from controller.adapters.kube.routes.tries import STOP_TRIES_MAX, TRIES_MAX
from controller.core.targets import RouteKind, RouteObject
from controller.ports import Conflict, Refused, RouteWrite, Unavailable, Unknown
from tests.kube.cluster import builders
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.small.faults import Fault, Trouble
from tests.kube.route_kits import KITS, STABLE, Gateway, RouteKit, endpoint_slice, without_ours
from tests.kube.route_stage import ABORT, KILL, RouteStage, staged

Stop = Callable[[RouteStage], object]
STOPS: list[Stop] = [
    lambda stage: stage.router.lower(stage.app, ABORT, 1),
    lambda stage: stage.router.halt(stage.app, KILL, revert=True),
]
stops = pytest.mark.parametrize("stop", STOPS, ids=["lower", "halt"])


@pytest.fixture(params=KITS, ids=lambda kit: kit.kind.value)
def stage(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[RouteStage]:
    with staged(cluster, request.param) as stage:
        yield stage


@pytest.fixture(params=KITS, ids=lambda kit: kit.kind.value)
def small(small_cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[RouteStage]:
    """On the server that can be troubled. A call that is not answered is given up after half a second. No stand-in
    writes to the routes, so that every conflict is one that the test made."""
    small_cluster.gateway.confirm_after_s = None
    with staged(small_cluster, request.param, read_s=0.5) as stage:
        yield stage


def carrier(stage: RouteStage, trouble: Trouble, verb: str = "patch", **more: object) -> Fault:
    plural, name = stage.kit.plural, stage.kit.carrier
    return Fault(trouble, verb=verb, resource=plural, namespace=stage.cluster.namespace, name=name, **more)  # type: ignore[arg-type]


@stops
def test_a_stop_needs_no_stable_that_is_ready_and_no_canary_that_is_there(stage: RouteStage, stop: Stop) -> None:
    """Scenarios 12 to 14: stable is degraded and being scaled in the same moment, the canary's pods are gone."""
    stage.at(10)
    stage.cluster.deployment(STABLE, replicas=10)
    stage.cluster.patch("deployments", STABLE, {"spec": {"replicas": 15}})
    if stage.kit.kind is RouteKind.ENDPOINT_SLICE:
        stage.cluster.apply(endpoint_slice(f"{STABLE}-0", STABLE, "10.1.0.", 9, unready=1))
        stage.cluster.delete("endpointslices", "shop-canary-0")
    began_s = time.monotonic()
    stop(stage)
    assert time.monotonic() - began_s < 2.0
    assert stage.share_pct == 0


@stops
def test_a_stop_gets_through_a_storm_of_other_writers(stage: RouteStage, stop: Stop) -> None:
    stage.at(10)
    over, written = threading.Event(), 0

    def write() -> None:
        nonlocal written
        client = stage.cluster.caller()
        kind = stage.cluster.kind(stage.kit.plural)
        while not over.is_set():
            written += 1
            patch = {"metadata": {"annotations": {"storm": str(written)}}}
            client.patch(kind, stage.cluster.namespace, stage.kit.carrier, patch)

    router = stage.another(wait)
    stormy = threading.Thread(target=write)
    stormy.start()
    try:
        stage.cluster.wait(lambda: written > 5, "the storm has begun")
        stage.router = router
        stop(stage)
    finally:
        over.set()
        stormy.join(10)
    assert stage.share_pct == 0
    assert int(stage.raw()["metadata"]["annotations"]["storm"]) > 5


@stops
def test_a_stop_is_tried_again_after_every_conflict_and_gives_up_in_the_end(small: RouteStage, stop: Stop) -> None:
    small.at(10)
    fault = carrier(small, Trouble.ANSWER, code=409, times=STOP_TRIES_MAX - 1)
    with small.cluster.faults.on(fault):
        stop(small)
    assert (small.share_pct, fault.happened, len(small.waits)) == (0, STOP_TRIES_MAX - 1, STOP_TRIES_MAX - 1)


@stops
def test_a_storm_that_never_ends_is_told(small: RouteStage, stop: Stop) -> None:
    small.at(10)
    with small.cluster.faults.on(carrier(small, Trouble.ANSWER, code=409)) as fault, pytest.raises(Conflict):
        stop(small)
    assert fault.happened == STOP_TRIES_MAX


def test_a_write_meets_other_writers_a_few_times_and_then_leaves_it_to_the_next_look(small: RouteStage) -> None:
    route = small.at(10)
    with small.cluster.faults.on(carrier(small, Trouble.ANSWER, code=409, times=2)):
        route = small.write(route, 25)
    assert route.live_pct == 25
    with small.cluster.faults.on(carrier(small, Trouble.ANSWER, code=409)) as fault, pytest.raises(Conflict):
        small.write(route, 50)
    assert fault.happened == TRIES_MAX
    assert round(small.share_pct) == 25


@stops
@pytest.mark.parametrize("trouble", [Trouble.CUT_BEFORE, Trouble.CUT_AFTER, Trouble.GARBAGE])
def test_a_stop_whose_answer_was_lost_is_read_back_and_done_once(
    small: RouteStage, stop: Stop, trouble: Trouble
) -> None:
    small.at(10)
    revision, before = small.note()["revision"], len(small.calls())
    with small.cluster.faults.on(carrier(small, trouble, times=1)):
        stop(small)
    assert small.share_pct == 0
    assert small.note()["revision"] - revision in (1, 2), "a halt that reverts is two changes in one"
    assert small.writes(before).count(f"patch {small.kit.plural}") == (2 if trouble is Trouble.CUT_BEFORE else 1)


@pytest.mark.parametrize("trouble", [Trouble.CUT_AFTER, Trouble.GARBAGE])
def test_a_write_whose_answer_was_lost_but_which_was_done_is_not_sent_again(
    small: RouteStage, trouble: Trouble
) -> None:
    route = small.at(10)
    before = len(small.calls())
    with small.cluster.faults.on(carrier(small, trouble, times=1)):
        after = small.write(route, 25)
    assert (after.weight_pct, after.live_pct, after.revision) == (25, 25, route.revision + 1)
    assert small.writes(before).count(f"patch {small.kit.plural}") == 1


def test_a_write_whose_answer_was_lost_and_which_was_not_done_is_unknown_and_not_sent_again(small: RouteStage) -> None:
    route = small.at(10)
    before = len(small.calls())
    with small.cluster.faults.on(carrier(small, Trouble.CUT_BEFORE, times=1)), pytest.raises(Unknown):
        small.write(route, 25)
    assert small.writes(before).count(f"patch {small.kit.plural}") == 1
    assert round(small.share_pct) == 10
    assert small.write(route, 25).live_pct == 25, "the next look takes it up"


def test_a_write_whose_answer_was_lost_stays_unknown_while_nothing_can_be_read(small: RouteStage) -> None:
    route = small.at(10)
    faults = small.cluster.faults
    away = carrier(small, Trouble.ANSWER, verb="get", code=503, retry_after_s=1)
    # The router pauses after the cut, and from then on nothing can be read.

    def pause(_: float) -> None:
        faults.add(away)

    small.router = small.another(pause)
    with faults.on(carrier(small, Trouble.CUT_AFTER, times=1)), pytest.raises(Unknown):
        small.write(route, 25)
    faults.clear()
    assert small.router.read(small.app).live_pct == 25


@stops
def test_a_stop_asks_a_busy_server_again_soon_and_a_write_leaves_it_to_the_next_look(
    small: RouteStage, stop: Stop
) -> None:
    route = small.at(10)
    busy = carrier(small, Trouble.ANSWER, code=429, retry_after_s=1, times=3)
    with small.cluster.faults.on(busy):
        with pytest.raises(Busy):
            small.write(route, 25)
        stop(small)
    assert (small.share_pct, busy.happened) == (0, 3)
    assert max(small.waits) <= 0.25


@stops
def test_a_stop_tries_a_lost_server_thrice_and_then_answers(small: RouteStage, stop: Stop) -> None:
    small.at(10)
    small.cluster.server.go()
    try:
        with pytest.raises(Unavailable):
            stop(small)
    finally:
        small.cluster.server.come_back()
    assert len(small.waits) == 2
    stop(small)
    assert small.share_pct == 0


@stops
@pytest.mark.parametrize("verb", ["get", "create", "patch"])
def test_leases_that_fail_matter_to_a_rise_and_not_to_a_stop(small: RouteStage, stop: Stop, verb: str) -> None:
    route = small.at(10)
    small.router = small.another()
    fault = Fault(Trouble.ANSWER, verb=verb, resource="leases", code=403)
    if verb == "create":
        small.cluster.delete("leases", "interlock-shop")
    with small.cluster.faults.on(fault):
        with pytest.raises(Refused):
            small.write(route, 25)
        assert round(small.share_pct) == 10
        stop(small)
    assert small.share_pct == 0


@stops
def test_a_slow_object_holds_up_no_other(small_cluster: Cluster, stop: Stop) -> None:
    kit: RouteKit = Gateway(RouteKind.HTTP_ROUTE, "httproutes")
    with staged(small_cluster, kit) as stage:
        kit.make(small_cluster, "second")
        stage.app = stage.with_route(objects=(RouteObject(kit.kind, "second"), RouteObject(kit.kind, STABLE)))
        stage.at(10)
        slow = Fault(Trouble.DELAY, resource="httproutes", name="second", seconds=1.0)
        small_cluster.faults.add(slow)
        stopping = threading.Thread(target=stop, args=(stage,))
        stopping.start()
        try:
            stage.cluster.wait(lambda: stage.share_pct == 0, "the other object is back", 0.9)
        finally:
            stopping.join(10)
        assert kit.share_pct(small_cluster, "second") == 0


RULES = [
    {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch", "create"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["*"]},
]


def test_a_right_that_is_missing_is_told_with_the_rule_that_a_role_needs(stage: RouteStage) -> None:
    stage.at(10)
    before = without_ours(stage.raw())
    told = pytest.raises(Refused, match=f"A Role must allow patch on {stage.kit.plural}")
    with stage.as_identity(stage.cluster.identity("limited", RULES)) as limited, told:
        limited.lower(stage.app, ABORT, 1)
    assert without_ours(stage.raw()) == before


def test_a_stop_does_not_need_the_right_to_leases(stage: RouteStage) -> None:
    rules = [{"apiGroups": ["*"], "resources": [stage.kit.plural], "verbs": ["get", "patch"]}]
    stage.at(10)
    with stage.as_identity(stage.cluster.identity("limited", rules)) as limited:
        limited.lower(stage.app, ABORT, 1)
        assert stage.share_pct == 0
        with pytest.raises(Refused):
            limited.write(stage.app, RouteWrite(10, "r1", 1, stage.note()["revision"], 60.0))
        limited.halt(stage.app, KILL, revert=True)
    assert [mark["engagement"] for mark in stage.note()["halts"]] == ["kill-1"]


def test_a_halt_of_an_object_that_nobody_has_claimed_is_latched(stage: RouteStage) -> None:
    """The first thing that ever happens to a route may be a kill."""
    stage.cluster.apply(builders.service("other"))
    route = stage.router.halt(stage.app, KILL, revert=True)
    assert (route.halts, route.weight_pct, route.live_pct, route.epoch) == ((KILL,), 0, 0, 0)
    route = stage.router.claim(stage.app, 1)
    assert route.halts == (KILL,)
