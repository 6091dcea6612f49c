"""``decide`` as a whole: time never goes back, the wake-up, what counts as a change, and that it is total and safe."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.judge import new_state
from analysis.model import AnalysisSpec, Judgement, JudgeState, Readings, Verdict
from controller.core import decide as module
from controller.core.decide import TRANSIENT_POLL_S, decide
from controller.core.effects import Lower, SetWeight, effects
from controller.core.intents import hear
from controller.core.model import (
    CanaryPlan,
    Intent,
    IntentKind,
    Observation,
    Phase,
    Reason,
    Release,
    RoleState,
    RouteState,
)
from controller.core.moves import ENDED
from gates.kill import NOT_ENGAGED, KillAnswerKind
from tests.unit.core.build import (
    ADVANCE,
    HARM,
    HOLDS,
    KILL_HALT,
    KILL_REVERT,
    KILL_UNREADABLE,
    NEW,
    OLD,
    PLAN,
    PROVEN,
    T0,
    TRIPPED,
    a_mark,
    a_release,
    a_role,
    a_route,
    an_app,
    seen_for,
)


def test_time_never_goes_back_behind_the_moment_the_phase_was_entered() -> None:
    decision = decide(a_release(Phase.PENDING), seen_for(a_release(Phase.PENDING)), T0 - 500)
    assert decision.release.entered_at_s == T0


@pytest.mark.parametrize("phase", sorted(ENDED))
def test_an_ended_release_is_never_looked_at_again(phase: Phase) -> None:
    decision = decide(a_release(phase), seen_for(a_release(phase)), T0)
    assert (decision.wake_at_s, decision.changed, decision.records) == (None, False, ())


@pytest.mark.parametrize(
    ("release", "changes", "in_s"),
    [
        (a_release(Phase.PENDING), {"predecessor": "shop-0"}, TRANSIENT_POLL_S),
        (a_release(), {}, PLAN.poll_s),
        (a_release(Phase.PAUSED), {}, PLAN.poll_s),
        (a_release(Phase.PROMOTING), {}, TRANSIENT_POLL_S),
        (a_release(baking_since_s=T0 - PLAN.min_bake_s + 2), {}, 2.0),
        (a_release(Phase.ROLLING_BACK, zero_since_s=T0 - PLAN.drain_s + 0.5), {}, 0.5),
    ],
)
def test_when_a_release_is_looked_at_again(release: Release, changes: dict[str, Any], in_s: float) -> None:
    decision = decide(release, seen_for(release, **changes), T0)
    assert decision.wake_at_s == decision.release.wake_at_s == T0 + in_s


def test_a_short_poll_is_kept() -> None:
    eager = a_release(Phase.PENDING, app=an_app(canary=replace(PLAN, poll_s=0.2)))
    assert decide(eager, seen_for(eager), T0).wake_at_s == T0 + 0.2


def test_a_later_wake_up_alone_is_no_change_worth_a_commit() -> None:
    paused = a_release(Phase.PAUSED, judge=None)
    assert decide(paused, seen_for(paused), T0 + 50).changed is False


def test_new_evidence_is_a_change() -> None:
    decision = decide(a_release(), seen_for(a_release()), T0 + 5)
    assert decision.changed is True
    assert decision.verdict is not None


def test_drift_is_remembered_so_that_it_is_reported_once() -> None:
    route = a_route(10, drift_count=3)
    first = decide(a_release(), seen_for(a_release(), route=route), T0 + 5)
    assert first.release.drift_seen == 3
    assert [d.type for d in first.records if d.type == "drift"] == ["drift"]
    second = decide(first.release, seen_for(first.release, route=route), T0 + 6)
    assert [d for d in second.records if d.type == "drift"] == []


@pytest.mark.parametrize(
    "release", [a_release(judge=None), a_release(Phase.HALTED, judge=new_state(T0)), a_release(Phase.PREPARING)]
)
def test_without_a_canary_under_judgement_there_is_no_verdict(release: Release) -> None:
    seen = seen_for(release, readings=Readings(T0), kill=KILL_REVERT)
    assert decide(release, seen, T0).verdict is None


def test_a_latched_failure_rolls_back_even_if_the_metrics_have_gone_quiet() -> None:
    failed = replace(new_state(T0), failed="5 % errors", failed_code="worse_than_stable")
    release = a_release(judge=failed)
    decision = decide(release, seen_for(release), T0 + 5)
    assert (decision.release.phase, decision.release.reason.code) == (Phase.ROLLING_BACK, "worse_than_stable")


# One long walk of a release through a world in which anything may be seen at any pass.

ROLES = st.sampled_from(
    [
        None,
        RoleState(2),
        a_role(OLD, 2),
        a_role(NEW, 2),
        a_role(OLD, 2, ready=0),
        a_role(NEW, 1, ready=0),
        a_role(NEW, 1),
    ]
)
KILLS = st.sampled_from([NOT_ENGAGED, NOT_ENGAGED, NOT_ENGAGED, KILL_HALT, KILL_REVERT, KILL_UNREADABLE])
VERDICTS = st.sampled_from([ADVANCE, PROVEN, PROVEN, HOLDS, HARM, TRIPPED, Verdict(Judgement.OK, "fresh", "fresh")])
MARKS = st.sampled_from([None, None, None, a_mark(), a_mark("lease_expired"), a_mark("killed", None, "k-1")])
WISHES = st.sampled_from([None, None, None, None, *IntentKind])
PASSES = st.lists(
    st.fixed_dictionaries(
        {
            "stable": ROLES,
            "canary": ROLES,
            "kill": KILLS,
            "verdict": VERDICTS,
            "mark": MARKS,
            "wish": WISHES,
            "after_s": st.sampled_from([0.0, 1.0, 30.0, 61.0, 700.0, 90_000.0]),
            "well": st.booleans(),
            "written": st.booleans(),
            "live": st.sampled_from(["same", "same", "same", None, 0, 10, 20, 80]),
            "lapsed": st.booleans(),
            "blind": st.booleans(),
        }
    ),
    max_size=40,
)


def observed(release: Release, one: dict[str, Any], weight_pct: int) -> Observation:
    if one["well"]:
        return seen_for(release, route=a_route(weight_pct))
    live = weight_pct if one["live"] == "same" else one["live"]
    lapsed = one["lapsed"] and weight_pct == 0
    route = (
        None if one["blind"] else RouteState(7, 1, weight_pct, live, "shop-1", mark=one["mark"], lease_expired=lapsed)
    )
    return seen_for(release, route=route, stable=one["stable"], canary=one["canary"], kill=one["kill"])


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([OLD, None]), PASSES)
def test_whatever_is_seen_every_decision_is_legal_and_safe(stable: str | None, passes: list[dict[str, Any]]) -> None:
    said = HOLDS

    def judge(
        _spec: AnalysisSpec, state: JudgeState, _r: Readings, _now_s: float, *_more: Any
    ) -> tuple[JudgeState, Verdict]:
        return state, said

    release, now_s, weight_pct = a_release(Phase.PENDING, stable=stable), T0, 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "judge", judge)
        for one in passes:
            said, now_s = one["verdict"], now_s + one["after_s"]
            if one["wish"] is not None:
                release = hear(release, Intent(one["wish"], "ann", now_s)).release or release
            seen = observed(release, one, weight_pct)
            before, release = release, decide(release, seen, now_s).release
            assert_safe(before, release, seen, said)
            for effect in effects(release, seen, now_s):
                if isinstance(effect, Lower) and one["written"]:
                    weight_pct = 0
                if isinstance(effect, SetWeight) and one["written"]:
                    weight_pct = effect.weight_pct


def assert_safe(before: Release, after: Release, seen: Observation, said: Verdict) -> None:
    plan: CanaryPlan = after.app.canary
    assert after.weight_pct <= (plan.steps[after.step] if after.step >= 0 else 0)
    if after.weight_pct > before.weight_pct:
        assert seen.kill.kind is KillAnswerKind.NONE
        assert said.judgement not in (Judgement.FAIL, Judgement.TRIP) or before.step < 0
        assert after.step == before.step + 1
    if before.phase is Phase.PENDING or after.phase is Phase.PENDING:
        assert after.weight_pct == 0
    if seen.kill.kind is KillAnswerKind.REVERT:
        assert after.weight_pct == 0
    if after.phase is Phase.SUCCEEDED and before.phase is not Phase.SUCCEEDED:
        assert seen.stable is not None
        assert seen.stable.settled_on(NEW)


def test_a_release_in_a_good_world_is_promoted_and_one_with_harm_is_not() -> None:
    """The walk above must be able to reach the far end, else it shows nothing."""
    good = walk(PROVEN)
    assert good[-1] is Phase.SUCCEEDED
    assert walk(HARM)[-1] is Phase.ROLLED_BACK
    assert good[:3] == [Phase.PENDING, Phase.PREPARING, Phase.PROGRESSING]


def walk(verdict: Verdict) -> list[Phase]:
    release, now_s, phases = a_release(Phase.PENDING), T0, [Phase.PENDING]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "judge", lambda _spec, state, *_rest: (state, verdict))
        for _ in range(60):
            now_s += 61.0
            gone = release.zero_since_s is not None
            seen = seen_for(release, canary=RoleState(1) if gone else a_role(NEW, 1))
            release = decide(release, seen, now_s).release
            if release.phase is not phases[-1]:
                phases.append(release.phase)
    return phases


def test_the_reason_of_a_release_is_never_empty_after_a_decision() -> None:
    for phase in Phase:
        release = a_release(phase, reason=Reason("because", "some reason"))
        after = decide(release, seen_for(release), T0 + 1).release
        assert after.reason.code
        assert after.reason.text
