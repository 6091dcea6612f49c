"""Latency from buckets: which bounds to compare at, and how many of stable's requests would be slower than a time.

The margin of a latency is a relative increase of a quantile: the canary's requests above a bound x are compared with
stable's above x / (1 + increase). That point mostly lies inside a bucket, whose requests then count with a weight that
was known before. It compares nothing itself.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence

from analysis.state import HistogramState

KNOWN_HALF_LIFE_S = 300.0  # of stable's histogram, from which edges and weights come
CHOOSE_AFTER_S = 60.0  # of stable seen, before edges are chosen
CHOOSE_AFTER_REQUESTS = 2_000.0  # or so many requests of stable
EDGE_SHARES = (0.5, 0.1, 0.01)  # edges nearest to these shares of slower requests: median, 90th and 99th percentile
SHARE_LEAST, SHARE_MOST = 0.001, 0.9  # outside, a bound tells too little
BOUNDS_MAX = 200  # buckets of one histogram; more would swell the saved state


def fresh_histogram(upto: Sequence[float]) -> HistogramState:
    none = (0.0,) * len(upto)
    return HistogramState(tuple(upto[:-1]), none, none, none)


def added(a: Sequence[float], b: Sequence[float]) -> tuple[float, ...]:
    return tuple([x + y for x, y in zip(a, b, strict=True)])


def with_open_block(kept: HistogramState, canary: Sequence[float], stable: Sequence[float]) -> HistogramState:
    return HistogramState(kept.bounds, added(kept.canary, canary), added(kept.stable, stable), kept.known, kept.known_s)


def with_closed_block(kept: HistogramState, dt_s: float) -> HistogramState:
    """The block's requests of stable join what is known of it; the next block begins empty."""
    fade = math.exp2(-max(0.0, dt_s) / KNOWN_HALF_LIFE_S)
    known = tuple([old * fade + new for old, new in zip(kept.known, kept.stable, strict=True)])
    none = (0.0,) * len(kept.known)
    seen_s = kept.known_s + (dt_s if any(kept.stable) else 0.0)
    return HistogramState(kept.bounds, none, none, known, seen_s)


def rebinned(kept: HistogramState, upto: Sequence[float]) -> HistogramState:
    """The same requests over more bounds, as native histograms grow them. New buckets are empty so far."""
    if tuple(upto) == kept.upto:
        return kept

    def spread(counts: Sequence[float]) -> tuple[float, ...]:
        by_bound = dict(zip(kept.upto, counts, strict=True))
        return tuple([by_bound.get(bound, 0.0) for bound in upto])

    return HistogramState(tuple(upto[:-1]), spread(kept.canary), spread(kept.stable), spread(kept.known), kept.known_s)


def slower(counts: Sequence[float]) -> list[float]:
    """For each bucket, the requests in the buckets above it."""
    above, total = [0.0] * len(counts), 0.0
    for index in range(len(counts) - 1, 0, -1):
        total += counts[index]
        above[index - 1] = total
    return above


def is_known(kept: HistogramState) -> bool:
    return kept.known_s >= CHOOSE_AFTER_S or math.fsum(kept.known) >= CHOOSE_AFTER_REQUESTS


def slo_bound(bounds: Sequence[float], slow_s: float) -> float | None:
    """The bucket that stands for the limit: at it, or the next one below, which counts more requests as slow."""
    return max((bound for bound in bounds if bound <= slow_s), default=None)


def choose_edges(kept: HistogramState, slow_s: float) -> tuple[float, ...]:
    """The bounds whose share of slower stable requests is nearest to the wanted ones, and the limit's own."""
    total = math.fsum(kept.known)
    if total <= 0:
        return ()
    shares = {bound: above / total for bound, above in zip(kept.bounds, slower(kept.known), strict=False)}
    usable = {bound: share for bound, share in shares.items() if SHARE_LEAST <= share <= SHARE_MOST}
    chosen = {_nearest(usable, wanted) for wanted in EDGE_SHARES if usable}
    limit = slo_bound(kept.bounds, slow_s)
    return tuple(sorted(chosen | ({limit} if limit is not None else set())))


def _nearest(shares: Mapping[float, float], wanted: float) -> float:
    return min(shares, key=lambda bound: (abs(math.log(shares[bound] / wanted)), bound))


class OpenBlock:
    """The open block's requests slower than any time. ``known`` fixed the weights inside buckets beforehand."""

    def __init__(self, kept: HistogramState) -> None:
        self._upto, self._stable, self._known = kept.upto, kept.stable, kept.known
        self._canary_above, self._stable_above = slower(kept.canary), slower(kept.stable)
        self._known_above = slower(kept.known)
        self.canary_total, self.stable_total = math.fsum(kept.canary), math.fsum(kept.stable)

    def canary_slower(self, bound_s: float) -> float:
        return self._canary_above[bisect_left(self._upto, bound_s)]

    def stable_slower(self, time_s: float) -> float:
        index = bisect_left(self._upto, time_s)
        if self._upto[index] == time_s:
            return self._stable_above[index]
        return min(self._stable_above[index] + self.weight(index, time_s) * self._stable[index], self.stable_total)

    def weight(self, index: int, time_s: float) -> float:
        """The part of the bucket's requests that count as slower: geometric interpolation between its bounds."""
        low, high = self._upto[index - 1] if index else 0.0, self._upto[index]
        above = self._known_above[index]
        if high == math.inf or above <= 0:
            return 1.0
        if low <= 0:
            return 1 - time_s / high
        part = math.log(time_s / low) / math.log(high / low)
        if self._known[index] <= 0:
            return 1 - part
        from_low = above + self._known[index]
        return (from_low * math.pow(above / from_low, part) - above) / (from_low - above)
