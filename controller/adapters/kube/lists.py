"""What a namespace has of a kind, listed once for all who ask at about the same time: with many releases in one
namespace each would otherwise list all objects there. Only for what is looked over, never for what is written by."""

from __future__ import annotations

import threading
from collections.abc import Callable
from copy import copy
from typing import Any, TypeVar

from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.kinds import Kind, Raw
from controller.ports import Clock, PortError

T = TypeVar("T")
Key = tuple[Kind, str, Callable[[Raw], Any]]

AGE_S_MAX = 2.0
"""How old an answer may be that something new is made by."""
CHECK_AGE_S_MAX = 10.0
"""How old it may be for a look after what stands, which comes again within half a minute."""
WAIT_AGE_S_MAX = 60.0
"""Older than this, it is no answer at all, not even for a look while somebody else asks for a new one."""


class SharedLists:
    """Thread-safe. What is made anew waits for whoever is listing already; a look after what stands does not."""

    def __init__(self, api: KubeApi, clock: Clock) -> None:
        self._api, self._clock = api, clock
        self._lock = threading.Lock()
        self._asking: dict[Key, threading.Lock] = {}
        self._kept: dict[Key, tuple[float, tuple[Any, ...]]] = {}
        self._failed: dict[Key, tuple[float, PortError]] = {}

    def of(self, kind: Kind, namespace: str, project: Callable[[Raw], T], check: bool = False) -> tuple[T, ...]:
        """Each object as ``project``, a function of a module, makes it. Raises what the server says."""
        key, age_s_max = (kind, namespace, project), CHECK_AGE_S_MAX if check else AGE_S_MAX
        with self._lock:
            asking = self._asking.setdefault(key, threading.Lock())
        known, since_s = self._young(key, WAIT_AGE_S_MAX), self._clock.monotonic_s()
        if not asking.acquire(blocking=not check or known is None):
            return known or ()
        try:
            found = self._young(key, age_s_max)
            self._raise_failure(key, since_s)
            return found if found is not None else self._listed(key)
        finally:
            asking.release()

    def _listed(self, key: Key) -> tuple[Any, ...]:
        kind, namespace, project = key
        at_s = self._clock.monotonic_s()
        try:
            found = tuple([project(raw) for raw in self._api.list(kind, namespace).items])
        except PortError as error:
            with self._lock:
                self._failed[key] = (self._clock.monotonic_s(), error)
            raise
        with self._lock:
            self._kept[key] = (at_s, found)
            self._failed.pop(key, None)
        return found

    def _raise_failure(self, key: Key, since_s: float) -> None:
        """Whoever waited for a list that failed fails with it: each in turn would wait for the next time-out."""
        with self._lock:
            failed = self._failed.get(key)
        if failed is not None and failed[0] > since_s:
            raise copy(failed[1])

    def forget(self, kind: Kind, namespace: str) -> None:
        """Something in it stands in the way: whoever mends that is not to wait."""
        with self._lock:
            self._kept = {key: kept for key, kept in self._kept.items() if key[:2] != (kind, namespace)}

    def _young(self, key: Key, age_s_max: float) -> tuple[Any, ...] | None:
        """What was found at most so long ago; None when that is not known. What is old is let go at once."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            self._kept = {one: kept for one, kept in self._kept.items() if now_s - kept[0] < WAIT_AGE_S_MAX}
            at_s, found = self._kept.get(key, (-WAIT_AGE_S_MAX, None))
        return found if now_s - at_s < age_s_max else None


def bare(raw: Raw) -> Raw:
    """An object without what only the server keeps of it, which is often the half."""
    meta = {key: value for key, value in raw["metadata"].items() if key != "managedFields"}
    return {**raw, "metadata": meta}
