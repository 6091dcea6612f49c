"""The clocks of the command line and its way to wait. The only place here that reads a clock or pauses."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Pace(Protocol):
    def now_s(self) -> float:
        """UTC seconds since the epoch."""
        ...

    def monotonic_s(self) -> float:
        """For time-outs. Never goes back."""
        ...

    def wait(self, seconds: float) -> None: ...


class RealPace:
    """Waits on an event that nobody sets, which Ctrl-C interrupts on every system."""

    def __init__(self) -> None:
        self._never = threading.Event()

    def now_s(self) -> float:
        return time.time()  # noqa: TID251  the command line's one reader of the wall clock

    def monotonic_s(self) -> float:
        return time.monotonic()  # noqa: TID251  the command line's one reader of the monotonic clock

    def wait(self, seconds: float) -> None:
        self._never.wait(seconds)
