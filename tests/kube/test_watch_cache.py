"""What a cache knows, what it hints at, and that every doubt about its watch starts it again from a list."""

from __future__ import annotations

import gc
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.clock import SystemClock
from controller.adapters.kube.connect import KubeSettings, connect
from controller.adapters.kube.kinds import NAMESPACE, POD, Raw
from controller.adapters.kube.watching import SHORT_STREAM_S, Cache, Pace, Scope
from tests.kube.scripted import Heard, Scripted, Wire, certificate, client, kubeconfig, scripted, serving, status

SHOP = Scope(POD, "shop")
QUICK = Pace(stream_s=30, silence_s=40, first_pause_s=0.02, longest_pause_s=0.1, chance=lambda: 0.0)


def pod(name: str, version: int, phase: str = "Running", namespace: str = "shop") -> Raw:
    meta = {"name": name, "namespace": namespace, "resourceVersion": str(version), "managedFields": ["x" * 100]}
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
    tmp_path: Path, cluster: Cluster, pace: Pace = QUICK, scope: Scope = SHOP, seen: Seen | None = None
) -> Iterator[Cache[str]]:
    seen = seen or Seen()
    with scripted(cluster) as server, client(tmp_path, server.url, read_s=1) as api:
        cluster.server = server
        cache = Cache(api, SystemClock(), scope, phase, seen.hint, pace, seen.log)
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


def test_what_was_listed_is_known_as_its_projection_and_hinted_at(tmp_path: Path) -> None:
    seen, cluster = Seen(), Cluster()
    cluster.lists = [listed(10, pod("a", 1), pod("b", 2, "Pending"), pod("c", 3, "Succeeded"))]
    with cached(tmp_path, cluster, seen=seen) as cache:
        assert cache.wait(5)
        assert cache.get("shop", "a") == "Running"
        assert cache.get("shop", "c") is None
        assert cache.get("other", "a") is None
        assert cache.all() == {("shop", "a"): "Running", ("shop", "b"): "Pending"}
        assert cache.all("other") == {}
        until(lambda: len(seen.hints) == 2)
        assert seen.hints == [("shop", "a"), ("shop", "b")]
        until(cache.fresh)


def test_a_watch_goes_on_from_the_lists_version_and_asks_for_bookmarks_and_an_end(tmp_path: Path) -> None:
    cluster = Cluster()
    with cached(tmp_path, cluster, scope=Scope(POD, "shop", "app=shop")):
        until(lambda: bool(cluster.asked("watch")))
    assert cluster.asked("list")[0].query == {"limit": "250", "labelSelector": "app=shop"}
    assert cluster.asked("watch")[0].query == {
        "watch": "1",
        "resourceVersion": "10",
        "allowWatchBookmarks": "true",
        "timeoutSeconds": "30",
        "labelSelector": "app=shop",
    }


def test_changes_are_taken_over_and_only_a_change_of_the_projection_is_hinted_at(tmp_path: Path) -> None:
    seen, cluster, read = Seen(), Cluster(), threading.Event()

    def turn(wire: Wire) -> None:
        wire.stream()
        read.wait(5)
        wire.event("MODIFIED", pod("a", 11))
        wire.event("MODIFIED", pod("a", 12, "Failed"))
        wire.event("ADDED", pod("n", 13))
        wire.event("DELETED", pod("b", 14))
        wire.event("MODIFIED", pod("n", 15, "Succeeded"))
        wire.event("BOOKMARK", {"metadata": {"resourceVersion": "20"}})
        wire.event("ADDED", pod("last", 21))
        wire.hang()

    cluster.turns.put(turn)
    with cached(tmp_path, cluster, seen=seen) as cache:
        assert cache.wait(5)
        until(lambda: len(seen.hints) == 2)
        seen.hints.clear()
        read.set()
        until(lambda: cache.get("shop", "last") is not None)
        assert cache.all() == {("shop", "a"): "Failed", ("shop", "last"): "Running"}
        until(lambda: len(seen.hints) == 5)
        assert [name for _, name in seen.hints] == ["a", "n", "b", "n", "last"]


