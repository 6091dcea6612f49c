"""The controller's own adapters, with the rights that the chart gives it, under its policies: what they leave in the
cluster is what the policies know a guarded object by."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.model import AnalysisSpec, Role
from controller.adapters.clock import SystemClock
from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.connect import KubeSettings, connect
from controller.adapters.kube.routes.router import KubeRouter
from controller.adapters.kube.workload.deployment import DeploymentWorkload
from controller.core.model import Application, CanaryPlan, Mark
from controller.core.targets import KubernetesRoute, KubernetesTarget, RouteKind, RouteObject
from controller.ports import RouteWrite
from tests.helm.chart import Raw
from tests.helm.policy_stage import DEPLOYMENTS, PLACE, Stage, deployment, killed
from tests.helm.real import resource_of
from tests.helm.routes import NOTE, route
from tests.kube.cluster.real import kubeconfig

pytestmark = [pytest.mark.real, pytest.mark.timeout(60), pytest.mark.xdist_group("helm")]

STOPPED = "may fall and must not rise"
KILL = Mark(None, "kill", "someone pressed the button", "k-1")
CANARY = "next"
"""No name that ends in -canary: the policies know it by the record alone."""
ROUTES = {"HTTPRoute": RouteKind.HTTP_ROUTE, "VirtualService": RouteKind.VIRTUAL_SERVICE}


@pytest.fixture
def api(calm: Stage, tmp_path: Path) -> Iterator[KubeApi]:
    """With the token of the controller's ServiceAccount."""
    mine = calm.controller.endpoint
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(kubeconfig(mine.url, mine.token, mine.ca_file, PLACE)))
    with contextlib.closing(connect(KubeSettings(kubeconfig=str(path)), SystemClock())) as found:
        yield found


def application(kind: RouteKind = RouteKind.HTTP_ROUTE) -> Application:
    target = KubernetesTarget(PLACE, "shop", "shop", CANARY)
    routes = KubernetesRoute(PLACE, "shop", CANARY, (RouteObject(kind, "taken"),))
    return Application(
        "shop", "production", target, routes, CanaryPlan((10, 50)), AnalysisSpec("http://127.0.0.1:1", ())
    )


def at_10(api: KubeApi, kind: str) -> tuple[KubeRouter, Application]:
    router, app = KubeRouter(api, SystemClock()), application(ROUTES[kind])
    taken = router.claim(app, 1)
    router.write(app, RouteWrite(10, "shop-0a1b2c3d4e", 1, taken.revision, 60.0))
    return router, app


def raised(stage: Stage, kind: str) -> Raw:
    """The route as it is, with more for the canary."""
    body = route(kind, "taken", 30, None, canary=CANARY)
    found = stage.cluster.admin.get(resource_of(body), PLACE, "taken")
    body["metadata"]["annotations"] = {NOTE: found["metadata"]["annotations"][NOTE]}
    return body


@pytest.mark.parametrize("kind", ROUTES)
def test_a_canary_of_any_name_is_held_by_the_halt_that_the_controller_wrote(
    calm: Stage, api: KubeApi, kind: str
) -> None:
    calm.put(route(kind, "taken", 0, None, canary=CANARY))
    router, app = at_10(api, kind)
    assert calm.to(calm.person, raised(calm, kind)) is None, "without a stop nobody is refused"
    router.halt(app, KILL, revert=False)
    assert STOPPED in (calm.to(calm.person, raised(calm, kind)) or "")
    assert router.halt(app, replace(KILL, engagement="k-2"), revert=True).live_pct == 0
    assert router.unhalt(app, frozenset({"k-1", "k-2"}), 1).halts == ()


@pytest.mark.parametrize("kind", ROUTES)
def test_a_canary_of_any_name_is_held_while_a_kill_is_shown(calm: Stage, api: KubeApi, kind: str) -> None:
    calm.put(route(kind, "taken", 0, None, canary=CANARY))
    router, app = at_10(api, kind)
    killed(calm, "application:shop")
    assert STOPPED in (calm.to(calm.person, raised(calm, kind)) or "")
    assert router.lower(app, KILL, 1).live_pct == 0


def test_a_deployment_is_held_from_its_adoption_on_until_it_is_given_up(calm: Stage, api: KubeApi) -> None:
    workload, app = DeploymentWorkload(api, SystemClock(), lambda reference: reference), application()
    changed = deployment("shop", image="new", marked=False)
    calm.put(deployment("shop", marked=False))
    killed(calm, "application:shop")
    assert calm.to(calm.person, changed) is None, "nobody guards it yet"
    before = calm.cluster.admin.get(DEPLOYMENTS, PLACE, "shop")
    workload.ensure(app, Role.CANARY, None, 1)
    assert "nothing new is rolled out" in (calm.to(calm.person, changed) or "")
    after = calm.cluster.admin.get(DEPLOYMENTS, PLACE, "shop")
    assert after["metadata"]["generation"] == before["metadata"]["generation"], "it was not touched, but for a label"
    workload.forget(app)
    assert calm.to(calm.person, changed) is None


def test_an_adopted_deployment_is_not_held_by_a_kill_over_another_application(calm: Stage, api: KubeApi) -> None:
    workload = DeploymentWorkload(api, SystemClock(), lambda reference: reference)
    calm.put(deployment("shop", marked=False))
    workload.ensure(application(), Role.CANARY, None, 1)
    killed(calm, "application:cart")
    assert calm.to(calm.person, deployment("shop", image="new", marked=False)) is None
