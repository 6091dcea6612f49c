"""Weights on every kind of route: what a write touches, what it leaves byte for byte, and that saying it twice costs
nothing. Scenarios 27 and 29, and the routers' habits of deleting or rewriting what is a user's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from controller.core.targets import RouteKind, RouteObject
from controller.ports import Conflict, Refused
from tests.kube.cluster.cluster import Cluster
from tests.kube.route_kits import CANARY, KITS, ROUTE, STABLE, Gateway, RouteKit, Traefik, without_ours
from tests.kube.route_stage import ABORT, KILL, RouteStage, staged

OWN = (RouteKind.INGRESS, RouteKind.ENDPOINT_SLICE)
"""Kinds whose weights are in an object of ours."""


@pytest.fixture(params=KITS, ids=lambda kit: kit.kind.value)
def stage(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[RouteStage]:
    kit: RouteKit = request.param
    with staged(cluster, kit) as stage:
        yield stage


def test_everything_foreign_stays_byte_for_byte_through_a_whole_release(stage: RouteStage) -> None:
    before = stage.kit.foreign(stage.user())
    as_it_was = without_ours(stage.user())
    route = stage.at(0)
    for weight_pct in (5, 10, 50, 5):
        route = stage.write(route, weight_pct)
        assert stage.kit.foreign(stage.user()) == before
        assert stage.share_pct <= weight_pct
    stage.router.lower(stage.app, ABORT, 1)
    stage.router.halt(stage.app, KILL, revert=True)
    assert stage.kit.foreign(stage.user()) == before
    stage.router.forget(stage.app)
    assert without_ours(stage.user()) == as_it_was


def test_what_is_given_back_holds_nothing_of_ours_and_giving_it_back_again_is_done_already(stage: RouteStage) -> None:
    stage.at(10)
    for _ in range(2):
        stage.router.forget(stage.app)
        assert stage.share_pct == 0
        assert "interlock" not in str(without_ours(stage.user()))
        assert ROUTE not in stage.user()["metadata"].get("annotations", {})
        assert stage.cluster.find("leases", "interlock-shop") is None
        if stage.kit.kind in OWN:
            assert stage.cluster.find(stage.kit.plural, stage.kit.carrier) is None


def test_the_record_names_the_canarys_service_so_that_a_policy_need_not_guess_it(stage: RouteStage) -> None:
    route = stage.at(10)
    assert stage.note()["canary"] == CANARY
    old = {key: value for key, value in stage.note().items() if key != "canary"}
    stage.cluster.patch(stage.kit.plural, stage.kit.carrier, {"metadata": {"annotations": {ROUTE: json.dumps(old)}}})
    stage.write(stage.router.read(stage.app), 10)
    assert stage.note() == {**old, "canary": CANARY}, "one that was written without it gets it with the next write"
    assert stage.router.read(stage.app).revision == route.revision


def test_the_same_write_again_sends_nothing(stage: RouteStage) -> None:
    first = stage.at(10)
    version, before = stage.raw()["metadata"]["resourceVersion"], len(stage.calls())
    again = stage.write(first, 10)
    assert stage.writes(before) == []
    assert replace(again, unconfirmed="") == replace(first, unconfirmed="")
    stage.router.claim(stage.app, 1)
    assert stage.writes(before) == []
    if not isinstance(stage.kit, Gateway):  # whose status the stand-in writes
        assert stage.raw()["metadata"]["resourceVersion"] == version


def test_a_stop_again_sends_nothing(stage: RouteStage) -> None:
    stage.at(10)
    stops: list[Callable[[], object]] = [
        lambda: stage.router.lower(stage.app, ABORT, 1),
        lambda: stage.router.halt(stage.app, KILL, revert=True),
        lambda: stage.router.unhalt(stage.app, frozenset({"kill-1"}), 1),
    ]
    for stop in stops:
        stop()
        before = len(stage.calls())
        stop()
        assert stage.writes(before) == []


def test_a_stop_is_one_read_and_one_write_of_the_object_and_nothing_else(stage: RouteStage) -> None:
    """So it depends on nothing: no stable that is ready, no scaling that has ended, no pod that is there."""
    stage.at(10)
    _quiet(stage)
    before = len(stage.calls())
    stage.router.lower(stage.app, ABORT, 1)
    asked = [f"{call.verb} {call.resource} {call.name}" for call in stage.calls()[before:]]
    assert asked == [f"{verb} {stage.kit.plural} {stage.kit.carrier}" for verb in ("get", "patch")]
    assert stage.share_pct == 0


def _quiet(stage: RouteStage) -> None:
    """Until a stand-in has said of the route what it has to say, so that its write meets none of ours."""
    if isinstance(stage.kit, Gateway):
        stage.cluster.apply(_service(STABLE))
        stage.cluster.apply(_service(CANARY))
        for name in ("pay", "pay-old"):
            stage.cluster.apply(_service(name))
        read = stage.router.read
        stage.cluster.wait(lambda: not read(stage.app).unconfirmed, "the route is confirmed")


def _service(name: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}}


def test_the_annotation_is_one_and_says_what_the_weights_say(stage: RouteStage) -> None:
    stage.at(10)
    note = stage.note()
    assert (note["weight_pct"], note["release_id"], note["epoch"], note["revision"]) == (10, "r1", 1, 2)
    ours = [key for key in stage.raw()["metadata"]["annotations"] if key.startswith("interlock.dev/")]
    assert set(ours) <= {"interlock.dev/route", "interlock.dev/endpoints"}


def test_a_missing_object_is_refused_with_what_to_do(stage: RouteStage) -> None:
    if stage.kit.kind is RouteKind.ENDPOINT_SLICE:
        return  # the object is ours; a Service that is missing is told before the first weight
    gone = stage.with_route(objects=(RouteObject(stage.kit.kind, "nowhere"),))
    with pytest.raises(Refused, match="nowhere is missing: create it"):
        stage.router.claim(gone, 1)


@pytest.fixture(
    params=[kit for kit in KITS if kit.kind is not RouteKind.ENDPOINT_SLICE], ids=lambda kit: kit.kind.value
)
def two(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[RouteStage]:
    """Two objects of one application: shop, and second."""
    kit: RouteKit = request.param
    with staged(cluster, kit) as stage:
        kit.make(cluster, "second")
        stage.app = stage.with_route(objects=(RouteObject(kit.kind, "second"), RouteObject(kit.kind, STABLE)))
        yield stage


def shares(stage: RouteStage) -> list[float]:
    return [stage.kit.share_pct(stage.cluster, name) for name in ("second", STABLE)]


def test_all_objects_of_an_application_get_the_same_weight(two: RouteStage) -> None:
    route = two.at(10)
    assert (route.weight_pct, route.live_pct, shares(two)) == (10, 10, [10, 10])
    two.router.lower(two.app, ABORT, 1)
    assert shares(two) == [0, 0]


def test_one_object_that_is_gone_keeps_no_other_from_going_back(two: RouteStage) -> None:
    two.at(10)
    two.cluster.delete(two.kit.plural, "second")
    two.cluster.delete(two.kit.plural, "second-interlock-canary")
    with pytest.raises(Refused, match="second"):
        two.router.lower(two.app, ABORT, 1)
    assert two.share_pct == 0
    two.kit.make(two.cluster, "second")
    two.router.claim(two.app, 1)
    route = two.router.lower(two.app, ABORT, 1)
    assert (route.live_pct, shares(two)) == (0, [0, 0])


def test_an_object_that_is_back_already_does_not_end_the_round(two: RouteStage) -> None:
    """Argo Rollouts leaves its loop over several ingresses at the first one that needs no change."""
    two.at(10)
    first = two.with_route(objects=(RouteObject(two.kit.kind, "second"),))
    two.router.lower(first, ABORT, 1)
    assert shares(two) == [0, 10]
    before = len(two.calls())
    route = two.router.lower(two.app, ABORT, 1)
    assert (route.live_pct, shares(two)) == (0, [0, 0])
    assert set(two.writes(before)) == {f"patch {two.kit.plural}"}


def test_nothing_rises_when_one_object_cannot_be_read_or_does_not_allow_it(two: RouteStage) -> None:
    route = two.at(10)
    version = two.raw()["metadata"]["resourceVersion"]
    two.cluster.delete(two.kit.plural, "second")
    two.cluster.delete(two.kit.plural, "second-interlock-canary")
    with pytest.raises((Refused, Conflict)):
        two.write(route, 50)
    assert two.share_pct == 10
    if not isinstance(two.kit, Gateway):
        assert two.raw()["metadata"]["resourceVersion"] == version


def test_the_weights_of_others_are_never_part_of_the_share(cluster: Cluster) -> None:
    """A further backend keeps its share of the whole, whatever the canary has."""
    kit = Traefik()
    with staged(cluster, kit) as stage:
        services = [{"name": STABLE, "port": 80, "weight": 60}, {"name": "third", "port": 80, "weight": 40}]
        cluster.patch(kit.plural, STABLE, {"spec": {"weighted": {"services": services}}})
        stage.at(50)
        found = stage.user()["spec"]["weighted"]["services"]
        assert {one["name"]: one["weight"] for one in found} == {STABLE: 30, "third": 40, CANARY: 30}
        stage.router.lower(stage.app, ABORT, 1)
        assert stage.user()["spec"]["weighted"]["services"] == services
