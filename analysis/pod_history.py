"""How much stable's own pods differ, learned from their history (A/A calibration). It decides nothing about a release.

Each pod is taken for a canary and compared with the rest of stable, window by window. What comes back in every window
is a lasting difference; what does not is noise, which the evidence deals with by itself. Only the lasting part widens
the margins, as the 95 % quantile over pods taken for a canary.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, islice, pairwise

from analysis.buckets import layout_of, per_bucket
from analysis.calibration import PODS_MIN, WINDOWS_MIN
from analysis.counters import Gain, grown_between
from analysis.histogram import choose_edges, fresh_histogram, slower
from analysis.model import AnalysisSpec, CounterQuery, LatencyQuery
from analysis.samples import Outcome, Readings, Role, Series
from analysis.state import Calibration, HistogramState, SeriesMark

WINDOWS_MAX = 48
QUANTILE = 0.95
DRAWS_MAX = 2_000  # combinations of pods that are taken for a canary
REQUESTS_MIN = 50.0  # of a pod in a window
SIGNIFICANT = 2.0  # standard errors of the lasting variance if there were none, to believe in it at all

Counts = Mapping[str, tuple[float, float]]
"""Per pod: requests and bad requests of one window."""
Buckets = Mapping[str, tuple[float, ...]]
"""Per pod: requests per bucket of one window."""


def calibrated(spec: AnalysisSpec, history: Readings, cuts: Sequence[float], canary_pods: int = 1) -> Calibration:
    """From the samples of stable's pods; ``cuts`` are the windows' ends, the first one is their start."""
    windows = list(pairwise(cuts))[-WINDOWS_MAX:]
    errors, latency, pods, seen = 1.0, 1.0, set[str](), 0
    for counter in spec.counters:
        counts = [_counts(counter, history, *window) for window in windows]
        pods |= {pod for window in counts for pod in window}
        seen = max(seen, sum(len(window) >= PODS_MIN for window in counts))
        errors = max(errors, _factor([rate_ratios(window) for window in counts], canary_pods))
    for histogram in spec.latencies:
        upto, buckets = _buckets(histogram, history, windows)
        pods |= {pod for window in buckets for pod in window}
        edges = _edges(upto, buckets, histogram.slow_s)
        shifts = [time_shifts(upto, window, edges) for window in buckets]
        latency = max(latency, math.exp(_log_factor(shifts, canary_pods)))
    return Calibration(errors, latency, len(pods), seen, history.at_s)


def rate_ratios(window: Counts) -> dict[str, float]:
    """Each pod's rate of failures over that of the others, minus one."""
    total = math.fsum([n for n, _ in window.values()])
    bad = math.fsum([y for _, y in window.values()])
    found = {}
    for pod, (n, y) in window.items():
        if n >= REQUESTS_MIN and total - n >= REQUESTS_MIN and bad - y > 0:
            found[pod] = y / n / ((bad - y) / (total - n)) - 1
    return found


def time_shifts(upto: Sequence[float], window: Buckets, edges: Sequence[float]) -> dict[str, float]:
    """The logarithm of how much slower each pod is than the others: where the others have the pod's share of slow
    requests. Edges count by how precisely they tell."""
    whole = [math.fsum(counts) for counts in zip(*window.values(), strict=True)] if window else []
    found = {}
    for pod, counts in window.items():
        rest = [a - b for a, b in zip(whole, counts, strict=True)]
        if math.fsum(counts) < REQUESTS_MIN or math.fsum(rest) < REQUESTS_MIN:
            continue
        parts = [part for edge in edges if (part := _shift(upto, counts, rest, edge)) is not None]
        weight = math.fsum([part[1] for part in parts])
        if weight > 0:
            found[pod] = math.fsum([shift * own for shift, own in parts]) / weight
    return found


