from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.model import AnalysisSpec, CounterQuery, LatencyQuery, Outcome, Point, Reading, Role
from analysis.read import SERIES_MAX, lacks_bucket, must_be_fresh, reading_from, selectors_of
from analysis.shapes import Odd, in_order, point_of, samples_of


def read(result: object, oldest_s: float | None = 0.0) -> Reading:
    return reading_from("up", Role.CANARY, result, oldest_s)


def series(*values: Any, **labels: Any) -> dict[str, Any]:
    return {"metric": labels, "values": [[10.0 + index, value] for index, value in enumerate(values)]}


def test_raw_samples_become_series_in_the_order_of_their_labels() -> None:
    reading = read([series("1", "2.5", pod="b"), series("0", pod="a", job="j", instance="i")])
    assert reading.outcome is Outcome.OK
    assert [one.key for one in reading.series] == ['{"instance": "i", "job": "j", "pod": "a"}', '{"pod": "b"}']
    assert reading.series[1].points == (Point(10.0, 1.0), Point(11.0, 2.5))
    assert reading.series[0].source == '["j", "i"]'


@pytest.mark.parametrize(("text", "bound"), [("0.5", 0.5), ("+Inf", float("inf")), ("1e-3", 0.001)])
def test_a_bucket_knows_its_bound(text: str, bound: float) -> None:
    assert read([series("1", le=text)]).series[0].le == bound


ODD: list[tuple[str, object, Outcome]] = [
    ("empty", [], Outcome.NO_SERIES),
    ("NaN", [series("1", "NaN")], Outcome.NOT_A_NUMBER),
    ("text", [series("many")], Outcome.NOT_A_NUMBER),
    ("none", [series(None)], Outcome.NOT_A_NUMBER),
    ("infinite", [series("+Inf")], Outcome.INFINITE),
    ("minus infinite", [series("-Inf")], Outcome.INFINITE),
    ("negative", [series("-1")], Outcome.NOT_A_NUMBER),
    ("scalar", [1700000000, "1"], Outcome.NOT_A_VECTOR),
    ("string", "text", Outcome.NOT_A_VECTOR),
    ("nothing", None, Outcome.NOT_A_VECTOR),
    ("object", {"a": 1}, Outcome.NOT_A_VECTOR),
    ("instant vector", [{"metric": {}, "value": [1, "1"]}], Outcome.NOT_A_VECTOR),
    ("no labels", [{"values": [[1, "1"]]}], Outcome.NOT_A_VECTOR),
    ("odd labels", [{"metric": {"a": 1}, "values": [[1, "1"]]}], Outcome.NOT_A_VECTOR),
    ("no samples", [{"metric": {}, "values": []}], Outcome.NOT_A_VECTOR),
    ("samples are text", [{"metric": {}, "values": "12"}], Outcome.NOT_A_VECTOR),
    ("sample is no pair", [{"metric": {}, "values": [[1]]}], Outcome.NOT_A_VECTOR),
    ("backwards", [{"metric": {}, "values": [[2, "1"], [1, "2"]]}], Outcome.NOT_A_VECTOR),
    ("time is NaN", [{"metric": {}, "values": [["NaN", "1"]]}], Outcome.NOT_A_NUMBER),
    ("same series twice", [series("1", a="b"), series("1", a="b")], Outcome.NOT_A_VECTOR),
    ("bound is text", [series("1", le="big")], Outcome.NOT_A_VECTOR),
    ("bound is NaN", [series("1", le="NaN")], Outcome.NOT_A_VECTOR),
    ("too many series", [series("1", pod=str(n)) for n in range(SERIES_MAX + 1)], Outcome.TOO_MANY_SERIES),
    ("too many samples", [series(*["1"] * 20_001)], Outcome.TOO_MANY_SERIES),
]


@pytest.mark.parametrize(("result", "outcome"), [row[1:] for row in ODD], ids=[row[0] for row in ODD])
def test_every_odd_answer_has_its_outcome_says_why_and_carries_no_series(result: object, outcome: Outcome) -> None:
    reading = read(result)
    assert (reading.outcome, reading.series) == (outcome, ())
    assert reading.text


