"""Headers, cookies and mirrors: they go to the canary while it has a weight, and in the same write as the weight they
are gone. Scenario 28, and the users who stay on a canary after a rollback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from controller.adapters.kube.kinds import Kind, Raw
from controller.adapters.kube.routes.router import KubeRouter
from controller.ports import Refused, RouteWrite
from tests.kube.cluster.cluster import Cluster
from tests.kube.route_kits import CANARY, KITS, RouteKit, without_ours
from tests.kube.route_stage import ABORT, KILL, RouteStage, staged

GATEWAY_HTTP, GATEWAY_GRPC, ISTIO, NGINX = KITS[:4]
NAME = "nginx.ingress.kubernetes.io/canary-by-"
EXTRAS: list[tuple[RouteKit, dict[str, Any]]] = [
    (GATEWAY_HTTP, {"header": ("x-canary", "yes"), "cookie": "who", "mirror_pct": 20}),
    (GATEWAY_HTTP, {"mirror_pct": 100}),
    (GATEWAY_GRPC, {"header": ("x-canary", "yes"), "mirror_pct": 20}),
    (ISTIO, {"header": ("x-canary", "yes"), "cookie": "who", "mirror_pct": 20}),
    (NGINX, {"header": ("x-canary", "yes"), "cookie": "who"}),
]


@pytest.fixture(params=EXTRAS, ids=lambda one: f"{one[0].kind.value}-{'-'.join(one[1])}")
def stage(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[RouteStage]:
    kit, extras = request.param
    with staged(cluster, kit) as stage:
        stage.app = stage.with_route(**extras)
        yield stage


def extras_of(stage: RouteStage) -> list[Any]:
    """Every place in the object that sends to the canary past the weights."""
    raw = stage.raw()
    if stage.kit is NGINX:
        return [value for key, value in raw["metadata"]["annotations"].items() if key.startswith(NAME)]
    rules = raw["spec"].get("rules") or raw["spec"]["http"]
    ours = [rule["name"] for rule in rules if str(rule.get("name", "")).startswith("interlock-")]
    mirrors = [one for rule in rules for one in rule.get("filters", []) if CANARY in str(one.get("requestMirror"))]
    return ours + mirrors + [rule["mirror"] for rule in rules if "mirror" in rule]


def gone_by(stage: RouteStage) -> list[Callable[[], object]]:
    return [
        lambda: stage.router.lower(stage.app, ABORT, 1),
        lambda: stage.router.halt(stage.app, KILL, revert=True),
        lambda: stage.write(stage.router.read(stage.app), 0),
        lambda: stage.router.forget(stage.app),
    ]


@pytest.mark.parametrize("how", range(4), ids=["lower", "halt", "write of 0", "forget"])
def test_they_come_with_the_first_weight_and_go_with_the_last_in_the_same_write(stage: RouteStage, how: int) -> None:
    before = stage.kit.foreign(stage.user())
    route = stage.at(0)
    assert extras_of(stage) == []
    route = stage.write(route, 10)
    assert route.live_pct == 10
    there = extras_of(stage)
    assert there
    assert extras_of_next(stage, route) == there, "a next weight leaves them as they are"
    noted = len(stage.calls())
    gone_by(stage)[how]()
    if how < 3:
        assert extras_of(stage) == []
        patches = [line for line in stage.writes(noted) if line == f"patch {stage.kit.plural}"]
        assert len(patches) <= 2, "one, and one more where a stand-in wrote the status between"
    assert stage.kit.foreign(stage.user()) == before


def extras_of_next(stage: RouteStage, route: Any) -> list[Any]:
    stage.write(stage.write(route, 25), 10)
    return extras_of(stage)


def test_rules_of_ours_that_are_left_at_rest_count_as_traffic(stage: RouteStage) -> None:
    """Somebody put an old copy of the object back: weights of 0, but with our rules in it."""
    stage.at(10)
    up = stage.raw()
    stage.router.lower(stage.app, ABORT, 1)
    down = stage.raw()
    if stage.kit is NGINX:
        annotations = up["metadata"]["annotations"]
        kept = {key: value for key, value in annotations.items() if key.startswith(NAME)}
        stage.cluster.patch(stage.kit.plural, stage.kit.carrier, {"metadata": {"annotations": kept}})
    else:
        spec = up["spec"]
        for rule, quiet in zip(own(spec), own(down["spec"]), strict=True):
            for key in ("backendRefs", "route"):
                if key in quiet:
                    rule[key] = quiet[key]
        stage.cluster.patch(stage.kit.plural, stage.kit.carrier, {"spec": spec})
    seen = stage.router.read(stage.app)
    assert (seen.weight_pct, seen.live_pct) == (0, None)
    assert stage.router.lower(stage.app, ABORT, 1).live_pct == 0
    assert extras_of(stage) == []


def own(spec: Raw) -> list[Raw]:
    rules = spec.get("rules") or spec["http"]
    return [rule for rule in rules if not str(rule.get("name", "")).startswith("interlock-")]


class Old:
    """A server whose definitions know no names of rules and no shares of mirrors: it drops them without a word."""

    def __init__(self, stage: RouteStage) -> None:
        self._api = stage.api

    def patch(self, kind: Kind, namespace: str, name: str, patch: Any, **more: Any) -> Raw:
        answer = self._api.patch(kind, namespace, name, patch, **more)
        if more.get("dry_run"):
            for rule in answer["spec"].get("rules", []):
                rule.pop("name", None)
                for one in rule.get("filters", []):
                    one.get("requestMirror", {}).pop("percent", None)
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)


@pytest.mark.parametrize("extras", [{"header": ("x-canary", "yes")}, {"mirror_pct": 20}], ids=["header", "mirror"])
def test_a_definition_that_is_too_old_for_them_is_refused_before_anything_is_written(
    cluster: Cluster, extras: dict[str, Any]
) -> None:
    """A rule without its name would be nobody's, and a mirror without its share would copy every request."""
    with staged(cluster, GATEWAY_HTTP) as stage:
        stage.app = stage.with_route(**extras)
        route = stage.at(0)
        before = without_ours(stage.user())
        router = KubeRouter(Old(stage), stage.clock, wait=stage.waits.append)  # type: ignore[arg-type]
        with pytest.raises(Refused, match=r"its definition \(CRD\) is too old"):
            router.write(stage.app, RouteWrite(10, "r1", 1, route.revision, 60.0))
        assert "too old" in (router.trouble(stage.app) or "")
        assert without_ours(stage.user()) == before
