"""Token buckets: how many requests one credential, or one address without one, may send. Bounded memory, no threads."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable

KEYS_MAX = 10_000
"""Callers remembered; each costs some 200 bytes. The one not seen for longest is forgotten, which only favours it."""


class Buckets:
    """One bucket per key: ``burst`` requests at once, refilled at ``rate_per_s``. Thread-safe."""

    def __init__(self, rate_per_s: float, burst: int, monotonic_s: Callable[[], float]) -> None:
        self._rate_per_s, self._burst, self._monotonic_s = rate_per_s, burst, monotonic_s
        self._lock = threading.Lock()
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> int:
        """0 when the request may go on, else the whole seconds after which one may."""
        now_s = self._monotonic_s()
        with self._lock:
            level, at_s = self._levels.pop(key, (float(self._burst), now_s))
            level = min(float(self._burst), level + max(0.0, now_s - at_s) * self._rate_per_s)
            allowed = level >= 1
            self._levels[key] = (level - 1 if allowed else level, now_s)
            while len(self._levels) > KEYS_MAX:
                self._levels.popitem(last=False)
        return 0 if allowed else max(1, math.ceil((1 - level) / self._rate_per_s))
