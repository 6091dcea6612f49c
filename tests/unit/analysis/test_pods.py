"""Pods within a release: told apart where their names tell, new ones left alone, and one bad one named."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from pydantic import TypeAdapter

from analysis.dispersion import phi_of, phi_stable, with_block, with_pods
from analysis.figures import figures
from analysis.judge import judge, new_state
from analysis.model import (
    AnalysisSpec,
    Calibration,
    Judgement,
    Outcome,
    Point,
    Reading,
    Readings,
    Role,
    Series,
    Verdict,
)
from analysis.pods import one_bad, tell_apart
from analysis.spec import parse_analysis
from analysis.state import Dispersion, JudgeState, PodState, PodTally, Tally

START_S = 1_000.0
BOUNDS = (0.05, 0.1, 0.2, 0.5, math.inf)


@pytest.mark.parametrize(
    ("canary", "stable", "apart"),
    [
        ({"c1"}, {"s1", "s2"}, True),
        ({"c1"}, {"s1"}, False),
        ({"proxy"}, {"proxy", "other"}, False),
        ({""}, {"s1", "s2"}, False),
        (set(), {"s1", "s2"}, False),
    ],
)
def test_pods_are_told_apart_when_no_name_serves_both_versions(canary: set[str], stable: set[str], apart: bool) -> None:
    assert tell_apart(canary, stable) is apart


def test_pods_that_differ_replace_stables_own_estimate_once_the_block_is_closed() -> None:
    uneven = [(1000.0, 50.0), (1000.0, 5.0), (1000.0, 5.0)]
    open_ = with_pods(Dispersion(), uneven)
    assert phi_stable(open_) == phi_stable(Dispersion())
    closed = with_block(open_, Tally(0, 0, 3000, 60), 5.0)
    assert phi_stable(closed) > 10
    even = with_block(with_pods(Dispersion(), [(1000.0, 20.0)] * 3), Tally(0, 0, 3000, 60), 5.0)
    assert phi_of(even) == 1.0


def pod(name: str, total: float, bad: float) -> PodState:
    return PodState(name, 0.0, (PodTally("errors", total, (bad,)),))


STABLE = Tally(stable_total=100_000, stable_bad=300)


@pytest.mark.parametrize(
    ("pods", "bad"),
    [
        ([pod("a", 1000, 100), pod("b", 1000, 3), pod("c", 1000, 4)], "a"),
        ([pod("a", 1000, 100), pod("b", 1000, 90), pod("c", 1000, 110)], None),
        ([pod("a", 1000, 100), pod("b", 5, 0)], None),
        ([pod("a", 1000, 100)], None),
        ([pod("a", 1000, 3), pod("b", 1000, 3)], None),
    ],
    ids=["one of three", "all of them", "the other has served next to nothing", "only one", "none"],
)
def test_one_bad_pod_is_named_only_when_the_others_are_within_the_margin(pods: list[PodState], bad: str | None) -> None:
    assert one_bad(pods, "errors", 0, STABLE, 1.2, 0.0002) == bad


SPEC: AnalysisSpec = parse_analysis(
    {
        "prometheus": "http://x",
        "counters": [{"name": "errors", "total": ['t{v="$role"}'], "bad": ['b{v="$role"}']}],
        "latency": [{"name": "latency", "buckets": ['s_bucket{v="$role"}'], "slow": 0.5}],
    },
    {"warmup": 5, "latency": {"warmup": 20}},
)


class Fleet:
    """Pods of both versions that are scraped together, every five seconds."""

    def __init__(self, canary: int = 3) -> None:
        self.now_s, self.state = START_S, new_state(START_S)
        self.samples: dict[tuple[Role, str, str, float | None], list[Point]] = {}
        self.totals: dict[tuple[Role, str, str, float | None], float] = {}
        self.pods = {Role.CANARY: [f"c{n}" for n in range(canary)], Role.STABLE: [f"s{n}" for n in range(8)]}
        self.failing: dict[str, float] = {}
        self.slow: dict[str, bool] = {}
        self.baseline: frozenset[str] | None = None
        for _ in range(30):
            self._serve(Role.STABLE)
            self._scrape()
        self.state = new_state(self.now_s)

    def _serve(self, role: Role) -> None:
        for name in self.pods[role]:
            shares = (0.05, 0.3, 0.6, 0.9, 1.0) if self.slow.get(name) else (0.5, 0.9, 0.985, 0.998, 1.0)
            parts: list[tuple[str, float | None, float]] = [("t", None, 100.0)]
            parts += [("b", None, 100.0 * self.failing.get(name, 0.003))]
            parts += [("s_bucket", le, 100.0 * share) for le, share in zip(BOUNDS, shares, strict=True)]
            for metric, le, more in parts:
                key = (role, name, metric, le)
                self.totals[key] = self.totals.get(key, 0.0) + more

    def _scrape(self) -> None:
        self.now_s += 5.0
        for key, total in self.totals.items():
            self.samples.setdefault(key, []).append(Point(self.now_s, round(total, 6)))

    def seconds(self, count: int) -> Verdict:
        for _ in range(count // 5):
            for role in Role:
                self._serve(role)
            self._scrape()
            verdict = self.verdict()
        return verdict

    def verdict(self) -> Verdict:
        self.state, verdict = judge(SPEC, self.state, self.read(), self.now_s, 10.0, self.baseline)
        return verdict

    def read(self) -> Readings:
        items = []
        for role in Role:
            for metric in ("b", "t", "s_bucket"):
                found = [(key, points) for key, points in self.samples.items() if key[0] is role and key[2] == metric]
                series = tuple(
                    Series(f"{name} {le}", tuple(points[-40:]), le, name, pod=name)
                    for (_, name, _, le), points in found
                )
                outcome = Outcome.OK if series else Outcome.NO_SERIES
                items.append(Reading(f'{metric}{{v="$role"}}', role, outcome, series))
        return Readings(self.now_s, tuple(items))


def until_failed(fleet: Fleet, limit_s: int = 900) -> Verdict:
    for _ in range(limit_s // 5):
        verdict = fleet.seconds(5)
        if verdict.judgement is Judgement.FAIL:
            return verdict
    raise AssertionError(f"not within {limit_s} s: {verdict.text}")


def test_one_failing_pod_of_three_is_told_apart_from_a_failing_version() -> None:
    one, all_ = Fleet(), Fleet()
    one.failing = {"c1": 0.2}
    all_.failing = dict.fromkeys(("c0", "c1", "c2"), 0.07)
    verdict = until_failed(one)
    assert verdict.code == "one_bad_pod"
    assert "one of the canary's 3 pods is bad, c1, and the others are within the margin" in verdict.text
    assert until_failed(all_).code == "worse_than_stable"


def test_one_slow_pod_is_told_apart_as_well() -> None:
    fleet = Fleet()
    fleet.slow = {"c2": True}
    verdict = until_failed(fleet)
    assert (verdict.code, "c2" in verdict.text) == ("one_bad_pod", True)


def test_with_a_single_pod_the_text_warns_that_it_may_be_the_pod() -> None:
    fleet = Fleet(canary=1)
    fleet.failing = {"c0": 0.07}
    verdict = until_failed(fleet)
    assert verdict.code == "worse_than_stable"
    assert verdict.text.endswith("the canary is a single pod, so it may be the pod")


def test_a_healthy_fleet_advances_and_knows_its_pods() -> None:
    fleet = Fleet()
    assert fleet.seconds(300).may_advance
    assert [one.pod for one in fleet.state.pods] == ["c0", "c1", "c2"]
    assert {tally.metric for one in fleet.state.pods for tally in one.tallies} == {"errors", "latency"}


def test_a_canary_pod_that_is_added_later_is_given_its_own_time_to_warm_up() -> None:
    """It is slow at first, as new pods are; its slowness is not held against the version."""

    def totals(state: JudgeState) -> tuple[float, float]:
        errors, latency = state.metrics
        return errors.canary_total, latency.canary_total

    fleet = Fleet(canary=1)
    fleet.seconds(60)
    before = totals(fleet.state)
    fleet.pods[Role.CANARY].append("c9")
    fleet.slow = {"c9": True}
    verdict = fleet.seconds(20)
    after = totals(fleet.state)
    assert verdict.judgement is not Judgement.FAIL
    assert after[0] - before[0] > 1.5 * (after[1] - before[1])
    fleet.slow = {}
    fleet.seconds(30)
    assert totals(fleet.state)[1] - after[1] == pytest.approx(1000.0, abs=201)


def test_the_state_of_a_fleet_survives_being_saved() -> None:

    adapter, kept, saved = TypeAdapter(JudgeState), Fleet(), Fleet()
    for _ in range(20):
        saved.state = adapter.validate_json(adapter.dump_json(saved.state), strict=True, extra="forbid")
        assert saved.seconds(5) == kept.seconds(5)
    assert saved.state == kept.state


def test_names_that_both_versions_share_are_those_of_a_proxy_and_what_pods_taught_is_not_used() -> None:
    """Learned margins loosen only where the pods are the versions' own."""

    def margin(fleet: Fleet) -> float:
        return figures(SPEC, fleet.state).metrics[0].margins.rollback_ratio

    apart, shared = Fleet(), Fleet()
    shared.pods = {Role.CANARY: ["proxy-1", "proxy-2"], Role.STABLE: ["proxy-1", "proxy-2", "proxy-3"]}
    for fleet in (apart, shared):
        fleet.state = replace(fleet.state, calibration=Calibration(1.5, 1.2, 12, 36, 0.0))
        fleet.seconds(60)
    assert margin(apart) == pytest.approx(1.8)
    assert margin(shared) == pytest.approx(1.2)
    assert shared.state.pods == ()
