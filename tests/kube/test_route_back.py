"""Giving a route back more than once: what a user has there of their own, a canary's entry with weight 0 above all,
stays when nothing of ours is left to take away."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any, cast

import pytest

from controller.adapters.kube.kinds import Kind
from controller.adapters.kube.routes.caches import RouteCaches
from controller.adapters.kube.routes.router import KubeRouter
from controller.core.targets import RouteKind
from controller.ports import PortError
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.raw import Raw
from tests.kube.cluster.small.faults import Fault, Trouble
from tests.kube.route_kits import CANARY, KITS, ROUTE, STABLE, RouteKit, without_ours
from tests.kube.route_stage import ABORT, KILL, RouteStage, staged

WEIGHTED = [kit for kit in KITS if kit.kind not in (RouteKind.INGRESS, RouteKind.ENDPOINT_SLICE)]
"""The kinds whose weights stand in an object of a user's."""


@pytest.fixture(params=WEIGHTED, ids=lambda kit: kit.kind.value)
def stage(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[RouteStage]:
    kit: RouteKit = request.param
    with staged(cluster, kit) as stage:
        yield stage


def own_canary(stage: RouteStage, stable_weight: int, weight: int = 0) -> Raw:
    """The user writes both Services into the route, as it is recommended for GitOps."""
    stage.kit.edit(stage.cluster, weight)
    raw = stage.user()
    for one in _entries(raw["spec"]):
        if one.get("weight") == 100 - weight and STABLE in str(one) and CANARY not in str(one):
            one["weight"] = stable_weight
    stage.cluster.patch(stage.kit.plural, stage.kit.user, {"spec": raw["spec"]})
    return spec_of(stage)


def _entries(value: Any) -> Iterator[Raw]:
    if isinstance(value, dict):
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _entries(one)


def spec_of(stage: RouteStage) -> Raw:
    found: Raw = copy.deepcopy(stage.user()["spec"])
    return found


def as_kept(stage: RouteStage, spec: Raw) -> Raw:
    """A TraefikService is given back without the canary's entry, which it has only while that has a weight."""
    if stage.kit.kind is RouteKind.TRAEFIK_SERVICE:
        services = spec["weighted"]["services"]
        return spec | {"weighted": spec["weighted"] | {"services": [one for one in services if one["name"] == STABLE]}}
    return spec


@pytest.mark.parametrize("stable_weight", [40, 100, 1])
def test_a_users_own_entry_for_the_canary_is_as_it_was_however_often_the_route_is_given_back(
    stage: RouteStage, stable_weight: int
) -> None:
    before = own_canary(stage, stable_weight)
    stage.at(10)
    stage.router.lower(stage.app, ABORT, 1)
    for router in (stage.router, stage.router, stage.another()):
        router.forget(stage.app)
        assert spec_of(stage) == as_kept(stage, before)
        assert ROUTE not in stage.user()["metadata"]["annotations"]


@pytest.mark.parametrize("stable_weight", [40, 100, 1])
def test_after_a_crash_in_the_middle_of_giving_back_it_is_as_it_was(stage: RouteStage, stable_weight: int) -> None:
    before = own_canary(stage, stable_weight)
    stage.at(10)
    fault = Fault(Trouble.ANSWER, verb="delete", resource="leases", code=403)
    with stage.cluster.faults.on(fault), pytest.raises(PortError):
        stage.router.forget(stage.app)
    assert stage.cluster.find("leases", "interlock-shop") is not None
    stage.another().forget(stage.app)
    assert spec_of(stage) == as_kept(stage, before)
    assert stage.cluster.find("leases", "interlock-shop") is None


@pytest.mark.parametrize("stable_weight", [40, 100, 1])
def test_a_route_that_was_never_ours_or_is_no_longer_is_not_written_to(stage: RouteStage, stable_weight: int) -> None:
    for first in ("never", "no longer"):
        before = own_canary(stage, stable_weight)
        since = len(stage.calls())
        stage.router.forget(stage.app)
        assert (first, stage.writes(since), spec_of(stage)) == (first, [], before)
        stage.at(10)
        stage.router.forget(stage.app)


def test_without_a_note_a_canary_with_a_weight_loses_its_traffic_and_what_keeps_an_entry_keeps_it(
    stage: RouteStage,
) -> None:
    own_canary(stage, 80, 20)
    stage.router.forget(stage.app)
    assert stage.share_pct == 0
    kept = stage.kit.kind is not RouteKind.TRAEFIK_SERVICE
    assert (CANARY in str(spec_of(stage))) is kept


def test_what_is_ours_goes_without_a_note_too(stage: RouteStage) -> None:
    """Somebody has taken the annotation away, and nothing else."""
    before = own_canary(stage, 100)
    stage.app = stage.with_route(header=("x-canary", "yes"))
    stage.at(10)
    stage.cluster.patch(stage.kit.plural, stage.kit.user, {"metadata": {"annotations": {ROUTE: None}}})
    has_rules = stage.kit.kind is not RouteKind.TRAEFIK_SERVICE
    assert ("interlock-header" in str(stage.user()["spec"])) is has_rules
    stage.another().forget(stage.app)
    assert spec_of(stage) == as_kept(stage, before)
    assert "interlock" not in str(without_ours(stage.user()))


class LateWatch:
    """Watches that still tell what a route was."""

    def __init__(self, was: Raw) -> None:
        self._was = was

    def told(self, kind: Kind, namespace: str, name: str) -> bytes:
        return json.dumps(self._was).encode()

    def get(self, kind: Kind, namespace: str, name: str) -> Raw:
        return self._was


def test_a_watch_that_lags_brings_nothing_back_of_a_route_that_was_given_back(stage: RouteStage) -> None:
    stage.at(10)
    stage.router.halt(stage.app, KILL, revert=True)
    stage.router = KubeRouter(stage.api, stage.clock, cast(RouteCaches, LateWatch(stage.raw())))
    stage.router.forget(stage.app)
    late = stage.router.read(stage.app, hint=True)
    assert late.halts == (KILL,), "a hint is what the watch tells"
    claimed = stage.router.claim(stage.app, 1)
    assert (claimed.halts, claimed.drift_count) == ((), 0)
    assert claimed.revision < late.revision
