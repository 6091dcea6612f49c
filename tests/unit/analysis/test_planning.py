"""What a plan can find is said before it starts, and is about what the judge then finds."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from analysis.model import Calibration, CounterQuery, Policy
from analysis.planning import (
    Step,
    Today,
    detection_s,
    finds_from,
    forecast,
    promotion_time_s,
    start_note,
    today_of,
)
from analysis.samples import Readings, Role
from analysis.spec import parse_analysis
from tests.unit.analysis.release_run import VERSIONS, Run, failed, spec_of

SPEC = parse_analysis({"prometheus": "http://x", "preset": "generic"})
ERRORS, LATENCY = SPEC.counters[0], SPEC.latencies[0]
STEP = Step(5.0, 300.0)
TODAY = Today(200.0, (("errors", 0.003), ("latency", 0.0025)))


def test_more_harm_more_traffic_and_less_clustering_are_found_sooner() -> None:
    small, large = (detection_s(SPEC, ERRORS, STEP, TODAY, bad) for bad in (0.006, 0.015))
    busy = detection_s(SPEC, ERRORS, STEP, replace(TODAY, requests_per_s=400.0), 0.006)
    bursty = detection_s(SPEC, ERRORS, STEP, replace(TODAY, phi=3.0), 0.006)
    assert large < busy < small < bursty


def test_the_times_are_those_of_the_benchmark_within_a_half() -> None:
    """Medians of simulated releases with the same traffic: errors doubled 1,460 s, times five 112 s."""
    assert detection_s(SPEC, ERRORS, STEP, TODAY, 0.006) == pytest.approx(1460, rel=0.5)
    assert detection_s(SPEC, ERRORS, STEP, TODAY, 0.015) == pytest.approx(112, rel=0.5)


def test_within_the_margin_nothing_is_ever_found() -> None:
    assert detection_s(SPEC, ERRORS, STEP, TODAY, 0.0036) == math.inf


def test_what_a_step_finds_is_found_within_its_bake() -> None:
    finds = finds_from(SPEC, ERRORS, STEP, TODAY)
    assert finds is not None
    assert 0.005 < finds < 0.02
    assert detection_s(SPEC, ERRORS, STEP, TODAY, finds) == pytest.approx(STEP.bake_s, rel=1e-6)


def test_a_step_without_traffic_finds_nothing_and_the_text_says_so() -> None:
    quiet = Today(0.01)
    assert finds_from(SPEC, ERRORS, STEP, quiet) is None
    text = forecast(SPEC, [STEP], quiet).text
    assert "no failures, not even if every request is bad (errors)" in text
    assert "would never be proven safe" in text


def test_the_whole_plan_in_words() -> None:
    told = forecast(SPEC, [Step(1.0, 300.0), STEP], TODAY)
    assert [sight.metric for sight in told.sights] == ["errors", "latency"] * 2
    start = "At 200 requests a second each step finds, within its bake: failures from "
    assert told.text.startswith(start)
    assert " at weight 1 %, from " in told.text
    assert "; requests slower than 0.5 s from " in told.text
    assert told.text.endswith("A healthy promotion takes about 10 minutes.")


def test_the_note_of_a_start_names_what_the_pods_taught_what_the_ceiling_forbids_and_the_single_pod() -> None:
    look = Readings(0.0)
    plain = start_note(SPEC, [STEP], look, None, 3)
    assert "pod" not in plain
    told = start_note(SPEC, [STEP], look, Calibration(2.5, 1.2, 12, 36, 0.0), 1)
    assert "Stable's own 12 pods differ by up to failures 2.50 times, latencies 1.20 times" in told
    assert "healthy releases need calibration.ratio of 3.00 for errors (now 2)" in told
    assert "The canary is a single pod" in told


def test_a_metric_that_runs_dry_is_not_promised() -> None:
    dry = replace(SPEC, latencies=(replace(LATENCY, policy=Policy(dry_run=True)),))
    assert {sight.metric for sight in forecast(dry, [STEP], TODAY).sights} == {"errors"}


def test_promotion_waits_for_the_proof_where_traffic_is_low() -> None:
    slow = promotion_time_s(SPEC, [STEP], replace(TODAY, requests_per_s=10.0))
    assert slow is not None
    assert slow > 600
    assert promotion_time_s(SPEC, [STEP], TODAY) == pytest.approx(300.0)


def test_the_forecast_of_the_rule_of_three_is_met_by_the_judge() -> None:
    run = Run(spec=spec_of(), bad=dict.fromkeys(Role, 0.0), slow=dict.fromkeys(Role, 0.0))
    today = Today(100.0, phi=1.0)
    promised = promotion_time_s(run.spec, [Step(10.0, 0.0)], today)
    assert promised is not None
    took_s = run.until(lambda verdict: verdict.may_promote, 300)
    assert promised == pytest.approx(took_s, rel=0.3)


def test_the_forecast_of_harm_is_met_by_the_judge() -> None:
    run = Run(spec=spec_of(block=1), bad={Role.CANARY: 0.03, Role.STABLE: 0.002})
    promised = detection_s(run.spec, run.spec.counters[0], Step(10.0, 600.0), Today(100.0, (("errors", 0.002),)), 0.03)
    assert run.until(failed, 400) == pytest.approx(promised, rel=0.6)


def test_todays_traffic_is_read_from_stables_own_queries() -> None:
    run = Run(rates={Role.CANARY: 0.0, Role.STABLE: 90.0}, bad={Role.CANARY: 0.0, Role.STABLE: 0.02})
    run.seconds(50)
    today = today_of(run.spec, run.metrics.read(run.spec, VERSIONS, "shop", run.now_s))
    assert today.requests_per_s == pytest.approx(90.0, rel=0.05)
    assert today.bad_of("errors") == pytest.approx(0.02, rel=0.1)
    assert today.bad_of("nothing of that name") == 0.0


def test_a_counter_of_its_own_weight_is_planned_with_it() -> None:
    two = replace(SPEC, counters=(ERRORS, CounterQuery("checkout", ("t",), ("b",), policy=Policy(weight=9.0))))
    light = detection_s(two, two.counters[0], STEP, TODAY, 0.015)
    assert light > detection_s(SPEC, ERRORS, STEP, TODAY, 0.015)
