"""What a cluster adds to a route: anybody may write its notes, so that a route may name a leader that never was.
Weights, leases and halts are still those of the guard, which stands in for the cluster's objects here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from controller.core.model import Application, RouteState
from controller.core.targets import HaproxyRoute, KubernetesRoute, RouteKind, RouteObject
from controller.guard.model import Route
from controller.ports import Fenced, PortError
from tests.fakes.router import FakeRouter

if TYPE_CHECKING:
    from tests.sim.scenario import AppPlan

NOTE_EPOCH = 9_000
"""More than any run has leaders."""


def cluster_route(name: str) -> KubernetesRoute:
    return KubernetesRoute("sim", name, f"{name}-canary", (RouteObject(RouteKind.HTTP_ROUTE, name),))


def behind(app: Application) -> Application:
    """The application as the guard knows it, whatever carries its weights for the controller."""
    if isinstance(app.router, HaproxyRoute):
        return app
    return replace(app, router=HaproxyRoute(guard="/guard", backend=f"be_{app.name}"))


def in_cluster(plan: AppPlan) -> bool:
    return isinstance(plan.app.router, KubernetesRoute)


class NotedRouter(FakeRouter):
    """Routes of a cluster beside those of HAProxy. A note fences every older epoch, as a cluster's adapter does."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.notes: dict[str, int] = {}

    def record(self, backend: str) -> Route | None:
        """What the guard itself holds of a route, for oracles only."""
        return self._keeper._routes.get(backend)

    def add(self, app: Application) -> None:
        super().add(behind(app))

    def noted(self, app: Application) -> bool:
        return app.name in self.notes

    def note(self, app: Application) -> None:
        """Somebody applies a manifest whose annotation names a newer leader."""
        self.notes[app.name] = NOTE_EPOCH

    def unnote(self, app: Application, epoch: int) -> None:
        """Somebody takes the note away and says who leads. What cannot be written now stays as it is."""
        if app.name in self.notes:
            try:
                super()._route(behind(app), "claim", epoch=epoch)
            except PortError:
                return
            del self.notes[app.name]

    def _route(self, app: Application, op: str, **fields: object) -> RouteState:
        known, note = behind(app), self.notes.get(app.name, 0)
        asked = int(str(fields.get("epoch", 0)))
        if note and "epoch" in fields and asked < note:
            raise Fenced(f"the route of {app.name} carries the epoch {note}")
        if asked >= NOTE_EPOCH:
            found = self.record(known.haproxy.backend)
            fields["epoch"] = found.epoch if found is not None else 0
        state = super()._route(known, op, **fields)
        if asked >= NOTE_EPOCH:
            # A stop goes under the epoch that it has read: when the note was taken away meanwhile, it is there again.
            self.notes[app.name] = NOTE_EPOCH
        return replace(state, epoch=max(state.epoch, self.notes.get(app.name, 0)))
