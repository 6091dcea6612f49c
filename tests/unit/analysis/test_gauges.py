"""Gauges and policies within the judge: what decides, what is only shown, and what missing data does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from analysis.judge import judge, new_state
from analysis.model import AnalysisSpec, Judgement, Verdict
from analysis.read import gauge_from
from analysis.samples import Outcome, Reading, Readings, Role
from analysis.spec import SpecError, parse_analysis
from tests.unit.analysis.release_run import START_S, VERSIONS, Run

DEPTH = 'max(queue_depth{version="$version"})'


def spec_of(policy: dict[str, Any] | None = None, errors: dict[str, Any] | None = None) -> AnalysisSpec:
    counter = {"name": "errors", "total": ['t{v="$version"}'], "bad": ['b{v="$version"}'], **(errors or {})}
    gauge = {"name": "depth", "value": DEPTH, "block": 10, **(policy or {})}
    metrics = {"prometheus": "http://x", "counters": [counter], "gauges": [gauge]}
    return parse_analysis(metrics, {"warmup": 5, "block": 2, "settle": 0})


class Depths(Run):
    """A release whose queues are measured as well."""

    def __init__(self, spec: AnalysisSpec, canary: float = 10.0, stable: float = 10.0) -> None:
        super().__init__(spec=spec)
        self.depths: dict[Role, Any] = {Role.CANARY: canary, Role.STABLE: stable}
        self.result: Any = None

    def read(self) -> Readings:
        readings = self.metrics.read(self.spec, VERSIONS, "shop", self.now_s)
        return replace(readings, items=(*readings.items, *(self.depth(role) for role in Role)))

    def depth(self, role: Role) -> Reading:
        value = self.depths[role]
        if isinstance(value, float):
            value = [{"metric": {}, "value": [self.now_s, str(value)]}]
        return gauge_from(DEPTH, role, value)


def until(run: Depths, judgement: Judgement, limit_s: int = 600) -> Verdict:
    for _ in range(limit_s):
        verdict = run.second()
        if verdict.judgement is judgement:
            return verdict
    raise AssertionError(f"not within {limit_s} s: {verdict.text}")


def test_a_queue_that_is_half_as_deep_again_fails_and_the_text_says_what_was_allowed() -> None:
    verdict = until(Depths(spec_of(), canary=15.0), Judgement.FAIL)
    assert verdict.code == "worse_than_stable"
    assert verdict.text.startswith("depth: canary 15, stable 10; allowed is 20 % more than stable")


def test_a_queue_like_stables_advances() -> None:
    run = Depths(spec_of())
    assert run.seconds(120)[-1].may_promote


@pytest.mark.parametrize(("worse", "canary", "fails"), [("lower", 5.0, True), ("lower", 15.0, False)])
def test_the_direction_that_is_worse_can_be_turned(worse: str, canary: float, fails: bool) -> None:
    run = Depths(spec_of({"worse": worse}), canary=canary)
    verdicts = run.seconds(300)
    assert any(verdict.judgement is Judgement.FAIL for verdict in verdicts) is fails


def test_a_gauge_that_runs_dry_is_shown_and_decides_nothing() -> None:
    run = Depths(spec_of({"dryRun": True}), canary=99.0)
    verdict = run.seconds(200)[-1]
    assert verdict.may_promote
    assert "depth: canary 99, stable 10" in verdict.text
    assert dict(verdict.numbers)["depth.evidence"] > 1000


def test_a_critical_gauge_is_needed_for_promotion() -> None:
    proven = first_proof({"critical": True, "block": 60})
    assert proven > first_proof({"block": 60})


def first_proof(policy: dict[str, Any]) -> int:
    verdicts = Depths(spec_of(policy)).seconds(400)
    return next(index for index, verdict in enumerate(verdicts) if verdict.may_promote)


ODD: list[tuple[Any, str]] = [
    ([], "no_canary_data"),
    ([{"metric": {}, "value": [START_S, "NaN"]}], "not_a_number"),
    ([{"metric": {}, "value": [START_S, "+Inf"]}], "infinite"),
    ([{"metric": {"p": str(n)}, "value": [START_S, "1"]} for n in range(2)], "too_many_series"),
    ([{"metric": {}, "values": [[START_S, "1"]]}], "not_a_vector"),
    ("text", "not_a_vector"),
]


@pytest.mark.parametrize(("answer", "code"), ODD, ids=[code for _, code in ODD])
def test_a_gauge_without_one_number_holds_and_says_why(answer: Any, code: str) -> None:
    run = Depths(spec_of())
    run.seconds(60)
    run.depths[Role.CANARY] = answer
    verdict = run.second()
    assert (verdict.judgement, verdict.code) == (Judgement.HOLD, code)
    assert "depth" in verdict.text


@pytest.mark.parametrize("policy", [{"required": False}, {"dryRun": True}])
def test_a_gauge_that_is_not_required_may_be_missing(policy: dict[str, Any]) -> None:
    run = Depths(spec_of(policy))
    run.depths[Role.CANARY] = []
    assert run.seconds(120)[-1].may_advance


def test_a_scalar_is_a_number_as_well_and_may_be_negative() -> None:
    reading = gauge_from(DEPTH, Role.STABLE, [START_S, "-3.5"])
    assert (reading.outcome, reading.series[0].points[0].value) == (Outcome.OK, -3.5)


def test_a_counter_that_runs_dry_decides_nothing_and_something_must_decide() -> None:
    other = {"name": "other", "total": ['t{v="$version"}'], "bad": ['b{v="$version"}']}
    metrics = {"prometheus": "http://x", "counters": [{**other, "name": "errors"}, {**other, "dryRun": True}]}
    spec = parse_analysis(metrics, {"warmup": 5, "block": 2, "settle": 0})
    run = Run(spec=spec, bad={Role.CANARY: 0.2, Role.STABLE: 0.001})
    run.until(lambda verdict: verdict.judgement is Judgement.FAIL, 60)
    with pytest.raises(SpecError, match="nothing counts failed requests"):
        spec_of(errors={"dryRun": True})


def test_a_metric_may_have_margins_of_its_own() -> None:
    wide = spec_of(errors={"margins": {"rollback": {"ratio": 50}, "promote": {"ratio": 60}}})
    run = Run(spec=replace(wide, gauges=()), bad={Role.CANARY: 0.02, Role.STABLE: 0.001})
    assert not any(verdict.judgement is Judgement.FAIL for verdict in run.seconds(200))


def test_without_its_query_being_read_a_gauge_holds() -> None:
    run = Run(spec=spec_of())
    state, verdict = judge(run.spec, new_state(START_S), run.read(), START_S + 1)
    assert verdict.judgement is Judgement.HOLD
    assert "depth: the query for the stable was not read" in verdict.text or "depth" in verdict.text
    assert state.gauges[0].count == 0
