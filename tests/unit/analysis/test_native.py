"""Native histograms: their JSON taken apart, and counted like classic ones."""

from __future__ import annotations

import math
from typing import Any

import pytest

from analysis.judge import new_state
from analysis.model import AnalysisSpec, LatencyQuery
from analysis.read import reading_from
from analysis.samples import Outcome, Reading, Readings, Role
from analysis.tally import Gathered, gather

SPEC = AnalysisSpec("http://x", (), (LatencyQuery("latency", ("seconds",), 0.5),))
NARROW = ((0.25, 0.35), (0.35, 0.5), (0.5, 0.7))


def sample(at_s: float, *buckets: tuple[float, float, float], count: float | None = None) -> list[Any]:
    inside = sum(number for *_, number in buckets)
    parts = [[0, f"{low!r}", f"{high!r}", f"{number:g}"] for low, high, number in buckets]
    return [at_s, {"count": f"{count if count is not None else inside:g}", "sum": "1", "buckets": parts}]


def item(*samples: Any, pod: str = "p") -> dict[str, Any]:
    return {"metric": {"pod": pod, "job": "shop", "instance": pod}, "histograms": list(samples)}


def reading(role: Role, *samples: Any) -> Reading:
    return reading_from("seconds", role, [item(*samples, pod=role.value)], None)


def gathered(canary: Reading, stable: Reading) -> Gathered:
    return gather(SPEC, new_state(100.0), Readings(110.0, (canary, stable)))


def buckets(*counts: float) -> list[tuple[float, float, float]]:
    return [(low, high, count) for (low, high), count in zip(NARROW, counts, strict=True) if count]


def test_each_populated_bucket_becomes_a_counter_that_is_zero_where_it_is_missing() -> None:
    found = reading(Role.STABLE, sample(100.0, *buckets(1, 0, 0)), sample(105.0, *buckets(3, 2, 0)))
    assert found.outcome is Outcome.OK
    by_bounds = {(one.floor, one.le): [point.value for point in one.points] for one in found.series}
    assert by_bounds == {(None, math.inf): [1, 5], (0.25, 0.35): [1, 3], (0.35, 0.5): [0, 2]}
    assert {one.pod for one in found.series} == {"stable"}


def test_requests_are_counted_per_bucket_and_slow_ones_are_those_above_the_limit() -> None:
    stable = reading(Role.STABLE, sample(100.0, *buckets(10, 10, 1)), sample(105.0, *buckets(30, 20, 2)))
    canary = reading(Role.CANARY, sample(100.0, *buckets(0, 0, 0)), sample(105.0, *buckets(4, 3, 3)))
    (gain,) = gathered(canary, stable).gains
    assert gain.problems == ()
    assert (gain.tally.canary_total, gain.tally.canary_bad) == (10, 3)
    assert (gain.tally.stable_total, gain.tally.stable_bad) == (31, 1)
    assert dict(zip(gain.upto, gain.canary, strict=True)) == {0.25: 0, 0.35: 4, 0.5: 3, 0.7: 3, math.inf: 0}


def test_a_bucket_that_only_one_version_has_is_empty_in_the_other() -> None:
    stable = reading(Role.STABLE, sample(100.0, *buckets(10, 0, 0)), sample(105.0, *buckets(30, 0, 0)))
    canary = reading(Role.CANARY, sample(100.0, *buckets(0, 0, 0)), sample(105.0, *buckets(0, 0, 5)))
    (gain,) = gathered(canary, stable).gains
    assert gain.problems == ()
    assert (gain.tally.canary_bad, gain.tally.stable_bad) == (5, 0)


def test_what_is_outside_all_buckets_is_above_them() -> None:
    stable = reading(Role.STABLE, sample(100.0, *buckets(10, 0, 0)), sample(105.0, *buckets(30, 0, 0), count=32))
    canary = reading(Role.CANARY, sample(100.0, *buckets(0, 0, 0)), sample(105.0, *buckets(5, 0, 0)))
    (gain,) = gathered(canary, stable).gains
    assert dict(zip(gain.upto, gain.stable, strict=True))[math.inf] == 2


def test_a_histogram_that_becomes_coarser_holds_once_and_is_counted_on() -> None:
    before = sample(100.0, *buckets(10, 10, 0))
    merged = sample(105.0, (0.25, 0.5, 25))
    canary = reading(Role.CANARY, sample(100.0, *buckets(0, 0, 0)), sample(105.0, *buckets(5, 0, 0)))
    result = gathered(canary, reading(Role.STABLE, before, merged))
    assert [problem.code for problem in result.gains[0].problems] == ["buckets_differ"]
    assert "resolution" in result.gains[0].problems[0].text
    assert result.gains[0].tally.stable_total == 0
    assert {mark.at_s for mark in result.marks} == {105.0}


@pytest.mark.parametrize(
    "broken",
    [
        [100.0],
        [100.0, {}],
        [100.0, {"count": "x"}],
        [100.0, {"count": "1", "buckets": [["0", "1"]]}],
        [100.0, {"count": "1", "buckets": [[0, "0.1", "0.2", "-1"]]}],
        [100.0, {"count": "-1"}],
        [100.0, "text"],
    ],
)
def test_an_odd_histogram_holds_and_nothing_is_repaired(broken: Any) -> None:
    found = reading_from("seconds", Role.STABLE, [item(broken)], None)
    assert found.outcome in (Outcome.NOT_A_VECTOR, Outcome.NOT_A_NUMBER)
    assert found.series == ()


def test_a_series_is_a_counter_or_a_histogram_and_never_both() -> None:
    both = item(sample(100.0, *buckets(1, 0, 0))) | {"values": [[100.0, "1"]]}
    assert reading_from("seconds", Role.STABLE, [both], None).outcome is Outcome.NOT_A_VECTOR


def test_a_classic_and_a_native_version_are_not_compared() -> None:
    stable = reading(Role.STABLE, sample(100.0, *buckets(10, 0, 0)), sample(105.0, *buckets(30, 0, 0)))
    classic = [
        {"metric": {"le": le, "instance": "c"}, "values": [[100.0, "0"], [105.0, "5"]]}
        for le in ("0.25", "0.5", "+Inf")
    ]
    canary = reading_from("seconds", Role.CANARY, classic, None)
    assert {problem.code for problem in gathered(canary, stable).gains[0].problems} == {"buckets_differ"}
