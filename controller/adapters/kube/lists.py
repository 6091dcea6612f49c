"""What a namespace has of a kind, listed once for all who ask at about the same time: with many releases in one
namespace each would otherwise list all objects there. Only for what is looked over, never for what is written by."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.kinds import Kind, Raw
from controller.ports import Clock

T = TypeVar("T")
Key = tuple[Kind, str, Callable[[Raw], Any]]

AGE_S_MAX = 2.0
"""How old an answer may be. Whatever is asked here is asked again within half a minute."""


class SharedLists:
    """Thread-safe. Who asks while somebody else is listing waits for that list."""

    def __init__(self, api: KubeApi, clock: Clock) -> None:
        self._api, self._clock = api, clock
        self._lock = threading.Lock()
        self._asking: dict[Key, threading.Lock] = {}
        self._kept: dict[Key, tuple[float, tuple[Any, ...]]] = {}

    def of(self, kind: Kind, namespace: str, project: Callable[[Raw], T]) -> tuple[T, ...]:
        """Each object as ``project``, a function of a module, makes it. Raises what the server says."""
        key = (kind, namespace, project)
        with self._lock:
            asking = self._asking.setdefault(key, threading.Lock())
        with asking:
            kept = self._young().get(key)
            if kept is not None:
                return kept[1]
            at_s = self._clock.monotonic_s()
            found = tuple(project(raw) for raw in self._api.list(kind, namespace).items)
            with self._lock:
                self._kept[key] = (at_s, found)
            return found

    def forget(self, kind: Kind, namespace: str) -> None:
        """Something in it stands in the way: whoever mends that is not to wait."""
        with self._lock:
            self._kept = {key: kept for key, kept in self._kept.items() if key[:2] != (kind, namespace)}

    def _young(self) -> dict[Key, tuple[float, tuple[Any, ...]]]:
        """What may still be gone by; the others are let go at once."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            self._kept = {key: kept for key, kept in self._kept.items() if now_s - kept[0] < AGE_S_MAX}
            return self._kept


def bare(raw: Raw) -> Raw:
    """An object without what only the server keeps of it, which is often the half."""
    meta = {key: value for key, value in raw["metadata"].items() if key != "managedFields"}
    return {**raw, "metadata": meta}
