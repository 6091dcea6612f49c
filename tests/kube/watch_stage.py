"""What the tests of the watch have in common: a scripted cluster whose streams take turns, and a cache over it."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from controller.adapters.clock import SystemClock
from controller.adapters.kube.kinds import POD, Raw
from controller.adapters.kube.watching import Cache, Pace, Scope
from controller.ports import Clock
from tests.kube.scripted import Heard, Scripted, Wire, client, scripted

RAW_ONLY = ["what no projection keeps"]
SHOP = Scope(POD, "shop")
QUICK = Pace(stream_s=30, silence_s=40, first_pause_s=0.02, longest_pause_s=0.1, chance=lambda: 0.0)


def pod(name: str, version: int, phase: str = "Running", namespace: str = "shop") -> Raw:
    meta = {"name": name, "namespace": namespace, "resourceVersion": str(version), "managedFields": RAW_ONLY}
    return {"metadata": meta, "status": {"phase": phase}}


def listed(version: int, *items: Raw) -> Raw:
    return {"metadata": {"resourceVersion": str(version)}, "items": list(items)}


def phase(told: Raw) -> str | None:
    found = told["status"]["phase"]
    return None if found == "Succeeded" else str(found)


class Cluster:
    """Lists as it is told; what its streams do comes from a queue, one turn for each stream."""

    def __init__(self) -> None:
        self.lists: list[Raw] = [listed(10, pod("a", 1), pod("b", 2))]
        self.turns: queue.Queue[Callable[[Wire], None]] = queue.Queue()
        self.down = False
        self.server: Scripted | None = None

    def __call__(self, heard: Heard, wire: Wire) -> None:
        if self.down:
            wire.close()
        elif "watch" not in heard.query:
            wire.answer(200, self.lists.pop(0) if len(self.lists) > 1 else self.lists[0])
        else:
            try:
                turn = self.turns.get_nowait()
            except queue.Empty:
                turn = silence
            turn(wire)

    def asked(self, what: str) -> list[Heard]:
        assert self.server is not None
        watching = what == "watch"
        return [heard for heard in self.server.heard if ("watch" in heard.query) == watching]


def silence(wire: Wire) -> None:
    wire.stream()
    wire.hang()
    wire.close()


class Seen:
    """Hints and log lines, in order."""

    def __init__(self, trouble: Exception | None = None) -> None:
        self.trouble = trouble
        self.hints: list[tuple[str, str]] = []
        self.logged: list[tuple[str, dict[str, Any]]] = []

    def hint(self, namespace: str, name: str) -> None:
        self.hints.append((namespace, name))
        if self.trouble is not None:
            raise self.trouble

    def log(self, event: str, **fields: Any) -> None:
        self.logged.append((event, fields))


@contextmanager
def cached(
    tmp_path: Path,
    cluster: Cluster,
    pace: Pace = QUICK,
    scope: Scope = SHOP,
    seen: Seen | None = None,
    clock: Clock | None = None,
) -> Iterator[Cache[str]]:
    seen = seen or Seen()
    with scripted(cluster) as server, client(tmp_path, server.url, read_s=1) as api:
        cluster.server = server
        cache = Cache(api, clock or SystemClock(), scope, phase, seen.hint, pace, seen.log)
        cache.start()
        try:
            yield cache
        finally:
            cache.stop()


def until(holds: Callable[[], bool], timeout_s: float = 5.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline_s, "it never came about"
        time.sleep(0.005)
