"""The JSON of one answer to a Reading. Every odd shape gets its own outcome that holds; nothing is repaired."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence

from analysis.model import AnalysisSpec, Outcome, Point, Reading, Role, Series

SERIES_MAX = 500  # series of one answer: more is a selector that forgot a label, and would swell the saved state
POINTS_MAX = 20_000  # samples of one answer, so that a long window on many series cannot fill the memory
_SOURCE_LABELS = ("job", "instance")


def selectors_of(spec: AnalysisSpec) -> tuple[str, ...]:
    """Every selector of the spec once, the bad counters first.

    A scrape stored between two queries is then missing from the bad ones rather than from the total.
    """
    bad = [text for query in spec.counters for text in query.bad]
    total = [text for query in spec.counters for text in query.total]
    buckets = [text for query in spec.latencies for text in query.buckets]
    return tuple(dict.fromkeys(bad + total + buckets))


def must_be_fresh(spec: AnalysisSpec, selector: str) -> bool:
    """Whether old samples mean missing data. A counter of failures alone may end with the process that had it."""
    total = {text for query in spec.counters for text in query.total}
    return selector in total or any(selector in query.buckets for query in spec.latencies)


def reading_from(metric: str, role: Role, result: object, oldest_s: float | None) -> Reading:
    """``result`` is ``data.result`` of a range selector; samples all older than ``oldest_s`` are stale."""

    def held(outcome: Outcome, text: str) -> Reading:
        return Reading(metric, role, outcome, text=text)

    if not isinstance(result, list):
        return held(Outcome.NOT_A_VECTOR, "the answer is not a list of series")
    if not result:
        return held(Outcome.NO_SERIES, "no such series")
    if len(result) > SERIES_MAX:
        return held(Outcome.TOO_MANY_SERIES, f"{len(result)} series, at most {SERIES_MAX} are read; add labels")
    try:
        series = sorted((_series(item) for item in result), key=lambda one: one.key)
    except _Odd as odd:
        return held(odd.outcome, odd.text)
    if len({one.key for one in series}) != len(series):
        return held(Outcome.NOT_A_VECTOR, "the same series twice in one answer")
    if sum(len(one.points) for one in series) > POINTS_MAX:
        return held(Outcome.TOO_MANY_SERIES, f"more than {POINTS_MAX} samples; add labels or shorten the window")
    newest_s = max(one.points[-1].at_s for one in series)
    if oldest_s is not None and newest_s < oldest_s:
        return held(Outcome.STALE, f"the newest sample is {oldest_s - newest_s:.0f} s older than allowed")
    return Reading(metric, role, Outcome.OK, tuple(series))


def lacks_bucket(spec: AnalysisSpec, reading: Reading) -> str | None:
    """A histogram that cannot tell which requests were slow, said before a release starts rather than during one."""
    bounds = {series.le for series in reading.series}
    for query in spec.latencies:
        usable = math.inf in bounds and any(le is not None and le <= query.slow_s for le in bounds)
        if reading.outcome is Outcome.OK and reading.metric in query.buckets and not usable:
            return f'no bucket at or below {query.slow_s} s, or no le="+Inf"; choose another limit for slow'
    return None


class _Odd(Exception):
    def __init__(self, outcome: Outcome, text: str) -> None:
        super().__init__(text)
        self.outcome, self.text = outcome, text


def _series(item: object) -> Series:
    if not isinstance(item, Mapping) or "values" not in item:
        raise _Odd(Outcome.NOT_A_VECTOR, "the answer holds no raw samples")
    labels, values = item.get("metric"), item["values"]
    if not isinstance(labels, Mapping) or not all(isinstance(value, str) for value in labels.values()):
        raise _Odd(Outcome.NOT_A_VECTOR, "a series has no labels")
    if not isinstance(values, Sequence) or isinstance(values, str) or not values:
        raise _Odd(Outcome.NOT_A_VECTOR, "a series has no samples")
    points = tuple(_point(value) for value in values)
    if any(later.at_s <= earlier.at_s for earlier, later in itertools.pairwise(points)):
        raise _Odd(Outcome.NOT_A_VECTOR, "samples are not in the order of time")
    source = json.dumps([labels.get(name, "") for name in _SOURCE_LABELS])
    return Series(json.dumps(dict(sorted(labels.items()))), points, _bound(labels.get("le")), source)


def _point(pair: object) -> Point:
    if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
        raise _Odd(Outcome.NOT_A_VECTOR, "a sample is not a pair of time and value")
    try:
        at_s, value = float(pair[0]), float(pair[1])
    except (TypeError, ValueError):
        raise _Odd(Outcome.NOT_A_NUMBER, "a sample is not a number") from None
    if math.isnan(value) or not math.isfinite(at_s):
        raise _Odd(Outcome.NOT_A_NUMBER, "a sample is NaN")
    if math.isinf(value):
        raise _Odd(Outcome.INFINITE, "a sample is infinite")
    if value < 0:
        raise _Odd(Outcome.NOT_A_NUMBER, "a sample is negative, so this is not a counter")
    return Point(at_s, value)


def _bound(text: object) -> float | None:
    if text is None:
        return None
    try:
        bound = float(str(text))
    except ValueError:
        raise _Odd(Outcome.NOT_A_VECTOR, "a bucket's bound le is not a number") from None
    if math.isnan(bound):
        raise _Odd(Outcome.NOT_A_VECTOR, "a bucket's bound le is NaN")
    return bound
