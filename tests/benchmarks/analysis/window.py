"""What PromQL's rate() and histogram_quantile() would say of scraped samples: the peers' view of a version."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

Increase = tuple[float, float, list[float]]
"""Requests, errors and cumulative buckets within a window."""


class Window:
    """The samples of one version, as long as a query may ask back."""

    def __init__(self, kept_s: float) -> None:
        self._kept_s = kept_s
        self._samples: deque[tuple[float, float, float, list[float]]] = deque()

    def add(self, t: float, counters: Mapping[str, Any] | None) -> None:
        if counters is None:
            return
        buckets = [float(counters["buckets"][le]) for le in sorted(counters["buckets"])]
        self._samples.append((t, float(counters["requests"]), float(counters["errors"]), buckets))
        while self._samples[0][0] < t - self._kept_s:
            self._samples.popleft()

    def increase(self, t: float, window_s: float, last_two: bool = False) -> Increase | None:
        """Within the last ``window_s``; None with fewer than two samples. A counter that fell began again at zero."""
        inside = [sample for sample in self._samples if t - window_s <= sample[0] <= t + 1e-9]
        if last_two:
            inside = inside[-2:]
        if len(inside) < 2:
            return None
        requests, errors, buckets = 0.0, 0.0, [0.0] * len(inside[0][3])
        for before, after in pairwise(inside):
            if after[1] < before[1]:
                before = (before[0], 0.0, 0.0, [0.0] * len(buckets))
            requests += after[1] - before[1]
            errors += max(after[2] - before[2], 0.0)
            steps = zip(buckets, after[3], before[3], strict=True)
            buckets = [total + max(new - old, 0.0) for total, new, old in steps]
        return requests, errors, buckets


def quantile(q: float, edges: Sequence[float], cumulative: Sequence[float]) -> float:
    """PromQL's histogram_quantile of classic buckets: linear inside a bucket, the last finite bound at the end."""
    total = cumulative[-1]
    if total <= 0:
        return math.nan
    rank = q * total
    cell = bisect_left(cumulative, rank)
    if cell >= len(edges) - 1:
        return edges[-2]
    low, below = (edges[cell - 1], cumulative[cell - 1]) if cell else (0.0, 0.0)
    inside = cumulative[cell] - below
    return edges[cell] if inside <= 0 else low + (edges[cell] - low) * (rank - below) / inside
