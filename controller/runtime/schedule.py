"""The heartbeat: named jobs at fixed periods. It remembers no deadline; those live in the store."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from controller.runtime.health import Pulse


@dataclass(frozen=True, slots=True)
class Job:
    """``own_thread`` keeps a job that must not wait, such as the sweep, away from slow ones. ``at_once``: also when the
    schedule starts, and not only after the first period."""

    name: str
    period_s: float
    run: Callable[[], object]
    own_thread: bool = False
    at_once: bool = False


class Schedule:
    """APScheduler with a memory store. Every job counts its successes, so that health shows which one is stuck."""

    def __init__(self, jobs: tuple[Job, ...], pulse: Pulse, log: Callable[..., None]) -> None:
        own = {job.name: ThreadPoolExecutor(1) for job in jobs if job.own_thread}
        self._scheduler: Any = BackgroundScheduler(
            timezone="UTC",
            executors={"default": ThreadPoolExecutor(4), **own},
            # A heartbeat that comes late still beats once; the defaults would drop it without a word.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        self._first: list[threading.Thread] = []
        for job in jobs:
            beat, executor = _wrapped(job, pulse, log), job.name if job.own_thread else "default"
            self._scheduler.add_job(beat, "interval", seconds=job.period_s, id=job.name, executor=executor)
            if job.at_once:
                # Not as a job that runs once: APScheduler's thread dies when it is stopped while it removes one.
                self._first.append(threading.Thread(target=beat, name=f"first-{job.name}", daemon=True))

    def start(self) -> None:
        self._scheduler.start()
        for thread in self._first:
            thread.start()

    def stop(self) -> None:
        """Also when it never started, so that a start that failed can be cleaned up after."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)


def _wrapped(job: Job, pulse: Pulse, log: Callable[..., None]) -> Callable[[], None]:
    def beat() -> None:
        try:
            job.run()
        except Exception as error:  # noqa: BLE001  one failed beat must not end the heartbeat; health shows it
            pulse.failure(job.name, f"{type(error).__name__}: {error}")
            log("heartbeat_failed", job=job.name, trouble=f"{type(error).__name__}: {error}")
        else:
            pulse.success(job.name)

    return beat
