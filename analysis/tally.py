"""Readings to one tally of requests per metric, or to the problem that holds it. It counts; it does not judge.

A metric moves for both roles or for neither, so that both sides always cover the same time. One exception: a role whose
series are gone does not stop the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property

from analysis.buckets import Layout, broken, difference, layout_of, per_bucket, unusable
from analysis.counters import Gain, MarkKey, first_seen, gains_of, kept
from analysis.gained import Gathered as Gathered
from analysis.gained import MetricGain as MetricGain
from analysis.gained import Problem as Problem
from analysis.histogram import slo_bound
from analysis.model import AnalysisSpec, CounterQuery, JudgeState, LatencyQuery, Query
from analysis.pods import PodGain, buckets_by_pod, rates_by_pod, tell_apart
from analysis.samples import Outcome, Reading, Readings, Role
from analysis.state import SeriesMark, Tally

ROLES = (Role.STABLE, Role.CANARY)
_ABSENT = frozenset({Outcome.NO_SERIES, Outcome.STALE})


@dataclass(frozen=True, slots=True)
class _Side:
    """One metric of one role: its sums, the gains behind them, or its problem."""

    total: float = 0.0
    bad: float = 0.0
    gains: Sequence[Gain] = ()
    problem: Problem | None = None
    counts: tuple[float, ...] = ()
    pods: tuple[PodGain, ...] = ()
    beside: float = 0.0


@dataclass
class _Context:
    spec: AnalysisSpec
    state: JudgeState
    readings: Readings
    until_s: float = math.inf
    baseline: Set[str] = frozenset()

    @cached_property
    def answers(self) -> Mapping[tuple[str, Role], Reading]:
        return {(item.metric, item.role): item for item in self.readings.items}

    @cached_property
    def marks(self) -> Mapping[MarkKey, SeriesMark]:
        return {(mark.metric, mark.role, mark.key): mark for mark in self.state.marks}

    @cached_property
    def _seen(self) -> Mapping[str, float]:
        return first_seen(self.readings.items)

    def seen(self) -> Mapping[str, float]:
        return self._seen

    def answer(self, selector: str, role: Role) -> Reading:
        found = self.answers.get((selector, role))
        return found or Reading(selector, role, Outcome.UNREADABLE, text="this query was not read")

    def gained(self, name: str, selectors: Iterable[str], role: Role, until_s: float) -> list[Gain]:
        gains: list[Gain] = []
        for selector in selectors:
            reading = self.answer(selector, role)
            gains += gains_of(name, reading, self.marks, self.seen, self.state.started_at_s, until_s)
        return gains

    @cached_property
    def pods(self) -> Mapping[Role, set[str]]:
        return {
            role: {one.pod for text in needed(self.spec.queries[0]) for one in self.answer(text, role).series}
            for role in ROLES
        }

    @cached_property
    def tells_pods(self) -> bool:
        """Whether the series of both roles name the pods that served, and not, say, the proxy in front of both."""
        return tell_apart(self.pods[Role.CANARY], self.pods[Role.STABLE])

    @cached_property
    def compared(self) -> Set[str]:
        """The baseline's instances as far as they have samples; none: all of stable is compared with."""
        return self.baseline & self.pods[Role.STABLE]

    def standing(self, gains: list[Gain], role: Role) -> list[Gain]:
        """What stands for the role in the comparison. Every series is counted on, so that either may be left again."""
        if role is Role.CANARY or not self.compared:
            return gains
        return [gain for gain in gains if gain.series.pod in self.compared]

    def warm(self, gains: list[Gain], query: LatencyQuery) -> list[Gain]:
        """Without those of canary pods that were started during the release a moment ago: a new pod is slow."""
        if not self.tells_pods:
            return gains
        known = {pod.pod: pod.since_s for pod in self.state.pods}
        started_s, at_s = self.state.started_at_s, self.readings.at_s
        unseen_s = started_s if not known else at_s
        limit_s = self.spec.warmup_of(query)
        since = {gain.series.pod: known.get(gain.series.pod, unseen_s) for gain in gains}
        young = {pod for pod, since_s in since.items() if since_s > started_s and at_s - since_s < limit_s}
        return [gain for gain in gains if gain.series.pod not in young] if young else gains

    def newest_s(self, selectors: Iterable[str], role: Role) -> float | None:
        times = [series.points[-1].at_s for text in selectors for series in self.answer(text, role).series]
        return max(times, default=None)

    def interval_s(self, selectors: Iterable[str]) -> float | None:
        """The time between scrapes, as the longest series of stable shows it; the median bears a missed one."""
        found = [series.points for text in selectors for series in self.answer(text, Role.STABLE).series]
        points = max(found, key=len, default=())
        gaps = sorted(points[n + 1].at_s - points[n].at_s for n in range(len(points) - 1))
        return gaps[len(gaps) // 2] if gaps else None


def needed(query: Query) -> tuple[str, ...]:
    """The selectors that tell the requests of both versions."""
    return query.total if isinstance(query, CounterQuery) else query.buckets


def gather(
    spec: AnalysisSpec,
    state: JudgeState,
    readings: Readings,
    until_s: float = math.inf,
    baseline: Set[str] = frozenset(),
) -> Gathered:
    """Count every metric of the spec, of samples up to ``until_s``. The order of the answers does not matter."""
    context = _Context(spec, state, readings, until_s, baseline)
    interval_s = context.interval_s(needed(spec.queries[0])) or state.interval_s
    gains: list[MetricGain] = []
    used: list[Gain] = []
    for query in spec.queries:
        gain, behind = _metric(context, query, interval_s)
        gains.append(gain)
        used += behind
    marks = kept(context.marks, used, readings.at_s)
    shared = context.pods[Role.CANARY] & context.pods[Role.STABLE]
    return Gathered(tuple(gains), marks, _newest(context), interval_s, bool(shared - {""}), len(context.compared))


def _metric(context: _Context, query: Query, interval_s: float | None) -> tuple[MetricGain, list[Gain]]:
    until_s = _until_s(context, query, interval_s)
    bounds: tuple[float, ...] = ()
    if isinstance(query, CounterQuery):
        sides = {role: _counter_side(context, query, role, until_s) for role in ROLES}
    else:
        bounds, sides = _latency_sides(context, query, until_s)
    problems = tuple([side.problem for side in sides.values() if side.problem is not None])
    canary, stable = sides[Role.CANARY], sides[Role.STABLE]
    stopped = [problem for problem in problems if problem.missing is None]
    if stopped:
        passed = all(problem.passed for problem in stopped)
        return MetricGain(query.name, Tally(), problems), [*stable.gains, *canary.gains] if passed else []
    tally = Tally(canary.total, canary.bad, stable.total, stable.bad)
    counts = (canary.counts, stable.counts, canary.pods, stable.pods)
    gain = MetricGain(query.name, tally, problems, bounds, *counts, stable.beside)
    return gain, [*stable.gains, *canary.gains]


def _until_s(context: _Context, query: Query, interval_s: float | None) -> float:
    """Neither side is counted further than the other was scraped, but for half a scrape: windows that are not aligned
    would show the onset of a shared incident on one side only."""
    newest = [context.newest_s(needed(query), role) for role in ROLES]
    if None in newest or interval_s is None:
        return context.until_s
    return min(context.until_s, min(time for time in newest if time is not None) + interval_s / 2)


def _newest(context: _Context) -> float | None:
    """The newest canary sample of the metric that lags most: a verdict is only as fresh as its oldest part. What may be
    missing does not make it stale."""
    decides = [query for query in context.spec.queries if query.policy.required and not query.policy.dry_run]
    times = [context.newest_s(needed(query), Role.CANARY) for query in decides or context.spec.queries]
    found = [time for time in times if time is not None]
    return min(found) if len(found) == len(times) else None


def _problem(context: _Context, name: str, wanted: Iterable[str], also: Iterable[str], role: Role) -> Problem | None:
    """The first thing that stops this role of this metric. One of ``wanted`` must have series; none may be unclear."""
    answers = [context.answer(selector, role) for selector in wanted]
    others = [context.answer(selector, role) for selector in also]
    for one in (*answers, *others):
        if one.outcome is not Outcome.OK and one.outcome not in _ABSENT:
            return Problem(one.outcome.value, f"{name}: {role.value} is {_spoken(one.outcome)}: {one.text}")
    stale = [answer for answer in answers if answer.outcome is Outcome.STALE]
    if stale:
        return Problem("stale", f"{name}: the {role.value}'s samples are old: {stale[0].text}", missing=role)
    if all(answer.outcome is Outcome.NO_SERIES for answer in answers):
        return Problem(f"no_{role.value}_data", f"{name}: no data of the {role.value}", missing=role)
    return None


def _spoken(outcome: Outcome) -> str:
    return outcome.value.replace("_", " ")


def _counter_side(context: _Context, query: CounterQuery, role: Role, until_s: float) -> _Side:
    only_bad = tuple([selector for selector in query.bad if selector not in query.total])
    problem = _problem(context, query.name, query.total, only_bad, role) or _bad_is_lost(context, query, only_bad, role)
    if problem:
        return _Side(problem=problem)
    total = context.gained(query.name, query.total, role, until_s)
    bad = context.gained(query.name, query.bad, role, until_s)
    pods = rates_by_pod(total, bad) if context.tells_pods else ()
    mine, failed = context.standing(total, role), context.standing(bad, role)
    return _Side(_sum(mine), _sum(failed), [*total, *bad], pods=pods, beside=_sum(total) - _sum(mine))


def _bad_is_lost(context: _Context, query: CounterQuery, only_bad: Iterable[str], role: Role) -> Problem | None:
    """Failures counted by another target than the requests, and that target stopped: zero failures would be a guess."""
    oldest_s = context.readings.at_s - context.spec.stale_after_s
    for selector in only_bad:
        series = context.answer(selector, role).series
        if not series or any(one.points[-1].at_s >= oldest_s for one in series):
            continue
        alive = {one.source for text in query.total for one in context.answer(text, role).series}
        if all(one.source not in alive for one in series):
            return Problem("stale", f"{query.name}: the {role.value}'s counter of failures stopped: {selector}")
    return None


def _latency_sides(
    context: _Context, query: LatencyQuery, until_s: float
) -> tuple[tuple[float, ...], dict[Role, _Side]]:
    layouts = {role: layout_of([context.answer(text, role) for text in query.buckets], query.unit_s) for role in ROLES}
    apart = difference(query, layouts)
    if apart is not None:
        return (), {role: _Side(problem=Problem("buckets_differ", apart)) for role in ROLES}
    known = next((one.histogram for one in context.state.metrics if one.metric == query.name), None)
    native = any(layout.native and layout.bounds for layout in layouts.values())
    kept_bounds = known.upto if known is not None else ()
    bounds = tuple(sorted({bound for layout in layouts.values() for bound in layout.bounds}))
    if native:
        bounds = tuple(sorted({*bounds, *kept_bounds}))
    elif kept_bounds and bounds and bounds != kept_bounds:
        text = f"{query.name}: the buckets are not those that this release began with"
        return (), {role: _Side(problem=Problem("buckets_differ", text)) for role in ROLES}
    return bounds, {role: _latency_side(context, query, role, layouts[role], bounds, until_s) for role in ROLES}


def _latency_side(
    context: _Context, query: LatencyQuery, role: Role, layout: Layout, bounds: tuple[float, ...], until_s: float
) -> _Side:
    problem = _problem(context, query.name, query.buckets, (), role)
    if problem:
        return _Side(problem=problem, counts=(0.0,) * len(bounds))
    trouble = unusable(query, role, layout)
    if trouble is not None:
        return _Side(problem=Problem("no_bucket", trouble))
    gains = context.gained(query.name, query.buckets, role, until_s)
    grown_up = gains if role is Role.STABLE else context.warm(gains, query)
    counts = per_bucket(context.standing(grown_up, role), bounds, query.unit_s)
    if counts is None:
        return _Side(gains=gains, problem=Problem(*broken(query, role, layout), passed=True))
    limit = slo_bound(bounds, query.slow_s) or 0.0
    slow = math.fsum([count for bound, count in zip(bounds, counts, strict=True) if bound > limit])
    pods = buckets_by_pod(grown_up, bounds, query.unit_s) if context.tells_pods else ()
    beside = _above_all(gains, query) - math.fsum(counts) if context.compared and role is Role.STABLE else 0.0
    return _Side(math.fsum(counts), slow, gains, counts=counts, pods=pods, beside=beside)


def _above_all(gains: Iterable[Gain], query: LatencyQuery) -> float:
    return _sum(gain for gain in gains if gain.series.le == math.inf and gain.series.floor is None)


def _sum(gains: Iterable[Gain]) -> float:
    return math.fsum([gain.amount for gain in gains])
