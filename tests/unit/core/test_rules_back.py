"""The rules that take traffic back by themselves, and the rollback itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from analysis.model import Judgement
from controller.core.back import (
    rule_canary_gone,
    rule_deadline,
    rule_ended,
    rule_marked,
    rule_no_data,
    rule_rolling_back,
    rule_taken_down,
    rule_verdict,
    rule_was_killed,
)
from controller.core.decide import decide
from controller.core.model import HaltCause, IntentKind, Phase, Reason, Release, RoleState, RouteState
from controller.core.moves import ENDED
from tests.unit.core.build import (
    ADVANCE,
    CANARY_UP,
    HARM,
    HOLDS,
    NEW,
    OLD,
    PLAN,
    SPEC,
    STABLE_UP,
    T0,
    TRIPPED,
    a_mark,
    a_release,
    a_role,
    a_route,
    a_verdict,
    an_external_app,
    scene_of,
    wants,
)

CARRYING = [Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING]
ELSEWHERE = [p for p in sorted(set(Phase) - ENDED) if p not in CARRYING]
CANARY_DEAD = a_role(NEW, 1, ready=0, note="exited with code 1")


@pytest.mark.parametrize("phase", list(Phase))
def test_only_a_release_that_has_ended_stays_as_it_is(phase: Phase) -> None:
    release = a_release(phase)
    assert rule_ended(scene_of(release)) == (release if phase in ENDED else None)


@pytest.mark.parametrize("phase", CARRYING)
def test_a_route_taken_down_for_this_release_rolls_it_back(phase: Phase) -> None:
    release = a_release(phase)
    after = rule_marked(scene_of(release, route=a_route(0, mark=a_mark("aborted"))))
    assert after is not None
    assert (after.phase, after.cause) == (Phase.ROLLING_BACK, Reason("aborted", "taken down for a test"))


@pytest.mark.parametrize(
    "route",
    [
        None,
        a_route(10),
        a_route(0, mark=a_mark("aborted", release_id="shop-0")),
        a_route(0, mark=a_mark("killed", release_id=None, engagement="k-1")),
        a_route(0, mark=a_mark("at_zero")),
        a_route(0, mark=a_mark("lease_expired")),
    ],
)
def test_a_mark_of_another_release_or_one_without_harm_does_not_roll_back(route: object) -> None:
    assert rule_marked(scene_of(a_release(), route=route)) is None


@pytest.mark.parametrize("release", [a_release(weight_pct=0), *[a_release(phase) for phase in ELSEWHERE]])
def test_a_mark_on_a_release_without_a_weight_says_nothing_new(release: Release) -> None:
    assert rule_marked(scene_of(release, route=a_route(0, mark=a_mark()))) is None


LAPSED = a_route(0, lease_expired=True)


@pytest.mark.parametrize("phase", [Phase.PROGRESSING, Phase.PAUSED])
def test_a_lapsed_lease_sends_the_release_back_before_its_first_step(phase: Phase) -> None:
    after = rule_taken_down(scene_of(a_release(phase, step=1, weight_pct=20), route=LAPSED))
    assert after is not None
    assert (after.phase, after.step, after.weight_pct, after.baking_since_s) == (phase, -1, 0, None)
    assert after.reason.code == "lease_expired"
    assert "20 %" in after.reason.text


def test_a_lapsed_lease_does_not_stop_a_promotion_only_its_canary_traffic() -> None:
    after = rule_taken_down(scene_of(a_release(Phase.PROMOTING, step=2, weight_pct=30), route=LAPSED))
    assert after is not None
    assert (after.phase, after.step, after.weight_pct) == (Phase.PROMOTING, 2, 0)


@pytest.mark.parametrize(
    ("release", "route"),
    [
        (a_release(), None),
        (a_release(), a_route(10)),
        (a_release(), replace(LAPSED, release_id="shop-0")),
        (a_release(weight_pct=0, step=-1), LAPSED),
        *[(a_release(phase), LAPSED) for phase in ELSEWHERE],
    ],
)
def test_a_lease_that_holds_or_is_not_ours_changes_nothing(release: Release, route: object) -> None:
    assert rule_taken_down(scene_of(release, route=route)) is None


@pytest.mark.parametrize("phase", CARRYING)
@pytest.mark.parametrize("canary", [CANARY_DEAD, RoleState(1), a_role("v3", 1)])
def test_a_canary_without_a_ready_instance_loses_its_traffic_now(phase: Phase, canary: RoleState) -> None:
    after = rule_canary_gone(scene_of(a_release(phase), canary=canary, stable=STABLE_UP))
    assert after is not None
    assert (after.phase, after.weight_pct, after.reason.code) == (Phase.ROLLING_BACK, 0, "canary_gone")


def test_the_sentence_about_a_dead_canary_holds_its_last_words() -> None:
    after = rule_canary_gone(scene_of(a_release(), canary=CANARY_DEAD))
    assert after is not None
    assert after.reason.text == "no instance of the canary v2 is ready: exited with code 1"


@pytest.mark.parametrize(
    ("release", "canary"),
    [
        (a_release(), CANARY_UP),
        (a_release(), None),
        (a_release(), a_role(NEW, 3, ready=1)),
        (a_release(weight_pct=0), CANARY_DEAD),
        *[(a_release(phase), CANARY_DEAD) for phase in ELSEWHERE],
    ],
)
def test_a_canary_that_is_partly_up_unseen_or_without_traffic_is_not_gone(release: Release, canary: object) -> None:
    assert rule_canary_gone(scene_of(release, canary=canary)) is None


@pytest.mark.parametrize("phase", CARRYING)
@pytest.mark.parametrize("verdict", [HARM, TRIPPED])
def test_harm_rolls_back_with_the_metric_and_its_figures_as_the_cause(phase: Phase, verdict: object) -> None:
    after = rule_verdict(scene_of(a_release(phase), 5, verdict=verdict))  # type: ignore[arg-type]
    assert after is not None
    assert (after.phase, after.weight_pct) == (Phase.ROLLING_BACK, 0)
    assert after.cause in (Reason(HARM.code, HARM.text), Reason(TRIPPED.code, TRIPPED.text))


@pytest.mark.parametrize("verdict", [None, ADVANCE, HOLDS, a_verdict(Judgement.OK)])
def test_a_verdict_without_harm_rolls_nothing_back(verdict: object) -> None:
    assert rule_verdict(scene_of(a_release(), verdict=verdict)) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("phase", ELSEWHERE)
def test_harm_is_no_news_where_the_canary_has_no_traffic(phase: Phase) -> None:
    assert rule_verdict(scene_of(a_release(phase), verdict=HARM)) is None


STABLE_DEAD = a_role(OLD, 2, ready=0)


@pytest.mark.parametrize(
    ("stable", "canary", "stays"),
    [
        (STABLE_DEAD, CANARY_UP, True),
        (STABLE_DEAD, CANARY_DEAD, False),
        (STABLE_DEAD, None, False),
        (None, CANARY_UP, False),
        (a_role(OLD, 2, ready=1), CANARY_UP, False),
    ],
)
def test_an_automatic_rollback_halts_only_when_the_canary_is_the_last_one_serving(
    stable: object, canary: object, stays: bool
) -> None:
    after = rule_verdict(scene_of(a_release(), verdict=HARM, stable=stable, canary=canary))
    assert after is not None
    assert after.phase is (Phase.HALTED if stays else Phase.ROLLING_BACK)
    assert after.weight_pct == (10 if stays else 0)
    assert after.halt is (HaltCause.STABLE_DOWN if stays else None)
    assert after.cause == Reason(HARM.code, HARM.text)


@pytest.mark.parametrize(
    ("waited_s", "back"), [(PLAN.prepare_deadline_s, False), (PLAN.prepare_deadline_s + 0.1, True)]
)
def test_a_canary_that_never_gets_ready_is_taken_away_at_the_deadline(waited_s: float, back: bool) -> None:
    after = rule_deadline(scene_of(a_release(Phase.PREPARING), waited_s, canary=CANARY_DEAD))
    assert (after is not None) is back
    if after is not None:
        assert (after.phase, after.outcome, after.peak_weight_pct) == (Phase.ROLLING_BACK, Phase.FAILED, 0)
        assert after.reason.text.endswith("last seen: exited with code 1")


@pytest.mark.parametrize("canary", [None, CANARY_UP])
def test_without_a_note_the_deadline_names_what_was_waited_for(canary: object) -> None:
    after = rule_deadline(scene_of(a_release(Phase.PREPARING), 601, canary=canary))
    assert after is not None
    assert after.reason.text.endswith("last seen: some reason")


@pytest.mark.parametrize("kind", [IntentKind.PAUSE, IntentKind.RESUME])
def test_a_pause_stops_the_deadline_of_the_preparation_until_its_resume_was_heard(kind: IntentKind) -> None:
    assert rule_deadline(scene_of(wants(a_release(Phase.PREPARING), kind), 9_999)) is None


@pytest.mark.parametrize(("waited_s", "back"), [(PLAN.promote_deadline_s, False), (PLAN.promote_deadline_s + 1, True)])
def test_a_promotion_that_does_not_get_through_is_rolled_back(waited_s: float, back: bool) -> None:
    after = rule_deadline(scene_of(a_release(Phase.PROMOTING), waited_s))
    assert (after is not None) is back
    if after is not None:
        assert (after.phase, after.reason.code) == (Phase.ROLLING_BACK, "promote_deadline")


def test_a_stuck_promotion_halts_when_only_the_canary_serves() -> None:
    after = rule_deadline(scene_of(a_release(Phase.PROMOTING), 9_999, stable=a_role(NEW, 2, ready=0)))
    assert after is not None
    assert after.phase is Phase.HALTED


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.PROGRESSING, Phase.PAUSED, Phase.ROLLING_BACK, Phase.HALTED])
def test_no_deadline_runs_in_other_phases(phase: Phase) -> None:
    assert rule_deadline(scene_of(a_release(phase), 99_999)) is None


LIMIT_S = SPEC.no_data_timeout_s


@pytest.mark.parametrize(
    ("at_s", "fresh_s", "back"),
    [(LIMIT_S, None, False), (LIMIT_S + 1, None, True), (LIMIT_S + 1, 2.0, False), (LIMIT_S + 3, 2.0, True)],
)
def test_a_canary_nobody_can_see_for_too_long_is_rolled_back(at_s: float, fresh_s: float | None, back: bool) -> None:
    verdict = replace(HOLDS, fresh_at_s=None if fresh_s is None else T0 + fresh_s)
    after = rule_no_data(scene_of(a_release(), at_s, verdict=verdict))
    assert (after is not None) is back
    if after is not None:
        assert (after.phase, after.reason.code) == (Phase.ROLLING_BACK, "no_data")
        assert after.reason.text == "no data about the canary for 300 s: 12 of 50 requests"


def test_without_any_verdict_the_cause_is_the_trouble_of_the_metrics() -> None:
    after = rule_no_data(scene_of(a_release(), LIMIT_S + 1, troubles=(("metrics", "connection refused"),)))
    assert after is not None
    assert after.reason.text.endswith("connection refused")


@pytest.mark.parametrize(
    "release",
    [
        a_release(baking_since_s=None),
        a_release(entered_at_s=T0 + 600),
        a_release(weight_pct=0),
        *[a_release(p) for p in ELSEWHERE],
    ],
)
def test_silence_is_not_counted_before_the_weight_is_live_or_without_one(release: Release) -> None:
    assert rule_no_data(scene_of(release, LIMIT_S + 10)) is None


@pytest.mark.parametrize("phase", CARRYING)
def test_a_canary_nobody_sees_is_taken_back_from_every_phase_that_gives_it_traffic(phase: Phase) -> None:
    after = rule_no_data(scene_of(a_release(phase), LIMIT_S + 10))
    assert after is not None
    assert after.reason.code == "no_data"


KILLED = replace(a_mark(), release_id=None, code="killed", text="kill k-1 by eve", engagement="k-1")


@pytest.mark.parametrize("phase", CARRYING)
@pytest.mark.parametrize(
    "route",
    [
        a_route(10, halts=(KILLED,)),
        a_route(0, halts=(KILLED,), mark=KILLED),
        a_route(0, mark=KILLED),
    ],
)
def test_a_kill_that_came_and_went_between_two_looks_starts_the_release_again(phase: Phase, route: RouteState) -> None:
    scene = scene_of(a_release(phase), 1, route=route, released_kills=frozenset({"k-1"}))
    after = rule_was_killed(scene)
    assert after is not None
    assert (after.phase, after.halt, after.weight_pct) == (Phase.HALTED, HaltCause.KILL_REVERT, 0)
    assert decide(a_release(phase), scene.seen, T0 + 1).release.phase in (Phase.HALTED, Phase.ROLLING_BACK)


@pytest.mark.parametrize("route", [a_route(10), a_route(10, mark=KILLED), a_route(0, mark=a_mark()), a_route(5), None])
def test_without_a_released_kill_on_the_route_nothing_was_killed(route: RouteState | None) -> None:
    assert rule_was_killed(scene_of(a_release(), 1, route=route)) is None


@pytest.mark.parametrize("code", ["found_lower", "at_rest"])
def test_no_weight_rises_over_a_lowering_that_nobody_recorded(code: str) -> None:
    route = a_route(0, mark=replace(a_mark(), release_id=None, code=code, text="found at 0 %"))
    after = rule_taken_down(scene_of(a_release(), 1, route=route))
    assert after is not None
    assert (after.weight_pct, after.step, after.reason.code) == (0, -1, code)


def test_a_release_that_never_asked_for_traffic_is_not_held_for_ever_by_a_route_that_cannot_be_read() -> None:
    never = a_release(Phase.ROLLING_BACK, peak_weight_pct=0, outcome=Phase.FAILED)
    waits = rule_rolling_back(scene_of(never, 1, route=None))
    drains = rule_rolling_back(scene_of(never, PLAN.drain_s + 1, route=None))
    assert waits is not None
    assert drains is not None
    assert (waits.reason.code, drains.reason.code) == ("route_unreadable", "draining")
    ends = rule_rolling_back(scene_of(drains, 2 * PLAN.drain_s + 2, route=None, canary=RoleState(1)))
    assert ends is not None
    assert ends.phase is Phase.FAILED
    had = rule_rolling_back(scene_of(a_release(Phase.ROLLING_BACK), PLAN.drain_s + 1, route=None))
    assert had is not None
    assert had.phase is Phase.ROLLING_BACK


BACK = a_release(Phase.ROLLING_BACK)
GONE = RoleState(1)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"route": None}, "route_unreadable"),
        ({"route": a_route(0, None, trouble="no answer")}, "route_unreadable"),
        ({"route": a_route(0, 10)}, "waiting_for_route"),
        ({"stable": None}, "stable_unreadable"),
        ({"stable": a_role(OLD, 2, ready=0, note="starting")}, "stable_not_ready"),
        ({"stable": RoleState(2, ((OLD, 2), (NEW, 1)), ((OLD, 2),))}, "stable_returning"),
        ({}, "draining"),
    ],
)
def test_a_rollback_waits_for_the_route_then_for_stable_then_for_the_drain(changes: dict[str, Any], code: str) -> None:
    after = rule_rolling_back(scene_of(BACK, 5, **changes))
    assert after is not None
    assert (after.phase, after.reason.code) == (Phase.ROLLING_BACK, code)


@pytest.mark.parametrize("route", [None, a_route(0, None), a_route(0, 3)])
def test_the_drain_begins_again_when_the_route_is_not_surely_at_zero(route: object) -> None:
    after = rule_rolling_back(scene_of(replace(BACK, zero_since_s=T0), 5, route=route))
    assert after is not None
    assert after.zero_since_s is None


def test_the_drain_counts_from_the_moment_the_route_was_seen_at_zero() -> None:
    after = rule_rolling_back(scene_of(BACK, 5))
    assert after is not None
    assert (after.zero_since_s, after.reason.until_s) == (T0 + 5, T0 + 5 + PLAN.drain_s)


@pytest.mark.parametrize(
    ("canary", "code"), [(CANARY_UP, "stopping_canary"), (None, "canary_unreadable"), (GONE, "errors")]
)
def test_after_the_drain_a_rollback_ends_when_the_canary_is_gone(canary: object, code: str) -> None:
    drained = replace(BACK, zero_since_s=T0)
    after = rule_rolling_back(scene_of(drained, PLAN.drain_s, canary=canary))
    assert after is not None
    assert after.reason.code == code
    assert after.phase is (Phase.ROLLED_BACK if canary is GONE else Phase.ROLLING_BACK)


@pytest.mark.parametrize(
    ("left", "text"), [(1, "the last canary instance is still stopping"), (2, "2 canary instances are still stopping")]
)
def test_a_rollback_says_how_many_canary_instances_are_left(left: int, text: str) -> None:
    drained, canary = replace(BACK, zero_since_s=T0), replace(CANARY_UP, running=((NEW, left),))
    after = rule_rolling_back(scene_of(drained, PLAN.drain_s, canary=canary))
    assert after is not None
    assert after.reason.text == text


def test_nobody_waits_for_instances_that_someone_else_runs() -> None:
    external = replace(BACK, app=an_external_app(), zero_since_s=T0)
    after = rule_rolling_back(scene_of(external, PLAN.drain_s, canary=CANARY_UP))
    assert after is not None
    assert after.phase is Phase.ROLLED_BACK


def test_without_a_stable_version_a_rollback_waits_for_none() -> None:
    first = replace(BACK, stable=None, outcome=Phase.FAILED, zero_since_s=T0)
    after = rule_rolling_back(scene_of(first, PLAN.drain_s, stable=None, canary=GONE))
    assert after is not None
    assert (after.phase, after.reason) == (Phase.FAILED, BACK.cause)


@pytest.mark.parametrize("phase", [p for p in Phase if p is not Phase.ROLLING_BACK])
def test_only_a_rollback_rolls_back(phase: Phase) -> None:
    assert rule_rolling_back(scene_of(a_release(phase))) is None
