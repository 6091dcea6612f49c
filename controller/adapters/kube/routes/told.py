"""What the watches told of a route, taken apart once for each change: a thousand routes at rest are looked at all the
time. It knows no route that a watch does not know."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass

from controller.adapters.kube.kinds import Kind, Raw
from controller.adapters.kube.routes.caches import RouteCaches
from controller.adapters.kube.routes.objects import Get
from controller.core.model import RouteState
from controller.core.targets import KubernetesRoute

Asked = tuple[Kind, str, str]


@dataclass(frozen=True, slots=True)
class _Last:
    """``by``: each object that was looked at, and the very bytes."""

    route: KubernetesRoute
    by: tuple[tuple[Asked, bytes], ...]
    state: RouteState


class Told:
    """Thread-safe. A convenience: without it the same is found again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[str, _Last] = {}

    def of(
        self,
        caches: RouteCaches,
        application: str,
        route: KubernetesRoute,
        look: Callable[[KubernetesRoute, Get], RouteState],
    ) -> RouteState:
        """What ``look`` makes of the route by the watches, or made of the same bytes before."""
        with self._lock:
            last = self._last.get(application)
        if last is not None and last.route == route and all(caches.told(*asked) is was for asked, was in last.by):
            return last.state
        by: list[tuple[Asked, bytes]] = []
        whole = True

        def get(kind: Kind, namespace: str, name: str) -> Raw:
            nonlocal whole
            was = caches.told(kind, namespace, name)
            if was is None:
                whole = False
                return caches.get(kind, namespace, name)
            by.append(((kind, namespace, name), was))
            found: Raw = json.loads(was)
            return found

        state = look(route, get)
        with self._lock:
            if _calm(state) and whole and by:
                self._last[application] = _Last(route, tuple(by), state)
            else:
                self._last.pop(application, None)
        return state

    def forget(self, application: str) -> None:
        with self._lock:
            self._last.pop(application, None)


def _calm(state: RouteState) -> bool:
    """What is not at rest is looked at anew: it may hang on more than these objects."""
    return state.live_pct == 0 and not (state.trouble or state.unconfirmed)
