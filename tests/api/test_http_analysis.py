"""What the analysis knows, over HTTP: the forecast, what was learned of the pods, evidence over time, budgets."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from analysis.evidence import HARM_GRID
from analysis.judge import new_state
from analysis.model import Calibration, MetricState, Outcome, Role, TrailPoint
from analysis.samples import GateStats
from controller.ports import Commit
from tests.api.http_stage import Stage, a_document
from tests.fakes.metrics import Trouble

PATH = "/v1/applications/shop"
LEARNED = Calibration(2.5, 1.1, 12, 36, 1_000_000.0)


@pytest.fixture
def serving(stage: Stage) -> Stage:
    """An application with a version that serves 20 requests a second, 1 % of them bad."""
    stage.call("PUT", PATH, json=a_document())
    stored = stage.store.application("shop")
    assert stored is not None
    stage.store.commit(Commit(application=replace(stored, stable_version="v1", calibration=LEARNED)))
    for second in range(60, 0, -5):
        stage.metrics.serve(Role.STABLE, 100, 1)
        stage.metrics.scrape(stage.clock.now_s() - second)
    return stage


def test_the_forecast_says_what_each_step_finds_and_what_would_stop_a_start(serving: Stage) -> None:
    serving.metrics.problem = "nothing exports requests_total"
    told = serving.call("GET", f"{PATH}/forecast", "viewer").json()
    assert told["requests_per_s"] == pytest.approx(20.0, rel=0.1)
    assert told["text"].startswith("At 20 requests a second each step finds")
    assert {step["metric"] for step in told["steps"]} >= {"errors"}
    assert told["start_trouble"] == "nothing exports requests_total"
    assert told["calibration"]["pods"] == 12
    assert "calibration.ratio of 3.00" in told["calibration"]["proposal"]


def test_without_a_version_or_an_application_there_is_nothing_to_forecast_from(stage: Stage) -> None:
    assert stage.call("GET", f"{PATH}/forecast", "viewer").json()["code"] == "unknown_application"
    stage.call("PUT", PATH, json=a_document())
    answer = stage.call("GET", f"{PATH}/forecast", "viewer")
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_serves")


def test_metrics_that_cannot_be_read_are_no_forecast_of_zero(serving: Stage) -> None:
    serving.metrics.trouble[Role.STABLE] = Trouble(Outcome.UNREADABLE, "connection refused")
    answer = serving.call("GET", f"{PATH}/forecast", "viewer")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "connection refused" in answer.json()["detail"]


def test_an_application_shows_what_its_pods_taught(serving: Stage) -> None:
    shown = serving.call("GET", PATH, "viewer").json()["calibration"]
    assert (shown["errors"], shown["latency"], shown["pods"], shown["windows"]) == (2.5, 1.1, 12, 36)
    assert shown["made_at"] == "1970-01-12T13:46:40.000Z"


def test_a_release_shows_its_evidence_over_time_and_its_frozen_margins(serving: Stage) -> None:
    answer = serving.call("POST", "/v1/releases", "ci", json={"application": "shop", "version": "v2"})
    release = serving.store.release(answer.json()["release"]["id"])
    assert release is not None
    points = (TrailPoint(1_000_000.0, 1.0, 1.0, 1.0), TrailPoint(1_000_005.0, 12.5, 0.5, 2.0))
    judge = replace(new_state(1_000_000.0, LEARNED), trail=points)
    serving.store.commit(Commit(release=replace(release, judge=judge)))
    evidence = serving.call("GET", f"/v1/releases/{release.id}", "viewer").json()["evidence"]
    assert [point["harm"] for point in evidence["series"]] == [1.0, 12.5]
    assert evidence["series"][1]["at"] == "1970-01-12T13:46:45.000Z"
    assert evidence["calibration"]["errors"] == 2.5
    assert evidence["numbers"]["evidence_needed"] > 100


def test_an_explanation_has_the_causes_and_the_course_of_the_evidence(serving: Stage) -> None:
    answer = serving.call("POST", "/v1/releases", "ci", json={"application": "shop", "version": "v2"})
    release = serving.store.release(answer.json()["release"]["id"])
    assert release is not None
    path = f"/v1/releases/{release.id}/explain"
    assert serving.call("GET", path, "viewer").json()["proof"] is None
    counted = MetricState("errors", canary_total=100, canary_bad=9, stable_total=1_000, stable_bad=10)
    grown = replace(counted, log_harm=(6.0,) * len(HARM_GRID), cash=0.0)
    judge = replace(new_state(1_000_000.0), metrics=(grown,), trail=(TrailPoint(1_000_000.0, 180.0, 0.1, 1.0),))
    serving.store.commit(Commit(release=replace(release, judge=judge)))
    proof = serving.call("GET", path, "viewer").json()["proof"]
    (cause, *_) = proof["causes"]
    assert (cause["metric"], cause["canary_bad"], cause["stable_requests"]) == ("errors", 9, 1_000)
    assert cause["allowed_pct"] == pytest.approx(1.22)
    assert cause["one_in"] == math.floor(cause["evidence"])
    assert proof["harm_needed"] == pytest.approx(111.1, abs=0.1)
    assert [point["harm"] for point in proof["series"]] == [180.0]


def test_the_budget_and_the_breaker_toward_prometheus_are_metrics(stage: Stage) -> None:
    stage.asked = (GateStats("prom:9090", 40, 1.5, 3, 2, 7, 11, True),)
    found = {
        (sample.name, sample.labels.get("reason", "")): sample.value
        for family in text_string_to_metric_families(stage.call("GET", "/metrics", "").text)
        for sample in family.samples
        if sample.labels.get("server") == "prom:9090"
    }
    assert found == {
        ("interlock_prometheus_queries_total", ""): 40,
        ("interlock_prometheus_query_seconds_total", ""): 1.5,
        ("interlock_prometheus_failed_queries_total", ""): 3,
        ("interlock_prometheus_shared_readings_total", ""): 11,
        ("interlock_prometheus_refused_queries_total", "budget"): 2,
        ("interlock_prometheus_refused_queries_total", "breaker"): 7,
        ("interlock_prometheus_breaker_open", ""): 1,
    }
