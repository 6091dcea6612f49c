"""Missing data, too few requests, lost requests, restarts: when the judge holds, and that its state is exact."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from pydantic import TypeAdapter

from analysis.judge import judge, new_state, next_step
from analysis.model import Judgement, JudgeState, Outcome, Reading, Readings, Role
from tests.fakes.metrics import Trouble
from tests.unit.analysis.release_run import SPEC, START_S, Run, failed, spec_of

ADAPTER = TypeAdapter(JudgeState)


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome.NO_SERIES, "no_canary_data"),
        (Outcome.STALE, "stale"),
        (Outcome.NOT_A_NUMBER, "not_a_number"),
        (Outcome.INFINITE, "infinite"),
        (Outcome.TOO_MANY_SERIES, "too_many_series"),
        (Outcome.NOT_A_VECTOR, "not_a_vector"),
        (Outcome.UNREADABLE, "unreadable"),
    ],
)
def test_missing_or_odd_data_holds_for_ever_names_the_metric_and_neither_passes_nor_fails(
    outcome: Outcome, code: str
) -> None:
    run = Run()
    before = run.seconds(100)[-1]
    run.metrics.trouble[Role.CANARY] = Trouble(outcome)
    verdicts = run.seconds(400)
    assert before.may_promote
    assert {(verdict.judgement, verdict.code) for verdict in verdicts} == {(Judgement.HOLD, code)}
    assert all("errors" in verdict.text and not verdict.may_advance and not verdict.may_promote for verdict in verdicts)


def test_missing_stable_data_has_its_own_code() -> None:
    run = Run()
    run.metrics.trouble[Role.STABLE] = Trouble(Outcome.NO_SERIES)
    assert run.seconds(20)[-1].code == "no_stable_data"


def test_after_an_outage_of_the_backend_nothing_is_lost() -> None:
    run = Run()
    run.seconds(20)
    run.metrics.trouble = {role: Trouble(Outcome.UNREADABLE) for role in Role}
    run.seconds(200)
    run.metrics.trouble = {}
    run.second()
    assert run.state.metrics[0].canary_total == 2210


def test_fresh_is_the_newest_canary_sample() -> None:
    run = Run()
    assert run.second().fresh_at_s == run.now_s
    run.metrics.trouble[Role.CANARY] = Trouble(Outcome.UNREADABLE)
    assert run.seconds(5)[-1].fresh_at_s == run.now_s - 5


def test_a_metric_that_has_not_been_seen_yet_holds_however_many_requests_the_others_have() -> None:
    class Unmoved(Run):
        """Latency has its series of the canary, and they do not move."""

        def read(self) -> Readings:
            readings = super().read()
            return replace(readings, items=tuple(unmoved(reading) for reading in readings.items))

    def unmoved(reading: Reading) -> Reading:
        if reading.role is not Role.CANARY or "_bucket" not in reading.metric:
            return reading
        still = (replace(one, points=tuple(replace(p, value=0.0) for p in one.points)) for one in reading.series)
        return replace(reading, series=tuple(still))

    verdicts = Unmoved().seconds(60)
    assert not any(verdict.may_advance for verdict in verdicts)
    assert "not enough canary requests for latency" in verdicts[-1].text


def test_too_few_requests_hold_and_say_how_many_are_needed() -> None:
    run = Run(rates={Role.CANARY: 1.0, Role.STABLE: 90.0})
    verdict = run.seconds(30)[-1]
    assert (verdict.judgement, verdict.code) == (Judgement.HOLD, "not_enough_requests")
    assert "of 50" in verdict.text


def test_each_step_needs_its_own_requests_but_keeps_the_evidence() -> None:
    run = Run()
    run.seconds(100)
    run.state = next_step(run.state, run.now_s)
    verdict = run.second()
    assert verdict.code == "not_enough_requests"
    assert dict(verdict.numbers)["promotion"] > 20
    assert run.seconds(5)[-1].may_promote


def test_a_canary_that_stops_answering_holds_though_its_record_is_clean() -> None:
    run = Run(spec=spec_of(staleAfter="20s"))
    run.seconds(100)
    run.rates[Role.CANARY] = 0.0
    verdict = run.seconds(30)[-1]
    assert (verdict.judgement, verdict.code) == (Judgement.HOLD, "no_canary_traffic")


def test_a_hanging_canary_fails_when_the_weight_is_known() -> None:
    run = Run(weight_pct=10.0)
    run.seconds(100)
    run.rates[Role.CANARY] = 0.0
    run.until(failed, 400)
    assert run.verdict().code == "requests_lost"


@pytest.mark.parametrize("weight_pct", [5.0, 10.0, 25.0])
def test_a_canary_with_a_third_of_its_weight_is_not_blamed_for_lost_requests(weight_pct: float) -> None:
    run = Run(weight_pct=weight_pct)
    run.rates = {Role.CANARY: weight_pct * 0.35, Role.STABLE: 100 - weight_pct}
    assert not any(failed(verdict) for verdict in run.seconds(600))


def test_a_weight_that_has_just_risen_is_not_held_against_the_canary() -> None:
    run = Run(weight_pct=1.0, rates={Role.CANARY: 1.0, Role.STABLE: 99.0})
    run.seconds(100)
    before = run.state.share
    run.weight_pct = 50.0
    run.second()
    assert (run.state.share.logs, run.state.share.since_s) == (before.logs, run.now_s)


def test_a_suspicion_holds_before_it_is_proof() -> None:
    run = Run(bad={Role.CANARY: 0.02, Role.STABLE: 0.001})
    codes = []
    while not failed(verdict := run.second()):
        codes.append((verdict.judgement, verdict.code))
    assert codes[-1] == (Judgement.HOLD, "suspicion")


def test_a_restart_of_the_canary_is_counted_across() -> None:
    run = Run()
    run.seconds(20)
    run.metrics.reset(Role.CANARY)
    run.seconds(20)
    assert run.state.metrics[0].canary_total == 400


def test_the_state_survives_json_at_every_moment_and_goes_on_exactly() -> None:
    kept, run = Run(weight_pct=10.0), Run(weight_pct=10.0)
    kept.bad[Role.CANARY] = run.bad[Role.CANARY] = 0.01
    for _ in range(120):
        raw = ADAPTER.dump_json(run.state)
        run.state = ADAPTER.validate_json(raw, strict=True, extra="forbid")
        assert run.second() == kept.second()
        assert run.state == kept.state
    assert len(raw) < 8_000


def test_the_order_of_the_answers_changes_nothing() -> None:
    run, shuffled = Run(), new_state(START_S)
    order = random.Random(7)
    for _ in range(40):
        expected = run.second()
        readings = run.read()
        items = list(readings.items)
        order.shuffle(items)
        shuffled, verdict = judge(SPEC, shuffled, Readings(readings.at_s, tuple(items)), run.now_s)
        assert verdict == expected
    assert shuffled == run.state


def test_no_verdict_advances_without_being_ok() -> None:
    run = Run()
    verdicts = run.seconds(60)
    run.metrics.trouble[Role.CANARY] = Trouble(Outcome.UNREADABLE)
    verdicts += run.seconds(5)
    run.metrics.trouble = {}
    run.bad[Role.CANARY] = 0.5
    verdicts += run.seconds(30)
    assert all((verdict.judgement is Judgement.OK) == verdict.may_advance for verdict in verdicts)
    assert all(verdict.may_advance or not verdict.may_promote for verdict in verdicts)
    assert all(verdict.code and verdict.text and verdict.numbers for verdict in verdicts)
