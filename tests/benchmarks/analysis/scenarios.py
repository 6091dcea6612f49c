"""The scenarios: what is healthy, where every rollback is a false one, and what is harmful. Data only."""

from __future__ import annotations

import math
from dataclasses import replace

from tests.benchmarks.analysis.traces import Course, Scenario, steady

RAMP = ((0, 0.05), (300, 0.25), (600, 0.5))
BURSTY = {"cluster_mean": 4.0, "cluster_share": 0.6, "blips_per_pod_hour": 0.3}
NOISY = {"errors_noise": 0.5, "group_errors_noise": 0.2, "group_latency_noise": 0.06}


def between(from_s: float, to_s: float, value: float, otherwise: float = 0.0) -> Course:
    return lambda t: value if from_s <= t < to_s else otherwise


def swing(middle: float, height: float) -> Course:
    """An hour as a day."""
    return lambda t: middle + height * math.sin(2 * math.pi * t / 3600)


def healthy(name: str, note: str, **more: object) -> Scenario:
    return replace(Scenario(name, False, note), **more)  # type: ignore[arg-type]  # the fields of a scenario


def harmful(name: str, note: str, **more: object) -> Scenario:
    return replace(Scenario(name, True, note), **more)  # type: ignore[arg-type]  # the fields of a scenario


HEALTHY = (
    healthy("ok_steady", "no change"),
    healthy("ok_bursty", "60 % of errors in clusters of 4, 0.3 blips per pod and hour", **BURSTY, **NOISY),
    healthy(
        "ok_storm",
        "90 % of errors in clusters of 10, a blip per pod and hour",
        cluster_mean=10.0,
        cluster_share=0.9,
        blips_per_pod_hour=1.0,
        errors_noise=0.7,
        group_errors_noise=0.3,
        group_latency_noise=0.08,
    ),
    healthy(
        "ok_diurnal",
        "traffic x0.2 to x2, errors x0.5 to x3, latency x1 to x1.5",
        traffic=swing(1.1, 0.9),
        shared_errors=swing(1.75, 1.25),
        shared_latency=swing(1.25, 0.25),
    ),
    healthy(
        "ok_incident",
        "both versions: 15 % more errors and three times the latency for 10 minutes",
        shared_errors_more=between(600, 1200, 0.15),
        shared_latency=between(600, 1200, 3.0, 1.0),
    ),
    healthy("ok_low_traffic", "30 requests a minute, canary 20 %, 1 % errors", rate=0.5, weight=0.2, errors=0.01),
    healthy("ok_zero_base", "no errors at all", errors=0.0),
    healthy(
        "ok_cold_start",
        "a cold canary: latency x(1+4exp(-t/40)), 1 % more errors for 10 s",
        canary_latency=lambda t: 1 + 4 * math.exp(-max(t, 0) / 40),
        canary_errors_more=between(0, 10, 0.01),
    ),
    healthy(
        "ok_messy",
        "a pod 10 % slower with 10 % more errors, 5 % scrapes missed, 2 % absent, a reset",
        canary_latency=steady(1.1),
        canary_errors=steady(1.1),
        missed_scrapes=0.05,
        absent=0.02,
        reset_at_s=1500,
    ),
    healthy(
        "ok_big",
        "2,000 requests a second, a pod 10 % slower with 10 % more errors",
        rate=2000.0,
        canary_latency=steady(1.1),
        canary_errors=steady(1.1),
    ),
    healthy("ok_50pct", "no change, weight 50 %", weight=0.5),
    healthy("ok_ramp", "no change, weight 5 %, 25 % from 300 s, 50 % from 600 s", weight_steps=RAMP),
)

HARMFUL = (
    harmful("err_small", "errors x2", canary_errors=steady(2.0)),
    harmful("err_small_ramp", "errors x2, weight 5 %, 25 %, 50 %", canary_errors=steady(2.0), weight_steps=RAMP),
    harmful("err_medium", "errors x5", canary_errors=steady(5.0)),
    harmful("err_large", "10 % more errors", canary_errors_more=steady(0.1)),
    harmful("err_medium_bursty", "errors x5 among bursts", canary_errors=steady(5.0), **BURSTY, **NOISY),
    harmful("lat_p99", "the tail twice as slow: 0.25 % to 1.5 % slower than the limit", canary_tail=steady(2.0)),
    harmful("lat_shift", "everything 25 % slower, still inside the limit", canary_latency=steady(1.25)),
    harmful(
        "slow_leak",
        "from 600 s errors grow to 5 % and latency to x2 in 40 minutes",
        onset_s=600,
        canary_errors_more=lambda t: 0.047 * max(0.0, (t - 600) / 2400),
        canary_latency=lambda t: 1 + min(1.2, max(0.0, (t - 600) / 2400)),
    ),
    harmful(
        "low_traffic_bad",
        "30 requests a minute, canary 20 %, errors 1 % to 30 %",
        rate=0.5,
        weight=0.2,
        errors=0.01,
        canary_errors_more=steady(0.3),
    ),
    harmful("zero_base_bad", "stable without errors, canary 0.5 %", errors=0.0, canary_errors_more=steady(0.005)),
    harmful(
        "bad_in_incident",
        "errors x3 in an incident that gives both 5 % more",
        shared_errors_more=between(300, 1500, 0.05),
        canary_errors=steady(3.0),
    ),
    harmful("catastrophic", "from 120 s every request fails", onset_s=120, canary_errors_more=steady(1.0)),
    harmful("hang", "from 120 s 90 % of requests never complete", onset_s=120, canary_completes=steady(0.1)),
)

SPREAD_PODS = tuple(
    healthy(
        f"ok_pods_{latency:.0%}_{errors:.0%}{suffix}".replace("%", ""),
        f"pods differ: latency by {latency:.0%}, errors by {errors:.0%} (one sigma), {rate:g} requests a second",
        pod_latency_spread=latency,
        pod_errors_spread=errors,
        rate=rate,
        by_pod=True,
    )
    for rate, suffix in ((200.0, ""), (2000.0, "_big"))
    for latency, errors in ((0.05, 0.1), (0.1, 0.15), (0.15, 0.25))
)

ODD_PODS = tuple(
    healthy(
        f"ok_odd_pods_{latency:.0f}_{errors:.0f}{suffix}",
        f"canary and 3 of 10 stable pods {latency:g} % slower, {errors:g} % more errors, {rate:g} requests a second",
        odd_pods=0.3,
        odd_latency=1 + latency / 100,
        odd_errors=1 + errors / 100,
        rate=rate,
        by_pod=True,
    )
    for rate, suffix in ((200.0, ""), (2000.0, "_big"))
    for latency, errors in ((10.0, 10.0), (15.0, 20.0), (20.0, 30.0), (30.0, 50.0))
)

DIFFERENT_PODS = (*SPREAD_PODS, *ODD_PODS)

BAD_AMONG_DIFFERENT_PODS = (
    harmful(
        "err_medium_pods",
        "errors x5, pods differ by 10 % and 15 %",
        canary_errors=steady(5.0),
        pod_latency_spread=0.1,
        pod_errors_spread=0.15,
        by_pod=True,
    ),
    harmful(
        "lat_double_pods",
        "everything twice as slow, pods differ by 10 % and 15 %",
        canary_latency=steady(2.0),
        pod_latency_spread=0.1,
        pod_errors_spread=0.15,
        by_pod=True,
    ),
)

SCENARIOS = {one.name: one for one in (*HEALTHY, *HARMFUL, *DIFFERENT_PODS, *BAD_AMONG_DIFFERENT_PODS)}
