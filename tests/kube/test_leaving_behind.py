"""What an edit through the API no longer names is the user's again, as it was before: no object has to say so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from controller.core.model import IntentKind, Phase
from controller.core.targets import KubernetesRoute, KubernetesTarget, RouteKind, RouteObject
from controller.wishes import Rejected
from tests.kube.cluster import builders
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.raw import Raw
from tests.kube.scenarios.kits import STABLE, HttpRouteKit
from tests.kube.scenarios.stage import OLD, Stage, image_of

MORE = "more"
NOTE, MARK = "interlock.dev/route", "interlock.dev/"


class TwoRoutes(Stage):
    """The application has a second route, and one release of it was tried and taken back."""

    def tried(self) -> None:
        mine = {
            "matches": [{"path": {"type": "PathPrefix", "value": "/more"}}],
            "backendRefs": [builders.backend(STABLE)],
        }
        self.before = self.cluster.apply(builders.http_route(MORE, [], rules=[mine]))["spec"]
        assert isinstance(self.app.router, KubernetesRoute)
        both = (*self.app.router.objects, RouteObject(RouteKind.HTTP_ROUTE, MORE))
        self.app = self.commands.register(replace(self.app, router=replace(self.app.router, objects=both)), "ann").app
        self.deploy()
        self.until(lambda: share(self.http_route(MORE)) > 0)

    def taken_back(self) -> None:
        self.ask(IntentKind.ABORT)
        self.until(lambda: self.newest().phase in (Phase.ROLLED_BACK, Phase.FAILED))

    @property
    def without_more(self) -> KubernetesRoute:
        assert isinstance(self.app.router, KubernetesRoute)
        return replace(self.app.router, objects=self.app.router.objects[:1])

    def http_route(self, name: str) -> Raw:
        return self.cluster.get("httproutes", name)

    def marks(self, kind: str, name: str) -> list[str]:
        meta = self.cluster.get(kind, name)["metadata"]
        return [key for where in ("labels", "annotations") for key in meta.get(where) or {} if key.startswith(MARK)]

    def kept(self) -> list[str]:
        found = [*self.cluster.list("controllerrevisions"), *self.cluster.list("configmaps")]
        return [one["metadata"]["name"] for one in found if one["metadata"]["name"].startswith("interlock-")]


def share(route: Raw) -> int:
    backends = [one for rule in route["spec"]["rules"] for one in rule.get("backendRefs") or []]
    return sum(one.get("weight", 1) for one in backends if one["name"].endswith("-canary"))


@pytest.fixture
def stage(cluster: Cluster, tmp_path: Path) -> Iterator[TwoRoutes]:
    stage = TwoRoutes(cluster, HttpRouteKit(), tmp_path)
    try:
        stage.tried()
        yield stage
    finally:
        stage.close()


def test_a_dropped_route_is_as_it_was_and_the_other_stays_guarded(stage: TwoRoutes) -> None:
    stage.taken_back()
    assert stage.marks("httproutes", MORE) == [NOTE]
    stage.commands.register(replace(stage.app, router=stage.without_more), "ann")
    stage.seconds(3)
    assert (stage.marks("httproutes", MORE), stage.marks("httproutes", STABLE)) == ([], [NOTE])
    assert stage.http_route(MORE)["spec"] == stage.before


def test_a_dropped_deployment_loses_every_mark_and_no_pod(stage: TwoRoutes) -> None:
    stage.taken_back()
    pods = {pod["metadata"]["uid"] for pod in stage.cluster.pods("app=shop")}
    assert stage.marks("deployments", STABLE)
    assert stage.kept()
    stage.cluster.apply(builders.service("till"))
    stage.cluster.deployment("till", image_of(OLD), 1)
    target, router = stage.app.target, stage.app.router
    assert isinstance(target, KubernetesTarget)
    assert isinstance(router, KubernetesRoute)
    target = replace(target, deployment="till", service="till", canary_name="till-canary")
    router = replace(router, service="till", canary_service="till-canary", objects=(router.objects[1],))
    stage.commands.register(replace(stage.app, target=target, router=router), "ann")
    stage.seconds(3)
    assert (stage.marks("deployments", STABLE), stage.marks("httproutes", STABLE), stage.kept()) == ([], [], [])
    assert stage.marks("deployments", "till") == ["interlock.dev/application"]
    assert {pod["metadata"]["uid"] for pod in stage.cluster.pods("app=shop")} == pods


def test_under_a_running_release_nothing_is_dropped_and_traffic_stays_where_it_is(stage: TwoRoutes) -> None:
    live = share(stage.http_route(MORE))
    with pytest.raises(Rejected, match="cannot change while release"):
        stage.commands.register(replace(stage.app, router=stage.without_more), "ann")
    assert (share(stage.http_route(MORE)), stage.marks("httproutes", MORE)) == (live, [NOTE])
