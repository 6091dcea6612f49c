"""Pods within one release: what each served, which canary pods there are, and whether one of them is the bad one.

It knows pods only where the series of both versions name them; a proxy in front of both names itself.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from analysis.buckets import per_bucket
from analysis.counters import Gain
from analysis.state import JudgeState, MetricState, PodState, PodTally, Tally

CANARY_PODS_MAX = 50  # told apart; more would swell the saved state
REQUESTS_MIN = 20.0  # of a pod, to say anything about it
NOISE = 2.0  # standard deviations that the other pods may be above what is allowed


class PodGain(NamedTuple):
    """What one pod gained since the last pass; of a latency, ``counts`` are its requests per bucket."""

    pod: str
    total: float
    bad: float
    counts: tuple[float, ...] = ()


class Gained(Protocol):
    """What one metric gained in a pass."""

    @property
    def name(self) -> str: ...
    @property
    def upto(self) -> tuple[float, ...]: ...
    @property
    def canary_pods(self) -> tuple[PodGain, ...]: ...


def tell_apart(canary: Collection[str], stable: Collection[str]) -> bool:
    """A pod runs one version: names that both roles share are those of something else."""
    return bool(canary) and len(stable) > 1 and "" not in {*canary, *stable} and not set(canary) & set(stable)


def rates_by_pod(total: Iterable[Gain], bad: Iterable[Gain]) -> tuple[PodGain, ...]:
    totals, bads = _sums(total), _sums(bad)
    return tuple([PodGain(pod, n, min(n, bads.get(pod, 0.0))) for pod, n in totals.items()])


def buckets_by_pod(gains: Iterable[Gain], bounds: Sequence[float], unit_s: float) -> tuple[PodGain, ...]:
    own: dict[str, list[Gain]] = {}
    for gain in gains:
        own.setdefault(gain.series.pod, []).append(gain)
    found = []
    for pod, its in own.items():
        counts = per_bucket(its, bounds, unit_s)
        if counts is not None:
            found.append(PodGain(pod, math.fsum(counts), 0.0, counts))
    return tuple(found)


def _sums(gains: Iterable[Gain]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for gain in gains:
        sums[gain.series.pod] = sums.get(gain.series.pod, 0.0) + gain.amount
    return sums


def with_pods(
    state: JudgeState, metrics: Sequence[MetricState], gains: Sequence[Gained], now_s: float
) -> tuple[PodState, ...]:
    """The canary's pods after this pass, with what each of them served."""
    if not any(gain.canary_pods for gain in gains):
        return state.pods
    known = {pod.pod: pod for pod in state.pods}
    first_s = now_s if known else state.started_at_s
    seen = dict.fromkeys(one.pod for gain in gains for one in gain.canary_pods)
    for pod in seen:
        if pod not in known and len(known) < CANARY_PODS_MAX:
            known[pod] = PodState(pod, first_s)
    by_metric = {metric.metric: metric for metric in metrics}
    for gain in gains:
        edges = [edge.bound_s for edge in by_metric[gain.name].edges]
        for one in gain.canary_pods:
            if one.pod in known:
                known[one.pod] = _served(known[one.pod], gain, one, edges)
    return tuple(known.values())


def _served(pod: PodState, gain: Gained, one: PodGain, edges: Sequence[float]) -> PodState:
    bad = [one.bad]
    if one.counts:
        bad = [math.fsum(one.counts[bisect_left(gain.upto, edge) + 1 :]) for edge in edges]
    before = {tally.metric: tally for tally in pod.tallies}
    old = before.get(gain.name, PodTally(gain.name))
    kept = old.bad if len(old.bad) == len(bad) else (0.0,) * len(bad)
    total = old.total if len(old.bad) == len(bad) else 0.0
    before[gain.name] = PodTally(gain.name, total + one.total, tuple([a + b for a, b in zip(kept, bad, strict=True)]))
    return PodState(pod.pod, pod.since_s, tuple(before.values()))


def one_bad(
    pods: Iterable[PodState], metric: str, edge: int, stable: Tally, ratio: float, absolute: float
) -> str | None:
    """The one canary pod without which the canary would be within its margin; None when it is the version.

    ``stable`` is what the canary is compared with, at the edge with this number.
    """
    served = _of_metric(pods, metric, edge)
    if len(served) < 2 or stable.stable_total <= 0:
        return None
    allowed = min(1.0, ratio * stable.stable_bad / stable.stable_total + absolute)
    worst = max(served, key=lambda pod: served[pod][1] - allowed * served[pod][0])
    total = math.fsum([n for pod, (n, _) in served.items() if pod != worst])
    bad = math.fsum([y for pod, (_, y) in served.items() if pod != worst])
    expected = allowed * total
    if total < REQUESTS_MIN or bad > expected + NOISE * math.sqrt(expected):
        return None
    n, y = served[worst]
    return worst if y > allowed * n else None


def _of_metric(pods: Iterable[PodState], metric: str, edge: int) -> Mapping[str, tuple[float, float]]:
    found = {}
    for pod in pods:
        for tally in pod.tallies:
            if tally.metric == metric and edge < len(tally.bad) and tally.total >= REQUESTS_MIN:
                found[pod.pod] = (tally.total, tally.bad[edge])
    return found
