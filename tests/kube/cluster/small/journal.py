"""What was asked of the API server, so that tests can count."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

CALLS_AT_MOST = 200_000
"""Older calls are forgotten; one takes about 300 bytes."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request. ``at_s`` is on the monotonic clock; ``code`` is 0 when nothing was answered."""

    user: str
    verb: str
    resource: str
    namespace: str
    name: str
    path: str
    code: int
    at_s: float

    @property
    def writes(self) -> bool:
        return self.verb in ("create", "update", "patch", "delete", "deletecollection")


@dataclass(slots=True)
class Journal:
    _calls: deque[Call] = field(default_factory=lambda: deque(maxlen=CALLS_AT_MOST))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, call: Call) -> None:
        with self._lock:
            self._calls.append(call)

    def calls(self) -> list[Call]:
        with self._lock:
            return list(self._calls)


def chosen(calls: Iterable[Call], *, user: str, namespace: str, verb: str, resource: str, since_s: float) -> list[Call]:
    """The calls that fit; an empty text fits everything. ``resource`` may name a subresource: pods/status."""
    return [
        one
        for one in calls
        if (not user or one.user == user)
        and (not namespace or one.namespace in (namespace, ""))
        and (not verb or one.verb == verb)
        and (not resource or one.resource == resource)
        and one.at_s >= since_s
    ]
