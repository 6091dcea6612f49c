"""What may be asked of one Prometheus: a budget of queries, and a breaker that stops asking one that is away.

A refusal is a text for people; whoever is refused holds. Counts what happens, for the metrics page. It asks nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from analysis.samples import GateStats

QUERIES_PER_S = 50.0  # a Prometheus answers thousands; a controller that needs more shares too little
BURST = 200.0  # queries at once, as when many releases start together
FAILURES = 3  # in a row, each of them a time-out or a broken connection, until the breaker opens
OPEN_S = 10.0  # until one query may try again; releases poll every few seconds


class Gate:
    """One per server, for all threads."""

    def __init__(
        self, server: str, monotonic: Callable[[], float], per_s: float = QUERIES_PER_S, burst: float = BURST
    ) -> None:
        self._server, self._monotonic, self._per_s, self._burst = server, monotonic, per_s, burst
        self._lock = threading.Lock()
        self._left, self._filled_s = burst, monotonic()
        self._failures, self._open_until_s, self._probing = 0, 0.0, False
        self._queries = self._failed = self._refused_budget = self._refused_breaker = self._shared = 0
        self._seconds = 0.0

    def refusal(self) -> str | None:
        """Why a query must not be sent now; None lets one through, which must then be ``done``."""
        with self._lock:
            now_s = self._monotonic()
            if self._failures >= FAILURES:
                if self._probing or now_s < self._open_until_s:
                    self._refused_breaker += 1
                    left_s = max(0.0, self._open_until_s - now_s)
                    return (
                        f"not asked, for Prometheus at {self._server} failed {self._failures} times in a row; "
                        f"tried again in {left_s:.0f} s"
                    )
                self._probing = True
            self._left = min(self._burst, self._left + (now_s - self._filled_s) * self._per_s)
            self._filled_s = now_s
            if self._left < 1:
                self._probing = False
                self._refused_budget += 1
                return f"not asked, for the budget of {self._per_s:g} queries a second to {self._server} is used up"
            self._left -= 1
            self._queries += 1
            return None

    def done(self, took_s: float, failed: bool, dead: bool) -> None:
        """``dead``: it did not answer at all."""
        with self._lock:
            self._probing = False
            self._seconds += took_s
            self._failed += failed
            self._failures = self._failures + 1 if dead else 0
            if self._failures >= FAILURES:
                self._open_until_s = self._monotonic() + OPEN_S

    def shared(self, readings: int) -> None:
        with self._lock:
            self._shared += readings

    def stats(self) -> GateStats:
        with self._lock:
            is_open = self._failures >= FAILURES
            refused = (self._refused_budget, self._refused_breaker)
            return GateStats(self._server, self._queries, self._seconds, self._failed, *refused, self._shared, is_open)
