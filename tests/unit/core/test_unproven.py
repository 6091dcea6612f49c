"""The horizon of the analysis without a decision: what the application may want, and what must be so for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from analysis.model import Inconclusive, Verdict
from controller.core.advance import rule_unproven
from controller.core.check import Violation, check
from controller.core.decide import decide
from controller.core.explain import explain
from controller.core.model import IntentKind, Phase, Reason, Release
from controller.core.moves import ENDED
from controller.core.rules import rule_horizon
from controller.core.verdicts import said_of
from tests.unit.core.build import (
    ADVANCE,
    CANARY_UP,
    HARM,
    HOLDS,
    NEW,
    OLD,
    PLAN,
    PROVEN,
    SPEC,
    T0,
    a_release,
    a_role,
    an_app,
    scene_of,
    seen_for,
    wants,
)

LATE_S = PLAN.max_duration_s + 1
BAKED_S = LATE_S + PLAN.min_bake_s
CLEAR = replace(ADVANCE, may_end_unproven=True, unproven="errors: canary 1 of 400, the canary's share at most 2 %")
DOUBT = replace(ADVANCE, unproven="errors has some evidence of harm, 1.4")


def released(policy: Inconclusive, **changes: Any) -> Release:
    """At its last step."""
    app = an_app(analysis=replace(SPEC, inconclusive=policy))
    return a_release(app=app, **{"step": 2, "weight_pct": 30, "peak_weight_pct": 30, **changes})


PROMOTES = released(Inconclusive.PROMOTE)


def test_without_a_word_of_the_application_a_person_is_asked() -> None:
    after = rule_horizon(scene_of(released(SPEC.inconclusive), LATE_S, verdict=CLEAR))
    assert after is not None
    assert (after.phase, after.reason.code) == (Phase.PAUSED, "inconclusive")


@pytest.mark.parametrize("step", [0, 2])
def test_it_goes_back_where_the_application_says_so(step: int) -> None:
    release = released(Inconclusive.ROLLBACK, step=step)
    assert rule_horizon(scene_of(release, LATE_S - 2, verdict=HOLDS)) is None
    after = rule_horizon(scene_of(release, LATE_S, verdict=HOLDS))
    assert after is not None
    assert (after.phase, after.outcome, after.weight_pct) == (Phase.ROLLING_BACK, Phase.ROLLED_BACK, 0)
    assert after.cause is not None
    assert after.cause.code == "inconclusive"
    assert "12 of 50 requests" in after.cause.text
    assert "analysis.inconclusive" in after.cause.text


def test_a_rollback_at_the_horizon_halts_when_stable_cannot_serve_like_any_by_itself() -> None:
    release = released(Inconclusive.ROLLBACK)
    after = rule_horizon(scene_of(release, LATE_S, verdict=HOLDS, stable=a_role(OLD, 2, ready=0)))
    assert after is not None
    assert (after.phase, after.weight_pct) == (Phase.HALTED, 30)


def test_the_last_step_ends_without_proof_where_the_application_says_so_and_nothing_speaks_for_harm() -> None:
    after = rule_unproven(scene_of(PROMOTES, BAKED_S, verdict=CLEAR))
    assert after is not None
    assert (after.phase, after.weight_pct, after.reason.code) == (Phase.PROMOTING, 30, "inconclusive")
    assert after.unproven is not None
    assert "promoted without proof" in after.reason.text
    assert "at most 2 %" in after.reason.text


NOT_SO: dict[str, tuple[Release, float, Verdict | None, dict[str, Any]]] = {
    "before the horizon": (PROMOTES, LATE_S - 1, CLEAR, {}),
    "a pause does not count": (replace(PROMOTES, paused_s=100.0), BAKED_S, CLEAR, {}),
    "not at the last step": (replace(PROMOTES, step=1, weight_pct=20), BAKED_S, CLEAR, {}),
    "within the bake": (replace(PROMOTES, baking_since_s=T0 + LATE_S), BAKED_S - 1, CLEAR, {}),
    "before the weight was seen": (replace(PROMOTES, baking_since_s=None), BAKED_S, CLEAR, {}),
    "something speaks for harm": (PROMOTES, BAKED_S, DOUBT, {}),
    "harm is proven": (PROMOTES, BAKED_S, HARM, {}),
    "too few requests": (PROMOTES, BAKED_S, HOLDS, {}),
    "no verdict at all": (PROMOTES, BAKED_S, None, {}),
    "safety is proven": (PROMOTES, BAKED_S, replace(PROVEN, may_end_unproven=True), {}),
    "an instance is missing": (PROMOTES, BAKED_S, CLEAR, {"canary": a_role(NEW, 2, ready=1)}),
    "the canary was not sized": (PROMOTES, BAKED_S, CLEAR, {"canary": replace(CANARY_UP, unsized="forbidden")}),
    "a person asked for something": (wants(PROMOTES, IntentKind.PROMOTE_STEP, step=2), BAKED_S, CLEAR, {}),
    "the application wants a pause": (released(Inconclusive.PAUSE), BAKED_S, CLEAR, {}),
    "the application wants a rollback": (released(Inconclusive.ROLLBACK), BAKED_S, CLEAR, {}),
}


@pytest.mark.parametrize("case", list(NOT_SO))
def test_nothing_ends_without_proof_when(case: str) -> None:
    release, at_s, verdict, seen = NOT_SO[case]
    assert rule_unproven(scene_of(release, at_s, verdict=verdict, **seen)) is None


@pytest.mark.parametrize("phase", sorted(set(Phase) - ENDED - {Phase.PROGRESSING}))
def test_nothing_else_ends_without_proof(phase: Phase) -> None:
    release = a_release(phase, app=PROMOTES.app, step=2, baking_since_s=T0, progressing_since_s=T0)
    assert rule_unproven(scene_of(release, BAKED_S, verdict=CLEAR)) is None


@pytest.mark.parametrize(
    ("release", "verdict", "seen", "says"),
    [
        (replace(PROMOTES, step=1, weight_pct=20), CLEAR, {}, "only the last step"),
        (PROMOTES, DOUBT, {}, "some evidence of harm"),
        (PROMOTES, HOLDS, {}, "too little data"),
        (PROMOTES, None, {}, "too little data"),
        (PROMOTES, CLEAR, {"canary": a_role(NEW, 2, ready=1)}, "an instance is missing"),
    ],
)
def test_otherwise_a_person_is_asked_and_told_why(
    release: Release, verdict: Verdict | None, seen: dict[str, Any], says: str
) -> None:
    after = rule_horizon(scene_of(release, BAKED_S, verdict=verdict, **seen))
    assert after is not None
    assert (after.phase, after.reason.code) == (Phase.PAUSED, "inconclusive")
    assert says in after.reason.text


@pytest.mark.parametrize("verdict", [CLEAR, HOLDS])
def test_the_last_step_has_its_bake_before_a_person_is_asked(verdict: Verdict) -> None:
    baking = replace(PROMOTES, baking_since_s=T0 + LATE_S)
    assert rule_horizon(scene_of(baking, BAKED_S - 1, verdict=verdict)) is None
    assert rule_horizon(scene_of(replace(PROMOTES, baking_since_s=None), BAKED_S, verdict=verdict)) is None


def test_what_was_proven_in_the_meantime_is_promoted_by_its_proof() -> None:
    assert rule_horizon(scene_of(PROMOTES, BAKED_S, verdict=PROVEN)) is None


def test_it_is_said_for_as_long_as_the_release_is_known() -> None:
    after = rule_unproven(scene_of(PROMOTES, BAKED_S, verdict=CLEAR))
    assert after is not None
    assert said_of(after).word == "bypass"
    rolling = replace(after, reason=Reason("rolling_stable", "stable rolls to v2: 1 of 2 instances are ready"))
    ended = replace(rolling, phase=Phase.SUCCEEDED, reason=Reason("promoted", "v2 serves all traffic"))
    for one in (after, rolling, ended):
        assert explain(one, T0 + BAKED_S).count("promoted without proof") == 1
        assert said_of(one).code == "inconclusive"


def test_the_invariants_refuse_what_the_rule_would_not_do() -> None:
    after = rule_unproven(scene_of(PROMOTES, BAKED_S, verdict=CLEAR))
    assert after is not None
    seen = seen_for(PROMOTES)
    check(PROMOTES, after, seen, CLEAR)
    early = replace(after, entered_at_s=T0 + LATE_S - 2)
    paused = replace(PROMOTES, app=released(Inconclusive.PAUSE).app)
    first, unsaid = replace(PROMOTES, step=1, weight_pct=20), replace(after, unproven=None)
    broken = [
        (PROMOTES, early, CLEAR),
        (PROMOTES, after, DOUBT),
        (PROMOTES, after, None),
        (PROMOTES, unsaid, CLEAR),
        (paused, replace(after, app=paused.app), CLEAR),
        (first, replace(after, step=1, weight_pct=20), CLEAR),
    ]
    for before, wrong, verdict in broken:
        with pytest.raises(Violation, match="a promotion has its authority"):
            check(before, wrong, seen, verdict)


def test_a_decision_at_the_horizon_pauses_when_the_readings_say_nothing() -> None:
    app = replace(PROMOTES.app, analysis=replace(PROMOTES.app.analysis, no_data_timeout_s=2 * BAKED_S))
    release = replace(PROMOTES, app=app)
    decision = decide(release, seen_for(release), T0 + BAKED_S)
    assert decision.release.phase is Phase.PAUSED
    assert "too little data" in decision.records[0].text
