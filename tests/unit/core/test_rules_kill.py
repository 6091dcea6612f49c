"""Kills, halts and the way out of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.core.back import rule_abort_on_route, rule_halted, rule_kill_halt, rule_kill_revert
from controller.core.model import HaltCause, IntentKind, Mark, Phase, Reason, Release
from controller.core.moves import ENDED
from controller.core.rules import rule_kill_unreadable
from gates.kill import NOT_ENGAGED, KillAnswer
from tests.unit.core.build import (
    CANARY_UP,
    KILL_HALT,
    KILL_REVERT,
    KILL_UNREADABLE,
    NEW,
    OLD,
    T0,
    a_mark,
    a_release,
    a_role,
    a_route,
    an_intent,
    scene_of,
)

HARM = Reason("worse_than_stable", "5 % errors")
RUNNING = [Phase.PREPARING, Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING]
KILL_RULES = [rule_kill_revert, rule_kill_halt]


@pytest.mark.parametrize("phase", RUNNING)
def test_a_revert_halts_at_weight_zero_and_drops_pending_wishes(phase: Phase) -> None:
    release = a_release(phase, intent=an_intent(IntentKind.PROMOTE_FULL))
    after = rule_kill_revert(scene_of(release, 3, kill=KILL_REVERT))
    assert after is not None
    assert (after.phase, after.weight_pct, after.halt, after.intent) == (Phase.HALTED, 0, HaltCause.KILL_REVERT, None)
    assert after.reason == Reason("killed", KILL_REVERT.text)


@pytest.mark.parametrize("phase", RUNNING)
def test_a_halt_freezes_the_weight_where_it_is(phase: Phase) -> None:
    release = a_release(phase)
    after = rule_kill_halt(scene_of(release, 3, kill=KILL_HALT))
    assert after is not None
    assert (after.phase, after.weight_pct, after.halt) == (Phase.HALTED, release.weight_pct, HaltCause.KILL_HALT)


@pytest.mark.parametrize(("live_pct", "frozen_pct"), [(20, 20), (10, 10), (0, 0), (35, 20), (None, 20)])
def test_a_halt_between_commit_and_write_freezes_at_what_the_users_had(live_pct: int | None, frozen_pct: int) -> None:
    release = a_release(step=1, weight_pct=20)
    after = rule_kill_halt(scene_of(release, kill=KILL_HALT, route=a_route(20, live_pct)))
    assert after is not None
    assert after.weight_pct == frozen_pct


def test_a_halt_with_an_unreadable_route_freezes_at_the_committed_weight() -> None:
    after = rule_kill_halt(scene_of(a_release(), kill=KILL_HALT, route=None))
    assert after is not None
    assert after.weight_pct == 10


@pytest.mark.parametrize("kill", [KILL_REVERT, KILL_HALT])
def test_a_kill_only_holds_a_release_that_has_not_begun(kill: object) -> None:
    scene = scene_of(a_release(Phase.PENDING), kill=kill)
    after = rule_kill_revert(scene) or rule_kill_halt(scene)
    assert after == a_release(Phase.PENDING, reason=Reason("killed", KILL_HALT.text))


@pytest.mark.parametrize("rule", KILL_RULES)
@pytest.mark.parametrize("kill", [KILL_REVERT, KILL_HALT])
def test_a_rollback_goes_on_under_a_kill_because_it_serves_stable(rule: object, kill: object) -> None:
    assert callable(rule)
    assert rule(scene_of(a_release(Phase.ROLLING_BACK), kill=kill)) is None


@pytest.mark.parametrize("phase", sorted(set(Phase) - ENDED))
def test_no_kill_no_halt(phase: Phase) -> None:
    scene = scene_of(a_release(phase))
    assert [rule(scene) for rule in (*KILL_RULES, rule_kill_unreadable)] == [None, None, None]


def test_a_revert_over_a_frozen_release_takes_its_weight_too() -> None:
    frozen = a_release(Phase.HALTED, halt=HaltCause.KILL_HALT, weight_pct=10)
    after = rule_kill_revert(scene_of(frozen, kill=KILL_REVERT))
    assert after is not None
    assert (after.phase, after.weight_pct, after.halt) == (Phase.HALTED, 0, HaltCause.KILL_REVERT)


@pytest.mark.parametrize("cause", list(HaltCause))
def test_a_second_halt_changes_neither_weight_nor_the_way_out(cause: HaltCause) -> None:
    halted = a_release(Phase.HALTED, halt=cause, weight_pct=10)
    after = rule_kill_halt(scene_of(halted, kill=KILL_HALT))
    assert after == replace(halted, reason=Reason("killed", KILL_HALT.text))


@pytest.mark.parametrize("phase", [Phase.PREPARING, Phase.PROGRESSING, Phase.PROMOTING])
def test_an_unreadable_switch_holds_what_would_go_toward_the_canary(phase: Phase) -> None:
    after = rule_kill_unreadable(scene_of(a_release(phase), kill=KILL_UNREADABLE))
    assert after == a_release(phase, reason=Reason("kill_unreadable", KILL_UNREADABLE.text))


def halted_by_kill(**changes: object) -> Release:
    usual: dict[str, Any] = {"halt": HaltCause.KILL_HALT, "weight_pct": 0, "peak_weight_pct": 10}
    return replace(a_release(Phase.HALTED), **{**usual, **changes})


def test_a_released_kill_starts_the_release_again_from_nothing() -> None:
    before = halted_by_kill(
        step=2, paused_s=9.0, baking_since_s=T0, progressing_since_s=T0, bypassed=(an_intent(IntentKind.PROMOTE_STEP),)
    )
    after = rule_halted(scene_of(before, 5))
    assert after is not None
    assert (after.phase, after.step, after.weight_pct, after.attempt) == (Phase.PENDING, -1, 0, 2)
    assert (after.halt, after.judge, after.bypassed, after.paused_s) == (None, None, (), 0.0)
    assert (after.baking_since_s, after.progressing_since_s, after.zero_since_s) == (None, None, None)


@pytest.mark.parametrize("route", [a_route(10), a_route(0, 10), a_route(0, None), None])
def test_after_a_released_kill_traffic_is_on_stable_before_anything_starts_again(route: object) -> None:
    after = rule_halted(scene_of(halted_by_kill(), route=route))
    assert after is not None
    assert (after.phase, after.weight_pct, after.reason.code) == (Phase.HALTED, 0, "kill_released")


def test_after_a_released_kill_a_frozen_weight_goes_to_zero_first() -> None:
    after = rule_halted(scene_of(halted_by_kill(weight_pct=10)))
    assert after is not None
    assert (after.phase, after.weight_pct) == (Phase.HALTED, 0)


def test_a_harmful_canary_is_rolled_back_and_not_tried_again_after_a_kill_came_and_went() -> None:
    after = rule_halted(scene_of(halted_by_kill(cause=HARM, halt=HaltCause.KILL_REVERT)))
    assert after is not None
    assert (after.phase, after.cause) == (Phase.ROLLING_BACK, HARM)


def test_a_halt_stays_while_the_switch_cannot_be_read() -> None:
    after = rule_halted(scene_of(halted_by_kill(), kill=KILL_UNREADABLE))
    assert after is not None
    assert (after.phase, after.reason.code) == (Phase.HALTED, "kill_unreadable")


STABLE_DOWN = a_release(Phase.HALTED, halt=HaltCause.STABLE_DOWN, weight_pct=10, peak_weight_pct=10, cause=HARM)


@pytest.mark.parametrize(
    ("stable", "canary", "rolls_back"),
    [
        (a_role(OLD, 2, ready=0), CANARY_UP, False),
        (a_role(OLD, 2, ready=1), CANARY_UP, True),
        (a_role(OLD, 2, ready=0), a_role(NEW, 1, ready=0), True),
        (None, CANARY_UP, False),
        (a_role(OLD, 2), None, False),
    ],
)
def test_a_halt_for_a_dead_stable_ends_when_stable_is_back_or_the_canary_is_dead_too(
    stable: object, canary: object, rolls_back: bool
) -> None:
    after = rule_halted(scene_of(STABLE_DOWN, stable=stable, canary=canary))
    assert after is not None
    assert after.phase is (Phase.ROLLING_BACK if rolls_back else Phase.HALTED)
    assert after.weight_pct == (0 if rolls_back else 10)


def test_a_dead_stable_is_named_again_after_a_kill_hid_it() -> None:
    hidden = replace(STABLE_DOWN, reason=Reason("killed", "kill k-1"))
    after = rule_halted(scene_of(hidden, stable=a_role(OLD, 2, ready=0)))
    assert after is not None
    assert after.reason.code == "stable_down"
    assert after.reason.text.startswith("5 % errors; not rolled back, because no instance of stable is ready")


@pytest.mark.parametrize("phase", [p for p in sorted(set(Phase) - ENDED) if p is not Phase.HALTED])
def test_what_is_not_halted_is_none_of_that_rules_business(phase: Phase) -> None:
    assert rule_halted(scene_of(a_release(phase))) is None


@pytest.mark.parametrize("kill", [KILL_REVERT, KILL_HALT, NOT_ENGAGED])
def test_an_abort_that_only_the_route_knows_is_not_lost_in_a_kill(kill: KillAnswer) -> None:
    after = rule_abort_on_route(scene_of(halted_by_kill(), kill=kill, route=a_route(0, mark=a_mark("aborted"))))
    assert after is not None
    assert (after.phase, after.cause) == (Phase.ROLLING_BACK, Reason("aborted", "taken down for a test"))


@pytest.mark.parametrize("mark", [a_mark("aborted", release_id="shop-0"), a_mark("killed"), None])
def test_another_mark_is_no_abort(mark: Mark | None) -> None:
    assert rule_abort_on_route(scene_of(halted_by_kill(), route=a_route(0, mark=mark))) is None
