"""What an edit of an application takes out of the controller's hands. Pure: it gives nothing back itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

from controller.core.model import Application
from controller.core.targets import KubernetesRoute, KubernetesTarget


@dataclass(frozen=True, slots=True)
class Left:
    """Each is the application as it was, with no more in it than is left behind; None: nothing of that kind is."""

    routes: Application | None = None
    workload: Application | None = None

    @property
    def nothing(self) -> bool:
        return self.routes is None and self.workload is None

    @property
    def label(self) -> str:
        """For people."""
        found = [self.routes.router.label] if self.routes is not None else []
        target = self.workload.target if self.workload is not None else None
        if isinstance(target, KubernetesTarget):
            found.append(f"Deployment {target.namespace}/{target.deployment}")
        elif target is not None:
            found.append("its former target")
        return " and ".join(found)


def left_by(before: Application, after: Application) -> Left:
    """What ``before`` moved and ``after`` does not move in the same way."""
    return Left(_routes_left(before, after), before if _workload_of(before) != _workload_of(after) else None)


def _routes_left(before: Application, after: Application) -> Application | None:
    old, new = before.router, after.router
    if not isinstance(old, KubernetesRoute):
        return before if old != new else None
    kept = new.objects if isinstance(new, KubernetesRoute) and _same_pair(old, new) else ()
    gone = tuple(one for one in old.objects if one not in kept)
    return replace(before, router=replace(old, objects=gone)) if gone else None


def _same_pair(old: KubernetesRoute, new: KubernetesRoute) -> bool:
    ours = (old.namespace, old.service, old.canary_service, old.only)
    return ours == (new.namespace, new.service, new.canary_service, new.only)


def _workload_of(app: Application) -> object:
    """What changes the objects around a Deployment, and whether it is paused. Elsewhere instances belong to the
    application's name, whatever they are started with."""
    target = app.target
    if not isinstance(target, KubernetesTarget):
        return type(target)
    return target.namespace, target.deployment, target.service, target.canary_name, target.trigger
