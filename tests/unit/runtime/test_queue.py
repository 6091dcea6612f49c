"""The work queue: one worker per key at a time, the earlier wake-up wins, nothing is forgotten, stopping is bounded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from controller.runtime import queue as module
from controller.runtime.queue import CRASHED_AGAIN_S, LOOK_S_MAX, WorkQueue
from tests.fakes.clock import ManualClock

WAIT_S = 5.0
"""Only a broken queue waits this long."""


class Passes:
    """A pass that tells when it begins, waits for leave where asked to, and answers what it was told to."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.ended = threading.Semaphore(0)
        self.leave: dict[str, threading.Event] = {}
        self.answers: dict[str, float | None] = {}
        self.failing: set[str] = set()
        self.log: list[str] = []
        self.now: set[str] = set()
        self.together = 0
        self._lock = threading.Lock()

    def __call__(self, key: str) -> float | None:
        with self._lock:
            assert key not in self.now, f"two workers pass {key} at the same time"
            self.now.add(key)
            self.together = max(self.together, len(self.now))
            self.log.append(key)
        self.begun.release()
        if key in self.leave:
            assert self.leave[key].wait(WAIT_S)
        with self._lock:
            self.now.remove(key)
        self.ended.release()
        if key in self.failing:
            self.failing.remove(key)
            raise RuntimeError(f"{key} broke")
        return self.answers.get(key)

    def wait_begun(self) -> None:
        assert self.begun.acquire(timeout=WAIT_S), "no pass began"

    def wait_ended(self, count: int = 1) -> None:
        for _ in range(count):
            assert self.ended.acquire(timeout=WAIT_S), "no pass ended"


Errors = list[tuple[str, BaseException]]


@contextmanager
def running(passes: Passes, clock: ManualClock, workers: int = 2, errors: Errors | None = None) -> Iterator[WorkQueue]:
    told: Errors = [] if errors is None else errors
    queue = WorkQueue(passes, clock, lambda key, error: told.append((key, error)), workers)
    queue.start()
    try:
        yield queue
    finally:
        for leave in passes.leave.values():
            leave.set()
        assert queue.stop()


def until(condition: Callable[[], bool]) -> None:
    """Wait for another thread's next step; only a broken queue lets it run out."""
    waited = threading.Event()
    for _ in range(500):
        if condition():
            return
        waited.wait(0.01)
    raise AssertionError("it did not happen")


def test_a_key_is_passed_when_it_is_due_and_not_before() -> None:
    passes, clock = Passes(), ManualClock()
    with running(passes, clock) as queue:
        queue.add("later", clock.now_s() + 60)
        queue.add("now")
        passes.wait_ended()
        assert passes.log == ["now"]
        clock.advance(60)
        queue.add("wakes the workers")
        passes.wait_ended(2)
    assert sorted(passes.log) == ["later", "now", "wakes the workers"]


def test_two_workers_pass_two_keys_at_once_but_never_one_key_twice() -> None:
    passes, clock = Passes(), ManualClock()
    passes.leave = {"a": threading.Event(), "b": threading.Event()}
    with running(passes, clock, workers=4) as queue:
        queue.add("a")
        queue.add("b")
        passes.wait_begun()
        passes.wait_begun()
        queue.add("a")
        queue.add("a")
        assert passes.together == 2
        passes.leave["a"].set()
        passes.wait_begun()
    assert passes.log.count("a") == 2


def test_a_key_added_while_it_is_passed_is_passed_once_more() -> None:
    passes, clock = Passes(), ManualClock()
    passes.leave["a"] = threading.Event()
    with running(passes, clock) as queue:
        queue.add("a")
        passes.wait_begun()
        for _ in range(5):
            queue.add("a")
        passes.leave["a"].set()
        passes.wait_ended(2)
        until(lambda: queue.depth() == 0)
    assert passes.log == ["a", "a"]


def test_what_somebody_waits_for_goes_before_everything_that_is_late() -> None:
    passes, clock = Passes(), ManualClock()
    passes.leave["slow"] = threading.Event()
    with running(passes, clock, workers=1) as queue:
        queue.add("slow")
        passes.wait_begun()
        for number in range(20):
            queue.add(f"late-{number}", clock.now_s() - 60)
        queue.urge("wished")
        queue.urge("slow")
        passes.leave["slow"].set()
        passes.wait_ended(23)
    assert set(passes.log[1:3]) == {"slow", "wished"}


def test_how_late_the_looks_are_is_known() -> None:
    passes, clock = Passes(), ManualClock()
    passes.leave["slow"] = threading.Event()
    with running(passes, clock, workers=1) as queue:
        assert queue.lag_s() == 0
        queue.add("slow")
        passes.wait_begun()
        queue.add("later", clock.now_s() + 5)
        queue.urge("wished")
        assert queue.lag_s() == 0
        clock.advance(12)
        assert queue.lag_s() == 7


