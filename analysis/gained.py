"""What one pass over the readings gained, metric by metric, or why it gained nothing. Data only; it counts nothing."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.pods import PodGain
from analysis.samples import Role
from analysis.state import SeriesMark, Tally


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a metric cannot be judged now. ``missing`` is set when that role's series are missing; ``passed`` when the
    samples are given up and counting goes on after them."""

    code: str
    text: str
    missing: Role | None = None
    passed: bool = False


@dataclass(frozen=True, slots=True)
class MetricGain:
    """What one metric gained since the last pass; a latency also per bucket up to each of ``upto``, by role."""

    name: str
    tally: Tally
    problems: tuple[Problem, ...] = ()
    upto: tuple[float, ...] = ()
    canary: tuple[float, ...] = ()
    stable: tuple[float, ...] = ()
    canary_pods: tuple[PodGain, ...] = ()
    stable_pods: tuple[PodGain, ...] = ()
    beside: float = 0.0
    """Stable's requests that are not compared with, as they were not the baseline's."""

    @property
    def stable_missing(self) -> bool:
        return any(problem.missing is Role.STABLE for problem in self.problems)


@dataclass(frozen=True, slots=True)
class Gathered:
    gains: tuple[MetricGain, ...]
    marks: tuple[SeriesMark, ...]
    fresh_at_s: float | None
    interval_s: float | None = None
    shares_pods: bool = False
    """Both roles are reported by the same pods, so these are the pods of something in front of both."""
    baseline: int = 0
    """How many instances of the baseline stand for stable; 0: all of stable does."""
