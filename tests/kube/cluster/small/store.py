"""Every object of the small API server and every change to it, in order of one version. It knows nothing of HTTP.

Stored objects are never changed in place: a write puts a new one, so that readers need no copies."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

from tests.kube.cluster.raw import Raw, name_of, namespace_of

Kept = tuple[str, str]
"""What a kind's objects are filed under: group and plural."""
Place = tuple[str, str]
"""Namespace and name."""

FIRST_VERSION = 100
CHANGES_AT_MOST = 50_000
"""How many changes are remembered; older ones are too old for a watch. An object takes about 2 KB."""


@dataclass(frozen=True, slots=True)
class Change:
    """One write: the object after it (for a removal: as it was last, at the version of the removal), and before."""

    version: int
    kept: Kept
    body: Raw
    before: Raw | None
    removed: bool = False

    @property
    def place(self) -> Place:
        return namespace_of(self.body), name_of(self.body)


class Store:
    """All access is under ``turn``."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.turn = threading.Condition(self._lock)
        self._turns: dict[Kept, threading.Condition] = {}
        self.version = FIRST_VERSION
        self.compacted = FIRST_VERSION
        self._objects: dict[Kept, dict[Place, Raw]] = {}
        self._changes: list[Change] = []

    def find(self, kept: Kept, place: Place) -> Raw | None:
        return self._objects.get(kept, {}).get(place)

    def all(self, kept: Kept, namespace: str = "") -> list[Raw]:
        """In the order of namespace and name."""
        held = self._objects.get(kept, {})
        return [held[place] for place in sorted(held) if not namespace or place[0] == namespace]

    def put(self, kept: Kept, body: Raw) -> Raw:
        """Write at the next version."""
        place = namespace_of(body), name_of(body)
        before = self.find(kept, place)
        return self._changed(kept, body, before, removed=False)

    def remove(self, kept: Kept, body: Raw) -> Raw:
        return self._changed(kept, body, self.find(kept, (namespace_of(body), name_of(body))), removed=True)

    def _changed(self, kept: Kept, body: Raw, before: Raw | None, *, removed: bool) -> Raw:
        with self.turn:
            self.version += 1
            stored = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
            change = Change(self.version, kept, stored, before, removed)
            held = self._objects.setdefault(kept, {})
            if removed:
                held.pop(change.place, None)
            else:
                held[change.place] = stored
            self._changes.append(change)
            if len(self._changes) > CHANGES_AT_MOST:
                self._forget(self._changes[CHANGES_AT_MOST // 2].version)
            self.turn_of(kept).notify_all()
            return stored

    def turn_of(self, kept: Kept) -> threading.Condition:
        """The same lock, told about the changes of one kind only, so that a watch sleeps through all others."""
        with self._lock:
            return self._turns.setdefault(kept, threading.Condition(self._lock))

    def wake(self) -> None:
        """Let every watch look around."""
        with self._lock:
            for one in self._turns.values():
                one.notify_all()

    def since(self, version: int) -> Iterator[Change]:
        """Changes after ``version``; every version is one change, so that its place in the list is known."""
        if self._changes:
            yield from self._changes[max(0, version + 1 - self._changes[0].version) :]

    def at(self, kept: Kept, version: int, namespace: str = "") -> list[Raw]:
        """What there was at an earlier version, which must not be compacted."""
        held = dict(self._objects.get(kept, {}))
        for change in reversed(list(self.since(version))):
            if change.kept != kept:
                continue
            if change.before is None:
                held.pop(change.place, None)
            else:
                held[change.place] = change.before
        return [held[place] for place in sorted(held) if not namespace or place[0] == namespace]

    def compact(self) -> None:
        """Forget every change until now."""
        with self.turn:
            self._forget(self.version)

    def _forget(self, version: int) -> None:
        self._changes = list(self.since(version))
        self.compacted = version
