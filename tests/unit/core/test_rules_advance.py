"""The rules toward the canary: each with what lets it answer, and with each single thing that keeps it from moving."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.core.advance import (
    rule_advance,
    rule_bake,
    rule_first_install,
    rule_not_ready,
    rule_prepare,
    rule_promoting,
    rule_restart_step,
    rule_start,
)
from controller.core.model import IntentKind, Phase, Reason, Release, RoleState
from controller.core.moves import ENDED
from controller.core.rules import rule_horizon, rule_route
from tests.unit.core.build import (
    ADVANCE,
    CANARY_UP,
    HOLDS,
    NEW,
    OLD,
    PLAN,
    PROVEN,
    T0,
    a_mark,
    a_release,
    a_role,
    a_route,
    an_external_app,
    scene_of,
    wants,
)

ACTIVE = sorted(set(Phase) - ENDED)
FIRST = a_release(Phase.PENDING, stable=None)
INSTALLING = a_release(Phase.PROMOTING, stable=None, step=-1, weight_pct=0, judge=None)
UNSIZED = replace(CANARY_UP, unsized="patch deployments: forbidden")
MIXED = RoleState(2, ((NEW, 1), (OLD, 1)), ((NEW, 1), (OLD, 1)))


def others(*phases: Phase) -> list[Release]:
    return [a_release(phase) for phase in ACTIVE if phase not in phases]


def test_a_release_starts_beside_stable() -> None:
    after = rule_start(scene_of(a_release(Phase.PENDING), 3))
    assert after is not None
    assert (after.phase, after.entered_at_s, after.weight_pct) == (Phase.PREPARING, T0 + 3, 0)


def test_the_first_version_is_installed_without_a_canary() -> None:
    after = rule_start(scene_of(FIRST))
    assert after is not None
    assert (after.phase, after.weight_pct, after.reason.code) == (Phase.PROMOTING, 0, "first_install")


@pytest.mark.parametrize("release", [a_release(Phase.PENDING), FIRST])
def test_a_release_waits_for_the_one_before_it(release: Release) -> None:
    after = rule_start(scene_of(release, predecessor="shop-0"))
    assert after is not None
    assert (after.phase, after.reason.code) == (Phase.PENDING, "waiting_for_predecessor")
    assert "shop-0" in after.reason.text


@pytest.mark.parametrize("release", others(Phase.PENDING))
def test_nothing_else_starts(release: Release) -> None:
    assert rule_start(scene_of(release)) is None


@pytest.mark.parametrize(
    ("stable", "phase", "code"),
    [
        (None, Phase.PROMOTING, "stable_unreadable"),
        (a_role(NEW, 2, ready=1, note="starting"), Phase.PROMOTING, "installing"),
        (a_role(NEW, 2), Phase.SUCCEEDED, "installed"),
    ],
)
def test_a_first_installation_ends_when_every_instance_is_ready(stable: object, phase: Phase, code: str) -> None:
    after = rule_first_install(scene_of(INSTALLING, stable=stable))
    assert after is not None
    assert (after.phase, after.reason.code) == (phase, code)


@pytest.mark.parametrize("release", [*others(), replace(FIRST)])
def test_a_version_with_a_stable_before_it_is_no_first_installation(release: Release) -> None:
    assert rule_first_install(scene_of(release)) is None


READY = a_release(Phase.PREPARING)


def test_the_first_weight_is_given_when_everything_is_in_order() -> None:
    after = rule_prepare(scene_of(READY, 30))
    assert after is not None
    assert (after.phase, after.step, after.weight_pct, after.peak_weight_pct) == (Phase.PROGRESSING, 0, 10, 10)
    assert (after.baking_since_s, after.progressing_since_s) == (None, T0 + 30)
    assert after.judge is not None
    assert (after.judge.started_at_s, after.reason.code) == (T0 + 30, "start_check")


NOT_READY = [
    ({"canary": None}, "workload_unreadable"),
    ({"stable": None}, "workload_unreadable"),
    ({"canary": a_role(NEW, 1, ready=0, note="starting")}, "canary_not_ready"),
    ({"canary": a_role(NEW, 3, ready=2)}, "canary_not_ready"),
    ({"canary": RoleState(0)}, "canary_not_ready"),
    ({"canary": a_role("v3", 1)}, "canary_not_ready"),
    ({"canary": UNSIZED}, "canary_unsized"),
    ({"stable": a_role(OLD, 2, ready=0)}, "stable_not_ready"),
    ({"stable": MIXED}, "stable_mixed"),
]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        *NOT_READY,
        ({"route": None}, "taking_route"),
        ({"route": a_route(0, release_id="shop-0")}, "taking_route"),
        ({"route": a_route(0, mark=a_mark())}, "taking_route"),
        ({"start_trouble": "no series"}, "metrics_check"),
    ],
)
def test_one_thing_out_of_order_is_enough_for_no_traffic(changes: dict[str, Any], code: str) -> None:
    after = rule_prepare(scene_of(READY, **changes))
    assert after is not None
    assert (after.phase, after.weight_pct, after.reason.code) == (Phase.PREPARING, 0, code)


def test_one_ready_stable_instance_is_enough_to_begin() -> None:
    after = rule_prepare(scene_of(READY, stable=a_role(OLD, 2, ready=1)))
    assert after is not None
    assert after.phase is Phase.PROGRESSING


@pytest.mark.parametrize("release", others(Phase.PREPARING))
def test_only_a_prepared_release_gets_the_first_weight(release: Release) -> None:
    assert rule_prepare(scene_of(release)) is None


@pytest.mark.parametrize(("changes", "code"), NOT_READY)
@pytest.mark.parametrize(
    "release", [a_release(), wants(a_release(Phase.PAUSED), IntentKind.PROMOTE_STEP, step=0)], ids=["going", "asked"]
)
def test_a_missing_instance_keeps_the_weight_where_it_is(release: Release, changes: dict[str, Any], code: str) -> None:
    after = rule_not_ready(scene_of(release, **changes))
    assert after is not None
    assert (after.phase, after.weight_pct, after.reason.code) == (release.phase, 10, code)


def test_with_both_sides_ready_the_next_rule_is_asked() -> None:
    assert rule_not_ready(scene_of(a_release())) is None


@pytest.mark.parametrize("release", others(Phase.PROGRESSING))
def test_readiness_is_not_asked_for_elsewhere(release: Release) -> None:
    assert rule_not_ready(scene_of(release, canary=a_role(NEW, 1, ready=0))) is None


@pytest.mark.parametrize("judged", [True, False])
def test_after_a_lapsed_lease_the_first_step_is_given_again(judged: bool) -> None:
    stopped = a_release(step=-1, weight_pct=0, peak_weight_pct=30)
    after = rule_restart_step(scene_of(stopped if judged else replace(stopped, judge=None), 20))
    assert after is not None
    assert (after.step, after.weight_pct, after.peak_weight_pct) == (0, 10, 30)
    assert (after.reason.code, after.baking_since_s) == ("start_check", None)
    assert after.judge is not None
    assert after.judge.step_at_s == T0 + 20


@pytest.mark.parametrize("release", [*others(), a_release(Phase.PAUSED, step=-1, weight_pct=0)])
def test_no_first_step_is_given_again_otherwise(release: Release) -> None:
    assert rule_restart_step(scene_of(release)) is None


def test_a_step_bakes_from_the_moment_its_weight_was_seen() -> None:
    after = rule_bake(scene_of(a_release(baking_since_s=None), 4))
    assert after is not None
    assert after.baking_since_s == T0 + 4
    assert after.reason == Reason("baking", "10 % is live; minimum bake", T0 + 4 + PLAN.min_bake_s)
    assert after.judge is not None
    assert after.judge.step_at_s == T0 + 4


@pytest.mark.parametrize("release", [*others(Phase.PREPARING), a_release(Phase.PAUSED, baking_since_s=None)])
def test_nothing_bakes_twice_or_outside_a_step(release: Release) -> None:
    assert rule_bake(scene_of(release)) is None


BAKED_S = PLAN.min_bake_s


@pytest.mark.parametrize(
    ("at_s", "verdict", "weight_pct", "code"),
    [
        (BAKED_S, ADVANCE, 20, "verdict_allows"),
        (BAKED_S, PROVEN, 20, "verdict_allows"),
        (BAKED_S - 1, PROVEN, 10, "baking"),
        (BAKED_S, HOLDS, 10, "not_enough_requests"),
        (BAKED_S, None, 10, "no_verdict"),
    ],
)
def test_the_next_weight_needs_the_bake_and_a_verdict(at_s: float, verdict: object, weight_pct: int, code: str) -> None:
    after = rule_advance(scene_of(a_release(), at_s, verdict=verdict))  # type: ignore[arg-type]
    assert after is not None
    assert (after.weight_pct, after.reason.code) == (weight_pct, code)
    assert after.step == (1 if weight_pct == 20 else 0)


@pytest.mark.parametrize(("verdict", "phase"), [(ADVANCE, Phase.PROGRESSING), (PROVEN, Phase.PROMOTING)])
def test_the_last_step_also_needs_the_proof(verdict: object, phase: Phase) -> None:
    last = a_release(step=2, weight_pct=30)
    after = rule_advance(scene_of(last, BAKED_S, verdict=verdict))  # type: ignore[arg-type]
    assert after is not None
    assert (after.phase, after.weight_pct) == (phase, 30)


@pytest.mark.parametrize("release", others(Phase.PROGRESSING))
def test_nothing_else_advances(release: Release) -> None:
    assert rule_advance(scene_of(release, BAKED_S, verdict=PROVEN)) is None


HANDED = a_release(Phase.PROMOTING, weight_pct=0, step=2)
DRAINED = replace(HANDED, zero_since_s=T0)


@pytest.mark.parametrize(
    ("release", "changes", "phase", "weight_pct", "code"),
    [
        (a_release(Phase.PROMOTING), {"stable": None}, Phase.PROMOTING, 10, "workload_unreadable"),
        (a_release(Phase.PROMOTING), {"stable": MIXED}, Phase.PROMOTING, 10, "rolling_stable"),
        (a_release(Phase.PROMOTING), {"stable": a_role(NEW, 2, ready=1)}, Phase.PROMOTING, 10, "rolling_stable"),
        (a_release(Phase.PROMOTING), {}, Phase.PROMOTING, 0, "handing_over"),
        (HANDED, {}, Phase.PROMOTING, 0, "draining"),
        (DRAINED, {"canary": CANARY_UP}, Phase.PROMOTING, 0, "stopping_canary"),
        (DRAINED, {"canary": RoleState(1)}, Phase.SUCCEEDED, 0, "promoted"),
        (replace(DRAINED, app=an_external_app()), {"canary": CANARY_UP}, Phase.SUCCEEDED, 0, "promoted"),
    ],
)
def test_a_promotion_rolls_stable_hands_over_drains_and_ends(
    release: Release, changes: dict[str, Any], phase: Phase, weight_pct: int, code: str
) -> None:
    after = rule_promoting(scene_of(release, PLAN.drain_s, **changes))
    assert after is not None
    assert (after.phase, after.weight_pct) == (phase, weight_pct)
    assert after.reason.code == code


def test_a_stable_instance_lost_after_the_hand_over_begins_the_drain_anew() -> None:
    after = rule_promoting(scene_of(DRAINED, 5, stable=a_role(NEW, 2, ready=1)))
    assert after is not None
    assert (after.reason.code, after.zero_since_s) == ("rolling_stable", None)


@pytest.mark.parametrize("release", others(Phase.PROMOTING))
def test_nothing_else_is_promoted(release: Release) -> None:
    assert rule_promoting(scene_of(release)) is None


HORIZON_S = PLAN.max_duration_s


@pytest.mark.parametrize(
    ("at_s", "paused_s", "pauses"), [(HORIZON_S, 0.0, False), (HORIZON_S + 1, 0.0, True), (HORIZON_S + 5, 10.0, False)]
)
def test_at_the_horizon_of_the_analysis_a_person_is_asked(at_s: float, paused_s: float, pauses: bool) -> None:
    after = rule_horizon(scene_of(a_release(paused_s=paused_s), at_s, verdict=HOLDS))
    assert (after is not None) is pauses
    if after is not None:
        assert (after.phase, after.weight_pct, after.reason.code) == (Phase.PAUSED, 10, "inconclusive")
        assert after.paused_for == after.reason
        assert "12 of 50 requests" in after.reason.text


def test_without_a_verdict_the_horizon_names_what_was_waited_for() -> None:
    after = rule_horizon(scene_of(a_release(), HORIZON_S + 1))
    assert after is not None
    assert "some reason" in after.reason.text


@pytest.mark.parametrize("release", [*others(Phase.PROGRESSING), a_release(progressing_since_s=None)])
def test_no_horizon_outside_the_analysis(release: Release) -> None:
    assert rule_horizon(scene_of(release, 10 * HORIZON_S)) is None


@pytest.mark.parametrize(
    ("route", "code"),
    [
        (None, "route_unreadable"),
        (a_route(10, None, trouble="no such file"), "route_unreadable"),
        (a_route(10, halts=(a_mark("killed", None, "k-1"),)), "route_halted"),
        (a_route(10, halts=(a_mark("killed", None, None),)), "route_halted"),
        (a_route(10, 0), "waiting_for_route"),
        (a_route(10, 80), "waiting_for_route"),
    ],
)
@pytest.mark.parametrize("phase", [Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING])
def test_nothing_advances_on_a_route_that_does_not_show_what_was_written(
    phase: Phase, route: object, code: str
) -> None:
    after = rule_route(scene_of(a_release(phase), route=route))
    assert after is not None
    assert (after.phase, after.weight_pct, after.reason.code) == (phase, 10, code)


@pytest.mark.parametrize("route", [None, a_route(80)])
def test_a_release_that_has_not_begun_does_not_mind_the_route(route: object) -> None:
    assert rule_route(scene_of(a_release(Phase.PENDING), route=route)) is None


def test_a_verified_route_lets_the_next_rule_be_asked() -> None:
    assert rule_route(scene_of(a_release())) is None


def test_after_a_lapsed_lease_the_metrics_are_asked_again_before_the_first_weight() -> None:
    after = rule_restart_step(scene_of(a_release(step=-1, weight_pct=0), start_trouble="no series"))
    assert after is not None
    assert (after.step, after.weight_pct, after.reason.code) == (-1, 0, "metrics_check")


@pytest.mark.parametrize(("live_pct", "verified"), [(10, True), (9, False), (None, False)])
def test_a_route_is_verified_when_the_proxy_shows_what_is_recorded(live_pct: int | None, verified: bool) -> None:
    assert a_route(10, live_pct).verified is verified
