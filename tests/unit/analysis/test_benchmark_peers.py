"""The peers of the benchmark against values of their own test suites and papers, and the generator against its plan."""

from __future__ import annotations

import math
from random import Random
from statistics import fmean, pvariance

import pytest

from tests.benchmarks.analysis.chance import binomial, multinomial, poisson
from tests.benchmarks.analysis.judge import ProductionJudge
from tests.benchmarks.analysis.judges import JUDGES
from tests.benchmarks.analysis.kayenta import classify, mann_whitney
from tests.benchmarks.analysis.peers import Argo, Flagger, log_bayes_factor
from tests.benchmarks.analysis.run import decide, one_release
from tests.benchmarks.analysis.scenarios import SCENARIOS
from tests.benchmarks.analysis.traces import EDGES, Scenario, Trace, context, generate, steady
from tests.benchmarks.analysis.window import Window, quantile


def test_kayentas_rank_test_gives_the_interval_of_its_own_test_suite() -> None:
    low, high, estimate = mann_whitney([10, 20, 30, 40], [1, 2, 3, 4], 0.95)
    assert (low, high, estimate) == pytest.approx((6, 39, 22.5), abs=1e-4)


@pytest.mark.parametrize(
    ("control", "canary", "verdict"),
    [
        ([1.0] * 10, [100.0] * 7 + [1.0] * 3, "Pass"),
        ([1.0] * 10, [100.0] * 8 + [1.0] * 2, "High"),
        ([0.0] * 6, [0.0, 1.0, 2.0, 1.0, 0.0, 0.0], "Pass"),
        ([], [1.0], "Nodata"),
        ([1.0, 2.0], [2.0, 1.0], "Pass"),
    ],
)
def test_kayenta_classifies_as_reported_by_its_users(control: list[float], canary: list[float], verdict: str) -> None:
    assert classify(control, canary) == verdict


@pytest.mark.parametrize(
    ("canary", "stable", "weight", "expected"),
    [
        (3, 7, 0.05, 0.2985807137),
        (12, 88, 0.05, 1.5463738287),
        (20, 80, 0.05, 7.7387053272),
        (60, 40, 0.5, 0.6588918180),
        (30, 570, 0.05, -0.9872564716),
    ],
)
def test_the_count_test_equals_its_reference_values(
    canary: float, stable: float, weight: float, expected: float
) -> None:
    assert log_bayes_factor(canary, stable, weight) == pytest.approx(expected, abs=5e-11)


def counters(requests: int, errors: int = 0) -> dict[str, object]:
    return {"requests": requests, "errors": errors, "buckets": dict.fromkeys(EDGES, requests)}


