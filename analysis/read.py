"""The JSON of one answer to a Reading. Every odd shape gets its own outcome that holds; nothing is repaired."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from analysis.model import AnalysisSpec
from analysis.native import buckets_of
from analysis.samples import Outcome, Reading, Role, Series
from analysis.shapes import Odd, bound_of, check_cumulative, point_of, samples_of

SERIES_MAX = 500  # series of one answer: more is a selector that forgot a label, and would swell the saved state
POINTS_MAX = 20_000  # samples of one answer, so that a long window on many series cannot fill the memory
_SOURCE_LABELS = ("job", "instance")


def selectors_of(spec: AnalysisSpec) -> tuple[str, ...]:
    """Every selector of raw samples once, the bad counters first.

    A scrape stored between two queries is then missing from the bad ones rather than from the total.
    """
    bad = [text for query in spec.counters for text in query.bad]
    total = [text for query in spec.counters for text in query.total]
    buckets = [text for query in spec.latencies for text in query.buckets]
    return tuple(dict.fromkeys(bad + total + buckets))


def required_part(spec: AnalysisSpec) -> AnalysisSpec:
    """What a release cannot be judged without: a metric that runs dry, or may be missing, must not keep one from
    starting."""
    return replace(
        spec,
        counters=tuple(one for one in spec.counters if one.policy.required and not one.policy.dry_run),
        latencies=tuple(one for one in spec.latencies if one.policy.required and not one.policy.dry_run),
        gauges=tuple(one for one in spec.gauges if one.policy.required and not one.policy.dry_run),
    )


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
        parsed = [(item, series_of(item)) for item in result]
        for buckets in _classic_histograms(parsed):
            check_cumulative(buckets)
    except Odd as odd:
        return held(odd.outcome, odd.text)
    series = sorted((one for _, own in parsed for one in own), key=_order)
    if any(before.key == after.key for before, after in itertools.pairwise(series)):
        return held(Outcome.NOT_A_VECTOR, "the same series twice in one answer")
    if sum(len(one.points) for one in series) > POINTS_MAX:
        return held(Outcome.TOO_MANY_SERIES, f"more than {POINTS_MAX} samples; add labels or shorten the window")
    newest_s = max(one.points[-1].at_s for one in series)
    if oldest_s is not None and newest_s < oldest_s:
        return held(Outcome.STALE, f"the newest sample is {oldest_s - newest_s:.0f} s older than allowed")
    return Reading(metric, role, Outcome.OK, tuple(series))


def _classic_histograms(parsed: Iterable[tuple[Any, Sequence[Series]]]) -> Iterable[list[Series]]:
    """The buckets of each histogram, lowest bound first: series whose labels differ in nothing but the bound."""
    found: dict[frozenset[tuple[str, str]], list[Series]] = {}
    for item, own in parsed:
        labels = item["metric"]
        if "le" in labels and "values" in item:
            found.setdefault(frozenset({**labels, "le": ""}.items()), []).extend(own)
    return [sorted(buckets, key=_order_of_bounds) for buckets in found.values()]


def _order_of_bounds(series: Series) -> float:
    return -1.0 if series.le is None else series.le


def lacks_bucket(spec: AnalysisSpec, reading: Reading) -> str | None:
    """A histogram that cannot tell which requests were slow, said before a release starts rather than during one."""
    bounds = {series.le for series in reading.series}
    for query in spec.latencies:
        usable = math.inf in bounds and any(le is not None and le * query.unit_s <= query.slow_s for le in bounds)
        if reading.outcome is Outcome.OK and reading.metric in query.buckets and not usable:
            return f'no bucket at or below {query.slow_s} s, or no le="+Inf"; choose another limit for slow'
    return None


def gauge_from(metric: str, role: Role, result: object) -> Reading:
    """``result`` is ``data.result`` of any expression: a vector, or a scalar as a pair."""
    if isinstance(result, list) and len(result) == 2 and not isinstance(result[0], Mapping):
        result = [{"metric": {}, "value": result}]
    if not isinstance(result, list):
        return Reading(metric, role, Outcome.NOT_A_VECTOR, text="the answer is neither a vector nor a number")
    if not result:
        return Reading(metric, role, Outcome.NO_SERIES, text="the expression has no value")
    if len(result) > SERIES_MAX:
        return Reading(metric, role, Outcome.TOO_MANY_SERIES, text=f"{len(result)} values instead of one")
    try:
        series = sorted((_value_of(item) for item in result), key=_order)
    except Odd as odd:
        return Reading(metric, role, odd.outcome, text=odd.text)
    return Reading(metric, role, Outcome.OK, tuple(series))


def _value_of(item: object) -> Series:
    if not isinstance(item, Mapping) or "value" not in item:
        raise Odd(Outcome.NOT_A_VECTOR, "the answer is not one value at one time")
    labels = item.get("metric")
    key = json.dumps(dict(sorted(labels.items()))) if isinstance(labels, Mapping) else ""
    return Series(key, (point_of(item["value"], signed=True),))


def _order(series: Series) -> tuple[str, float]:
    return series.key, -1.0 if series.le is None else series.le


def series_of(item: object) -> list[Series]:
    """One series of counters, or the buckets of one native histogram."""
    if not isinstance(item, Mapping) or not ("values" in item or "histograms" in item):
        raise Odd(Outcome.NOT_A_VECTOR, "the answer holds no raw samples")
    labels, values = item.get("metric"), item.get("values", ())
    if not isinstance(labels, Mapping) or not all(isinstance(value, str) for value in labels.values()):
        raise Odd(Outcome.NOT_A_VECTOR, "a series has no labels")
    source = json.dumps([labels.get(name, "") for name in _SOURCE_LABELS])
    pod = labels.get("pod") or labels.get("instance") or ""
    whole = Series(json.dumps(dict(sorted(labels.items()))), (), bound_of(labels.get("le")), source, pod=pod)
    if "histograms" in item:
        if values:
            raise Odd(Outcome.NOT_A_VECTOR, "a series is both a counter and a histogram")
        return buckets_of(whole, item["histograms"])
    if not isinstance(values, Sequence) or isinstance(values, str) or not values:
        raise Odd(Outcome.NOT_A_VECTOR, "a series has no samples")
    return [Series(whole.key, samples_of(values), whole.le, source, pod=pod)]
