"""Readings to one tally of requests per metric, or to the problem that holds it. It counts; it does not judge.

A metric moves for both roles or for neither, so that both sides always cover the same time. One exception: a role whose
series are gone does not stop the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from analysis.counters import Gain, MarkKey, first_seen, gains_of, kept
from analysis.model import (
    AnalysisSpec,
    CounterQuery,
    JudgeState,
    LatencyQuery,
    Outcome,
    Query,
    Reading,
    Readings,
    Role,
    SeriesMark,
    Tally,
)

ROLES = (Role.STABLE, Role.CANARY)
_ABSENT = frozenset({Outcome.NO_SERIES, Outcome.STALE})


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a metric cannot be judged now. ``role`` is set when that role's series are missing."""

    code: str
    text: str
    missing: Role | None = None


@dataclass(frozen=True, slots=True)
class MetricGain:
    """What one metric gained since the last pass."""

    name: str
    tally: Tally
    problems: tuple[Problem, ...] = ()

    @property
    def stable_missing(self) -> bool:
        return any(problem.missing is Role.STABLE for problem in self.problems)


@dataclass(frozen=True, slots=True)
class Gathered:
    gains: tuple[MetricGain, ...]
    marks: tuple[SeriesMark, ...]
    fresh_at_s: float | None


@dataclass(frozen=True, slots=True)
class _Side:
    """One metric of one role: its sums, the marks behind them, or its problem."""

    total: float = 0.0
    bad: float = 0.0
    gains: tuple[Gain, ...] = ()
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class _Context:
    spec: AnalysisSpec
    started_at_s: float
    answers: Mapping[tuple[str, Role], Reading]
    marks: Mapping[MarkKey, SeriesMark]
    seen: Mapping[str, float] = field(default_factory=dict)
    at_s: float = 0.0

    def answer(self, selector: str, role: Role) -> Reading:
        unasked = Reading(selector, role, Outcome.UNREADABLE, text="this query was not read")
        return self.answers.get((selector, role), unasked)

    def gained(self, name: str, selectors: Iterable[str], role: Role) -> tuple[tuple[Gain, ...], ...]:
        readings = (self.answer(selector, role) for selector in selectors)
        return tuple(gains_of(name, reading, self.marks, self.seen, self.started_at_s) for reading in readings)


def gather(spec: AnalysisSpec, state: JudgeState, readings: Readings) -> Gathered:
    """Count every metric of the spec. The order of the answers does not matter."""
    answers = {(item.metric, item.role): item for item in readings.items}
    marks = {(mark.metric, mark.role, mark.key): mark for mark in state.marks}
    context = _Context(spec, state.started_at_s, answers, marks, first_seen(readings.items), readings.at_s)
    gains: list[MetricGain] = []
    used: list[Gain] = []
    for query in spec.queries:
        sides = _sides(context, query)
        problems = tuple(side.problem for side in sides.values() if side.problem is not None)
        counted = [] if any(problem.missing is None for problem in problems) else list(sides.values())
        used.extend(gain for side in counted for gain in side.gains)
        gains.append(MetricGain(query.name, _tally(sides) if counted else Tally(), problems))
    ordered = sorted(kept(marks, used, readings.at_s).items())
    return Gathered(tuple(gains), tuple(mark for _, mark in ordered), _newest(spec, readings))


def _newest(spec: AnalysisSpec, readings: Readings) -> float | None:
    """The newest canary sample of the metric that lags most: a verdict is only as fresh as its oldest part."""
    times: list[float] = []
    for query in spec.queries:
        selectors = query.total if isinstance(query, CounterQuery) else query.buckets
        found = [item for item in readings.items if item.role is Role.CANARY and item.metric in selectors]
        points = [series.points[-1].at_s for item in found for series in item.series]
        if not points:
            return None
        times.append(max(points))
    return min(times)


def _tally(sides: Mapping[Role, _Side]) -> Tally:
    canary, stable = sides[Role.CANARY], sides[Role.STABLE]
    return Tally(canary.total, canary.bad, stable.total, stable.bad)


