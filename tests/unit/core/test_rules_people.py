"""Abort, pause, resume and promotion: what a person's wish does in each phase, and what it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.core.advance import rule_promote
from controller.core.back import rule_abort
from controller.core.model import HaltCause, IntentKind, Phase, Reason
from controller.core.moves import ENDED
from controller.core.rules import rule_pause, rule_paused, rule_resume
from controller.core.scene import pause
from tests.unit.core.build import PLAN, T0, a_release, scene_of, wants

ACTIVE = sorted(set(Phase) - ENDED)
TWO_PHASES_WITH_EVIDENCE = (Phase.PROGRESSING, Phase.PAUSED)


@pytest.mark.parametrize("phase", [p for p in ACTIVE if p not in (Phase.PENDING, Phase.ROLLING_BACK)])
def test_an_abort_rolls_back_from_every_phase_that_has_begun(phase: Phase) -> None:
    release = wants(a_release(phase), IntentKind.ABORT, reason="wrong version")
    after = rule_abort(scene_of(release, 5))
    assert after is not None
    assert (after.phase, after.weight_pct, after.intent) == (Phase.ROLLING_BACK, 0, None)
    assert after.cause == after.reason == Reason("aborted", "aborted by ann: wrong version")


def test_an_abort_before_anything_began_ends_the_release_at_once() -> None:
    after = rule_abort(scene_of(wants(a_release(Phase.PENDING), IntentKind.ABORT)))
    assert after is not None
    assert (after.phase, after.intent, after.cause) == (Phase.FAILED, None, Reason("aborted", "aborted by ann"))


def test_an_abort_of_a_rollback_changes_only_that_the_wish_is_heard() -> None:
    release = wants(a_release(Phase.ROLLING_BACK), IntentKind.ABORT)
    assert rule_abort(scene_of(release)) == replace(release, intent=None)


def test_an_abort_for_a_successor_is_named_as_such() -> None:
    release = replace(wants(a_release(), IntentKind.ABORT, reason="superseded by shop-2"), superseded_by="shop-2")
    after = rule_abort(scene_of(release))
    assert after is not None
    assert after.reason == Reason("superseded", "superseded by ann: superseded by shop-2")


@pytest.mark.parametrize(
    ("phase", "changes", "outcome"),
    [
        (Phase.PREPARING, {}, Phase.FAILED),
        (Phase.PROGRESSING, {}, Phase.ROLLED_BACK),
        (Phase.PROMOTING, {"peak_weight_pct": 0}, Phase.ROLLED_BACK),
        (Phase.PROMOTING, {"peak_weight_pct": 0, "stable": None}, Phase.FAILED),
        (Phase.HALTED, {"peak_weight_pct": 20, "halt": HaltCause.STABLE_DOWN}, Phase.ROLLED_BACK),
    ],
)
def test_only_a_canary_that_had_traffic_counts_as_rolled_back(
    phase: Phase, changes: dict[str, Any], outcome: Phase
) -> None:
    after = rule_abort(scene_of(wants(replace(a_release(phase), **changes), IntentKind.ABORT)))
    assert after is not None
    assert after.outcome is outcome


@pytest.mark.parametrize("kind", [None, IntentKind.PAUSE, IntentKind.RESUME, IntentKind.PROMOTE_FULL])
def test_nothing_but_an_abort_aborts(kind: IntentKind | None) -> None:
    release = a_release() if kind is None else wants(a_release(), kind)
    assert rule_abort(scene_of(release)) is None


def test_a_pause_keeps_the_weight_and_remembers_why() -> None:
    after = rule_pause(scene_of(wants(a_release(), IntentKind.PAUSE, reason="looking"), 9))
    assert after is not None
    assert (after.phase, after.weight_pct, after.intent) == (Phase.PAUSED, 10, None)
    assert after.paused_for == Reason("paused", "paused by ann: looking")


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.PREPARING])
def test_a_pause_before_the_first_weight_holds_there_until_it_is_taken_back(phase: Phase) -> None:
    release = wants(a_release(phase), IntentKind.PAUSE)
    after = rule_pause(scene_of(release))
    assert after == replace(release, reason=Reason("paused", "paused by ann"))


@pytest.mark.parametrize("phase", [Phase.PAUSED, Phase.PROMOTING])
def test_a_pause_where_there_is_nothing_to_pause_is_forgotten(phase: Phase) -> None:
    assert rule_pause(scene_of(wants(a_release(phase), IntentKind.PAUSE))) == a_release(phase)


@pytest.mark.parametrize("rule", [rule_pause, rule_resume, rule_promote])
def test_without_a_wish_no_rule_about_wishes_answers(rule: object) -> None:
    assert callable(rule)
    assert rule(scene_of(a_release())) is None
    assert rule(scene_of(wants(a_release(), IntentKind.ABORT))) is None


def test_a_resume_goes_on_at_the_same_weight_and_does_not_count_the_pause() -> None:
    paused = pause(a_release(paused_s=5.0), Reason("paused", "paused by bob"), T0)
    after = rule_resume(scene_of(wants(paused, IntentKind.RESUME), 40))
    assert after is not None
    assert (after.phase, after.weight_pct, after.step) == (Phase.PROGRESSING, 10, 0)
    assert (after.paused_s, after.progressing_since_s, after.paused_for) == (45.0, T0, None)
    assert after.reason == Reason("resumed", "resumed by ann")


def test_a_resume_of_an_inconclusive_pause_gives_the_analysis_a_new_horizon() -> None:
    paused = pause(a_release(paused_s=5.0), Reason("inconclusive", "no decision"), T0)
    after = rule_resume(scene_of(wants(paused, IntentKind.RESUME), 40))
    assert after is not None
    assert (after.paused_s, after.progressing_since_s) == (0.0, T0 + 40)


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.PREPARING])
def test_a_resume_before_the_first_weight_begins_the_deadline_anew(phase: Phase) -> None:
    after = rule_resume(scene_of(wants(a_release(phase), IntentKind.RESUME), 40))
    assert after == a_release(phase, entered_at_s=T0 + 40)


@pytest.mark.parametrize("phase", [Phase.PROGRESSING, Phase.PROMOTING])
def test_a_resume_of_what_is_not_paused_is_forgotten(phase: Phase) -> None:
    assert rule_resume(scene_of(wants(a_release(phase), IntentKind.RESUME), 40)) == a_release(phase)


def test_a_paused_release_says_why_it_paused_after_another_trouble_has_passed() -> None:
    paused = pause(a_release(), Reason("paused", "paused by bob"), T0)
    troubled = replace(paused, reason=Reason("route_unreadable", "the route cannot be read"))
    assert rule_paused(scene_of(troubled)) == paused


@pytest.mark.parametrize(
    "release", [a_release(Phase.PROGRESSING), wants(a_release(Phase.PAUSED), IntentKind.PROMOTE_STEP)]
)
def test_the_rule_of_pauses_stays_out_of_the_way_elsewhere(release: object) -> None:
    assert rule_paused(scene_of(release)) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("phase", TWO_PHASES_WITH_EVIDENCE)
def test_promoting_a_step_passes_exactly_one_and_is_recorded_as_a_bypass(phase: Phase) -> None:
    release = wants(a_release(phase), IntentKind.PROMOTE_STEP, step=0)
    after = rule_promote(scene_of(release, 9))
    assert after is not None
    assert (after.phase, after.step, after.weight_pct) == (Phase.PROGRESSING, 1, 20)
    assert after.bypassed == (release.intent,)
    assert (after.intent, after.baking_since_s, after.peak_weight_pct) == (None, None, 20)
    assert after.reason == Reason("bypass", "ann passed the evidence of step 1; next weight 20 %")


@pytest.mark.parametrize("asked_at", [-1, 0, 2])
def test_promoting_a_step_that_is_already_past_changes_nothing(asked_at: int) -> None:
    release = wants(a_release(step=1, weight_pct=20), IntentKind.PROMOTE_STEP, step=asked_at)
    assert rule_promote(scene_of(release)) == replace(release, intent=None)


def test_promoting_the_last_step_starts_the_promotion_at_the_same_weight() -> None:
    last = a_release(step=2, weight_pct=30)
    after = rule_promote(scene_of(wants(last, IntentKind.PROMOTE_STEP, step=2)))
    assert after is not None
    assert (after.phase, after.weight_pct, after.reason.code) == (Phase.PROMOTING, 30, "promoting")
    assert len(after.bypassed) == 1


@pytest.mark.parametrize("phase", TWO_PHASES_WITH_EVIDENCE)
def test_promoting_in_full_skips_the_steps_but_raises_no_weight(phase: Phase) -> None:
    after = rule_promote(scene_of(wants(a_release(phase), IntentKind.PROMOTE_FULL)))
    assert after is not None
    assert (after.phase, after.weight_pct) == (Phase.PROMOTING, 10)
    assert after.reason == Reason("bypass", "ann promoted in full, past 2 steps")
    assert len(after.bypassed) == 1


def test_promoting_a_step_of_a_release_back_before_its_first_only_lets_it_go_on() -> None:
    stopped = wants(a_release(Phase.PAUSED, step=-1, weight_pct=0), IntentKind.PROMOTE_STEP, step=-1)
    after = rule_promote(scene_of(stopped, 9))
    assert after is not None
    assert (after.phase, after.step, after.weight_pct, after.bypassed) == (Phase.PROGRESSING, -1, 0, ())


@pytest.mark.parametrize("phase", [p for p in ACTIVE if p not in TWO_PHASES_WITH_EVIDENCE])
def test_no_promotion_outside_the_phases_that_gather_evidence(phase: Phase) -> None:
    assert rule_promote(scene_of(wants(a_release(phase), IntentKind.PROMOTE_FULL))) is None


def test_a_bypass_keeps_earlier_bypasses() -> None:
    first = rule_promote(scene_of(wants(a_release(), IntentKind.PROMOTE_STEP, step=0)))
    assert first is not None
    second = rule_promote(scene_of(wants(first, IntentKind.PROMOTE_STEP, step=1, actor="bob")))
    assert second is not None
    assert [intent.actor for intent in second.bypassed] == ["ann", "bob"]
    assert second.weight_pct == PLAN.steps[2]
