"""A metrics backend in memory: counters per role that a test or the simulation moves, scraped when told to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from analysis.model import AnalysisSpec, Calibration, CounterQuery, Outcome, Point, Reading, Readings, Role, Series
from analysis.read import must_be_fresh, selectors_of
from analysis.samples import GateStats

INFINITY = float("inf")


@dataclass
class FakeCounters:
    """What one role's process has counted, and what was scraped of it: time, total, bad, slow."""

    total: float = 0.0
    bad: float = 0.0
    slow: float = 0.0
    scrapes: list[tuple[float, float, float, float]] = field(default_factory=list)


@dataclass
class Trouble:
    """What every reading of a role answers instead of samples."""

    outcome: Outcome
    text: str = "planted by the test"


class FakeMetrics:
    """Structurally the controller's metrics port.

    ``serve`` counts requests, ``scrape`` samples all counters at one time. ``trouble`` replaces a role's answers,
    ``problem`` is what ``check`` says, ``learned`` what stable's pods teach. A role without scrapes has no series, as a
    version that does not exist yet.
    """

    def __init__(self) -> None:
        self.roles: dict[Role, FakeCounters] = {}
        self.trouble: dict[Role, Trouble] = {}
        self.problem: str | None = None
        self.learned: Calibration | None = None

    def serve(self, role: Role, total: float, bad: float = 0.0, slow: float = 0.0) -> None:
        """``total`` more requests, of which ``bad`` failed and ``slow`` were slower than the limit."""
        counters = self.roles.setdefault(role, FakeCounters())
        counters.total += total
        counters.bad += bad
        counters.slow += slow

    def scrape(self, at_s: float) -> None:
        for counters in self.roles.values():
            if not counters.scrapes or counters.scrapes[-1][0] < at_s:
                counters.scrapes.append((at_s, counters.total, counters.bad, counters.slow))

    def reset(self, role: Role) -> None:
        """The process restarts: its counters begin again at zero."""
        counters = self.roles.setdefault(role, FakeCounters())
        counters.total = counters.bad = counters.slow = 0.0

    def forget(self, role: Role) -> None:
        """The version is gone, and its series with it."""
        self.roles.pop(role, None)

    def read(self, spec: AnalysisSpec, versions: Mapping[Role, str], application: str, at_s: float) -> Readings:
        items = [
            self._reading(spec, selector, role, at_s, role in versions)
            for selector in selectors_of(spec)
            for role in Role
        ]
        return Readings(at_s, tuple(items))

    def check(self, spec: AnalysisSpec, versions: Mapping[Role, str], application: str, at_s: float) -> str | None:
        return self.problem

    def look(self, spec: AnalysisSpec, stable: str, application: str, at_s: float) -> Readings:
        return self.read(spec, {Role.STABLE: stable}, application, at_s)

    def learn(
        self, spec: AnalysisSpec, stable: str, application: str, at_s: float, canary_pods: int
    ) -> Calibration | None:
        return self.learned

    def stats(self) -> tuple[GateStats, ...]:
        return ()

    def _reading(self, spec: AnalysisSpec, selector: str, role: Role, at_s: float, exists: bool) -> Reading:
        trouble = self.trouble.get(role)
        if trouble is not None:
            return Reading(selector, role, trouble.outcome, text=trouble.text)
        until_s = at_s - spec.settle_s
        known = self.roles.get(role, FakeCounters()).scrapes if exists else []
        seen = [scrape for scrape in known if until_s - spec.window_s < scrape[0] <= until_s]
        if not seen:
            return Reading(selector, role, Outcome.NO_SERIES, text="no such series")
        if must_be_fresh(spec, selector) and seen[-1][0] < at_s - spec.stale_after_s:
            return Reading(selector, role, Outcome.STALE, text="the newest sample is too old")
        return Reading(selector, role, Outcome.OK, self._series(spec, selector, role, seen))

    def _series(
        self, spec: AnalysisSpec, selector: str, role: Role, seen: list[tuple[float, float, float, float]]
    ) -> tuple[Series, ...]:
        def points(column: int, minus: int | None = None) -> tuple[Point, ...]:
            return tuple(Point(row[0], row[column] - (row[minus] if minus is not None else 0.0)) for row in seen)

        for query in spec.latencies:
            if selector in query.buckets:
                fast = Series(f"{role} fast", points(1, minus=3), query.slow_s, role)
                return fast, Series(f"{role} all", points(1), INFINITY, role)
        column = 1 if _is_first_total(spec.counters, selector) else 2
        if column == 2 and not _is_first_bad(spec.counters, selector):
            return (Series(f"{role} none", tuple(Point(row[0], 0.0) for row in seen), source=role),)
        return (Series(f"{role} {column}", points(column), source=role),)


def _is_first_total(queries: tuple[CounterQuery, ...], selector: str) -> bool:
    return any(query.total[0] == selector for query in queries)


def _is_first_bad(queries: tuple[CounterQuery, ...], selector: str) -> bool:
    return any(query.bad[0] == selector for query in queries)
