"""A small, current picture of many objects: listed once, then kept by a watch. Its events are hints and it says when it
may be behind; nobody who must be right acts on it alone. It never writes."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from controller.adapters.kube.api import STREAM_SLACK_S, KubeApi
from controller.adapters.kube.kinds import Kind, Raw
from controller.adapters.kube.streams import EventStream
from controller.ports import Clock, PortError, Unavailable

T = TypeVar("T")

STOP_S = 0.8
"""For the thread to end, of the second that a stop may take. One that waits for an answer is not waited for: it ends at
the time-out of that call, and hints at nothing."""

SHORT_STREAM_S = 1.0
"""A stream that ends sooner than this is no success: without a pause after it, reconnecting would be a storm."""


def chance() -> float:
    """Anything from 0 to below 1."""
    return secrets.randbelow(1 << 20) / (1 << 20)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a stream lasts until it is opened anew, how long silence is believed, how failures are spaced.

    An idle stream is heard every ``stream_s``: at its opening, with the bookmark before its end, and at its end. So a
    connection that died without a word is noticed after ``silence_s`` at the latest.
    """

    stream_s: float = 30.0
    silence_s: float = 40.0
    first_pause_s: float = 0.5
    longest_pause_s: float = 15.0
    chance: Callable[[], float] = chance

    def __post_init__(self) -> None:
        assert self.silence_s >= self.stream_s + STREAM_SLACK_S, "an idle stream would count as a dead one"

    def pause_s(self, failures: int) -> float:
        """Doubled with every failure in a row, and half of it by chance, so that many do not come back together."""
        ceiling_s = min(self.first_pause_s * 2.0 ** min(max(failures - 1, 0), 16), self.longest_pause_s)
        return ceiling_s * (0.5 + 0.5 * self.chance())


@dataclass(frozen=True, slots=True)
class Scope:
    """What is watched: one kind in one namespace (None: in all), by labels."""

    kind: Kind
    namespace: str | None = None
    selector: str = ""

    def __str__(self) -> str:
        return f"{self.kind.resource} {self.namespace or ''}".strip()


class Cache(Generic[T]):
    """The objects of ``scope``, each as ``project`` makes it; what becomes None is not kept.

    ``on_change`` gets namespace and name when a projection has changed, from this cache's own thread: it must be quick.
    Any doubt (a dropped version, a broken line, silence, a lost server) starts again from a list.
    """

    def __init__(
        self,
        api: KubeApi,
        clock: Clock,
        scope: Scope,
        project: Callable[[Raw], T | None],
        on_change: Callable[[str, str], None],
        pace: Pace = Pace(),
        log: Callable[..., None] = lambda *_args, **_fields: None,
    ) -> None:
        self._api, self._clock, self._scope = api, clock, scope
        self._project, self._on_change = project, on_change
        self._pace, self._log = pace, log
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], T] = {}
        self._heard_s: float | None = None
        self._version = ""
        self._stream: EventStream | None = None
        self._failures = 0
        self._listed, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch-{scope.kind.plural}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns within a second. No hint comes after it."""
        with self._lock:
            self._stopping.set()
            self._heard_s = None
            stream = self._stream
        if stream is not None:
            stream.interrupt()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def wait(self, timeout_s: float) -> bool:
        """Until everything was listed for the first time; False when that took too long."""
        return self._listed.wait(timeout_s)

    def get(self, namespace: str, name: str) -> T | None:
        """As it was last heard of; None when it is not there, or not known. A cluster's own object has namespace ""."""
        with self._lock:
            return self._kept.get((namespace, name))

    def all(self, namespace: str | None = None) -> dict[tuple[str, str], T]:
        """A copy, by namespace and name."""
        with self._lock:
            return {key: kept for key, kept in self._kept.items() if namespace in (None, key[0])}

    def fresh(self) -> bool:
        """False while it is being listed again, or when its watch was silent for longer than an idle one is."""
        with self._lock:
            return self._heard_s is not None and self._clock.monotonic_s() - self._heard_s <= self._pace.silence_s

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._list()
                while not self._stopping.is_set():
                    self._follow()
            except PortError as error:
                self._lost(str(error))
            except Exception as error:  # noqa: BLE001  a projection that fails on one object must not end the watch
                self._lost(f"{type(error).__name__} while it was read")
            self._stopping.wait(self._pace.pause_s(self._failures))

    def _lost(self, trouble: str) -> None:
        with self._lock:
            self._heard_s = None
        self._failures += 1
        if self._failures == 1 and not self._stopping.is_set():
            self._log("watch_lost", watch=str(self._scope), trouble=trouble)

    def _list(self) -> None:
        found: dict[tuple[str, str], T] = {}
        version = ""
        for page in self._api.pages(self._scope.kind, self._scope.namespace, self._scope.selector):
            version = page.resource_version
            for item in page.items:
                if (projected := self._project(item)) is not None:
                    found[_key(item)] = projected
        if not version:
            raise Unavailable(f"list {self._scope}: the answer names no version to watch from")
        with self._lock:
            before, self._kept = self._kept, found
        self._version = version
        self._hear()
        self._listed.set()
        for key in sorted(before.keys() | found.keys()):
            if before.get(key) != found.get(key):
                self._hint(key)

    def _follow(self) -> None:
        """One stream, from the last version heard of to its end."""
        scope, opened_s = self._scope, self._clock.monotonic_s()
        stream = self._api.stream(scope.kind, scope.namespace, self._version, self._pace.stream_s, scope.selector)
        try:
            with self._lock:
                self._stream = stream
                if self._stopping.is_set():
                    return
            self._hear()
            for event in stream:
                self._take(event["type"], event["object"])
                self._lasted(opened_s)
        finally:
            with self._lock:
                self._stream = None
            stream.close()
        if self._stopping.is_set():
            return
        if not self._lasted(opened_s):
            raise Unavailable(f"watch {self._scope}: the stream ended as soon as it was opened")
        self._hear()

    def _lasted(self, opened_s: float) -> bool:
        """Whether the stream is one at all; then the failures before it are over."""
        if self._clock.monotonic_s() - opened_s < SHORT_STREAM_S:
            return False
        if self._failures:
            self._failures = 0
            self._log("watch_back", watch=str(self._scope))
        return True

    def _take(self, event: str, told: Raw) -> None:
        if event != "BOOKMARK":
            key = _key(told)
            projected = None if event == "DELETED" else self._project(told)
            with self._lock:
                before = self._kept.get(key)
                if projected is None:
                    self._kept.pop(key, None)
                else:
                    self._kept[key] = projected
            if before != projected:
                self._hint(key)
        self._version = told["metadata"]["resourceVersion"]
        self._hear()

    def _hear(self) -> None:
        with self._lock:
            if not self._stopping.is_set():
                self._heard_s = self._clock.monotonic_s()

    def _hint(self, key: tuple[str, str]) -> None:
        if self._stopping.is_set():
            return
        try:
            self._on_change(*key)
        except Exception as error:  # noqa: BLE001  a hint that is lost is made good by the sweep
            self._log("watch_hint_failed", watch=str(self._scope), name=key[1], trouble=type(error).__name__)


def _key(told: Raw) -> tuple[str, str]:
    meta = told["metadata"]
    return str(meta.get("namespace", "")), str(meta["name"])
