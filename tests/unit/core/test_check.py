"""Every invariant of a release, violated once, and kept once next to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from analysis.model import Verdict
from controller.core.check import FIRST_STEP_PCT_MAX, Violation, ceiling_pct, check
from controller.core.model import CanaryPlan, IntentKind, Observation, Phase, Reason, Release
from tests.unit.core.build import (
    ADVANCE,
    CANARY_UP,
    HARM,
    HOLDS,
    KILL_HALT,
    KILL_REVERT,
    KILL_UNREADABLE,
    NEW,
    OLD,
    a_mark,
    a_release,
    a_role,
    a_route,
    an_app,
    an_intent,
    seen_for,
)

AT_10 = a_release()
AT_20 = replace(AT_10, step=1, weight_pct=20, peak_weight_pct=20)
PREPARED = a_release(Phase.PREPARING)
STARTED = replace(AT_10, reason=Reason("start_check", "all in order"))
BYPASSED = replace(AT_20, bypassed=(an_intent(IntentKind.PROMOTE_STEP),))


def assert_violates(name: str, before: Release, after: Release, seen: Observation, verdict: Verdict | None) -> None:
    with pytest.raises(Violation, match="^" + name.replace("(", r"\(").replace(")", r"\)")):
        check(before, after, seen, verdict)


@pytest.mark.parametrize("after", [a_release(Phase.PENDING), a_release(Phase.SUCCEEDED), a_release(Phase.PREPARING)])
def test_a_move_outside_the_table_is_caught(after: Release) -> None:
    assert_violates("the move is in the table", AT_10, after, seen_for(AT_10), ADVANCE)


@pytest.mark.parametrize(
    "changes",
    [{"id": "shop-2"}, {"canary": "v9"}, {"stable": "v9"}, {"revision": 9}, {"app": an_app(environment="test")}],
)
def test_a_release_that_becomes_another_one_is_caught(changes: dict[str, Any]) -> None:
    after = replace(AT_10, **changes)
    assert_violates("identity never changes", AT_10, after, seen_for(AT_10), None)


@pytest.mark.parametrize("after", [replace(AT_10, weight_pct=11), replace(AT_20, weight_pct=21)])
def test_a_weight_above_its_step_is_caught(after: Release) -> None:
    assert_violates("weight within the step and the cap (I1)", AT_10, after, seen_for(AT_10), ADVANCE)


@pytest.mark.parametrize(
    ("plan", "step", "ceiling"),
    [
        (CanaryPlan((5, 20)), -1, 0),
        (CanaryPlan((5, 20)), 0, 5),
        (CanaryPlan((40, 50)), 0, FIRST_STEP_PCT_MAX),
        (CanaryPlan((5, 90)), 1, 50),
        (CanaryPlan((5, 90), max_weight_pct=100), 1, 90),
        (CanaryPlan((5, 20)), 7, 20),
    ],
)
def test_the_ceiling_is_the_step_the_cap_and_the_first_steps_own_limit(
    plan: CanaryPlan, step: int, ceiling: int
) -> None:
    assert ceiling_pct(a_release(app=an_app(canary=plan), step=step)) == ceiling


def test_a_negative_weight_is_caught() -> None:
    assert_violates("weight is not negative", AT_10, replace(AT_10, weight_pct=-1), seen_for(AT_10), None)


@pytest.mark.parametrize("kill", [KILL_HALT, KILL_REVERT, KILL_UNREADABLE])
def test_a_rise_under_a_kill_is_caught(kill: object) -> None:
    assert_violates("no rise under a kill (I2)", AT_10, AT_20, seen_for(AT_10, kill=kill), ADVANCE)


@pytest.mark.parametrize(
    ("after", "verdict", "changes"),
    [
        (AT_20, None, {}),
        (AT_20, HOLDS, {}),
        (AT_20, HARM, {}),
        (BYPASSED, HARM, {}),
        (AT_20, ADVANCE, {"route": None}),
        (AT_20, ADVANCE, {"route": a_route(10, 80)}),
        (AT_20, ADVANCE, {"route": a_route(10, halts=(a_mark(),))}),
        (replace(AT_20, step=2), ADVANCE, {}),
        (replace(AT_20, phase=Phase.PROMOTING), ADVANCE, {}),
    ],
)
def test_a_rise_without_its_authority_is_caught(
    after: Release, verdict: Verdict | None, changes: dict[str, Any]
) -> None:
    assert_violates("a rise has its authority (I4)", AT_10, after, seen_for(AT_10, **changes), verdict)


@pytest.mark.parametrize(
    ("after", "changes"),
    [
        (replace(STARTED, reason=Reason("verdict_allows", "no")), {}),
        (STARTED, {"canary": None}),
        (STARTED, {"canary": a_role(NEW, 1, ready=0)}),
    ],
)
def test_a_first_weight_without_its_start_check_is_caught(after: Release, changes: dict[str, Any]) -> None:
    assert_violates("a rise has its authority (I4)", PREPARED, after, seen_for(PREPARED, **changes), None)


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (PREPARED, STARTED, None),
        (AT_10, AT_20, ADVANCE),
        (AT_10, BYPASSED, None),
        (AT_10, replace(BYPASSED, phase=Phase.PROMOTING, step=0, weight_pct=10), None),
    ],
)
def test_a_rise_or_promotion_of_a_canary_that_was_not_sized_is_caught(
    before: Release, after: Release, verdict: Verdict | None
) -> None:
    check(before, after, seen_for(before), verdict)
    unsized = seen_for(before, canary=replace(CANARY_UP, unsized="forbidden"))
    assert_violates("no rise on a canary that was not sized (I4)", before, after, unsized, verdict)


PENDING = a_release(Phase.PENDING)
SUCCEEDED = a_release(Phase.SUCCEEDED)
ROLLED_BACK = a_release(Phase.ROLLED_BACK)


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        (a_release(Phase.PROMOTING), replace(SUCCEEDED, step=0, weight_pct=5), {"route": a_route(0)}),
        (a_release(Phase.PROMOTING), SUCCEEDED, {"route": None}),
        (a_release(Phase.PROMOTING), SUCCEEDED, {"route": a_route(0, 1)}),
        (a_release(Phase.PROMOTING), SUCCEEDED, {"route": a_route(0), "stable": None}),
        (a_release(Phase.PROMOTING), SUCCEEDED, {"route": a_route(0), "stable": a_role(OLD, 2)}),
        (a_release(Phase.ROLLING_BACK), ROLLED_BACK, {"stable": a_role(NEW, 2)}),
        (a_release(Phase.ROLLING_BACK), ROLLED_BACK, {"stable": a_role(OLD, 2, ready=0)}),
        (replace(PENDING, step=0, weight_pct=1), replace(a_release(Phase.FAILED), step=0, weight_pct=1), {}),
    ],
)
def test_an_end_that_is_not_known_good_is_caught(before: Release, after: Release, changes: dict[str, Any]) -> None:
    with pytest.raises(Violation, match=r"^an end is known-good \(I3\)"):
        check(before, after, seen_for(before, **changes), None)


@pytest.mark.parametrize("before", [SUCCEEDED, ROLLED_BACK, a_release(Phase.FAILED)])
def test_a_release_that_ended_and_moves_is_caught(before: Release) -> None:
    after = replace(before, phase=Phase.PENDING)
    with pytest.raises(Violation):
        check(before, after, seen_for(before), None)


@pytest.mark.parametrize(
    ("before", "after", "changes", "verdict"),
    [
        (AT_10, AT_10, {}, None),
        (AT_10, AT_20, {}, ADVANCE),
        (AT_10, BYPASSED, {}, None),
        (AT_10, BYPASSED, {}, HOLDS),
        (PREPARED, STARTED, {}, None),
        (AT_20, replace(AT_20, weight_pct=0), {"kill": KILL_REVERT, "route": None}, None),
        (a_release(Phase.PROMOTING), SUCCEEDED, {"route": a_route(0)}, None),
        (a_release(Phase.ROLLING_BACK), ROLLED_BACK, {}, None),
        (a_release(Phase.ROLLING_BACK, stable=None), a_release(Phase.FAILED, stable=None), {"stable": None}, None),
        (a_release(Phase.PENDING), a_release(Phase.FAILED), {"route": None, "canary": CANARY_UP}, None),
        (SUCCEEDED, SUCCEEDED, {}, None),
    ],
)
def test_what_is_allowed_passes(
    before: Release, after: Release, changes: dict[str, Any], verdict: Verdict | None
) -> None:
    check(before, after, seen_for(before, **changes), verdict)
