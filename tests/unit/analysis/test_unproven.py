"""An end without proof: nothing may speak for harm, however little, and the bound that is said in its place holds."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from analysis.figures import Figures, figures
from analysis.model import Judgement, MetricState, Outcome, Role
from analysis.spec import parse_analysis
from analysis.state import GaugeState, Tally
from analysis.unproven import at_most, doubt
from tests.fakes.metrics import Trouble
from tests.unit.analysis.release_run import Run, spec_of

SPEC = spec_of(inconclusive="promote", beta=1e-6)
"""So little error is allowed that no proof comes within the test."""


def healthy() -> Run:
    run = Run(spec=SPEC)
    run.seconds(100)
    return run


def test_a_healthy_canary_without_proof_may_end_so_and_says_what_is_known() -> None:
    verdict = healthy().verdict()
    assert (verdict.judgement, verdict.may_promote, verdict.may_end_unproven) == (Judgement.OK, False, True)
    assert "errors: canary 0 of 1,000" in verdict.unproven
    assert "the canary's share at most" in verdict.unproven


def test_where_the_application_does_not_ask_for_it_nothing_is_said() -> None:
    run = Run(spec=spec_of(beta=1e-6))
    assert not any(verdict.may_end_unproven or verdict.unproven for verdict in run.seconds(100))


@pytest.mark.parametrize("share", [0.004, 0.01, 0.05])
def test_a_canary_with_more_failures_than_its_margin_may_not(share: float) -> None:
    run = healthy()
    run.bad[Role.CANARY] = share
    run.seconds(200)
    assert not any(verdict.may_end_unproven for verdict in run.seconds(50))


def test_missing_data_may_not() -> None:
    run = healthy()
    run.metrics.trouble[Role.CANARY] = Trouble(Outcome.STALE)
    verdict = run.second()
    assert (verdict.judgement, verdict.may_end_unproven) == (Judgement.HOLD, False)


def shown(run: Run) -> Figures:
    return figures(run.spec, run.state)


def test_each_sign_of_harm_is_enough_and_is_named() -> None:
    run = healthy()
    fine = shown(run)
    assert doubt(run.state, fine) is None
    errors, latency = fine.metrics
    assert "outage" in (doubt(replace(run.state, outage_s=0.1), fine) or "")
    assert "outage" in (doubt(run.state, replace(fine, breaker_e=1.1)) or "")
    assert "lost" in (doubt(run.state, replace(fine, share_e=1.1)) or "")
    suspected = replace(errors, margin_e=1.2, slo_e=None)
    assert "errors has some evidence" in (doubt(run.state, replace(fine, metrics=(suspected, latency))) or "")
    beyond = replace(errors, state=replace(errors.state, canary_bad=3.0))
    assert "errors is not within" in (doubt(run.state, replace(fine, metrics=(beyond, latency))) or "")
    unknown = replace(latency, state=replace(latency.state, edges=()))
    assert "latency is not within" in (doubt(run.state, replace(fine, metrics=(errors, unknown))) or "")
    (edge, *_) = latency.state.edges
    slow = replace(latency.state, edges=(replace(edge, seen=Tally(100, 9, 1_000, 2)),))
    assert "latency is not within" in (
        doubt(run.state, replace(fine, metrics=(errors, replace(latency, state=slow)))) or ""
    )
    alone = replace(errors.state, stable_total=0.0)
    assert "errors is not within" in (doubt(run.state, replace(fine, metrics=(replace(errors, state=alone),))) or "")


@pytest.mark.parametrize(("canary", "stable", "inside"), [(1.2, 1.0, True), (1.3, 1.0, False), (None, 1.0, False)])
def test_a_gauge_must_have_a_value_within_its_margin(canary: float | None, stable: float, inside: bool) -> None:
    metrics = {
        "prometheus": "http://x",
        "preset": "generic",
        "gauges": [{"name": "queue", "value": 'max(depth{version="$version"})', "margin": 0.2}],
    }
    run = Run(spec=parse_analysis(metrics, {"inconclusive": "promote"}))
    empty = figures(run.spec, run.state)
    gauge = replace(empty.gauges[0], state=GaugeState("queue", canary_last=canary, stable_last=stable))
    assert (doubt(run.state, replace(empty, metrics=(), gauges=(gauge,))) is None) is inside
    dry = replace(gauge, query=replace(gauge.query, policy=replace(gauge.query.policy, dry_run=True)))
    assert doubt(run.state, replace(empty, metrics=(), gauges=(dry,))) is None


def test_the_bound_is_that_of_chernoff_where_it_is_known_in_closed_form() -> None:
    nothing_bad = MetricState("errors", canary_total=1_000)
    phi = 1.1  # the least that is ever assumed
    assert at_most(nothing_bad, 0.05) == pytest.approx(1 - math.exp(phi * math.log(0.05) / 1_000), rel=1e-6)
    assert at_most(MetricState("errors", canary_total=50, canary_bad=50), 0.05) == 1.0
    assert at_most(MetricState("errors"), 0.05) == 1.0


def test_the_bound_is_above_the_truth_as_often_as_it_says() -> None:
    rng, share, missed = random.Random(5), 0.02, 0
    for _ in range(2_000):
        bad = sum(rng.random() < share for _ in range(150))
        missed += at_most(MetricState("errors", canary_total=150, canary_bad=bad), 0.1) < share
    assert missed <= 0.1 * 2_000
