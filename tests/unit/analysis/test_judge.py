"""The judge on a scripted backend, one scrape and one verdict a second: what it says, and when it must not say it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from pydantic import TypeAdapter

from analysis.judge import judge, new_state, next_step
from analysis.model import AnalysisSpec, Judgement, JudgeState, Outcome, Readings, Role, Verdict
from analysis.spec import parse_analysis
from tests.fakes.metrics import FakeMetrics, Trouble

VERSIONS = {Role.STABLE: "v1", Role.CANARY: "v2"}
ADAPTER = TypeAdapter(JudgeState)
START_S = 10_000.0


def spec_of(**analysis: object) -> AnalysisSpec:
    metrics = {"prometheus": "http://x", "preset": "generic", "sloBadFraction": 0.01, "sloSlowFraction": 0.05}
    return parse_analysis(metrics, {"warmup": 5, "block": 2, "settle": 0, **analysis})


SPEC = spec_of()


@dataclass
class Even:
    """A fraction of requests as whole numbers, spread evenly."""

    left: float = 0.5

    def of(self, count: float) -> float:
        self.left += count
        whole = int(self.left)
        self.left -= whole
        return float(whole)


@dataclass
class Run:
    """A release under judgement: ten canary and ninety stable requests a second unless told otherwise."""

    spec: AnalysisSpec = SPEC
    now_s: float = START_S
    metrics: FakeMetrics = field(default_factory=FakeMetrics)
    state: JudgeState = field(default_factory=lambda: new_state(START_S))
    rates: dict[Role, float] = field(default_factory=lambda: {Role.CANARY: 10.0, Role.STABLE: 90.0})
    bad: dict[Role, float] = field(default_factory=lambda: {Role.CANARY: 0.0, Role.STABLE: 0.001})
    slow: dict[Role, float] = field(default_factory=lambda: {Role.CANARY: 0.002, Role.STABLE: 0.002})
    even: dict[tuple[Role, str], Even] = field(default_factory=dict)
    weight_pct: float | None = None

    def __post_init__(self) -> None:
        self.metrics.serve(Role.STABLE, 100_000, 100, 200)
        self.metrics.serve(Role.CANARY, 0)
        self.metrics.scrape(self.now_s - 1)

    def second(self) -> Verdict:
        for role in Role:
            count = self.share(role, "all", self.rates[role])
            self.metrics.serve(
                role,
                count,
                min(count, self.share(role, "bad", count * self.bad[role])),
                min(count, self.share(role, "slow", count * self.slow[role])),
            )
        self.now_s += 1
        self.metrics.scrape(self.now_s)
        return self.verdict()

    def share(self, role: Role, what: str, count: float) -> float:
        return self.even.setdefault((role, what), Even()).of(count)

    def read(self) -> Readings:
        return self.metrics.read(self.spec, VERSIONS, "shop", self.now_s)

    def verdict(self) -> Verdict:
        self.state, verdict = judge(self.spec, self.state, self.read(), self.now_s, self.weight_pct)
        return verdict

    def seconds(self, count: int) -> list[Verdict]:
        return [self.second() for _ in range(count)]

    def until(self, wanted: Callable[[Verdict], bool], limit: int) -> int:
        for index in range(limit):
            if wanted(self.second()):
                return index + 1
        raise AssertionError(f"not within {limit} s: {self.verdict().text}")


def failed(verdict: Verdict) -> bool:
    return verdict.judgement in (Judgement.FAIL, Judgement.TRIP)


def test_a_healthy_canary_warms_up_then_advances_then_is_proven() -> None:
    run = Run()
    verdicts = run.seconds(120)
    assert [verdict.code for verdict in verdicts[:4]] == ["warming_up"] * 4
    assert not any(failed(verdict) for verdict in verdicts)
    first = next(index for index, verdict in enumerate(verdicts) if verdict.may_advance)
    proven = next(index for index, verdict in enumerate(verdicts) if verdict.may_promote)
    assert first < 15
    assert 50 < proven < 105
    assert verdicts[proven].code == "proven"


def test_promotion_needs_at_most_the_rule_of_three_when_no_version_has_errors() -> None:
    run = Run(bad={Role.CANARY: 0.0, Role.STABLE: 0.0})
    run.until(lambda verdict: verdict.may_promote, 120)
    counted = run.state.metrics[0].canary_total - 4 * run.rates[Role.CANARY]
    assert 700 < counted <= 965


def test_until_promotion_the_text_says_how_far_it_is() -> None:
    run = Run()
    verdict = run.seconds(30)[-1]
    assert (verdict.judgement, verdict.may_promote) == (Judgement.OK, False)
    assert "of 20 needed (errors), at most about" in verdict.text


@pytest.mark.parametrize(("bad", "limit"), [(0.02, 60), (0.05, 20), (0.2, 12)])
def test_a_canary_with_more_errors_fails_and_the_text_compares_the_versions(bad: float, limit: int) -> None:
    run = Run(bad={Role.CANARY: bad, Role.STABLE: 0.001})
    run.until(failed, limit + 5)
    verdict = run.verdict()
    assert verdict.judgement is Judgement.FAIL
    assert verdict.code == ("worse_than_stable" if bad < 0.2 else "outside_slo")
    assert verdict.text.startswith("errors: canary ")
    assert "evidence" in verdict.text
    assert "of 111 needed" in verdict.text


def test_a_slower_canary_fails_on_latency() -> None:
    run = Run(slow={Role.CANARY: 0.2, Role.STABLE: 0.002})
    run.until(failed, 40)
    assert run.verdict().text.startswith("latency: canary ")
    assert "slower than 0.5 s" in run.verdict().text


def test_a_cold_start_is_forgiven_within_the_warm_up_of_latency() -> None:
    for warmup, forgiven in (("60s", True), ("5s", False)):
        run = Run(spec=spec_of(latency={"warmup": warmup}))
        run.slow[Role.CANARY] = 0.3
        verdicts = run.seconds(50)
        assert any(failed(verdict) for verdict in verdicts) is not forgiven
        run.slow[Role.CANARY] = 0.0
    assert {verdict.code for verdict in Run(spec=spec_of(latency={"warmup": 60})).seconds(59)} == {"warming_up"}


def test_errors_that_begin_late_are_found_all_the_same() -> None:
    run = Run()
    run.seconds(600)
    run.bad[Role.CANARY] = 0.05
    assert run.until(failed, 60) < 40


def test_a_canary_that_only_fails_trips_the_breaker_after_seconds_even_late_and_in_warm_up() -> None:
    for healthy_s in (0, 300):
        run = Run(spec=spec_of(warmup=60))
        run.seconds(healthy_s)
        run.bad[Role.CANARY] = 1.0
        took_s = run.until(lambda verdict: verdict.judgement is Judgement.TRIP, 20)
        assert 5 <= took_s <= 9
        assert run.verdict().code == "breaker"


def test_the_breaker_needs_both_the_evidence_and_the_outage() -> None:
    blip = Run(spec=spec_of(warmup=60), rates={Role.CANARY: 200.0, Role.STABLE: 800.0})
    blip.bad[Role.CANARY] = 1.0
    blip.seconds(3)
    blip.bad[Role.CANARY] = 0.0
    assert not any(failed(verdict) for verdict in blip.seconds(30))
    few = Run(spec=spec_of(warmup=60), rates={Role.CANARY: 0.2, Role.STABLE: 90.0})
    few.bad[Role.CANARY] = 1.0
    assert not any(failed(verdict) for verdict in few.seconds(15))


def test_the_breaker_works_on_when_stable_is_missing() -> None:
    run = Run()
    run.seconds(30)
    run.metrics.trouble[Role.STABLE] = Trouble(Outcome.NO_SERIES)
    run.bad[Role.CANARY] = 1.0
    run.until(lambda verdict: verdict.judgement is Judgement.TRIP, 15)


def test_a_failure_stays_however_healthy_the_canary_becomes() -> None:
    run = Run(bad={Role.CANARY: 0.1, Role.STABLE: 0.001})
    run.until(failed, 30)
    first = run.verdict()
    run.bad[Role.CANARY] = 0.0
    run.metrics.trouble[Role.CANARY] = Trouble(Outcome.UNREADABLE)
    assert {(verdict.judgement, verdict.text) for verdict in run.seconds(30)} == {(first.judgement, first.text)}


@pytest.mark.parametrize("level", [0.05, 0.15, 0.9])
def test_an_incident_of_both_versions_holds_and_never_rolls_back(level: float) -> None:
    run = Run()
    run.seconds(60)
    run.bad = {Role.CANARY: level, Role.STABLE: level}
    verdicts = run.seconds(300)
    assert not any(failed(verdict) for verdict in verdicts)
    assert {verdict.code for verdict in verdicts[30:]} == {"stable_incident"}
    run.bad = {Role.CANARY: 0.0, Role.STABLE: 0.0}
    assert run.until(lambda verdict: verdict.may_advance, 600) > 0


def test_a_canary_worse_than_an_incident_still_fails() -> None:
    run = Run(bad={Role.CANARY: 0.3, Role.STABLE: 0.05})
    run.until(failed, 60)


def test_both_versions_slightly_outside_the_objective_hold_without_blaming_the_canary() -> None:
    run = Run(bad={Role.CANARY: 0.017, Role.STABLE: 0.017}, rates={Role.CANARY: 100.0, Role.STABLE: 900.0})
    verdicts = run.seconds(400)
    assert not any(failed(verdict) for verdict in verdicts)
    assert verdicts[-1].code == "stable_incident"


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


def test_healthy_releases_with_random_traffic_are_practically_never_rolled_back() -> None:
    spec = replace(SPEC, block_s=5.0)
    for seed in range(20):
        chance = random.Random(seed)
        run = Run(spec=spec)
        for _ in range(300):
            rate = 0.003
            run.bad = {role: sum(chance.random() < rate for _ in range(50)) / 50 for role in Role}
            assert not failed(run.second()), seed
