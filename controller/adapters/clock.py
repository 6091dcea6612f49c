"""The machine's clocks, and the only place that reads them for the controller."""

from __future__ import annotations

import time


class SystemClock:
    """UTC for records and deadlines, monotonic for time-outs and ages."""

    def now_s(self) -> float:
        return time.time()  # noqa: TID251  the one reader of the wall clock

    def sleep_s(self, seconds: float) -> None:
        """Only for the short waits between the tries of one bounded read."""
        time.sleep(seconds)  # noqa: TID251  the one place that sleeps

    def monotonic_s(self) -> float:
        return time.monotonic()  # noqa: TID251  the one reader of the monotonic clock
