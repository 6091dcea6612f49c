"""One application with a route of one kind on a test cluster, and the router that is tested on it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from analysis.model import AnalysisSpec
from controller.adapters.clock import SystemClock
from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.connect import KubeSettings, connect
from controller.adapters.kube.routes.kinds import strategies
from controller.adapters.kube.routes.router import KubeRouter
from controller.core.model import Application, CanaryPlan, Mark, RouteState
from controller.core.targets import KubernetesRoute, KubernetesTarget
from controller.ports import Refused, RouteWrite
from tests.fakes.clock import ManualClock
from tests.kube.cluster.cluster import Cluster, Identity
from tests.kube.cluster.raw import Raw
from tests.kube.cluster.small.journal import Call
from tests.kube.route_kits import CANARY, ROUTE, STABLE, RouteKit, route_of

KILL = Mark(None, "kill", "someone pressed the button", "kill-1")
ABORT = Mark("r1", "abort", "someone aborted")
NOTED_S = 0.05
"""Within this a call that was answered has been noted."""


def application(route: KubernetesRoute, steps: tuple[int, ...] = (10, 50)) -> Application:
    target = KubernetesTarget(route.namespace, STABLE, STABLE, CANARY)
    return Application("shop", "production", target, route, CanaryPlan(steps), AnalysisSpec("http://127.0.0.1:1", ()))


@dataclass(slots=True)
class RouteStage:
    """``waits`` are the pauses that the router asked for; none is made."""

    cluster: Cluster
    kit: RouteKit
    api: KubeApi
    app: Application
    clock: ManualClock
    waits: list[float] = field(default_factory=list)
    router: KubeRouter = field(init=False)

    def __post_init__(self) -> None:
        self.router = self.another()

    def another(self, wait: Callable[[float], None] | None = None) -> KubeRouter:
        """A router of another process: it remembers nothing of this one."""
        return KubeRouter(self.api, self.clock, wait=wait or self.waits.append)

    @contextmanager
    def with_rights(self, who: Identity) -> Iterator[KubeRouter]:
        """A router with the rights of ``who`` and no others."""
        with contextlib.closing(opened(who.kubeconfig)) as api:
            yield KubeRouter(api, self.clock, wait=self.waits.append)

    @contextmanager
    def as_identity(self, who: Identity) -> Iterator[KubeRouter]:
        """The same, once its rights are in force: an API server hears of new roles a moment later."""
        kind = strategies()[self.kit.kind].kind
        with self.with_rights(who) as router, contextlib.closing(opened(who.kubeconfig)) as api:

            def may_read() -> bool:
                with contextlib.suppress(Refused):
                    return bool(api.get(kind, self.cluster.namespace, self.kit.carrier))
                return False

            self.cluster.wait(may_read, f"{who.user} may read the route")
            yield router

    def at(self, weight_pct: int, epoch: int = 1, lease_s: float = 60.0, release_id: str = "r1") -> RouteState:
        route = self.router.claim(self.app, epoch)
        return self.write(route, weight_pct, epoch, lease_s, release_id)

    def write(
        self, route: RouteState, weight_pct: int, epoch: int = 1, lease_s: float = 60.0, release_id: str = "r1"
    ) -> RouteState:  # fmt: skip
        return self.router.write(self.app, RouteWrite(weight_pct, release_id, epoch, route.revision, lease_s))

    @property
    def share_pct(self) -> float:
        return self.kit.share_pct(self.cluster)

    def raw(self) -> Raw:
        return self.cluster.get(self.kit.plural, self.kit.carrier)

    def user(self) -> Raw:
        return self.cluster.get(self.kit.plural, self.kit.user)

    def note(self) -> Any:
        return json.loads(self.raw()["metadata"]["annotations"][ROUTE])

    def calls(self) -> list[Call]:
        """What the tested one has asked for. A server may note a call only after it has answered it."""
        seen = -1
        while seen != len(found := self.cluster.calls()):
            seen = len(found)
            time.sleep(NOTED_S)
        return found

    def writes(self, since: int = 0) -> list[str]:
        """What the tested one wrote, by verb and resource."""
        return [f"{call.verb} {call.resource}" for call in self.calls()[since:] if call.writes]

    def with_route(self, **changes: Any) -> Application:
        """The application with another route."""
        assert isinstance(self.app.router, KubernetesRoute)
        return replace(self.app, router=replace(self.app.router, **changes))


def opened(kubeconfig: Path, read_s: float = 8.0) -> KubeApi:
    return connect(KubeSettings(kubeconfig=str(kubeconfig), read_s=read_s), SystemClock())


@contextmanager
def staged(cluster: Cluster, kit: RouteKit, read_s: float = 8.0) -> Iterator[RouteStage]:
    kit.make(cluster)
    with contextlib.closing(opened(cluster.kubeconfig, read_s)) as api:
        yield RouteStage(cluster, kit, api, application(route_of(kit, cluster.namespace)), ManualClock(1_700_000_000.0))
