"""Before a release: its metrics must have been judgeable all through the last hour."""

from __future__ import annotations

import math

import pytest

from analysis.model import AnalysisSpec, CounterQuery, LatencyQuery, Policy
from analysis.preflight import LOOK_BACK_S, hour_trouble, stable_counts, stable_span_s
from analysis.samples import Outcome, Point, Reading, Readings, Role, Series

NOW_S = 10_000.0
ERRORS = CounterQuery("errors", ("total",), ("bad",), 0.01)
SPEC = AnalysisSpec("http://x", (ERRORS,))


def counter(metric: str, at_s: float, grown: float) -> Reading:
    points = (Point(at_s - 60, 500.0), Point(at_s, 500.0 + grown))
    return Reading(metric, Role.STABLE, Outcome.OK, (Series(metric, points, source="t"),))


def look(ago_s: float, bad: float = 1.0, outcome: Outcome = Outcome.OK) -> Readings:
    at_s = NOW_S - ago_s
    total = counter("total", at_s, 1000.0)
    if outcome is not Outcome.OK:
        total = Reading("total", Role.STABLE, outcome, text="because")
    return Readings(at_s, (total, counter("bad", at_s, bad)))


TIMES = (0.0, *LOOK_BACK_S)


def looks(**changed: Readings) -> list[Readings]:
    return [changed.get(f"at_{number}", look(ago_s)) for number, ago_s in enumerate(TIMES)]


def missing(number: int, outcome: Outcome = Outcome.NO_SERIES) -> Readings:
    return look(TIMES[number], outcome=outcome)


def test_an_hour_of_good_metrics_is_no_trouble() -> None:
    assert hour_trouble(SPEC, looks()) is None


def test_a_gap_is_named_with_its_time() -> None:
    said = hour_trouble(SPEC, looks(at_2=missing(2)))
    assert said == "errors: stable had no samples 30 minutes ago, though it had some before"
    assert hour_trouble(SPEC, looks(at_1=missing(1, Outcome.STALE))) is not None


def test_a_service_younger_than_an_hour_is_judged_by_what_there_is() -> None:
    assert hour_trouble(SPEC, looks(at_3=missing(3), at_4=missing(4))) is None
    assert hour_trouble(SPEC, looks(**{f"at_{n}": missing(n) for n in (1, 2, 3, 4)})) is None


def test_odd_data_in_the_past_is_named() -> None:
    said = hour_trouble(SPEC, looks(at_1=missing(1, Outcome.NOT_A_NUMBER)))
    assert said == "errors: 15 minutes ago stable's metrics could not be used: not a number: because"


def test_a_stable_version_that_is_outside_its_objective_most_of_the_time_is_no_base_for_a_release() -> None:
    bad = {f"at_{n}": look(TIMES[n], bad=40.0) for n in (0, 1, 2)}
    said = hour_trouble(SPEC, looks(**bad))
    assert said == "errors: stable itself is in trouble: 4 % of its requests are bad now, and its objective is 1 %"


@pytest.mark.parametrize("times", [(1, 2, 3), (0,), (0, 4)], ids=["over by now", "just begun", "now and long ago"])
def test_a_short_incident_or_one_that_is_over_stops_nothing(times: tuple[int, ...]) -> None:
    assert hour_trouble(SPEC, looks(**{f"at_{n}": look(TIMES[n], bad=40.0) for n in times})) is None


def test_without_an_objective_or_for_a_metric_that_runs_dry_there_is_no_trouble() -> None:
    bad = {f"at_{n}": look(TIMES[n], bad=40.0) for n in range(5)}
    without = AnalysisSpec("http://x", (CounterQuery("errors", ("total",), ("bad",)),))
    dry = AnalysisSpec("http://x", (CounterQuery("errors", ("total",), ("bad",), 0.01, Policy(dry_run=True)),))
    assert hour_trouble(without, looks(**bad)) is None
    assert hour_trouble(dry, looks(**bad)) is None


def histogram(at_s: float) -> Readings:
    rows = ((0.1, 700.0), (0.5, 970.0), (math.inf, 1000.0))
    series = tuple(Series(f"{le}", (Point(at_s - 60, 5.0), Point(at_s, 5.0 + count)), le, "t") for le, count in rows)
    return Readings(at_s, (Reading("buckets", Role.STABLE, Outcome.OK, series),))


def test_slow_requests_are_counted_in_the_past_as_they_are_now() -> None:
    query = LatencyQuery("latency", ("buckets",), 0.5, 0.01)
    assert stable_counts(query, histogram(NOW_S)) == (1000.0, 30.0)
    assert stable_span_s(query, histogram(NOW_S)) == 60.0
    spec = AnalysisSpec("http://x", (), (query,))
    assert "stable itself is in trouble" in (hour_trouble(spec, [histogram(NOW_S - ago_s) for ago_s in TIMES]) or "")
