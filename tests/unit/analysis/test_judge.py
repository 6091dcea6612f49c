"""What the judge says of good and bad canaries, and when it must not say it."""

from __future__ import annotations

import pytest

from analysis.model import Judgement, Outcome, Role
from tests.fakes.metrics import Trouble
from tests.unit.analysis.release_run import Run, failed, spec_of


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


def test_a_failure_is_not_taken_back_by_a_long_healthy_time() -> None:
    run = Run(bad={Role.CANARY: 0.02, Role.STABLE: 0.001})
    run.until(failed, 60)
    first = run.verdict()
    run.bad[Role.CANARY] = 0.0
    assert {(verdict.judgement, verdict.text) for verdict in run.seconds(600)} == {(first.judgement, first.text)}


def test_an_outage_with_breaks_does_not_trip() -> None:
    run = Run(spec=spec_of(warmup=120), rates={Role.CANARY: 50.0, Role.STABLE: 450.0})
    for _ in range(20):
        run.bad[Role.CANARY] = 1.0
        assert not any(failed(verdict) for verdict in run.seconds(3))
        run.bad[Role.CANARY] = 0.0
        assert not failed(run.second())


def test_slowness_trips_only_after_a_new_canary_had_time_to_warm_its_caches() -> None:
    run = Run(spec=spec_of(warmup=120))
    run.slow[Role.CANARY] = 1.0
    took_s = run.until(lambda verdict: verdict.judgement is Judgement.TRIP, 60)
    assert 30 <= took_s <= 36