def lasting(windows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Per pod the deviation that comes back in every window, shrunk to the spread that lasts.

    The lasting variance is the mean product of a pod's deviations in two different windows: noise of different windows
    is independent, so it drops out, however it is distributed.
    """
    deviations: dict[str, list[float]] = {}
    for window in windows:
        for pod, value in window.items():
            deviations.setdefault(pod, []).append(value)
    seen = _centred({pod: values for pod, values in deviations.items() if len(values) >= WINDOWS_MIN})
    if len(seen) < PODS_MIN:
        return {}
    products = [_mean_product(values) for values in seen.values()]
    variance = math.fsum(products) / len(products)
    if variance <= SIGNIFICANT * _by_chance(list(seen.values())):
        return {}
    means = {pod: math.fsum(values) / len(values) for pod, values in seen.items()}
    observed = math.fsum([mean * mean for mean in means.values()]) / len(means)
    shrink = math.sqrt(min(1.0, variance / observed))
    return {pod: shrink * mean for pod, mean in means.items()}


def upper(deviations: Iterable[float], canary_pods: int) -> float:
    """The 95 % quantile of the mean deviation of so many pods taken for a canary; at least 0."""
    values = sorted(deviations, reverse=True)
    if not values:
        return 0.0
    size = max(1, min(canary_pods, len(values) - 1))
    draws = sorted(math.fsum(drawn) / size for drawn in islice(combinations(values, size), DRAWS_MAX))
    return max(0.0, draws[math.ceil(QUANTILE * len(draws)) - 1])


def _factor(windows: Sequence[Mapping[str, float]], canary_pods: int) -> float:
    return 1 + upper(lasting(windows).values(), canary_pods)


def _log_factor(windows: Sequence[Mapping[str, float]], canary_pods: int) -> float:
    return upper(lasting(windows).values(), canary_pods)


def _centred(deviations: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """Pods cannot all be slower than the others: what all show is the bias of a quotient, or of wide buckets."""
    everything = [value for values in deviations.values() for value in values]
    mean = math.fsum(everything) / len(everything) if everything else 0.0
    return {pod: [value - mean for value in values] for pod, values in deviations.items()}


def _by_chance(deviations: Sequence[Sequence[float]]) -> float:
    """The standard error that the mean product has when nothing lasts, from the noise between a pod's own windows.

    The spread between pods would be no measure of it: a single pod that is unlike the others is all of that spread.
    """
    noise = math.fsum([_variance(values) for values in deviations]) / len(deviations)
    each = math.fsum([2 / (len(values) * (len(values) - 1)) for values in deviations])
    return noise * math.sqrt(each) / len(deviations)


def _variance(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum([(value - mean) ** 2 for value in values]) / (len(values) - 1)


def _mean_product(values: Sequence[float]) -> float:
    """Of each two different ones."""
    total, squares = math.fsum(values), math.fsum([value * value for value in values])
    return (total * total - squares) / (len(values) * (len(values) - 1))


def _counts(query: CounterQuery, history: Readings, from_s: float, to_s: float) -> dict[str, tuple[float, float]]:
    totals = _by_pod(history, query.total, from_s, to_s)
    bad = _by_pod(history, query.bad, from_s, to_s)
    return {pod: (total, min(total, bad.get(pod, 0.0))) for pod, total in totals.items() if total > 0}


def _by_pod(history: Readings, selectors: Sequence[str], from_s: float, to_s: float) -> dict[str, float]:
    found: dict[str, float] = {}
    for series in _stable_series(history, selectors):
        found[series.pod] = found.get(series.pod, 0.0) + grown_between(series.points, from_s, to_s)
    return found


def _stable_series(history: Readings, selectors: Sequence[str]) -> list[Series]:
    readings = [item for item in history.items if item.role is Role.STABLE and item.metric in selectors]
    return [series for item in readings if item.outcome is Outcome.OK for series in item.series if series.pod]


def _buckets(
    query: LatencyQuery, history: Readings, windows: Sequence[tuple[float, float]]
) -> tuple[tuple[float, ...], list[dict[str, tuple[float, ...]]]]:
    readings = [item for item in history.items if item.role is Role.STABLE and item.metric in query.buckets]
    layout = layout_of(readings, query.unit_s)
    if not layout.is_whole or not layout.even:
        return (), [{} for _ in windows]
    found = []
    for from_s, to_s in windows:
        gains: dict[str, list[Gain]] = {}
        for series in _stable_series(history, query.buckets):
            grown = grown_between(series.points, from_s, to_s)
            gains.setdefault(series.pod, []).append(Gain(grown, NOWHERE, series))
        counts = {pod: per_bucket(own, layout.bounds, query.unit_s) for pod, own in gains.items()}
        found.append({pod: own for pod, own in counts.items() if own is not None and math.fsum(own) > 0})
    return layout.bounds, found


NOWHERE = SeriesMark("", Role.STABLE, "", 0.0, 0.0)  # windows of the past leave no mark


def _edges(upto: Sequence[float], windows: Sequence[Buckets], slow_s: float) -> tuple[float, ...]:
    everything = [counts for window in windows for counts in window.values()]
    if not everything:
        return ()
    known = tuple([math.fsum(column) for column in zip(*everything, strict=True)])
    fresh = fresh_histogram(upto)
    return choose_edges(HistogramState(fresh.bounds, fresh.canary, fresh.stable, known), slow_s)


def _shift(
    upto: Sequence[float], pod: Sequence[float], rest: Sequence[float], edge: float
) -> tuple[float, float] | None:
    """The logarithm of the pod's slowness at one edge, and the weight of it: the inverse of its variance."""
    index = list(upto).index(edge)
    share = slower(pod)[index] / math.fsum(pod)
    total = math.fsum(rest)
    above = [count / total for count in slower(rest)]
    if not 0 < share < 1:
        return None
    low_share = 1.0
    for cell, high in enumerate(upto):
        high_share = above[cell]
        if share >= high_share:
            low = upto[cell - 1] if cell else 0.0
            time_s = _inverse(low, high, low_share, high_share, share)
            if time_s is None:
                return None
            slope = (low_share - high_share) / math.log(high / low) if low > 0 else low_share - high_share
            return math.log(edge / time_s), slope * slope / (share * (1 - share))
        low_share = high_share
    return None


def _inverse(low: float, high: float, low_share: float, high_share: float, share: float) -> float | None:
    """Where, between two bounds, the share of slower requests is ``share``: as inside a bucket, the other way round."""
    if high == math.inf or high_share <= 0 or low_share <= high_share:
        return None
    if low <= 0:
        return high * (1 - share) / (1 - high_share)
    part = math.log(low_share / share) / math.log(low_share / high_share)
    return low * math.pow(high / low, part)