def first_rollback(judge: Argo | Flagger, errors_per_scrape: int) -> float | None:
    for t in range(0, 3600, 5):
        if judge.observe(t, counters(20 * t, errors_per_scrape * t // 5), None) == "rollback":
            return t
    return None


def test_argo_rolls_back_with_the_measurement_that_exceeds_the_limit() -> None:
    given = context(SCENARIOS["ok_steady"])
    assert first_rollback(Argo(given), errors_per_scrape=10) == 910
    assert first_rollback(Argo(given, failure_limit=0), errors_per_scrape=10) == 10
    assert first_rollback(Argo(given), errors_per_scrape=1) is None


def test_flagger_rolls_back_one_interval_after_the_threshold_and_counts_missing_data_as_failed() -> None:
    given = context(SCENARIOS["ok_steady"])
    assert first_rollback(Flagger(given), errors_per_scrape=10) == 360
    assert first_rollback(Flagger(given), errors_per_scrape=0) is None
    silent = Flagger(given)
    answers = [silent.observe(t, None, None) for t in range(0, 361, 5)]
    assert answers.index("rollback") * 5 == 360


def test_a_window_counts_across_a_restart_and_interpolates_its_quantile() -> None:
    window = Window(100)
    for t, total in ((0, 100), (10, 150), (20, 30)):
        window.add(t, counters(total))
    increase = window.increase(20, 30)
    assert increase is not None
    assert increase[0] == 80
    assert quantile(0.5, (1.0, 2.0, math.inf), (0.0, 10.0, 10.0)) == 1.5
    assert math.isnan(quantile(0.5, (1.0, math.inf), (0.0, 0.0)))


@pytest.mark.parametrize(("n", "p"), [(10, 0.3), (50, 0.02), (400, 0.4), (5_000, 0.97), (20, 1.0), (20, 0.0)])
def test_binomial_draws_have_their_mean_and_variance(n: int, p: float) -> None:
    chance = Random(3)
    draws = [binomial(chance, n, p) for _ in range(4_000)]
    sigma = math.sqrt(n * p * (1 - p))
    assert fmean(draws) == pytest.approx(n * p, abs=5 * sigma / math.sqrt(4_000) + 1e-9)
    assert pvariance(draws) == pytest.approx(sigma**2, rel=0.15, abs=1e-9)
    assert all(0 <= draw <= n for draw in draws)


@pytest.mark.parametrize("mean", [0.3, 8.0, 200.0])
def test_poisson_draws_have_their_mean_and_variance(mean: float) -> None:
    chance = Random(5)
    draws = [poisson(chance, mean) for _ in range(4_000)]
    assert fmean(draws) == pytest.approx(mean, abs=5 * math.sqrt(mean / 4_000))
    assert pvariance(draws) == pytest.approx(mean, rel=0.15)


@pytest.mark.parametrize("n", [0, 40, 900])
def test_multinomial_draws_share_out_all_of_them(n: int) -> None:
    chance, cumulative = Random(7), (0.1, 0.5, 0.5, 1.0)
    totals = [0] * 4
    for _ in range(200):
        counts = multinomial(chance, n, cumulative)
        assert sum(counts) == n
        totals = [total + count for total, count in zip(totals, counts, strict=True)]
    assert totals[2] == 0
    assert totals[0] == pytest.approx(0.1 * 200 * n, rel=0.1, abs=0.1)


SHORT = Scenario("short", True, "for this test", horizon_s=300, history_s=60, onset_s=100)


def short(**more: object) -> Trace:
    return generate(Scenario(**{**{f: getattr(SHORT, f) for f in SHORT.__dataclass_fields__}, **more}), 1)


def test_a_trace_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    assert generate(SHORT, 1).samples == generate(SHORT, 1).samples
    assert generate(SHORT, 1).samples != generate(SHORT, 2).samples


def test_a_trace_has_the_weight_the_errors_and_the_truth_it_was_asked_for() -> None:
    trace = short(canary_errors_more=steady(1.0), missed_scrapes=0.0)
    times = [t for t, *_ in trace.samples]
    assert (times[0], times[-1], len(times)) == (-55.0, 300.0, 72)
    by_time = {t: (canary, stable) for t, canary, stable, _ in trace.samples}
    assert by_time[0.0][0]["requests"] <= 10
    canary, stable = by_time[300.0]
    assert canary["requests"] / (canary["requests"] + stable["requests"]) == pytest.approx(0.05 * 300 / 360, rel=0.1)
    failed = canary["errors"] - by_time[100.0][0]["errors"]
    assert failed == pytest.approx(canary["requests"] - by_time[100.0][0]["requests"], rel=0.05)
    assert trace.bad_until(300) == pytest.approx(failed, rel=0.1)
    assert trace.bad_until(100) == 0
    assert canary["buckets"][math.inf] == canary["requests"]


def test_the_pods_of_a_trace_add_up_to_its_versions() -> None:
    trace = short(by_pod=True, pod_latency_spread=0.2)
    _, canary, stable, pods = trace.samples[-1]
    assert pods["canary"] == {"canary-0": canary}
    assert len(pods["stable"]) == 20
    assert sum(pod["errors"] for pod in pods["stable"].values()) == stable["errors"]


def test_every_judge_runs_on_a_trace_and_ours_is_the_production_judge() -> None:
    trace = generate(SHORT, 3)
    for name, factory in JUDGES.items():
        judge = factory(context(SHORT))
        assert decide(judge, trace)[0] in ("promote", "rollback", "inconclusive"), name
    assert isinstance(JUDGES["interlock"](context(SHORT)), ProductionJudge)


def test_a_catastrophe_is_found_within_seconds_and_counted_from_its_onset() -> None:
    cell = one_release(["interlock"], "catastrophic", 1)["interlock"]
    assert (cell.rolled_back, cell.early) == (1, 0)
    assert cell.delays_s[0] <= 15
    assert 0 < cell.bad[0] < 300