def _sides(context: _Context, query: Query) -> Mapping[Role, _Side]:
    if isinstance(query, CounterQuery):
        return {role: _counter_side(context, query, role) for role in ROLES}
    bounds = {role: _bound(context, query, role) for role in ROLES}
    known = {bound for bound in bounds.values() if bound is not None}
    if len(known) > 1:
        return {role: _Side(problem=_bounds_differ(query, bounds)) for role in ROLES}
    return {role: _latency_side(context, query, role, bounds[role]) for role in ROLES}


def _problem(context: _Context, name: str, needed: Iterable[str], also: Iterable[str], role: Role) -> Problem | None:
    """The first thing that stops this role of this metric. One of ``needed`` must have series; none may be unclear."""
    answers = [context.answer(selector, role) for selector in needed]
    others = [context.answer(selector, role) for selector in also]
    unclear = [one for one in (*answers, *others) if one.outcome is not Outcome.OK and one.outcome not in _ABSENT]
    if unclear:
        worst = unclear[0]
        return Problem(worst.outcome.value, f"{name}: {role.value} is {_spoken(worst.outcome)}: {worst.text}")
    stale = [answer for answer in answers if answer.outcome is Outcome.STALE]
    if stale:
        return Problem("stale", f"{name}: the {role.value}'s samples are old: {stale[0].text}", missing=role)
    if all(answer.outcome is Outcome.NO_SERIES for answer in answers):
        return Problem(f"no_{role.value}_data", f"{name}: no data of the {role.value}", missing=role)
    return None


def _spoken(outcome: Outcome) -> str:
    return outcome.value.replace("_", " ")


def _counter_side(context: _Context, query: CounterQuery, role: Role) -> _Side:
    only_bad = tuple(selector for selector in query.bad if selector not in query.total)
    problem = _problem(context, query.name, query.total, only_bad, role) or _bad_is_lost(context, query, only_bad, role)
    if problem:
        return _Side(problem=problem)
    total = context.gained(query.name, query.total, role)
    bad = context.gained(query.name, query.bad, role)
    return _Side(_sum(total), _sum(bad), tuple(gain for group in (*total, *bad) for gain in group))


def _bad_is_lost(context: _Context, query: CounterQuery, only_bad: Iterable[str], role: Role) -> Problem | None:
    """Failures counted by another target than the requests, and that target stopped: zero failures would be a guess."""
    oldest_s = context.at_s - context.spec.stale_after_s
    alive = {series.source for text in query.total for series in context.answer(text, role).series}
    for selector in only_bad:
        series = context.answer(selector, role).series
        if series and all(one.points[-1].at_s < oldest_s and one.source not in alive for one in series):
            return Problem("stale", f"{query.name}: the {role.value}'s counter of failures stopped: {selector}")
    return None


def _bound(context: _Context, query: LatencyQuery, role: Role) -> float | None:
    """The bucket that stands for the limit: at it, or the next one below, which counts more requests as slow."""
    les = [series.le for text in query.buckets for series in context.answer(text, role).series if series.le is not None]
    return max((le for le in les if le <= query.slow_s), default=None)


def _bounds_differ(query: LatencyQuery, bounds: Mapping[Role, float | None]) -> Problem:
    text = ", ".join(f"{role.value} {bound} s" for role, bound in sorted(bounds.items()))
    return Problem("buckets_differ", f"{query.name}: the two versions have different buckets below the limit: {text}")


def _latency_side(context: _Context, query: LatencyQuery, role: Role, bound: float | None) -> _Side:
    problem = _problem(context, query.name, query.buckets, (), role)
    if problem:
        return _Side(problem=problem)
    gains = [gain for group in context.gained(query.name, query.buckets, role) for gain in group]
    if bound is None or not any(gain.le == math.inf for gain in gains):
        text = f'{query.name}: the {role.value}\'s histogram lacks a bucket at or below {query.slow_s} s, or le="+Inf"'
        return _Side(problem=Problem("no_bucket", text))
    used = tuple(gain for gain in gains if gain.le in (bound, math.inf))
    total = math.fsum(gain.amount for gain in used if gain.le == math.inf)
    fast = math.fsum(gain.amount for gain in used if gain.le == bound)
    return _Side(total, max(0.0, total - fast), used)


def _sum(groups: Iterable[Iterable[Gain]]) -> float:
    return math.fsum(gain.amount for group in groups for gain in group)
