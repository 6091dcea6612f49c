"""A clock that a test moves by hand. Both faces move together unless one is set apart."""

from __future__ import annotations


class ManualClock:
    def __init__(self, now_s: float = 1_000_000.0) -> None:
        self.utc_s = now_s
        self.passed_s = 0.0

    def now_s(self) -> float:
        return self.utc_s

    def monotonic_s(self) -> float:
        return self.passed_s

    def advance(self, seconds: float) -> None:
        assert seconds >= 0, "time does not go back; set utc_s to let the wall clock jump"
        self.utc_s += seconds
        self.passed_s += seconds
