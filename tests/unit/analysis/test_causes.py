"""What the evidence rests on, metric by metric: the counts, the margin, the e-value and what it means."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.causes import causes, one_in
from analysis.figures import figures
from analysis.model import GaugeQuery, Role
from analysis.state import GaugeState
from tests.unit.analysis.release_run import Run, failed


def test_the_worst_metric_comes_first_with_its_counts_its_margin_and_its_odds() -> None:
    run = Run(bad={Role.CANARY: 0.05, Role.STABLE: 0.01})
    run.until(failed, 400)
    shown = figures(run.spec, run.state)
    first, second = causes(shown)
    state = run.state.metrics[0]
    assert (first.metric, second.metric) == ("errors", "latency")
    assert first.counts is not None
    assert (first.counts.canary_total, first.counts.canary_bad) == (state.canary_total, state.canary_bad)
    assert first.allowed == pytest.approx(1.2 * state.stable_bad / state.stable_total + 0.0002)
    assert first.harm_e == shown.metrics[0].harm_e
    assert first.one_in is not None
    assert first.one_in > 100
    assert f"at most 1 in {first.one_in:,} releases" in first.text
    assert "allowed are 1.2 times stable's share" in first.text


def test_a_latency_shows_the_edge_its_evidence_rests_on() -> None:
    run = Run(slow={Role.CANARY: 0.2, Role.STABLE: 0.02})
    run.until(failed, 400)
    cause = causes(figures(run.spec, run.state))[0]
    (edge,) = [one for one in run.state.metrics[1].edges if one.bound_s == cause.above_s]
    assert (cause.metric, cause.counts) == ("latency", edge.seen)


def test_without_evidence_no_odds_are_claimed() -> None:
    run = Run()
    run.seconds(60)
    for cause in causes(figures(run.spec, run.state)):
        assert cause.one_in is None
        assert "nothing speaks for harm" in cause.text


def test_a_gauge_shows_its_values_and_what_only_runs_dry_says_so() -> None:
    run = Run()
    query = GaugeQuery("queue", 'max(depth{version="$version"})')
    query = replace(query, policy=replace(query.policy, dry_run=True))
    spec = replace(run.spec, gauges=(query,))
    state = replace(run.state, gauges=(GaugeState("queue", canary_last=3.0, stable_last=2.0),))
    (gauge,) = [one for one in causes(figures(spec, state)) if one.metric == "queue"]
    assert (gauge.values, gauge.counts, gauge.weight) == ((3.0, 2.0), None, 0.0)
    assert "it decides nothing" in gauge.text


@pytest.mark.parametrize(
    ("e_value", "number"), [(0.2, None), (1.9, None), (2.0, 2), (214.7, 214), (float("inf"), None)]
)
def test_odds_are_rounded_to_the_careful_side(e_value: float, number: int | None) -> None:
    assert one_in(e_value) == number
