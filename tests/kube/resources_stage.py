"""The bridge on a test cluster, with commands and a store in memory behind it; releases move when the test says so."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from controller.adapters.clock import SystemClock
from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.connect import KubeSettings, connect
from controller.adapters.kube.resources.watched import WatchedCluster
from controller.adapters.kube.watching import Pace
from controller.ports import Workload
from tests.fakes.trouble import Troubled
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.raw import Raw
from tests.unit.kube_resources.memory import spec
from tests.unit.kube_resources.stage import Bench

PACE = Pace(first_pause_s=0.05, longest_pause_s=0.3)
HASTE = 20.0
Found = TypeVar("Found")


class HastyClock(SystemClock):
    """Pauses between tries pass quickly; the watches have a clock of their own."""

    def monotonic_s(self) -> float:
        return HASTE * time.monotonic()


def application(name: str = "shop", document: Raw | None = None, **meta: Any) -> Raw:
    return {
        "apiVersion": "interlock.dev/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, **meta},
        "spec": spec() if document is None else document,
    }


@dataclass
class KubeStage(Bench):
    """``until`` gives the bridge its beats while it waits."""

    cluster: Cluster

    def __init__(self, cluster: Cluster, api: KubeApi, *more: str, workload: Workload | None = None) -> None:
        self.cluster = cluster
        self.watched = WatchedCluster(api, SystemClock(), (cluster.namespace, *more), self.log, PACE)
        super().__init__(Troubled(self.watched), HastyClock(), workload)

    def log(self, event: str, **fields: Any) -> None:
        self.logged.append((event, fields))

    def put(self, name: str = "shop", document: Raw | None = None, **meta: Any) -> Raw:
        return self.cluster.apply(application(name, document, **meta))

    def until(self, holds: Callable[[], Found | None], what: str, timeout_s: float = 8.0) -> Found:
        def look() -> Found | None:
            self.bridge.sync()
            return holds()

        return self.cluster.wait(look, what, timeout_s)

    def beats(self, seconds: float) -> None:
        """For what must not happen."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self.bridge.sync()
            time.sleep(0.05)

    def status(self, name: str = "shop", namespace: str = "") -> Raw:
        found = self.cluster.client.find(self.cluster.kind("applications"), namespace or self.cluster.namespace, name)
        status: Raw = (found or {}).get("status") or {}
        return status

    def condition(self, kind: str, name: str = "shop", namespace: str = "") -> Raw:
        found: list[Raw] = self.status(name, namespace).get("conditions") or []
        return next((one for one in found if one["type"] == kind), {})

    def knows(self, namespace: str) -> bool:
        return self.watched.fresh(namespace) and self.watched.mirrors(namespace)

    def until_accepted(self, name: str = "shop", status: str = "True", namespace: str = "") -> Raw:
        def said() -> Raw | None:
            found = self.condition("Accepted", name, namespace)
            return found if found.get("status") == status else None

        return self.until(said, f"{name} is accepted: {status}")

    def until_status(self, field: str, value: object, name: str = "shop") -> None:
        self.until(lambda: self.status(name).get(field) == value, f"the status of {name} says {field}: {value}")


@contextmanager
def staged(
    cluster: Cluster,
    *more: str,
    path: str = "",
    workload: Callable[[KubeApi], Workload] | None = None,
    closed: str = "",
) -> Iterator[KubeStage]:
    """``more`` namespaces are watched too. ``path`` is another identity's kubeconfig, which has no rights in the
    namespace ``closed``. Without ``workload`` there are no instances, and templates are what the test says."""
    settings = KubeSettings(kubeconfig=path or str(cluster.kubeconfig))
    with contextlib.closing(connect(settings, SystemClock())) as api:
        watched = [*more, closed] if closed else more
        stage = KubeStage(cluster, api, *watched, workload=workload(api) if workload is not None else None)
        stage.watched.start()
        try:
            for namespace in (cluster.namespace, *more):
                cluster.wait(lambda namespace=namespace: stage.knows(namespace), "everything was listed once")  # type: ignore[misc]
            yield stage
        finally:
            stage.watched.stop()
            free(cluster, *more)


def free(cluster: Cluster, *more: str) -> None:
    """Take the finalizers off what is left, or the namespaces could not go."""
    for namespace in (cluster.namespace, *more):
        for one in cluster.client.list(cluster.kind("applications"), namespace)["items"]:
            if one["metadata"].get("finalizers"):
                patch = {"metadata": {"finalizers": None}}
                cluster.client.patch(cluster.kind("applications"), namespace, one["metadata"]["name"], patch)
