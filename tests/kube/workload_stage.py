"""What the tests of the workload stand on: one guarded Deployment, and passes over it as the loop makes them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from analysis.model import AnalysisSpec, Role
from controller.adapters.clock import SystemClock
from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.connect import KubeSettings, connect
from controller.adapters.kube.workload.deployment import DeploymentWorkload, Made
from controller.core.model import Application, CanaryPlan, RoleState
from controller.core.targets import KubernetesRoute, KubernetesTarget, RouteKind, RouteObject, Trigger
from controller.ports import Conflict, Unavailable
from tests.kube.cluster import builders
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.raw import Raw, is_ready, name_of

STABLE, CANARY = Role.STABLE, Role.CANARY
SHOP, SHOP_CANARY = "shop", "shop-canary"
REPOSITORY = "registry.test/shop"


def image(tag: str) -> str:
    """As the registry would pin it."""
    return f"{REPOSITORY}:{tag}@sha256:{hashlib.sha256(tag.encode()).hexdigest()}"


def pinned(reference: str) -> str:
    """Stands for the registry: every tag is there."""
    return reference if "@" in reference else image(reference.rpartition(":")[2])


V1, V2, V3 = image("v1"), image("v2"), image("v3")


@dataclass(slots=True)
class Shop:
    cluster: Cluster
    app: Application
    api: KubeApi
    workload: DeploymentWorkload
    epoch: int = 1

    @property
    def target(self) -> KubernetesTarget:
        assert isinstance(self.app.target, KubernetesTarget)
        return self.app.target

    def change(self, **target: Any) -> None:
        self.app = replace(self.app, target=replace(self.target, **target))

    def restart(self, made: Made | None = None, resolve_image: Callable[[str], str] = pinned) -> None:
        """As after a restart of the controller: nothing is remembered."""
        self.workload = DeploymentWorkload(self.api, SystemClock(), resolve_image, made)

    def observe(self) -> tuple[RoleState, RoleState]:
        return self.workload.observe(self.app)

    def stable(self) -> RoleState:
        return self.observe()[0]

    def canary(self) -> RoleState:
        return self.observe()[1]

    def ensure(self, role: Role, version: str | None, share_pct: int = 100) -> None:
        """As the loop does it: what meets somebody else's write is left to the next pass."""
        try:
            self.workload.ensure(self.app, role, version, self.epoch, share_pct)
        except Conflict:
            return

    def until(
        self,
        holds: Callable[[RoleState, RoleState], bool],
        what: str,
        *wanted: tuple[Role, str | None],
        share_pct: int = 100,
    ) -> tuple[RoleState, RoleState]:
        """Pass after pass, observing first, until both roles are so."""
        seen: list[tuple[RoleState, RoleState]] = []

        def passed() -> bool:
            seen.append(self.observe())
            if holds(*seen[-1]):
                return True
            for role, version in wanted:
                self.ensure(role, version, share_pct)
            return False

        try:
            self.cluster.wait(passed, what)
        except AssertionError as error:
            raise AssertionError(f"{error}; last seen: {seen[-1]}") from None
        return seen[-1]

    def start_canary(self, version: str = V2, share_pct: int = 25) -> None:
        self.ensure(CANARY, version, share_pct)
        self.until(
            lambda _, canary: canary.wanted > 0 and canary.running == canary.ready == ((version, canary.wanted),),
            f"the canary runs {version} and nothing else, with as many as it wants",
            (CANARY, version),
            share_pct=share_pct,
        )

    def promote(self, version: str = V2) -> None:
        self.until(
            lambda stable, _: stable.settled_on(version),
            f"stable runs {version}",
            (STABLE, version),
            (CANARY, version),
        )

    def promote_without_canary(self, version: str = V2) -> None:
        """As when nobody waits for the canary's own instances."""
        self.until(lambda stable, _: stable.settled_on(version), f"stable runs {version}", (STABLE, version))

    def remove_canary(self) -> None:
        self.until(lambda _, canary: not canary.running_any and not canary.wanted, "the canary is gone", (CANARY, None))

    # what the cluster says itself

    def deployment(self, name: str = SHOP) -> Raw:
        return self.cluster.get("deployments", name)

    def pods(self, of: str = SHOP) -> list[Raw]:
        """Those of one Deployment, by their names, as whoever makes them gives them, that nobody ended yet."""
        of_it = [pod for pod in self.cluster.pods() if name_of(pod).rsplit("-", 2)[0] == of]
        return [pod for pod in of_it if "deletionTimestamp" not in pod["metadata"]]

    def uids(self, of: str = SHOP) -> set[str]:
        return {pod["metadata"]["uid"] for pod in self.pods(of) if is_ready(pod)}

    def images(self, of: str = SHOP) -> set[str]:
        return {pod["spec"]["containers"][0]["image"] for pod in self.pods(of) if is_ready(pod)}


def application(namespace: str, trigger: Trigger = Trigger.API, replicas_route: bool = False) -> Application:
    kind = RouteKind.ENDPOINT_SLICE if replicas_route else RouteKind.HTTP_ROUTE
    return Application(
        name="shop",
        environment="production",
        target=KubernetesTarget(namespace, SHOP, SHOP, SHOP_CANARY, trigger=trigger),
        router=KubernetesRoute(namespace, SHOP, SHOP_CANARY, (RouteObject(kind, SHOP),)),
        canary=CanaryPlan(steps=(10, 50)),
        analysis=AnalysisSpec(prometheus_url="http://127.0.0.1:1", counters=()),
    )


@contextmanager
def shop_in(cluster: Cluster, trigger: Trigger = Trigger.API, **deployment: Any) -> Iterator[Shop]:
    """Stable is there and serves, as its users made it."""
    cluster.apply(builders.service(SHOP))
    wanted: dict[str, Any] = {"image": V1, "replicas": 4, **deployment}
    cluster.deployment(SHOP, **wanted)
    if not deployment.get("paused"):
        cluster.rolled_out(SHOP)
    api = connect(KubeSettings(kubeconfig=str(cluster.kubeconfig)), SystemClock())
    try:
        workload = DeploymentWorkload(api, SystemClock(), pinned)
        yield Shop(cluster, application(cluster.namespace, trigger), api, workload)
    finally:
        api.close()


def no_registry(reference: str) -> str:
    raise Unavailable(f"{reference}: the registry cannot be reached")
