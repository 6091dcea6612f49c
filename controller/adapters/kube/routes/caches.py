"""Route objects as the cluster told of them last, so that a look at an application at rest costs no call. What it does
not know for sure is asked for."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.kinds import ENDPOINT_SLICE, Kind, Raw
from controller.adapters.kube.routes.patching import annotations_of
from controller.adapters.kube.routes.strategy import MANAGED
from controller.adapters.kube.watching import Cache, Pace, Scope
from controller.ports import Clock

DROPPED = "kubectl.kubernetes.io/last-applied-configuration"
"""Of the annotations: a second copy of the whole object."""

Hint = Callable[[Kind, str, str], None]
"""Gets kind, namespace and name of an object that has changed, from a watch's own thread: it must be quick."""


class RouteCaches:
    """One watch for each kind that somebody asked for; ``namespaces`` None: in all of them. Safe for threads."""

    def __init__(
        self,
        api: KubeApi,
        clock: Clock,
        namespaces: Sequence[str] | None = None,
        on_change: Hint = lambda *_: None,
        pace: Pace | None = None,
        log: Callable[..., None] = lambda *_args, **_fields: None,
    ) -> None:
        self._api, self._clock, self._pace, self._log = api, clock, pace or Pace(), log
        self._namespaces = None if namespaces is None else frozenset(namespaces)
        self._on_change = on_change
        self._lock = threading.Lock()
        self._caches: dict[tuple[Kind, str | None], Cache[bytes]] = {}
        self._stopped = False

    def get(self, kind: Kind, namespace: str, name: str) -> Raw:
        """The object, from the watch or else from the server. Raises what the server says."""
        kept = self.told(kind, namespace, name)
        if kept is None:
            return self._api.get(kind, namespace, name)
        found: Raw = json.loads(kept)
        return found

    def told(self, kind: Kind, namespace: str, name: str) -> bytes | None:
        """The object as the watch told of it, the same bytes until it tells of a change; None when it cannot tell."""
        cache = self._cache(kind, namespace)
        return cache.get(namespace, name) if cache is not None and cache.fresh() else None

    def wait(self, kind: Kind, namespace: str, timeout_s: float) -> bool:
        """Until the kind was listed; False when that took too long."""
        cache = self._cache(kind, namespace)
        return cache is not None and cache.wait(timeout_s)

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            caches = list(self._caches.values())
            self._caches.clear()
        for cache in caches:
            cache.stop()

    def _cache(self, kind: Kind, namespace: str) -> Cache[bytes] | None:
        """None for a namespace that is not ours to watch."""
        if self._namespaces is not None and namespace not in self._namespaces:
            return None
        key = (kind, None if self._namespaces is None else namespace)
        with self._lock:
            cache = self._caches.get(key)
            if cache is None and not self._stopped:
                cache = self._caches[key] = self._started(kind, key[1])
            return cache

    def _started(self, kind: Kind, namespace: str | None) -> Cache[bytes]:
        selector = ",".join(f"{key}={value}" for key, value in MANAGED.items()) if kind == ENDPOINT_SLICE else ""
        scope = Scope(kind, namespace, selector)
        hint: Callable[[str, str], None] = lambda space, name: self._on_change(kind, space, name)  # noqa: E731
        cache = Cache(self._api, self._clock, scope, packed, hint, self._pace, self._log)
        cache.start()
        return cache


def packed(raw: Raw) -> bytes:
    """What a look needs, as text: an object of a few KiB takes ten times as much when it is taken apart."""
    meta: dict[str, Any] = {key: value for key, value in raw["metadata"].items() if key != "managedFields"}
    if DROPPED in annotations_of(raw):
        meta["annotations"] = {key: value for key, value in annotations_of(raw).items() if key != DROPPED}
    return json.dumps({**raw, "metadata": meta}, separators=(",", ":")).encode()
