"""What stands against a canary on a route is said before there is one, and finding it out changes nothing."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from controller.adapters.kube.kinds import Kind
from controller.adapters.kube.routes.router import KubeRouter
from controller.core.targets import RouteKind, RouteObject
from controller.ports import Unavailable
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.small.faults import Fault, Trouble
from tests.kube.route_kits import KITS, STABLE, Nginx, Replicas, RouteKit, endpoint_slice
from tests.kube.route_stage import RouteStage, staged

OWN = (RouteKind.INGRESS, RouteKind.ENDPOINT_SLICE)
NOT_SLICES = [kit for kit in KITS if kit.kind is not RouteKind.ENDPOINT_SLICE]


@pytest.fixture(params=KITS, ids=lambda kit: kit.kind.value)
def stage(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[RouteStage]:
    with staged(cluster, request.param) as stage:
        yield stage


@pytest.fixture(params=NOT_SLICES, ids=lambda kit: kit.kind.value)
def routed(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[RouteStage]:
    """A kind of route that a user writes."""
    with staged(cluster, request.param) as stage:
        yield stage


def trouble(stage: RouteStage) -> str:
    text = stage.router.trouble(stage.app)
    assert text is not None
    return text


def test_a_route_without_trouble_has_none_and_is_as_it_was(stage: RouteStage) -> None:
    before = copy.deepcopy(stage.user()["spec"]) if "spec" in stage.user() else stage.user()["endpoints"]
    assert stage.router.trouble(stage.app) is None
    after = stage.user()["spec"] if "spec" in stage.user() else stage.user()["endpoints"]
    assert after == before
    assert stage.cluster.find("leases", "interlock-shop") is None
    if stage.kit.kind in OWN:
        assert stage.cluster.find(stage.kit.plural, stage.kit.carrier) is None
    stage.at(10)
    share = stage.share_pct
    assert stage.router.trouble(stage.app) is None, "nor while a canary has a weight"
    assert stage.share_pct == share


def test_a_missing_object_is_told(routed: RouteStage) -> None:
    routed.app = routed.with_route(objects=(RouteObject(routed.kit.kind, "nowhere"),))
    assert "nowhere is missing" in trouble(routed)


def test_a_route_without_stable_is_told(routed: RouteStage) -> None:
    routed.app = routed.with_route(service="somebody-elses")
    assert "the Service somebody-elses" in trouble(routed)


def test_a_second_route_with_the_same_service_is_told_until_it_is_named_too(routed: RouteStage) -> None:
    routed.kit.make(routed.cluster, "second")
    text = trouble(routed)
    assert f"{routed.kit.kind.value} {routed.cluster.namespace}/second sends to the Service {STABLE} too" in text
    objects = tuple(RouteObject(routed.kit.kind, name) for name in (STABLE, "second"))
    routed.app = routed.with_route(objects=objects)
    assert routed.router.trouble(routed.app) is None


ROUTED_PAIRS = [(one, other) for one in NOT_SLICES for other in NOT_SLICES if one is not other]


@pytest.mark.parametrize(("one", "other"), ROUTED_PAIRS, ids=lambda kit: kit.kind.value)
def test_a_route_of_another_kind_with_the_same_service_is_told(
    cluster: Cluster, one: RouteKit, other: RouteKit
) -> None:
    with staged(cluster, one) as stage:
        other.make(cluster, "second")
        text = trouble(stage)
        assert f"{other.kind.value} {cluster.namespace}/second sends to the Service {STABLE} too" in text
        cluster.delete(other.plural, "second")
        assert stage.router.trouble(stage.app) is None


def test_without_a_proxy_every_route_reaches_the_canary_and_none_is_a_trouble(cluster: Cluster) -> None:
    with staged(cluster, Replicas()) as stage:
        Nginx().make(cluster, "second")
        assert stage.router.trouble(stage.app) is None


def test_kinds_that_may_not_be_listed_are_passed_over(cluster: Cluster) -> None:
    verbs = ["get", "list", "create", "patch"]
    rules = [{"apiGroups": ["*"], "resources": [plural], "verbs": verbs} for plural in ("httproutes", "leases")]
    with staged(cluster, KITS[0]) as stage:
        Nginx().make(cluster, "second")
        assert "second sends to" in trouble(stage)
        with stage.as_identity(cluster.identity("limited", rules)) as limited:
            cluster.wait(lambda: limited.trouble(stage.app) is None, "what may not be listed is no trouble")


class Without:
    """A cluster that does not serve the kind, or serves it in another version only."""

    def __init__(self, stage: RouteStage) -> None:
        self._api, self._plural = stage.api, stage.kit.plural

    def supports(self, kind: Kind) -> bool:
        return kind.plural != self._plural and self._api.supports(kind)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)


def test_a_kind_that_the_cluster_does_not_serve_is_told(stage: RouteStage) -> None:
    router = KubeRouter(Without(stage), stage.clock)  # type: ignore[arg-type]
    text = router.trouble(stage.app)
    assert text is not None
    assert f"the cluster does not serve {stage.kit.plural}" in text
    assert "install its CRD" in text


@pytest.mark.parametrize(
    ("lacks", "verb"),
    [("route", "get"), ("route", "patch"), ("route", "list"), ("leases", "create"), ("leases", "patch")],
)
def test_a_missing_right_is_told_with_the_rule_that_a_role_needs(stage: RouteStage, lacks: str, verb: str) -> None:
    plurals = {"route": stage.kit.plural, "leases": "leases"}
    verbs = ["get", "list", "create", "patch"]
    rules = [
        {"apiGroups": ["*"], "resources": [plural], "verbs": [one for one in verbs if (name, one) != (lacks, verb)]}
        for name, plural in plurals.items()
    ]
    who = stage.cluster.identity("limited", rules)
    with stage.with_rights(who) as limited:

        def told() -> str | None:
            text = limited.trouble(stage.app)
            wanted = f"A Role must allow {verb} on {plurals[lacks]}"
            return text if text is not None and wanted in text and text.count("A Role must allow") == 1 else None

        assert stage.cluster.wait(told, "the right that is missing, and no other, is told")


def test_too_few_pods_for_the_first_step_are_told(cluster: Cluster) -> None:
    with staged(cluster, Replicas()) as stage:
        few = endpoint_slice(f"{STABLE}-0", STABLE, "10.1.0.", 5)
        cluster.patch("endpointslices", f"{STABLE}-0", {"endpoints": few["endpoints"]})
        assert "at least 9 stable pods" in trouble(stage)
        cluster.delete("endpointslices", f"{STABLE}-0")
        assert "has no endpoints" in trouble(stage)


def test_an_object_of_our_name_that_is_not_ours_is_told(cluster: Cluster) -> None:
    with staged(cluster, Nginx()) as stage:
        theirs = {**stage.user(), "metadata": {"name": stage.kit.carrier}}
        cluster.apply({key: theirs[key] for key in ("apiVersion", "kind", "metadata", "spec")})
        assert "is not Interlock's" in trouble(stage)


def test_another_canary_for_a_path_of_ours_is_told(cluster: Cluster) -> None:
    with staged(cluster, Nginx()) as stage:
        spec = copy.deepcopy(stage.user()["spec"])
        spec["rules"] = spec["rules"][:1]
        spec["rules"][0]["http"]["paths"] = spec["rules"][0]["http"]["paths"][1:]
        spec["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] = "preview"
        meta = {"name": "theirs", "annotations": {"nginx.ingress.kubernetes.io/canary": "true"}}
        cluster.apply({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta, "spec": spec})
        assert "ingress-nginx allows one" in trouble(stage)


def test_weights_too_small_for_the_first_step_are_told(cluster: Cluster) -> None:
    with staged(cluster, KITS[0]) as stage:
        rules = stage.user()["spec"]["rules"]
        rules[1]["backendRefs"] = [
            {"name": STABLE, "port": 80, "weight": 1},
            {"name": "third", "port": 80, "weight": 1},
        ]
        cluster.patch("httproutes", STABLE, {"spec": {"rules": rules}})
        assert "too few for 10 %" in trouble(stage)
        small = replace(stage.app, canary=replace(stage.app.canary, steps=(50,)))
        assert "too few for 50 %" in (stage.router.trouble(small) or "")


def test_what_the_server_would_refuse_is_told_in_its_words(cluster: Cluster) -> None:
    """Sixteen rules are the most that a route holds: there is no room for ours."""
    with staged(cluster, KITS[0]) as stage:
        rules = [{"backendRefs": [{"name": STABLE, "port": 80}]} for _ in range(16)]
        cluster.patch("httproutes", STABLE, {"spec": {"rules": rules}})
        assert stage.router.trouble(stage.app) is None
        stage.app = stage.with_route(header=("x", "y"))
        assert "spec.rules" in trouble(stage)


def test_a_cluster_that_cannot_be_asked_is_no_answer(small_cluster: Cluster) -> None:
    with staged(small_cluster, KITS[0]) as stage:
        fault = Fault(Trouble.ANSWER, resource="httproutes", code=503, retry_after_s=1)
        with small_cluster.faults.on(fault), pytest.raises(Unavailable):
            stage.router.trouble(stage.app)