FALLING: list[tuple[str, tuple[tuple[str, str], ...]]] = [
    ("the top is below", (("0.1", "3"), ("+Inf", "2"))),
    ("one in the middle", (("0.1", "3"), ("0.5", "9"), ("1", "8"), ("+Inf", "10"))),
    ("all but the limit", (("0.1", "3"), ("0.5", "0"), ("+Inf", "4"))),
]


@pytest.mark.parametrize("bounds", [row[1] for row in FALLING], ids=[row[0] for row in FALLING])
def test_a_histogram_whose_buckets_are_not_cumulative_is_unreadable(bounds: tuple[tuple[str, str], ...]) -> None:
    healthy = [series("1", "5", pod="b", le=bound) for bound, _ in bounds]
    reading = read([series("1", value, pod="a", le=bound) for bound, value in bounds] + healthy)
    assert (reading.outcome, reading.series) == (Outcome.UNREADABLE, ())
    assert "not cumulative" in reading.text


def test_buckets_are_compared_within_one_process_and_at_one_time() -> None:
    other = [series("100", pod="b", le=bound) for bound in ("0.1", "+Inf")]
    behind = [series("1", "2", "9", pod="a", le="0.1"), series("3", "4", pod="a", le="+Inf")]
    assert read(other + behind).outcome is Outcome.OK
    assert (
        read(
            [*other, series("1", "2", "4.0000000001", pod="a", le="0.1"), series("3", "4", "4", pod="a", le="+Inf")]
        ).outcome
        is Outcome.OK
    )


def test_the_most_series_allowed_are_read() -> None:
    assert len(read([series("1", pod=str(n)) for n in range(SERIES_MAX)]).series) == SERIES_MAX


def test_only_the_newest_sample_of_all_series_decides_whether_it_is_stale() -> None:
    result = [series("1", pod="old"), series("1", "1", "1", pod="new")]
    assert read(result, oldest_s=12.0).outcome is Outcome.OK
    assert read(result, oldest_s=12.5).outcome is Outcome.STALE
    assert read(result, oldest_s=None).outcome is Outcome.OK


SPEC = AnalysisSpec(
    "http://x",
    (CounterQuery("errors", ("total", "both"), ("bad", "both")), CounterQuery("more", ("total",), ("bad2",))),
    (LatencyQuery("latency", ("buckets",), 0.5),),
)


def test_each_selector_is_asked_once_and_failures_before_totals() -> None:
    assert selectors_of(SPEC) == ("bad", "both", "bad2", "total", "buckets")


def test_only_what_measures_requests_must_be_fresh() -> None:
    fresh = [text for text in selectors_of(SPEC) if must_be_fresh(SPEC, text)]
    assert fresh == ["both", "total", "buckets"]


@pytest.mark.parametrize(
    ("bounds", "lacking"),
    [(("0.5", "+Inf"), False), (("0.1", "1", "+Inf"), False), (("0.5", "1"), True), (("1", "+Inf"), True)],
)
def test_a_histogram_without_a_usable_bucket_is_noticed(bounds: tuple[str, ...], lacking: bool) -> None:
    reading = reading_from("buckets", Role.STABLE, [series("1", le=bound) for bound in bounds], None)
    assert (lacks_bucket(SPEC, reading) is not None) is lacking
    assert lacks_bucket(SPEC, read([series("1")])) is None


times = st.integers(-3, 40).map(float) | st.sampled_from(["7", "NaN", "inf", None, True, [1]])
values = st.integers(-1, 9).map(str) | st.sampled_from(["NaN", "+Inf", "x", 3, None, "1e400"])
pairs = st.tuples(times, values).map(list) | st.sampled_from(["12", [1], [1, "2", 3], None, {"a": 1, "b": 2}])


@given(st.lists(pairs, min_size=1, max_size=6) | st.lists(times, unique_by=str).map(lambda at: [[t, "5"] for t in at]))
def test_samples_taken_in_one_go_are_what_they_are_one_by_one(given: list[object]) -> None:
    def told(read: Any) -> object:
        try:
            return read(given)
        except Odd as odd:
            return odd.outcome, odd.text

    assert told(samples_of) == told(lambda all_: in_order([point_of(one) for one in all_]))
