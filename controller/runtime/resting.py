"""Which applications without a release are looked at now: behind a guard every one, each beat, since a look is cheap;
in a cluster what its watch told about or was not in order, so that an idle one costs nothing."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from controller.core.model import Application
from controller.core.targets import KubernetesRoute, KubernetesTarget

SWEEP_CLUSTER_S = 60.0
"""A watch is a hint and may miss something; each look reads what the watches keep, not the cluster."""


class Resting:
    """``changed`` may be called by any thread; ``due`` and ``looked`` belong to the heartbeat and the workers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: tuple[Application, ...] = ()
        self._watched: dict[tuple[str, str], set[str]] = {}
        self._looked_s: dict[str, float] = {}
        self._restless: set[str] = set()
        self._hints: dict[str, int] = {}

    def changed(self, namespace: str, name: str) -> frozenset[str]:
        """An object of the cluster changed: the applications that it belongs to, which are looked at next."""
        with self._lock:
            names = frozenset(self._watched.get((namespace, name), ()))
            self._restless |= names
            for known in names:
                self._hints[known] = self._hints.get(known, 0) + 1
        return names

    def hints(self, name: str) -> int:
        """How many changes were told of so far. Ask before a look: it may have missed what is told of after."""
        with self._lock:
            return self._hints.get(name, 0)

    def due(self, applications: Sequence[Application], now_s: float) -> list[str]:
        """The names to look at. ``now_s`` is monotonic."""
        with self._lock:
            if tuple(applications) != self._known:
                self._know(tuple(applications))
            return [app.name for app in self._known if self._is_due(app, now_s)]

    def looked(self, name: str, calm: bool, now_s: float, hints: int) -> None:
        """``calm``: everything was as it should be, so that only a change or the sweep brings the next look. A change
        that was told of since ``hints`` were counted, before the look, brings one too."""
        with self._lock:
            self._looked_s[name] = now_s
            if calm and hints == self._hints.get(name, 0):
                self._restless.discard(name)
            else:
                self._restless.add(name)

    def _is_due(self, app: Application, now_s: float) -> bool:
        if not isinstance(app.target, KubernetesTarget) or app.name in self._restless:
            return True
        looked_s = self._looked_s.get(app.name)
        return looked_s is None or now_s - looked_s >= SWEEP_CLUSTER_S

    def _know(self, applications: tuple[Application, ...]) -> None:
        before = {app.name: app for app in self._known}
        edited = {app.name for app in applications if before.get(app.name) != app}
        self._known, self._watched = applications, {}
        for app in applications:
            for place in objects_of(app):
                self._watched.setdefault(place, set()).add(app.name)
        names = {app.name for app in applications}
        self._restless = (self._restless | edited) & names
        self._looked_s = {name: at_s for name, at_s in self._looked_s.items() if name in names}
        self._hints = {name: count for name, count in self._hints.items() if name in names}


def objects_of(app: Application) -> frozenset[tuple[str, str]]:
    """Namespace and name of every object of a cluster whose change concerns ``app``."""
    if not isinstance(app.target, KubernetesTarget) or not isinstance(app.router, KubernetesRoute):
        return frozenset()
    names = {app.target.deployment, app.target.canary_name, app.target.service}
    names |= {one.name for one in app.router.objects} | {f"{one.name}-interlock-canary" for one in app.router.objects}
    return frozenset((app.target.namespace, name) for name in names)
