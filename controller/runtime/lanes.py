"""Writes stops to routes, each guard in a lane of its own, so that a guard that hangs holds up no other guard and no
later kill. It decides nothing; what was not answered is tried again for a bounded time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from controller.core.model import Application

EFFECTIVE, PENDING, FAILED = "effective", "pending", "failed"

LANE_THREADS = 4
"""Per guard, which carries out one request at a time; more would only wait in its queue."""
RETRY_S = 1.0
"""Between two tries of what a guard did not take, so that a dead one is not hammered."""
TRIES_MAX = 600
"""Some ten minutes; by then the passes over the releases have long taken it up."""
LATE_MAX = 1_000
"""Stops of one guard that wait for another try: two kills of a full guard. The oldest go first."""


@dataclass(frozen=True, slots=True)
class PathAnswer:
    """What became of one path: effective, pending or failed, with the trouble in words.

    ``again`` says that the same may be tried again, since nobody has refused it.
    """

    path: str
    state: str
    text: str = ""
    again: bool = False


Run = Callable[[Application], PathAnswer]


@dataclass(slots=True)
class Job:
    """One stop of one route. ``told`` is answered once: by the first try, or with None when the guard hangs.

    ``began`` is the ``number`` of the newest stop when the last try began.
    """

    run: Run
    app: Application
    told: Future[PathAnswer | None] = field(default_factory=Future)
    tries: int = 0
    late: bool = False
    number: int = 0
    began: int = 0

    def tell(self, answer: PathAnswer | None) -> None:
        if not self.told.done():
            self.told.set_result(answer)


class Lane:
    """The stops of one guard: new ones first, at most ``LANE_THREADS`` at once, and late ones one at a time."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._fresh: deque[Job] = deque()
        self._late: deque[Job] = deque()
        self._count = 0
        self._threads, self._retrying, self._silent, self._closed = 0, False, False, False

    def put(self, job: Job) -> None:
        with self._change:
            if self._closed:
                job.tell(None)
                return
            self._count += 1
            job.number = self._count
            self._fresh.append(job)
            if self._threads < LANE_THREADS:
                self._threads += 1
                threading.Thread(target=self._work, name="kill", daemon=True).start()
            self._change.notify()

    def close(self) -> None:
        with self._change:
            self._closed = True
            self._late.clear()
            while self._fresh:
                self._fresh.popleft().tell(None)
            self._change.notify_all()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            answer = job.run(job.app)
            self._took(job, answer)

    def _next(self) -> Job | None:
        """The next job of this thread; None when it is not needed any more. One thread at a time sees to late ones."""
        with self._change:
            if not self._fresh and self._late and not self._retrying:
                self._retrying = True
                if self._silent:
                    self._change.wait_for(lambda: self._closed or bool(self._fresh), RETRY_S)
                if self._late and not self._fresh:
                    job = self._late.popleft()
                    job.late, job.began = True, self._count
                    return job
                self._retrying = False
            if self._fresh:
                job = self._fresh.popleft()
                job.began = self._count
                return job
            self._threads -= 1
            return None

    def _took(self, job: Job, answer: PathAnswer) -> None:
        with self._change:
            job.tries += 1
            self._silent = answer.again
            if job.late:
                job.late = self._retrying = False
            if answer.state == PENDING:
                # The guard hangs: nobody waits for it any longer, and the next kill finds no queue. A stop that came
                # during the try is no part of that; it gets a try of its own.
                overtaken = [waiting for waiting in self._fresh if waiting.number <= job.began]
                for waiting in overtaken:
                    self._fresh.remove(waiting)
                    waiting.tell(None)
                self._late.extendleft(reversed(overtaken))
            if answer.again and job.tries < TRIES_MAX and not self._closed:
                self._late.append(job)
            while len(self._late) > LATE_MAX:
                self._late.pop()
        job.tell(answer)


class Lanes:
    """One lane per guard. ``submit`` never waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lanes: dict[str, Lane] = {}

    def submit(self, run: Run, app: Application) -> Future[PathAnswer | None]:
        job = Job(run, app)
        with self._lock:
            lane = self._lanes.setdefault(app.router.owner, Lane())
        lane.put(job)
        return job.told

    def shutdown(self, wait: bool = True, cancel_futures: bool = True) -> None:
        """Nothing is tried again; a try under way ends by itself within the router's time-out."""
        with self._lock:
            lanes = list(self._lanes.values())
        for lane in lanes:
            lane.close()
