"""What a cache knows, what it hints at, and how it ends."""

from __future__ import annotations

import gc
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.clock import SystemClock
from controller.adapters.kube.connect import KubeSettings, connect
from controller.adapters.kube.kinds import NAMESPACE, POD
from controller.adapters.kube.watching import SHORT_STREAM_S, Cache, Pace, Scope
from tests.fakes.clock import ManualClock
from tests.kube.scripted import Wire, certificate, client, kubeconfig, scripted, serving
from tests.kube.watch_stage import QUICK, RAW_ONLY, Cluster, Seen, cached, listed, phase, pod, until


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


def test_what_was_heard_of_longer_ago_than_an_idle_watch_is_silent_is_not_fresh(tmp_path: Path) -> None:
    cluster, clock = Cluster(), ManualClock()
    with cached(tmp_path, cluster, clock=clock) as cache:
        until(lambda: bool(cluster.asked("watch")) and cache.fresh())

        def stale() -> bool:
            clock.advance(QUICK.silence_s + 0.001)
            return not cache.fresh()

        until(stale)
        assert cache.get("shop", "a") == "Running"


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
        held = [one for one in gc.get_objects() if isinstance(one, dict) and one.get("managedFields") == RAW_ONLY]
        assert len(held) <= 1
