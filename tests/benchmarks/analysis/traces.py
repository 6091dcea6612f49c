"""Counters as a controller would have scraped them, from a simulation of every second. It knows no judge.

One group of pods is the canary, the others are stable; each group is scraped with a lag of its own, so that the two
versions' windows are never exactly aligned. The truth that no judge sees: when harm begins, and whom it met.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from typing import Any

from tests.benchmarks.analysis.chance import binomial, geometric, multinomial, poisson, wandering

EDGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, math.inf)  # the clients' default bounds, s
SLO_LATENCY_S = 0.5
SLO_ERRORS = 0.01
BODY = (0.97, math.log(0.05), 0.6)  # share, log of the median in seconds, spread of a log-normal
TAIL = (0.03, math.log(0.25), 0.5)
STABLE_PODS = 20

Course = Callable[[float], float]
"""A value over the time since the canary got its first traffic."""


def steady(value: float) -> Course:
    return lambda _t: value


ALWAYS_ONE, ALWAYS_NONE = steady(1.0), steady(0.0)


@dataclass(frozen=True)
class Scenario:
    """What happens. Rates per second, times in seconds since the canary's first traffic, history before it.

    Pods differ for good by ``pod_..._spread`` (one sigma of a log-normal); or the canary and a share ``odd_pods`` of
    stable's are of another kind, such as older machines.
    """

    name: str
    harmful: bool
    note: str
    rate: float = 200.0
    weight: float = 0.05
    weight_steps: tuple[tuple[float, float], ...] = ()
    errors: float = 0.003
    horizon_s: int = 3600
    history_s: int = 300
    onset_s: int = 0
    interval_s: int = 5
    traffic: Course = ALWAYS_ONE
    shared_errors: Course = ALWAYS_ONE
    shared_errors_more: Course = ALWAYS_NONE
    shared_latency: Course = ALWAYS_ONE
    canary_errors: Course = ALWAYS_ONE
    canary_errors_more: Course = ALWAYS_NONE
    canary_latency: Course = ALWAYS_ONE
    canary_tail: Course = ALWAYS_ONE
    canary_completes: Course = ALWAYS_ONE
    cluster_mean: float = 1.0
    cluster_share: float = 0.0
    blips_per_pod_hour: float = 0.0
    errors_noise: float = 0.3
    group_errors_noise: float = 0.1
    latency_noise: float = 0.05
    group_latency_noise: float = 0.03
    missed_scrapes: float = 0.002
    absent: float = 0.0
    reset_at_s: int | None = None
    pod_latency_spread: float = 0.0
    pod_errors_spread: float = 0.0
    odd_pods: float = 0.0
    odd_latency: float = 1.0
    odd_errors: float = 1.0
    by_pod: bool = False

    def weight_at(self, t: float) -> float:
        if t < 0:
            return 0.0
        before = [weight for from_s, weight in self.weight_steps if from_s <= t]
        return before[-1] if before else self.weight


@dataclass
class Group:
    """What one scraped group of pods has counted, at the end of every second; index 0 is the start."""

    version: str
    share: float
    pods: int
    latency: float = 1.0
    errors: float = 1.0
    requests: list[int] = field(default_factory=lambda: [0])
    failed: list[int] = field(default_factory=lambda: [0])
    buckets: list[tuple[int, ...]] = field(default_factory=lambda: [(0,) * len(EDGES)])


@dataclass(frozen=True)
class Trace:
    """``samples`` per tick: time, canary, stable and the pods of both, as a judge is given them."""

    scenario: Scenario
    samples: tuple[tuple[float, Any, Any, Any], ...]
    bad: tuple[int, ...]

    def ticks(self) -> Iterator[tuple[float, Any, Any, Any]]:
        return iter(self.samples)

    def bad_until(self, t: float) -> int:
        """Canary requests that went wrong between the onset of the harm and ``t``."""
        history_s = self.scenario.history_s
        return self.bad[int(t) + history_s] - self.bad[self.scenario.onset_s + history_s]


def context(scenario: Scenario) -> dict[str, Any]:
    """What a judge may know when it is built: the release's configuration, not the truth."""
    return {
        "interval": scenario.interval_s,
        "edges": list(EDGES),
        "slo_latency": SLO_LATENCY_S,
        "slo_error": SLO_ERRORS,
        "weight": scenario.weight,
        "weight_steps": list(scenario.weight_steps) or None,
        "horizon": scenario.horizon_s,
    }