@pytest.mark.parametrize(("first_s", "second_s"), [(50, 10), (10, 50)])
def test_of_two_wake_ups_the_earlier_one_wins(first_s: float, second_s: float) -> None:
    passes, clock = Passes(), ManualClock()
    with running(passes, clock) as queue:
        queue.add("a", clock.now_s() + first_s)
        queue.add("a", clock.now_s() + second_s)
        assert queue.depth() == 1
        clock.advance(10)
        queue.add("b")
        passes.wait_ended(2)
        clock.advance(100)
        queue.add("b")
        passes.wait_ended()
        until(lambda: queue.depth() == 0)
    assert passes.log.count("a") == 1


def test_a_later_wish_while_running_does_not_delay_what_the_pass_itself_asked_for() -> None:
    passes, clock = Passes(), ManualClock()
    passes.leave["a"], passes.answers["a"] = threading.Event(), clock.now_s() + 5
    with running(passes, clock) as queue:
        queue.add("a")
        passes.wait_begun()
        queue.add("a", clock.now_s() + 500)
        queue.add("a", clock.now_s() + 400)
        passes.answers["a"] = clock.now_s() + 5
        passes.leave["a"].set()
        passes.wait_ended()
        until(lambda: queue.depth() == 1)
        passes.answers["a"] = None
        clock.advance(5)
        queue.add("b")
        passes.wait_ended(2)
    assert passes.log.count("a") == 2


def test_a_wall_clock_that_is_set_back_delays_no_pass() -> None:
    passes, clock = Passes(), ManualClock()
    with running(passes, clock) as queue:
        queue.add("a", clock.now_s() + 5)
        clock.utc_s -= 3_600
        clock.advance(5)
        queue.add("wakes the workers")
        passes.wait_ended(2)
    assert sorted(passes.log) == ["a", "wakes the workers"]


def test_a_wake_up_that_a_stepped_clock_put_far_away_is_looked_at_within_the_longest_poll() -> None:
    passes, clock = Passes(), ManualClock()
    with running(passes, clock) as queue:
        queue.add("a", clock.now_s() + 3_600)
        clock.advance(LOOK_S_MAX - 1)
        queue.add("b")
        passes.wait_ended()
        assert passes.log == ["b"]
        clock.advance(1)
        queue.add("b")
        passes.wait_ended(2)
    assert passes.log.count("a") == 1


def test_a_key_whose_pass_says_never_is_forgotten() -> None:
    passes, clock = Passes(), ManualClock()
    with running(passes, clock) as queue:
        queue.add("a")
        passes.wait_ended()
        until(lambda: queue.depth() == 0)


def test_a_pass_that_raises_is_told_and_looked_at_again_and_its_worker_serves_on() -> None:
    passes, clock, errors = Passes(), ManualClock(), Errors()
    passes.failing.add("a")
    with running(passes, clock, workers=1, errors=errors) as queue:
        queue.add("a")
        passes.wait_ended()
        queue.add("b")
        passes.wait_ended()
        until(lambda: queue.depth() == 1)
        clock.advance(CRASHED_AGAIN_S)
        queue.add("c")
        passes.wait_ended(2)
    assert [(key, str(error)) for key, error in errors] == [("a", "a broke")]
    assert passes.log.count("a") == 2


def test_the_sweep_brings_back_only_what_the_queue_does_not_know() -> None:
    passes, clock = Passes(), ManualClock()
    passes.leave["busy"] = threading.Event()
    with running(passes, clock) as queue:
        queue.add("busy")
        queue.add("waiting", clock.now_s() + 60)
        passes.wait_begun()
        for key in ("busy", "waiting", "lost"):
            queue.remember(key)
        passes.wait_begun()
        assert queue.depth() in (2, 3)
        passes.leave["busy"].set()
        passes.wait_ended(2)
        until(lambda: queue.depth() == 1)
    assert passes.log == ["busy", "lost"]


def test_a_full_queue_drops_new_keys_but_still_moves_known_ones_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUED_MAX", 2)
    passes, clock = Passes(), ManualClock()
    with running(passes, clock) as queue:
        queue.add("a", clock.now_s() + 60)
        queue.add("b", clock.now_s() + 60)
        queue.add("c", clock.now_s() + 60)
        assert queue.depth() == 2
        queue.add("a")
        passes.wait_ended()
    assert passes.log == ["a"]


def test_stopping_lets_a_running_pass_end() -> None:
    passes, clock = Passes(), ManualClock()
    passes.leave["a"] = threading.Event()
    queue = WorkQueue(passes, clock, lambda _key, _error: None, workers=1)
    queue.start()
    queue.add("a")
    passes.wait_begun()
    queue.add("b")
    passes.leave["a"].set()
    assert queue.stop(WAIT_S)
    assert passes.log in (["a"], ["a", "b"])


def test_stopping_does_not_wait_for_ever_for_a_pass_that_hangs() -> None:
    passes, clock = Passes(), ManualClock()
    passes.leave["a"] = threading.Event()
    queue = WorkQueue(passes, clock, lambda _key, _error: None, workers=1)
    queue.start()
    queue.add("a")
    passes.wait_begun()
    assert queue.stop(timeout_s=0.05) is False
    passes.leave["a"].set()
    assert queue.stop(WAIT_S)


def test_a_queue_that_was_never_started_stops() -> None:
    assert WorkQueue(Passes(), ManualClock(), lambda _key, _error: None).stop()