def test_an_event_that_comes_in_pieces_and_two_that_come_at_once_are_the_same(tmp_path: Path) -> None:
    cluster = Cluster()

    def turn(wire: Wire) -> None:
        lines = b"".join(json.dumps({"type": "ADDED", "object": pod(n, 11)}).encode() + b"\n\n" for n in "xyz")
        wire.stream()
        for start in range(0, len(lines), 37):
            wire.chunk(lines[start : start + 37])
        wire.chunk(lines)
        wire.event("ADDED", pod("last", 21))
        wire.hang()

    cluster.turns.put(turn)
    with cached(tmp_path, cluster) as cache:
        until(lambda: cache.get("shop", "last") is not None)
        assert {name for _, name in cache.all()} == {"a", "b", "x", "y", "z", "last"}
    assert len(cluster.asked("list")) == 1


def test_a_stream_that_ends_in_time_is_opened_anew_at_the_last_version_without_a_list(tmp_path: Path) -> None:
    cluster = Cluster()

    def turn(wire: Wire) -> None:
        wire.stream()
        wire.event("BOOKMARK", {"metadata": {"resourceVersion": "77"}})
        wire.hang(SHORT_STREAM_S + 0.1)
        wire.chunk(b"")

    cluster.turns.put(turn)
    with cached(tmp_path, cluster) as cache:
        until(lambda: len(cluster.asked("watch")) == 2)
        assert cluster.asked("watch")[1].query["resourceVersion"] == "77"
        assert cache.fresh()
    assert len(cluster.asked("list")) == 1


def garbage(wire: Wire) -> None:
    wire.stream()
    wire.chunk(b"this is no event\n")
    wire.hang()


def null(wire: Wire) -> None:
    wire.stream()
    wire.chunk(b"null\n")
    wire.hang()


def unknown(wire: Wire) -> None:
    wire.stream()
    wire.event("REPLACED", pod("a", 11))
    wire.hang()


def without_version(wire: Wire) -> None:
    wire.stream()
    wire.event("ADDED", {"metadata": {"name": "x", "namespace": "shop"}})
    wire.hang()


def without_name(wire: Wire) -> None:
    wire.stream()
    wire.event("ADDED", {"metadata": {"resourceVersion": "11"}, "status": {"phase": "Running"}})
    wire.hang()


def without_projection(wire: Wire) -> None:
    wire.stream()
    wire.event("ADDED", {"metadata": {"resourceVersion": "11", "name": "x", "namespace": "shop"}})
    wire.hang()


def endless_line(wire: Wire) -> None:
    wire.stream()
    for _ in range(80):
        wire.chunk(b"x" * 65_536)
    wire.hang()


def cut(wire: Wire) -> None:
    wire.stream()
    wire.chunk(b'{"type": "ADDED", "obj')
    wire.close()


def cut_cleanly(wire: Wire) -> None:
    wire.stream()
    wire.chunk(b'{"type": "ADDED", "obj')
    wire.chunk(b"")


def reset(wire: Wire) -> None:
    wire.stream()
    wire.reset()


def at_once(wire: Wire) -> None:
    wire.stream()
    wire.chunk(b"")


def gone_in_the_stream(wire: Wire) -> None:
    wire.stream()
    wire.event("ERROR", status(410, "Expired", "too old resource version: 10 (99)"))
    wire.hang()


def error_in_the_stream(wire: Wire) -> None:
    wire.stream()
    wire.event("ERROR", status(500, "InternalError", "etcd event received with PrevKv=nil"))
    wire.hang()


def nonsense_in_the_stream(wire: Wire) -> None:
    wire.stream()
    wire.event("ERROR", "what")
    wire.hang()


def gone(wire: Wire) -> None:
    wire.answer(410, status(410, "Expired", "too old resource version"))


def busy(wire: Wire) -> None:
    wire.answer(429, b"", Retry_After="1")


def forbidden(wire: Wire) -> None:
    wire.answer(403, status(403, "Forbidden", "cannot watch resource"))


