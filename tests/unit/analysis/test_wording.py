from __future__ import annotations

import pytest

from analysis import wording
from analysis.figures import figures
from analysis.judge import new_state
from analysis.model import AnalysisSpec, CounterQuery, JudgeState, LatencyQuery, MetricState

SPEC = AnalysisSpec("http://x", (CounterQuery("errors", ("t",), ("b",)),), (LatencyQuery("latency", ("s",), 0.25),))


def state_with(*metrics: MetricState) -> JudgeState:
    return JudgeState(0.0, 0.0, metrics=metrics)


def test_versions_are_compared_in_one_sentence() -> None:
    shown = figures(SPEC, state_with(MetricState("errors", 812, 37, 15_204, 12)))
    assert wording.compared(shown.metrics[0]) == "errors: canary 37 of 812 (4.6 %), stable 12 of 15,204 (0.079 %)"


def test_slow_requests_are_called_slow_and_nothing_is_no_requests() -> None:
    shown = figures(SPEC, state_with(MetricState("latency", 10, 10)))
    assert wording.compared(shown.metrics[1]) == (
        "latency: canary 10 of 10 (100 %) slower than 0.25 s, stable no requests"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1.0, "1"), (3.14159, "3.14"), (111.1, "111"), (12_345.6, "12,346"), (2e30, "2e+30")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert wording.number(value) == text


def test_at_the_start_all_evidence_is_one_and_promotion_needs_the_rule_of_three() -> None:
    shown = figures(SPEC, new_state(0.0))
    assert (shown.total_e, shown.breaker_e, shown.safe_e) == pytest.approx((1.0, 1.0, 1.0))
    assert wording.harm(shown) == "evidence 1 of 111 needed"
    assert wording.promotion(shown) == (
        "promotion evidence 1 of 20 needed (errors), at most about 965 more canary requests if all are good"
    )


def test_the_budget_is_shared_by_errors_latency_and_lost_requests() -> None:
    shown = figures(SPEC, new_state(0.0))
    assert [one.weight for one in shown.metrics] == [0.45, 0.45]
    alone = figures(AnalysisSpec("http://x", SPEC.counters), new_state(0.0))
    assert [one.weight for one in alone.metrics] == [0.9]
