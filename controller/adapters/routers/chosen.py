"""One Router over all kinds: each call goes to the one that knows the application's route. It decides nothing."""

from __future__ import annotations

from controller.core.model import Application, Mark, RouteState
from controller.core.targets import KubernetesRoute
from controller.ports import NO_CLUSTER, Refused, Router, RouteWrite


class ChosenRouter:
    def __init__(self, haproxy: Router, cluster: Router | None = None) -> None:
        self._haproxy, self._cluster = haproxy, cluster

    def read(self, app: Application, hint: bool = False, lease: bool = True) -> RouteState:
        return self._of(app).read(app, hint, lease)

    def claim(self, app: Application, epoch: int) -> RouteState:
        return self._of(app).claim(app, epoch)

    def trouble(self, app: Application) -> str | None:
        return self._of(app).trouble(app)

    def write(self, app: Application, write: RouteWrite) -> RouteState:
        return self._of(app).write(app, write)

    def renew(self, app: Application, release_id: str, epoch: int, lease_s: float) -> None:
        self._of(app).renew(app, release_id, epoch, lease_s)

    def lower(self, app: Application, mark: Mark, epoch: int) -> RouteState:
        return self._of(app).lower(app, mark, epoch)

    def halt(self, app: Application, mark: Mark, revert: bool) -> RouteState:
        return self._of(app).halt(app, mark, revert)

    def unhalt(self, app: Application, engagements: frozenset[str], epoch: int) -> RouteState:
        return self._of(app).unhalt(app, engagements, epoch)

    def forget(self, app: Application) -> None:
        self._of(app).forget(app)

    def _of(self, app: Application) -> Router:
        if not isinstance(app.router, KubernetesRoute):
            return self._haproxy
        if self._cluster is None:
            raise Refused(NO_CLUSTER)
        return self._cluster