DOUBTS = [
    garbage,
    null,
    unknown,
    without_version,
    without_name,
    without_projection,
    endless_line,
    cut,
    cut_cleanly,
    reset,
    at_once,
    gone_in_the_stream,
    error_in_the_stream,
    nonsense_in_the_stream,
    gone,
    busy,
    forbidden,
]


@pytest.mark.parametrize("doubt", DOUBTS)
def test_every_doubt_starts_again_from_a_list(tmp_path: Path, doubt: Callable[[Wire], None]) -> None:
    seen, cluster = Seen(), Cluster()
    cluster.lists = [listed(10, pod("a", 1), pod("b", 2)), listed(50, pod("b", 2), pod("c", 3))]
    cluster.turns.put(doubt)
    with cached(tmp_path, cluster, seen=seen) as cache:
        until(lambda: cache.get("shop", "c") is not None)
        assert cache.get("shop", "a") is None
        until(lambda: len(cluster.asked("watch")) == 2)
        assert cluster.asked("watch")[1].query["resourceVersion"] == "50"
        until(lambda: len(seen.hints) == 4)
        assert seen.hints[2:] == [("shop", "a"), ("shop", "c")]
        until(cache.fresh)
    assert [event for event, _ in seen.logged][:1] == ["watch_lost"]


