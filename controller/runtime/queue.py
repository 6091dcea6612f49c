"""Which release is looked at when, and by whom: one worker per release at a time. Wake-up times come from the store and
from the last pass; the queue is only a memory of them and may be lost. It waits by the clock that nobody can set."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable

from controller.ports import Clock

Pass = Callable[[str], float | None]
"""One pass over a key; returns when to look again, or None for never."""

QUEUED_MAX = 100_000
"""Keys remembered at once; one costs about 200 bytes. The sweep brings back what did not fit."""
LOOK_S_MAX = 300.0
"""The longest wait, that of the longest poll: a wake-up time that a stepped clock made far away is looked at anyway."""
URGENT_S = -1.0
"""Due before everything else: the clock begins at 0."""
CRASHED_AGAIN_S = 5.0
"""After a pass that raised: look again, but do not spin."""


class WorkQueue:
    """A heap of wake-up times served by a few threads. Adding a key twice keeps the earlier time.

    UTC comes in and is turned into a wait at once; everything inside is monotonic.
    """

    def __init__(
        self, run: Pass, clock: Clock, on_error: Callable[[str, BaseException], None], workers: int = 8
    ) -> None:
        self._run, self._clock, self._on_error = run, clock, on_error
        self._heap: list[tuple[float, str]] = []
        self._due: dict[str, float] = {}
        self._running: set[str] = set()
        self._again: dict[str, float] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True) for number in range(workers)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = 15.0) -> bool:
        """Let running passes end. Returns False when one did not within ``timeout_s``."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        deadline_s = self._clock.monotonic_s() + timeout_s
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline_s - self._clock.monotonic_s()))
        return not any(thread.is_alive() for thread in self._threads)

    def add(self, key: str, at_s: float | None = None) -> None:
        """Look at ``key`` at ``at_s`` (now when None). A key that is being passed is passed once more afterwards."""
        due_s = self._due_s(at_s)
        with self._changed:
            if key in self._running:
                self._again[key] = min(due_s, self._again.get(key, due_s))
            else:
                self._push(key, due_s)

    def urge(self, key: str) -> None:
        """Look at ``key`` before all others, whatever is late: somebody waits for what they wished."""
        with self._changed:
            if key in self._running:
                self._again[key] = URGENT_S
            else:
                self._push(key, URGENT_S)

    def remember(self, key: str) -> None:
        """Look at ``key`` now unless the queue knows of it already: the sweep brings back what was lost, no more."""
        with self._changed:
            if key not in self._running and key not in self._due:
                self._push(key, self._clock.monotonic_s())

    def depth(self) -> int:
        with self._changed:
            return len(self._due) + len(self._running)

    def lag_s(self) -> float:
        """How long the first look has been due. Seconds of it mean more releases than this node can look at in time."""
        with self._changed:
            times = [due_s for due_s in self._due.values() if due_s != URGENT_S]
            return max(0.0, self._clock.monotonic_s() - min(times)) if times else 0.0

    def _due_s(self, at_s: float | None) -> float:
        """``at_s`` of the wall clock as monotonic time, at most LOOK_S_MAX from now."""
        wait_s = 0.0 if at_s is None else min(max(0.0, at_s - self._clock.now_s()), LOOK_S_MAX)
        return self._clock.monotonic_s() + wait_s

    def _push(self, key: str, due_s: float) -> None:
        if due_s >= self._due.get(key, float("inf")) or (key not in self._due and len(self._due) >= QUEUED_MAX):
            return
        self._due[key] = due_s
        heapq.heappush(self._heap, (due_s, key))
        self._changed.notify()

    def _take(self) -> str | None:
        """The next due key, waiting for it; None when the queue stops."""
        with self._changed:
            while not self._stopping:
                wait_s = self._drop_stale()
                if wait_s is not None and wait_s <= 0:
                    _, key = heapq.heappop(self._heap)
                    del self._due[key]
                    self._running.add(key)
                    return key
                self._changed.wait(min(wait_s, 1.0) if wait_s is not None else 1.0)
            return None

    def _drop_stale(self) -> float | None:
        """Seconds until the first valid entry, after throwing out entries that were overtaken by an earlier one."""
        while self._heap:
            due_s, key = self._heap[0]
            if self._due.get(key) == due_s:
                return due_s - self._clock.monotonic_s()
            heapq.heappop(self._heap)
        return None

    def _work(self) -> None:
        while (key := self._take()) is not None:
            again_s: float | None
            try:
                again_s = self._run(key)
            except Exception as error:  # noqa: BLE001  a pass that fails must not end the worker that serves the others
                self._on_error(key, error)
                again_s = self._clock.now_s() + CRASHED_AGAIN_S
            self._done(key, again_s)

    def _done(self, key: str, again_s: float | None) -> None:
        asked_s = None if again_s is None else self._due_s(again_s)
        with self._changed:
            self._running.discard(key)
            times = [t for t in (asked_s, self._again.pop(key, None)) if t is not None]
            if times:
                self._push(key, min(times))
