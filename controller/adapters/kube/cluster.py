"""Everything of one cluster, built once: its client, the routers, the workload, the registry. Nothing outside this
package imports the cluster's client, and nothing imports this module unless a cluster is configured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.connect import KubeSettings, connect
from controller.adapters.kube.killswitch import KillObject, showing
from controller.adapters.kube.kinds import DEPLOYMENT, Kind, Raw
from controller.adapters.kube.registry import ImageResolver, RegistrySettings
from controller.adapters.kube.resources.needs import Controller, Orders
from controller.adapters.kube.resources.resources import Resources
from controller.adapters.kube.routes.caches import RouteCaches
from controller.adapters.kube.routes.router import KubeRouter
from controller.adapters.kube.routes.strategy import MANAGED
from controller.adapters.kube.watching import Cache, Scope
from controller.adapters.kube.workload.deployment import DeploymentWorkload
from controller.core.model import Application, Release
from controller.ports import Clock, Ports
from gates.kill import KillState

__all__ = ["Cluster", "KubeSettings", "RegistrySettings"]

Changed = Callable[[str, str], None]
"""Gets namespace and name of an object that changed, from a watch's thread: it must be quick."""


class RunsPasses(Protocol):
    """A node, as far as the bridge needs it."""

    @property
    def doors(self) -> HasCommands: ...

    def leading(self) -> bool: ...

    def alone(self, application: str) -> AbstractContextManager[object]: ...


class HasCommands(Protocol):
    @property
    def commands(self) -> Orders: ...


class Cluster:
    """``namespaces`` empty: every namespace that its credentials reach. Raises Refused or Unavailable."""

    def __init__(
        self,
        settings: KubeSettings,
        registry: RegistrySettings,
        namespaces: Sequence[str],
        clock: Clock,
        log: Callable[..., None],
        changed: Changed,
    ) -> None:
        self.api = connect(settings, clock)
        self._images = ImageResolver(registry, clock.monotonic_s)
        self._namespaces = tuple(namespaces)
        self._home = home_of(settings)
        watched = self._namespaces or None

        def hint(_kind: Kind, namespace: str, name: str) -> None:
            changed(namespace, name)

        self._routes = RouteCaches(self.api, clock, watched, hint, log=log)
        self.router = KubeRouter(self.api, clock, self._routes)
        self._made = _Made(self.api, clock, self._namespaces, changed, log)
        self.workload = DeploymentWorkload(self.api, clock, self._images.resolve, self._made)

    def resources(
        self,
        node: RunsPasses,
        ports: Ports,
        applications: Callable[[], Sequence[Application]],
        running: Callable[[], Sequence[Release]],
    ) -> Resources:
        """The bridge between the cluster's Application objects and the store. Start it after the node."""
        controller = Controller(
            commands=node.doors.commands,
            store=ports.store,
            workload=self.workload,
            kills=ports.kills,
            applications=applications,
            running=running,
            clock=ports.clock,
            log=ports.log,
            leading=node.leading,
            alone=node.alone,
        )
        return Resources(self.api, controller, self._namespaces)

    def shows(
        self,
        kills: Callable[[], KillState],
        applications: Callable[[], Sequence[Application]],
        leading: Callable[[], bool],
        clock: Clock,
        log: Callable[..., None],
    ) -> Callable[[], None] | None:
        """Shows the kill switch to the admission policies, each time it is called; None where there are none."""
        if not self._home:
            return None
        return showing(KillObject(self.api, self._home, clock, applications), kills, leading, log)

    def close(self) -> None:
        self._routes.stop()
        self._made.stop()
        self._images.close()
        self.api.close()


def home_of(settings: KubeSettings) -> str:
    """The namespace of the pod that this controller runs in; empty outside a cluster."""
    if not settings.in_cluster:
        return ""
    try:
        return (Path(settings.service_account) / "namespace").read_text().strip()
    except OSError:
        return ""


class _Made:
    """The Deployments that we made, as the watches keep them: whether a canary is there, for an application at rest."""

    def __init__(
        self, api: KubeApi, clock: Clock, namespaces: Sequence[str], changed: Changed, log: Callable[..., None]
    ) -> None:
        selector = ",".join(f"{key}={value}" for key, value in MANAGED.items())
        self._caches = {
            namespace: Cache(api, clock, Scope(DEPLOYMENT, namespace, selector), _there, changed, log=log)
            for namespace in namespaces or (None,)
        }
        for cache in self._caches.values():
            cache.start()

    def get(self, namespace: str, name: str) -> bool | None:
        """None: surely not there. A namespace that is not watched may hold anything."""
        cache = self._caches.get(namespace) or self._caches.get(None)
        return cache.get(namespace, name) if cache is not None else True

    def fresh(self) -> bool:
        return all(cache.fresh() for cache in self._caches.values())

    def stop(self) -> None:
        for cache in self._caches.values():
            cache.stop()


def _there(_raw: Raw) -> bool:
    return True
