"""Raw samples to increments: difference each series on its own, then sum. No rates, no extrapolation, no judging."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from analysis.model import Point, Reading, Role, Series, SeriesMark

MARKS_KEPT_S = 3600.0  # a series gone for longer is forgotten, so that pod churn cannot swell the saved state

MarkKey = tuple[str, Role, str]


@dataclass(frozen=True, slots=True)
class Gain:
    """What one series has grown by since its mark."""

    amount: float
    mark: SeriesMark
    le: float | None


def first_seen(readings: Iterable[Reading]) -> Mapping[str, float]:
    """For each scraped target, the time of the earliest sample any of its series shows in these answers."""
    seen: dict[str, float] = {}
    for reading in readings:
        for series in reading.series:
            at_s = series.points[0].at_s
            seen[series.source] = min(at_s, seen.get(series.source, at_s))
    return seen


def gains_of(
    name: str, reading: Reading, marks: Mapping[MarkKey, SeriesMark], seen: Mapping[str, float], started_at_s: float
) -> tuple[Gain, ...]:
    """Every series of ``reading``; ``name`` keeps the marks of one metric apart from another's."""
    metric = f"{name} {reading.metric}"
    return tuple(
        _gain(metric, reading.role, series, marks.get((metric, reading.role, series.key)), seen, started_at_s)
        for series in reading.series
    )


def kept(marks: Mapping[MarkKey, SeriesMark], gains: Iterable[Gain], at_s: float) -> dict[MarkKey, SeriesMark]:
    """The marks after ``gains``, without those of series that have been gone for long."""
    merged = {**marks, **{(gain.mark.metric, gain.mark.role, gain.mark.key): gain.mark for gain in gains}}
    return {key: mark for key, mark in merged.items() if mark.at_s >= at_s - MARKS_KEPT_S}


def _gain(
    metric: str,
    role: Role,
    series: Series,
    mark: SeriesMark | None,
    seen: Mapping[str, float],
    started_at_s: float,
) -> Gain:
    base = Point(mark.at_s, mark.value) if mark is not None else _start(series, seen, started_at_s)
    later = [point for point in series.points if point.at_s > base.at_s]
    values = [base.value, *(point.value for point in later)]
    amount = math.fsum(_step(before, after) for before, after in itertools.pairwise(values))
    end = later[-1] if later else base
    return Gain(amount, SeriesMark(metric, role, series.key, end.at_s, end.value), series.le)


def _step(before: float, after: float) -> float:
    """A counter that fell was reset: all it now shows was counted since."""
    return after - before if after >= before else after


def _start(series: Series, seen: Mapping[str, float], started_at_s: float) -> Point:
    """Where counting starts for a series met for the first time.

    What it showed before the release is not ours. Born inside the release, it counts from zero: an error series that
    appears with its first error is how a bad version announces itself. Proof of birth is an earlier scrape of the same
    target that lacks it. Without proof it may be old, seen late, and starts at its first sample.
    """
    before = [point for point in series.points if point.at_s <= started_at_s]
    if before:
        return before[-1]
    first = series.points[0]
    if seen.get(series.source, first.at_s) < first.at_s:
        return Point(seen[series.source], 0.0)
    return first
