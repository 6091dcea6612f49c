"""What stands in where a controller has no cluster: every question about one is refused, with what to do."""

from __future__ import annotations

from typing import NoReturn

from analysis.model import Role
from controller.core.model import Application, RoleState
from controller.ports import NO_CLUSTER, Refused


class NoCluster:
    """A Workload that refuses."""

    def resolve(self, app: Application, version: str) -> str:
        _refuse(app)

    def running(self, app: Application) -> str | None:
        _refuse(app)

    def observe(self, app: Application) -> tuple[RoleState, RoleState]:
        _refuse(app)

    def ensure(self, app: Application, role: Role, version: str | None, epoch: int, share_pct: int = 100) -> None:
        _refuse(app)

    def require_forgettable(self, app: Application) -> None:
        _refuse(app)

    def forget(self, app: Application) -> None:
        _refuse(app)


def _refuse(app: Application) -> NoReturn:
    raise Refused(f"{app.name}: {NO_CLUSTER}")
