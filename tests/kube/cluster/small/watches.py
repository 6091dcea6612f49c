"""Watches: the changes after a version as one line of JSON each, bookmarks, and ERROR 410 for forgotten versions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.kube.cluster.raw import Raw, namespace_of
from tests.kube.cluster.small.failures import expired
from tests.kube.cluster.small.kinds import Served
from tests.kube.cluster.small.labels import Matches
from tests.kube.cluster.small.lists import Query, number, shown
from tests.kube.cluster.small.store import Change, Store

LONGEST_S = 1_800.0
PATIENCE_S = 0.2
"""How long one wait for changes takes at most, so that a fault or a closing server is noticed."""


@dataclass(frozen=True, slots=True)
class Wanted:
    served: Served
    namespace: str
    query: Query
    bookmarks: bool
    timeout_s: float
    bookmark_every_s: float


@dataclass(slots=True)
class Feed:
    """The events of one watch. ``None`` in the stream means that there was nothing to say for a while."""

    store: Store
    wanted: Wanted
    closed: Callable[[], bool]

    def events(self) -> Iterator[Raw | None]:
        seen = number(self.wanted.query.version)
        matches = self.wanted.query.matches(self.wanted.served)
        end_s = time.monotonic() + min(self.wanted.timeout_s or LONGEST_S, LONGEST_S)
        if seen == 0:
            with self.store.turn:
                seen, there = self.store.version, self.store.all(self.wanted.served.kept, self.wanted.namespace)
            yield from (self._event("ADDED", one) for one in there if matches(one))
        elif seen < self.store.compacted:
            told = f"too old resource version: {seen} ({self.store.compacted})"
            yield {"type": "ERROR", "object": expired(told).status()}
            return
        yield from self._changes(seen, matches, end_s)

    def _changes(self, seen: int, matches: Matches, end_s: float) -> Iterator[Raw | None]:
        every_s = self.wanted.bookmark_every_s
        bookmark_s = min(time.monotonic() + every_s, max(end_s - 2, time.monotonic()))
        while (now_s := time.monotonic()) < end_s and not self.closed():
            changes, seen = self._next(seen, min(end_s, bookmark_s, now_s + PATIENCE_S))
            told = [event for change in changes if (event := self._told(change, matches))]
            yield from told
            if not told:
                yield None
            if self.wanted.bookmarks and time.monotonic() >= bookmark_s:
                yield self._bookmark(seen)
                bookmark_s = time.monotonic() + every_s
            elif time.monotonic() >= bookmark_s:
                bookmark_s = end_s

    def _next(self, seen: int, until_s: float) -> tuple[list[Change], int]:
        """The changes of this kind. Those of others only move the version on."""
        kept = self.wanted.served.kept
        turn = self.store.turn_of(kept)
        with turn:
            while True:
                changes = [one for one in self.store.since(seen) if one.kept == kept]
                seen, left_s = self.store.version, until_s - time.monotonic()
                if changes or left_s <= 0 or self.closed():
                    return changes, seen
                turn.wait(left_s)

    def _told(self, change: Change, matches: Matches) -> Raw | None:
        """What a change is to this watch: an object that leaves its selector is deleted to it."""
        if self.wanted.namespace and namespace_of(change.body) != self.wanted.namespace:
            return None
        was = change.before is not None and matches(change.before)
        is_now = not change.removed and matches(change.body)
        if not was and not is_now:
            return None
        kind = "MODIFIED" if was and is_now else "ADDED" if is_now else "DELETED"
        return self._event(kind, change.body)

    def _event(self, kind: str, body: Raw) -> Raw:
        return {"type": kind, "object": shown(self.wanted.served, body)}

    def _bookmark(self, seen: int) -> Raw:
        resource = self.wanted.served.resource
        body = {"kind": resource.kind, "apiVersion": resource.api_version}
        metadata = {"resourceVersion": str(seen), "creationTimestamp": None}
        return {"type": "BOOKMARK", "object": {**body, "metadata": metadata}}
