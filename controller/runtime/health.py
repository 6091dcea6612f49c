"""Whether this node makes progress: the age of each heartbeat's last success, not a constant. It repairs nothing."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from controller.ports import Clock


@dataclass(frozen=True, slots=True)
class Beat:
    """One heartbeat: how old its last success is, how old it may be, and how often it failed in a row."""

    name: str
    age_s: float
    age_s_max: float
    failures: int
    trouble: str

    @property
    def healthy(self) -> bool:
        return self.age_s <= self.age_s_max


@dataclass(frozen=True, slots=True)
class Health:
    """All heartbeats and what is parked. ``leading`` is False once a newer leader has fenced this node; ``remedy`` says
    what a person can do when that leader is only a memory of the routes. ``lag_s``: how late the looks at releases are.
    """

    beats: tuple[Beat, ...]
    leading: bool
    parked: tuple[str, ...]
    epoch: int
    remedy: str = ""
    lag_s: float = 0.0

    @property
    def healthy(self) -> bool:
        return self.leading and not self.parked and all(beat.healthy for beat in self.beats)


class Pulse:
    """Collects successes and failures of named heartbeats. Thread-safe."""

    def __init__(self, clock: Clock, limits_s: Mapping[str, float]) -> None:
        self._clock, self._limits_s = clock, dict(limits_s)
        self._lock = threading.Lock()
        start = clock.monotonic_s()
        self._last = dict.fromkeys(self._limits_s, start)
        self._failures = dict.fromkeys(self._limits_s, 0)
        self._trouble = dict.fromkeys(self._limits_s, "")

    def success(self, name: str) -> None:
        with self._lock:
            self._last[name], self._failures[name], self._trouble[name] = self._clock.monotonic_s(), 0, ""

    def failure(self, name: str, trouble: str) -> None:
        with self._lock:
            self._failures[name] += 1
            self._trouble[name] = trouble[:300]

    def beats(self) -> tuple[Beat, ...]:
        now_s = self._clock.monotonic_s()
        with self._lock:
            return tuple(
                Beat(name, now_s - self._last[name], limit_s, self._failures[name], self._trouble[name])
                for name, limit_s in self._limits_s.items()
            )