def test_silence_on_an_open_connection_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a firewall forgets the connection: no end, no error, no event."""
    monkeypatch.setattr("controller.adapters.kube.api.STREAM_SLACK_S", 0.2)
    monkeypatch.setattr("controller.adapters.kube.watching.STREAM_SLACK_S", 0.2)
    seen, cluster = Seen(), Cluster()
    cluster.lists = [listed(10, pod("a", 1)), listed(50, pod("c", 3))]
    cluster.turns.put(silence)
    pace = Pace(stream_s=0.3, silence_s=0.5, first_pause_s=0.02)
    with cached(tmp_path, cluster, pace, seen=seen) as cache:
        until(lambda: cache.get("shop", "c") is not None)
        assert cache.get("shop", "a") is None
    assert "ReadTimeoutError" in seen.logged[0][1]["trouble"]


def test_freshness_ends_with_silence_and_while_the_server_is_gone(tmp_path: Path) -> None:
    seen, cluster, away = Seen(), Cluster(), threading.Event()

    def turn(wire: Wire) -> None:
        wire.stream()
        away.wait(10)
        wire.reset()

    cluster.turns.put(turn)
    with cached(tmp_path, cluster, seen=seen) as cache:
        assert not cache.fresh() or cache.wait(0)
        until(cache.fresh)
        cluster.down = True
        away.set()
        until(lambda: not cache.fresh())
        until(lambda: len(cluster.asked("list")) >= 4)
        assert not cache.fresh()
        assert cache.get("shop", "a") == "Running"
        cluster.lists = [listed(3, pod("z", 1))]
        cluster.down = False
        until(cache.fresh)
        assert cache.all() == {("shop", "z"): "Running"}
    assert [event for event, _ in seen.logged] == ["watch_lost"]


def test_a_server_that_ends_every_stream_at_once_is_not_stormed(tmp_path: Path) -> None:
    cluster = Cluster()
    for _ in range(500):
        cluster.turns.put(at_once)
    pace = Pace(first_pause_s=0.1, longest_pause_s=0.4, chance=lambda: 1.0)
    started = time.perf_counter()
    with cached(tmp_path, cluster, pace):
        until(lambda: len(cluster.asked("watch")) == 4)
        assert time.perf_counter() - started > 0.1 + 0.2 + 0.4


def test_the_pause_doubles_is_spread_by_chance_and_has_a_bound() -> None:
    least, most = Pace(chance=lambda: 0.0), Pace(chance=lambda: 1.0)
    assert [most.pause_s(n) for n in range(1, 9)] == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]
    assert [least.pause_s(n) for n in range(1, 4)] == [0.25, 0.5, 1.0]
    assert most.pause_s(10**6) == 15.0
    assert len({Pace().pause_s(5) for _ in range(20)}) > 10


def test_a_pace_at_which_an_idle_stream_would_look_dead_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        Pace(stream_s=30, silence_s=31)


def test_a_hint_that_fails_stops_nothing(tmp_path: Path) -> None:
    cluster, seen = Cluster(), Seen(KeyError("bug"))

    def turn(wire: Wire) -> None:
        wire.stream()
        wire.event("ADDED", pod("n", 11))
        wire.hang()

    cluster.turns.put(turn)
    with cached(tmp_path, cluster, seen=seen) as cache:
        until(lambda: cache.get("shop", "n") is not None)
        until(cache.fresh)
    assert {event for event, _ in seen.logged} == {"watch_hint_failed"}
    assert len(cluster.asked("list")) == 1


def stream_of(events: int) -> Callable[[Wire], None]:
    def turn(wire: Wire) -> None:
        wire.stream()
        for n in range(events):
            wire.event("MODIFIED", pod("a", 11 + n, f"Phase{n}"))
        wire.hang()

    return turn


@pytest.mark.parametrize("state", ["silent", "busy", "refused", "hanging"])
def test_it_stops_within_a_second_whatever_it_waits_for(tmp_path: Path, state: str) -> None:
    cluster, seen = Cluster(), Seen()
    match state:
        case "busy":
            cluster.turns.put(stream_of(100_000))
        case "refused":
            cluster.down = True
        case "hanging":
            cluster.turns.put(Wire.hang)
    pace = Pace(first_pause_s=20, longest_pause_s=20)
    with cached(tmp_path, cluster, pace, seen=seen) as cache:
        if state == "refused":
            until(lambda: bool(seen.logged))
        else:
            until(lambda: bool(cluster.asked("watch")))
        started = time.perf_counter()
        cache.stop()
        assert time.perf_counter() - started < 1.0
        told = len(seen.hints)
        assert not cache.fresh()
    assert len(seen.hints) == told


def test_a_watch_over_tls_stops_within_a_second_and_its_thread_ends(tmp_path: Path) -> None:
    crt, key = certificate(tmp_path)
    cluster = Cluster()
    with scripted(cluster, serving(crt, key)) as server:
        cluster.server = server
        authority: dict[str, Any] = {"certificate-authority": str(crt)}
        path = kubeconfig(tmp_path, server.url, **authority)
        api = connect(KubeSettings(kubeconfig=path), SystemClock())
        cache = Cache(api, SystemClock(), Scope(POD, "shop"), phase, lambda _namespace, _name: None, QUICK)
        cache.start()
        until(lambda: bool(cluster.asked("watch")) and cache.fresh())
        started = time.perf_counter()
        cache.stop()
        assert time.perf_counter() - started < 1.0
        assert not cache._thread.is_alive()
        api.close()


def test_it_can_be_stopped_before_it_was_started(tmp_path: Path) -> None:
    with scripted(Cluster()) as server, client(tmp_path, server.url) as api:
        Cache(api, SystemClock(), Scope(POD), phase, lambda _namespace, _name: None).stop()
    assert server.heard == []


def test_objects_of_the_cluster_itself_have_no_namespace(tmp_path: Path) -> None:
    cluster = Cluster()
    item = {"metadata": {"name": "shop", "resourceVersion": "1"}, "status": {"phase": "Active"}}
    cluster.lists = [listed(10, item)]
    with cached(tmp_path, cluster, scope=Scope(NAMESPACE)) as cache:
        assert cache.wait(5)
        assert cache.get("", "shop") == "Active"


def test_only_the_projection_stays_in_memory(tmp_path: Path) -> None:
    cluster = Cluster()
    cluster.lists = [listed(10, *(pod(f"p{n}", n + 1) for n in range(500)))]
    with cached(tmp_path, cluster) as cache:
        until(lambda: len(cache.all()) == 500 and bool(cluster.asked("watch")))
        cluster.lists = []
        gc.collect()
        held = [one for one in gc.get_objects() if isinstance(one, dict) and "managedFields" in one]
        assert len(held) <= 1
