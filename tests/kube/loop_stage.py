"""The stage of the scenarios with the bridge to Application objects: the real loop, adapters and bridge on a cluster,
second by second. Nothing is registered but by the object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from analysis.model import CounterQuery
from controller.adapters.clock import SystemClock
from controller.adapters.kube.resources.bridge import Bridge
from controller.adapters.kube.resources.needs import Controller, Guarded, Memory
from controller.adapters.kube.resources.watched import WatchedCluster
from controller.ports import Page
from controller.spec import application_document, application_from
from tests.kube.cluster import builders
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.raw import Raw
from tests.kube.resources_stage import PACE, free
from tests.kube.scenarios.kits import STABLE, HttpRouteKit
from tests.kube.scenarios.stage import Stage, image_of
from tests.unit.behaviour.world import PLAN, SPEC

COUNTED = replace(SPEC, counters=(CounterQuery("errors", ('total{v="$version"}',), ('bad{v="$version"}',)),))


class LoopStage(Stage):
    """``object`` is the Application object as it is put into the cluster."""

    watched: WatchedCluster | None = None
    bridge: Bridge

    def __init__(self, cluster: Cluster, directory: Path, trigger: str = "api", **plan: Any) -> None:
        super().__init__(cluster, HttpRouteKit(), directory)
        meant = replace(self.app, canary=replace(PLAN, **plan), analysis=COUNTED)
        document = application_document(meant) | {"trigger": trigger}
        self.app = application_from(document)
        self.object = _object(document)
        self.watched = WatchedCluster(self.api, SystemClock(), (cluster.namespace,), self._log, PACE)
        self.watched.start()
        place = cluster.namespace
        cluster.wait(lambda: self._watched.fresh(place) and self._watched.mirrors(place), "everything was listed once")
        self.lead()

    @property
    def _watched(self) -> WatchedCluster:
        assert self.watched is not None
        return self.watched

    def store_application(self) -> None:
        """The object does it."""

    def lead(self) -> None:
        super().lead()
        if self.watched is None:
            return
        controller = Controller(
            self.commands,
            cast(Memory, self.store),
            cast(Guarded, self.workload),
            self.switch.state,
            lambda: [one.app for one in self.memory.applications(Page(limit=10))],
            self.loop.running,
            self.clock,
            self._log,
        )
        self.bridge = Bridge(controller, self.watched)

    def turn(self) -> None:
        self.bridge.sync()
        super().turn()

    def close(self) -> None:
        self._watched.stop()
        free(self.cluster)
        super().close()

    # what people do

    def put(self) -> None:
        self.cluster.apply(self.object)
        self.until(lambda: self.memory.application("shop") is not None)

    def set_image(self, tag: str) -> None:
        """As ``kubectl set image`` does it."""
        path = "/spec/template/spec/containers/0/image"
        step = {"op": "replace", "path": path, "value": image_of(tag)}
        self.cluster.patch("deployments", STABLE, [step])

    def no_more_pods(self) -> None:
        """A quota that is used up: no Deployment gets one pod more than there are."""
        self.cluster.apply(builders.quota("few", pods=len(self.cluster.pods())))
        self.cluster.wait(
            lambda: "used" in self.cluster.get("resourcequotas", "few").get("status", {}), "the quota is counted"
        )

    # what can be seen

    @property
    def releases(self) -> int:
        return len(self.memory.releases(Page(limit=50), "shop"))

    def deployment(self) -> Raw:
        return self.cluster.get("deployments", STABLE)

    @property
    def owner(self) -> str:
        """Whose the Deployment says it is; empty when nobody's."""
        labels = self.deployment()["metadata"].get("labels") or {}
        return str(labels.get("interlock.dev/application", ""))

    @property
    def paused(self) -> bool:
        return self.deployment()["spec"].get("paused") is True

    @property
    def template_image(self) -> str:
        return str(self.deployment()["spec"]["template"]["spec"]["containers"][0]["image"])

    def status(self) -> Raw:
        found: Raw = self.cluster.get("applications", "shop").get("status") or {}
        return found

    def ready(self) -> tuple[str, str]:
        """Reason and message of the condition."""
        conditions: list[Mapping[str, str]] = self.status().get("conditions") or []
        found = next((one for one in conditions if one["type"] == "Ready"), {})
        return found.get("reason", ""), found.get("message", "")


def _object(document: Raw) -> Raw:
    target = {key: value for key, value in document["target"]["kubernetes"].items() if key != "namespace"}
    spec = {**document, "target": {"kubernetes": target}}
    del spec["name"]
    return {"apiVersion": "interlock.dev/v1alpha1", "kind": "Application", "metadata": {"name": "shop"}, "spec": spec}


@contextmanager
def looping(cluster: Cluster, directory: Path, trigger: str = "api", **plan: Any) -> Iterator[LoopStage]:
    stage = LoopStage(cluster, directory, trigger, **plan)
    try:
        stage.put()
        yield stage
    finally:
        stage.close()