def generate(scenario: Scenario, seed: int) -> Trace:
    """The same trace for the same scenario and seed, on every machine."""
    chance = Random(f"{scenario.name}/{seed}")
    seconds = scenario.history_s + scenario.horizon_s
    shared = _Shared(scenario, chance, seconds)
    groups = _groups(scenario, chance)
    bad = [0]
    for group in groups:
        _simulate(scenario, chance, shared, group, bad)
    return Trace(scenario, tuple(_scraped(scenario, chance, groups)), tuple(bad))


def _groups(scenario: Scenario, chance: Random) -> list[Group]:
    stable = STABLE_PODS if scenario.by_pod else 4
    groups = [Group("canary", 1.0, 1), *(Group("stable", 1 / stable, STABLE_PODS // stable) for _ in range(stable))]
    for group in groups:
        group.latency = math.exp(chance.gauss(0, scenario.pod_latency_spread))
        group.errors = math.exp(chance.gauss(0, scenario.pod_errors_spread))
    if scenario.odd_pods:
        for group in groups[: 1 + round(scenario.odd_pods * stable)]:
            group.latency, group.errors = scenario.odd_latency, scenario.odd_errors
    return groups


class _Shared:
    """What all pods have in common, second by second: traffic, error rate, latency."""

    def __init__(self, scenario: Scenario, chance: Random, seconds: int) -> None:
        self.times = [second - scenario.history_s + 0.5 for second in range(seconds)]
        traffic = wandering(chance, seconds, 0.1, 30)
        errors = wandering(chance, seconds, scenario.errors_noise if scenario.errors > 0 else 0.0, 60)
        latency = wandering(chance, seconds, scenario.latency_noise, 60)
        level = scenario.errors_noise**2 / 2
        self.rate = [
            scenario.rate * scenario.traffic(t) * math.exp(x) for t, x in zip(self.times, traffic, strict=True)
        ]
        self.errors = [
            scenario.errors * scenario.shared_errors(t) * math.exp(x - level)
            for t, x in zip(self.times, errors, strict=True)
        ]
        self.latency = [scenario.shared_latency(t) * math.exp(x) for t, x in zip(self.times, latency, strict=True)]


def _simulate(scenario: Scenario, chance: Random, shared: _Shared, group: Group, bad: list[int]) -> None:
    is_canary = group.version == "canary"
    errors = wandering(chance, len(shared.times), scenario.group_errors_noise, 30)
    latency = wandering(chance, len(shared.times), scenario.group_latency_noise, 10)
    level = scenario.group_errors_noise**2 / 2
    blips = _blips(scenario, chance, group, len(shared.times))
    slow_from = bisect_left(EDGES, SLO_LATENCY_S) + 1
    for second, t in enumerate(shared.times):
        harmed = is_canary and t >= max(0, scenario.onset_s)
        weight = scenario.weight_at(t)
        arrived = poisson(chance, shared.rate[second] * (weight if is_canary else 1 - weight) * group.share)
        done = binomial(chance, arrived, scenario.canary_completes(t)) if harmed else arrived
        p = shared.errors[second] * math.exp(errors[second] - level) * group.errors + scenario.shared_errors_more(t)
        slower, tail = shared.latency[second] * math.exp(latency[second]) * group.latency, 1.0
        if harmed:
            p = p * scenario.canary_errors(t) + scenario.canary_errors_more(t)
            slower, tail = slower * scenario.canary_latency(t), scenario.canary_tail(t)
        failed = _failures(scenario, chance, done, min(1.0, p))
        if second in blips:
            failed += binomial(chance, binomial(chance, done - failed, 1 / group.pods), 0.3)
        counts = multinomial(chance, done, _cumulative(round(slower, 3), round(tail, 3)))
        group.requests.append(group.requests[-1] + done)
        group.failed.append(group.failed[-1] + failed)
        group.buckets.append(_added(group.buckets[-1], counts))
        if is_canary:
            bad.append(bad[-1] + min(failed + sum(counts[slow_from:]), done) + arrived - done)


def _failures(scenario: Scenario, chance: Random, done: int, p: float) -> int:
    if not scenario.cluster_share:
        return binomial(chance, done, p)
    failed = binomial(chance, done, p * (1 - scenario.cluster_share))
    for _ in range(poisson(chance, done * p * scenario.cluster_share / scenario.cluster_mean)):
        failed += geometric(chance, scenario.cluster_mean)
    return min(failed, done)


def _blips(scenario: Scenario, chance: Random, group: Group, seconds: int) -> set[int]:
    """Seconds in which one pod of the group fails a third of its requests."""
    found: set[int] = set()
    for _ in range(poisson(chance, scenario.blips_per_pod_hour * group.pods * seconds / 3600)):
        start = chance.randrange(seconds)
        found |= set(range(start, start + chance.randrange(3, 9)))
    return found


@lru_cache(maxsize=100_000)
def _cumulative(scale: float, tail: float) -> Sequence[float]:
    """P(latency at most each bound): a body and a tail, both log-normal."""

    def below(edge: float, part: tuple[float, float, float], shift: float) -> float:
        share, median, spread = part
        return share / 2 * (1 + math.erf((math.log(edge) - median - shift) / spread / math.sqrt(2)))

    shift = math.log(scale)
    inner = [below(edge, BODY, shift) + below(edge, TAIL, shift + math.log(tail)) for edge in EDGES[:-1]]
    return (*inner, 1.0)


def _added(total: tuple[int, ...], counts: list[int]) -> tuple[int, ...]:
    """Cumulative buckets after ``counts`` more per bucket."""
    running, after = 0, []
    for before, count in zip(total, counts, strict=True):
        running += count
        after.append(before + running)
    return tuple(after)


def _scraped(scenario: Scenario, chance: Random, groups: list[Group]) -> Iterator[tuple[float, Any, Any, Any]]:
    lags = [chance.randrange(scenario.interval_s) for _ in groups]
    seen = [0] * len(groups)
    for t in range(scenario.interval_s - scenario.history_s, scenario.horizon_s + 1, scenario.interval_s):
        for number, lag in enumerate(lags):
            if chance.random() >= scenario.missed_scrapes:
                seen[number] = max(0, t + scenario.history_s - lag)
        sampled = [_sample(scenario, group, at) for group, at in zip(groups, seen, strict=True)]
        canary = None if chance.random() < scenario.absent else _counters([sampled[0]])
        stable = None if chance.random() < scenario.absent else _counters(sampled[1:])
        yield float(t), canary, stable, _by_pod(sampled, canary, stable) if scenario.by_pod else None


Sample = tuple[int, int, tuple[int, ...]]


def _sample(scenario: Scenario, group: Group, at: int) -> Sample:
    now = group.requests[at], group.failed[at], group.buckets[at]
    if group.version != "canary" or scenario.reset_at_s is None or at < scenario.reset_at_s + scenario.history_s:
        return now
    start = scenario.reset_at_s + scenario.history_s
    buckets = tuple(after - before for after, before in zip(now[2], group.buckets[start], strict=True))
    return now[0] - group.requests[start], now[1] - group.failed[start], buckets


def _counters(samples: list[Sample]) -> dict[str, Any]:
    buckets = [sum(counts) for counts in zip(*(sample[2] for sample in samples), strict=True)]
    return {
        "requests": sum(sample[0] for sample in samples),
        "errors": sum(sample[1] for sample in samples),
        "buckets": dict(zip(EDGES, buckets, strict=True)),
    }


def _by_pod(samples: list[Sample], canary: Any, stable: Any) -> dict[str, dict[str, Any]]:
    return {
        "canary": {"canary-0": canary} if canary else {},
        "stable": {f"stable-{n}": _counters([one]) for n, one in enumerate(samples[1:])} if stable else {},
    }
