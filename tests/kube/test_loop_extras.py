"""Requests that reach the canary past the weight, in the whole loop: by a cookie, and copies of others. They are there
while it has a weight, and go with it, whichever way the release ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from controller.core.model import IntentKind, Phase
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.raw import Raw
from tests.kube.scenarios.kits import CANARY, STABLE, HttpRouteKit, IngressNginxKit, Kit, VirtualServiceKit
from tests.kube.scenarios.stage import NEW, Stage

NGINX = "nginx.ingress.kubernetes.io"


@dataclass(frozen=True, slots=True)
class Gateway(HttpRouteKit):
    @property
    def router(self) -> Raw:
        return {"gatewayApi": {"httpRoute": STABLE, "cookie": "who", "mirror": 20}}


@dataclass(frozen=True, slots=True)
class Istio(VirtualServiceKit):
    @property
    def router(self) -> Raw:
        return {"istio": {"virtualService": STABLE, "cookie": "who", "mirror": 20}}


@dataclass(frozen=True, slots=True)
class Nginx(IngressNginxKit):
    """It has no mirror."""

    @property
    def router(self) -> Raw:
        return {"ingressNginx": {"ingress": STABLE, "cookie": "who"}}


@pytest.fixture(params=[Gateway(), Istio(), Nginx()], ids=lambda kit: kit.id)
def kit(request: pytest.FixtureRequest) -> Kit:
    found: Kit = request.param
    return found


@pytest.fixture
def stage(cluster: Cluster, kit: Kit, tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(cluster, kit, tmp_path)
    try:
        yield stage
    finally:
        stage.close()


def cookies(stage: Stage) -> list[str]:
    """Where requests with the cookie go past the weight."""
    if isinstance(stage.kit, Nginx):
        found = stage.cluster.find("ingresses", stage.kit.canary)
        notes = found["metadata"]["annotations"] if found is not None else {}
        return [CANARY] if f"{NGINX}/canary-by-cookie" in notes and notes.get(f"{NGINX}/canary") == "true" else []
    if isinstance(stage.kit, Gateway):
        rules = stage.cluster.get("httproutes", STABLE)["spec"]["rules"]
        pinned = [rule for rule in rules if "Cookie" in str(rule.get("matches"))]
        return [ref["name"] for rule in pinned for ref in rule["backendRefs"]]
    routes = stage.cluster.get("virtualservices", STABLE)["spec"]["http"]
    pinned = [route for route in routes if "cookie" in str(route.get("match"))]
    return [one["destination"]["host"].partition(".")[0] for route in pinned for one in route["route"]]


def mirrors(stage: Stage) -> list[Any]:
    """Shares of the requests that are copied."""
    if isinstance(stage.kit, Gateway):
        rules = stage.cluster.get("httproutes", STABLE)["spec"]["rules"]
        filters = [one for rule in rules for one in rule.get("filters", [])]
        return [one["requestMirror"]["percent"] for one in filters if one["type"] == "RequestMirror"]
    if isinstance(stage.kit, Istio):
        routes = stage.cluster.get("virtualservices", STABLE)["spec"]["http"]
        return [route["mirrorPercentage"]["value"] for route in routes if "mirror" in route]
    return []


def test_the_cookie_and_the_copies_come_with_the_first_weight_and_go_with_an_abort(stage: Stage) -> None:
    assert (cookies(stage), mirrors(stage)) == ([], [])
    stage.deploy()
    stage.until_live(20)
    assert cookies(stage) == [CANARY]
    assert mirrors(stage) == ([] if isinstance(stage.kit, Nginx) else [20])
    stage.ask(IntentKind.ABORT)
    assert (stage.live(), cookies(stage), mirrors(stage)) == (0, [], [])
    stage.until_phase(Phase.ROLLED_BACK)
    assert (cookies(stage), mirrors(stage)) == ([], [])


def test_they_go_with_a_promotion_and_with_a_rollback_for_harm(stage: Stage) -> None:
    before = stage.kit.of_others(stage.cluster)
    stage.deploy()
    stage.until_live(30)
    assert cookies(stage) == [CANARY]
    stage.until_phase(Phase.SUCCEEDED)
    assert (stage.live(), cookies(stage), mirrors(stage)) == (0, [], [])
    stage.errors["v3"] = 0.3
    stage.deploy("v3")
    stage.until(lambda: cookies(stage) != [])
    stage.until_phase(Phase.ROLLED_BACK)
    assert (stage.live(), cookies(stage), mirrors(stage)) == (0, [], [])
    assert stage.kit.of_others(stage.cluster) == before
    assert stage.stable_version() is not None
    assert NEW in str(stage.stable_version())
