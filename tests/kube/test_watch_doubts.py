"""Whatever makes a watch doubtful starts it again from a list, at a bounded pace, and is noticed in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.adapters.kube.watching import SHORT_STREAM_S, Pace
from tests.kube.scripted import Wire, status
from tests.kube.watch_stage import Cluster, Seen, cached, listed, pod, silence, until


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


@pytest.mark.parametrize(
    ("doubt", "said"),
    [
        (garbage, "is not JSON"),
        (null, "is no event"),
        (without_version, "is no event"),
        (cut_cleanly, "ended inside an event"),
        (endless_line, "larger than 4096 KiB"),
        (gone_in_the_stream, "too old resource version"),
        (at_once, "ended as soon as it was opened"),
        (without_projection, "KeyError while it was read"),
    ],
)
def test_what_was_doubtful_is_logged_once(tmp_path: Path, doubt: Callable[[Wire], None], said: str) -> None:
    seen, cluster = Seen(), Cluster()
    for _ in range(3):
        cluster.turns.put(doubt)
    with cached(tmp_path, cluster, seen=seen):
        until(lambda: len(cluster.asked("watch")) == 4)
    assert [event for event, _ in seen.logged] == ["watch_lost"]
    assert said in seen.logged[0][1]["trouble"]
    assert seen.logged[0][1]["watch"] == "pods shop"


def test_a_stream_that_lasts_ends_the_trouble_before_it(tmp_path: Path) -> None:
    """Else the pause after the next failure, hours later, would be the longest at once."""
    seen, cluster = Seen(), Cluster()

    def lasting(wire: Wire) -> None:
        wire.stream()
        wire.hang(SHORT_STREAM_S + 0.1)
        wire.event("ADDED", pod("late", 11))
        wire.hang()

    cluster.turns.put(garbage)
    cluster.turns.put(lasting)
    with cached(tmp_path, cluster, seen=seen) as cache:
        until(lambda: cache.get("shop", "late") is not None)
        until(lambda: [event for event, _ in seen.logged] == ["watch_lost", "watch_back"])


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
