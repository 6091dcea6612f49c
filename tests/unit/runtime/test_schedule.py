"""The heartbeat: every job beats, a failing one is counted and beats on, a slow one does not hold the others up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from controller.runtime.health import Pulse
from controller.runtime.schedule import Job, Schedule
from tests.fakes.clock import ManualClock

WAIT_S = 5.0
SOON_S = 0.02


@contextmanager
def beating(pulse: Pulse, *jobs: Job, told: list[dict[str, object]] | None = None) -> Iterator[None]:
    log = [] if told is None else told
    schedule = Schedule(jobs, pulse, lambda event, **fields: log.append({"event": event, **fields}))
    schedule.start()
    try:
        yield
    finally:
        schedule.stop()


class Beats:
    def __init__(self, error: Exception | None = None) -> None:
        self._error, self._beats = error, threading.Semaphore(0)

    def __call__(self) -> None:
        self._beats.release()
        if self._error is not None:
            raise self._error

    def wait(self, count: int) -> None:
        for _ in range(count):
            assert self._beats.acquire(timeout=WAIT_S), "the heart stopped"


def test_a_job_beats_again_and_again() -> None:
    beats = Beats()
    with beating(Pulse(ManualClock(), {"sweep": 1.0}), Job("sweep", SOON_S, beats)):
        beats.wait(3)


def test_a_job_that_fails_beats_on_and_is_counted() -> None:
    beats, told = Beats(OSError("no disk")), list[dict[str, object]]()
    pulse = Pulse(ManualClock(), {"sweep": 1.0})
    with beating(pulse, Job("sweep", SOON_S, beats), told=told):
        beats.wait(3)
    assert pulse.beats()[0].failures >= 2
    assert pulse.beats()[0].trouble == "OSError: no disk"
    assert told[0] == {"event": "heartbeat_failed", "job": "sweep", "trouble": "OSError: no disk"}


def test_a_job_that_hangs_does_not_hold_up_one_with_its_own_thread() -> None:
    leave, beats = threading.Event(), Beats()
    slow = [Job(f"slow{n}", SOON_S, lambda: leave.wait(WAIT_S)) for n in range(5)]
    sweep = Job("sweep", SOON_S, beats, own_thread=True)
    pulse = Pulse(ManualClock(), {job.name: 1.0 for job in (*slow, sweep)})
    with beating(pulse, *slow, sweep):
        beats.wait(5)
        leave.set()
    assert all(beat.failures == 0 for beat in pulse.beats())


def test_a_job_that_cannot_wait_for_its_first_period_runs_at_once() -> None:
    beats = Beats()
    job = Job("first", 3600.0, beats, own_thread=True, at_once=True)
    with beating(Pulse(ManualClock(), {"first": 1.0}), job):
        beats.wait(1)
