"""Requests, and what Prometheus knows of them: counters are the truth, a scrape copies them, a read sees copies."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from analysis.model import AnalysisSpec, Calibration, Outcome, Point, Reading, Readings, Role, Series
from analysis.samples import GateStats

SCRAPE_S = 2.0
HISTORY = 120
"""Steps of the world for which oracles can ask how many requests there were."""
KEPT = 20
"""Scrapes kept of a series; more than any window of the scenarios needs."""


@dataclass(slots=True)
class Counters:
    """One role of one version: what it has completed, how much of that was bad, and what was scraped of both."""

    total: float = 0.0
    bad: float = 0.0
    scrapes: list[tuple[float, float, float]] = field(default_factory=list)
    history: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=HISTORY))

    def since(self, time_s: float) -> float:
        """Requests completed since ``time_s``, or since the beginning of the history."""
        before = [total for at_s, total in self.history if at_s <= time_s]
        return self.total - (before[-1] if before else 0.0)


class Prometheus:
    """The metrics port of the world, for all applications. ``state`` is up, down, nan or stale."""

    def __init__(self) -> None:
        self.state = "up"
        self._counters: dict[tuple[str, Role, str], Counters] = {}
        self._scraped_s = -SCRAPE_S

    def counters(self, application: str, role: Role, version: str) -> Counters:
        return self._counters.setdefault((application, role, version), Counters())

    def due(self, time_s: float) -> bool:
        return self.state != "stale" and time_s - self._scraped_s >= SCRAPE_S

    def scrape(self, time_s: float, utc_s: float, alive: frozenset[tuple[str, Role, str]]) -> None:
        """Copy the counters of what is alive."""
        self._scraped_s = time_s
        for key, counters in self._counters.items():
            if key in alive:
                counters.scrapes.append((utc_s, counters.total, counters.bad))
                del counters.scrapes[:-KEPT]

    def read(self, spec: AnalysisSpec, versions: Mapping[Role, str], application: str, at_s: float) -> Readings:
        until_s = at_s - spec.settle_s
        items = tuple(
            self._reading(spec, selector, role, self._seen(spec, application, role, versions[role], until_s), at_s)
            for role in Role
            for selector in ("total", "bad")
        )
        return Readings(at_s, items)

    def unreadable(self, at_s: float) -> Readings:
        return Readings(
            at_s,
            tuple(Reading(m, role, Outcome.UNREADABLE, text="no answer") for role in Role for m in ("total", "bad")),
        )

    def check(self, spec: AnalysisSpec, versions: Mapping[Role, str], application: str, at_s: float) -> str | None:
        return None if self.state == "up" else f"Prometheus is {self.state}"

    def look(self, spec: AnalysisSpec, stable: str, application: str, at_s: float) -> Readings:
        return self.read(spec, dict.fromkeys(Role, stable), application, at_s)

    def learn(
        self, spec: AnalysisSpec, stable: str, application: str, at_s: float, canary_pods: int
    ) -> Calibration | None:
        return None

    def stats(self) -> tuple[GateStats, ...]:
        return ()

    def _seen(
        self, spec: AnalysisSpec, application: str, role: Role, version: str, until_s: float
    ) -> list[tuple[float, float, float]]:
        counters = self._counters.get((application, role, version))
        if counters is None:
            return []
        return [scrape for scrape in counters.scrapes if until_s - spec.window_s < scrape[0] <= until_s]

    def _reading(
        self, spec: AnalysisSpec, selector: str, role: Role, seen: list[tuple[float, float, float]], at_s: float
    ) -> Reading:
        if self.state == "down":
            return Reading(selector, role, Outcome.UNREADABLE, text="connection refused")
        if self.state == "nan":
            return Reading(selector, role, Outcome.NOT_A_NUMBER, text="the sample is not a number")
        if not seen:
            return Reading(selector, role, Outcome.NO_SERIES, text="no such series")
        if selector == "total" and seen[-1][0] < at_s - spec.stale_after_s:
            return Reading(selector, role, Outcome.STALE, text="the newest sample is too old")
        column = 1 if selector == "total" else 2
        points = tuple(Point(scrape[0], scrape[column]) for scrape in seen)
        return Reading(selector, role, Outcome.OK, (Series(f"{role.value} {selector}", points, source=role.value),))
