"""Tells stand-ins that an object changed: one list and one watch for each kind, shared by all who want to know."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.kube.cluster.client import Answered, Client, Watching
from tests.kube.cluster.raw import KindLike, Raw, name_of, namespace_of

Handler = Callable[[Raw, bool], None]
"""Called with an object as it is now, and whether it is gone."""
TROUBLE = (Answered, OSError, http.client.HTTPException)
WATCH_S = 240.0
AGAIN_S = 0.1


@dataclass(slots=True)
class Hints:
    """Of one kind, in all namespaces. Handlers must be quick; they run in the watch's own thread."""

    client: Client
    kind: KindLike
    _handlers: list[Handler] = field(default_factory=list)
    _known: dict[tuple[str, str], Raw] = field(default_factory=dict)
    _closed: threading.Event = field(default_factory=threading.Event)
    _synced: threading.Event = field(default_factory=threading.Event)
    _watching: Watching | None = None
    _thread: threading.Thread | None = None

    def tell(self, handler: Handler) -> None:
        self._handlers.append(handler)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name=f"hints-{self.kind.plural}", daemon=True)
        self._thread.start()

    def until_synced(self, timeout_s: float) -> bool:
        return self._synced.wait(timeout_s)

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                version = self._list()
                self._synced.set()
                self._follow(version)
            except TROUBLE:
                self._closed.wait(AGAIN_S)

    def _list(self) -> str:
        listed = self.client.list(self.kind)
        found = {(namespace_of(one), name_of(one)): one for one in listed["items"]}
        gone = [body for place, body in self._known.items() if place not in found]
        self._known = found
        self._say(gone, gone=True)
        self._say(found.values(), gone=False)
        return str(listed["metadata"]["resourceVersion"])

    def _follow(self, version: str) -> None:
        while not self._closed.is_set():
            more = {"resourceVersion": version, "allowWatchBookmarks": "true"}
            with self.client.watch(self.kind, timeout_s=WATCH_S, **more) as self._watching:
                for event in self._watching:
                    if event["type"] == "ERROR":
                        return
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] != "BOOKMARK":
                        self._note(event["object"], gone=event["type"] == "DELETED")

    def _note(self, body: Raw, *, gone: bool) -> None:
        place = namespace_of(body), name_of(body)
        if gone:
            self._known.pop(place, None)
        else:
            self._known[place] = body
        self._say([body], gone=gone)

    def _say(self, bodies: Iterable[Raw], *, gone: bool) -> None:
        for body in bodies:
            for handler in self._handlers:
                handler(body, gone)

    def close(self) -> None:
        self._closed.set()
        if self._watching is not None:
            self._watching.stop()
        if self._thread is not None:
            self._thread.join(5)


@dataclass(slots=True)
class Sources:
    """The hints of every kind that somebody asked for, none of them twice."""

    client: Client
    _hints: dict[tuple[str, str], Hints] = field(default_factory=dict)

    def tell(self, kind: KindLike, handler: Handler) -> None:
        key = kind.group, kind.plural
        if key not in self._hints:
            self._hints[key] = Hints(self.client, kind)
        self._hints[key].tell(handler)

    def start(self) -> None:
        for one in self._hints.values():
            one.start()
        for one in self._hints.values():
            assert one.until_synced(20), f"{one.kind.plural} were not listed"

    def close(self) -> None:
        for one in self._hints.values():
            one.close()
