"""What is asked of Prometheus to learn how stable's pods differ, and what is made of the answers."""

from __future__ import annotations

import math
from typing import Any

import pytest

from analysis.model import AnalysisSpec, CounterQuery
from analysis.prometheus.listen import BadAnswer
from analysis.prometheus.past import SPAN_S, WINDOW_S, learned

NOW_S = 1_000_000.0
SPEC = AnalysisSpec("http://x", (CounterQuery("errors", ('total{v="$version"}',), ('bad{v="$version"}',)),))


class Past:
    """Prometheus with pods whose counters grow at their own rates; remembers what it was asked."""

    def __init__(self, rates: dict[str, float], hours: float = 7.0) -> None:
        self.rates, self.hours, self.asked = rates, hours, list[str]()

    def __call__(self, query: str) -> Any:
        self.asked.append(query)
        begun_s = NOW_S - 3600 * self.hours
        first_s = math.ceil(max(begun_s, NOW_S - SPAN_S - WINDOW_S) / WINDOW_S) * WINDOW_S
        times = range(first_s, int(NOW_S) + 1, WINDOW_S)
        per_s = {pod: 10.0 if query.startswith("total") else 10.0 * rate for pod, rate in self.rates.items()}
        return [
            {"metric": {"pod": pod}, "values": [[t, str(round(rate * (t - begun_s)))] for t in times]}
            for pod, rate in per_s.items()
        ]


UNLIKE = {**{f"p{n}": 0.003 for n in range(9)}, "odd": 0.006}


def test_one_subquery_per_selector_asks_for_a_sample_a_window_of_the_stable_version() -> None:
    past = Past(UNLIKE)
    assert learned(SPEC, "v1", "shop", NOW_S, 1, past) is not None
    assert past.asked == ['bad{v="v1"}[22200s:600s]', 'total{v="v1"}[22200s:600s]']


def test_pods_that_differ_for_hours_widen_the_margin_for_errors() -> None:
    found = learned(SPEC, "v1", "shop", NOW_S, 1, Past(UNLIKE))
    assert found is not None
    assert found.errors == pytest.approx(2.0, rel=0.15)
    assert (found.pods, found.windows) == (10, 36)


def test_a_service_that_is_too_young_or_too_small_teaches_nothing() -> None:
    assert learned(SPEC, "v1", "shop", NOW_S, 1, Past(UNLIKE, hours=0.3)) is None
    assert learned(SPEC, "v1", "shop", NOW_S, 1, Past({"a": 0.003, "b": 0.009})) is None


def test_a_prometheus_that_does_not_answer_teaches_nothing() -> None:
    def away(_query: str) -> Any:
        raise BadAnswer("connection refused", dead=True)

    assert learned(SPEC, "v1", "shop", NOW_S, 1, away) is None
