"""Raw samples to increments: difference each series on its own, then sum. No rates, no extrapolation, no judging."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from analysis.samples import Point, Reading, Role, Series
from analysis.state import SeriesMark

MARKS_KEPT_S = 3600.0  # a series gone for longer is forgotten, so that pod churn cannot swell the saved state

MarkKey = tuple[str, Role, str]


class Gain(NamedTuple):
    """What one series has grown by since its mark."""

    amount: float
    mark: SeriesMark
    series: Series


def first_seen(readings: Iterable[Reading]) -> Mapping[str, float]:
    """For each scraped target, the time of the earliest sample any of its series shows in these answers."""
    seen: dict[str, float] = {}
    for reading in readings:
        for series in reading.series:
            at_s = series.points[0].at_s
            if at_s < seen.get(series.source, math.inf):
                seen[series.source] = at_s
    return seen


def gains_of(
    name: str,
    reading: Reading,
    marks: Mapping[MarkKey, SeriesMark],
    seen: Callable[[], Mapping[str, float]],
    started_at_s: float,
    until_s: float = math.inf,
) -> list[Gain]:
    """Every series of ``reading`` up to ``until_s``; ``name`` keeps the marks of one metric apart from another's.

    ``seen`` gives ``first_seen`` of all answers; it is asked only when a series is new.
    """
    metric, role = f"{name} {reading.metric}", reading.role
    gains = []
    for series in reading.series:
        mark = marks.get((metric, role, series.key))
        base = _start(series, seen(), started_at_s) if mark is None else mark
        points = series.points
        if mark is not None and points[-1].at_s == mark.at_s:
            gains.append(Gain(0.0, mark, series))
            continue
        amount, at_s, value = _grown(points, base.at_s, base.value, until_s)
        gains.append(Gain(amount, SeriesMark(metric, role, series.key, at_s, value), series))
    return gains


def kept(marks: Mapping[MarkKey, SeriesMark], gains: Iterable[Gain], at_s: float) -> tuple[SeriesMark, ...]:
    """The marks after ``gains`` in the order of their keys, without those of series that have been gone for long."""
    merged = dict(marks)
    for gain in gains:
        mark = gain.mark
        merged[mark.metric, mark.role, mark.key] = mark
    if len(merged) != len(marks):
        merged = dict(sorted(merged.items()))
    oldest_s = at_s - MARKS_KEPT_S
    return tuple([mark for mark in merged.values() if mark.at_s >= oldest_s])


def grown_between(points: tuple[Point, ...], from_s: float, to_s: float) -> float:
    """The growth of one series within a stretch of its past; its first sample is where counting can begin."""
    before = [point for point in points if point.at_s <= from_s]
    base = before[-1] if before else points[0]
    return _grown(points, base.at_s, base.value, to_s)[0]


def _grown(points: tuple[Point, ...], at_s: float, value: float, until_s: float) -> tuple[float, float, float]:
    """The growth after ``at_s`` and the last sample used. A counter that fell was reset: it counted since."""
    index = len(points)
    while index and points[index - 1].at_s > at_s:
        index -= 1
    grown = 0.0
    for point in points[index:]:
        if point.at_s > until_s:
            break
        grown += point.value - value if point.value >= value else point.value
        at_s, value = point.at_s, point.value
    return grown, at_s, value


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
