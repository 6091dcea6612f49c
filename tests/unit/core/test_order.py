"""The order of RULES is the safety policy: each pair here names two rules whose order protects users, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.core.model import IntentKind, Phase
from controller.core.rules import RULES
from tests.unit.core.build import (
    HARM,
    KILL_HALT,
    KILL_REVERT,
    KILL_UNREADABLE,
    NEW,
    OLD,
    PROVEN,
    a_mark,
    a_release,
    a_role,
    a_route,
    scene_of,
    wants,
)

NAMES = [rule.__name__ for rule in RULES]

PAIRS = [
    ("rule_ended", "rule_abort", "an ended release is never moved again, not even by an abort"),
    ("rule_abort", "rule_kill_revert", "a kill must not keep a person from going back to stable"),
    ("rule_abort_on_route", "rule_kill_halt", "a kill must not overwrite the only trace of an abort"),
    ("rule_abort", "rule_kill_halt", "a freeze must not keep a person from going back to stable"),
    ("rule_kill_revert", "rule_kill_halt", "with both engaged the one that takes traffic back wins"),
    ("rule_kill_revert", "rule_halted", "a revert over a frozen release still takes its weight"),
    ("rule_kill_halt", "rule_halted", "a release does not leave its halt while any kill is engaged"),
    ("rule_kill_revert", "rule_verdict", "under a kill nothing moves by itself, for whatever reason"),
    ("rule_marked", "rule_taken_down", "an abort that only the route knows is not mistaken for a lapsed lease"),
    ("rule_marked", "rule_route", "the record follows a route that was taken down before the drift is put back"),
    ("rule_taken_down", "rule_route", "traffic that a lapsed lease took back is not simply written again"),
    ("rule_canary_gone", "rule_kill_unreadable", "going back waits for no readable switch"),
    ("rule_verdict", "rule_kill_unreadable", "going back waits for no readable switch"),
    ("rule_deadline", "rule_kill_unreadable", "going back waits for no readable switch"),
    ("rule_no_data", "rule_kill_unreadable", "going back waits for no readable switch"),
    ("rule_canary_gone", "rule_route", "a dead canary is left at once even if the route cannot be read"),
    ("rule_verdict", "rule_route", "harm goes back even if the route shows something else than was written"),
    ("rule_no_data", "rule_route", "blindness ends although the route is in trouble as well"),
    ("rule_verdict", "rule_pause", "harm is not kept on the users by a pause"),
    ("rule_verdict", "rule_promote", "a bypass passes missing evidence, never evidence of harm"),
    ("rule_verdict", "rule_advance", "harm is looked at before the next weight"),
    ("rule_canary_gone", "rule_promote", "nobody promotes a canary that is not there"),
    ("rule_kill_unreadable", "rule_start", "nothing starts under a switch that cannot be read"),
    ("rule_kill_unreadable", "rule_promote", "a bypass passes no kill"),
    ("rule_kill_unreadable", "rule_advance", "no weight rises under a switch that cannot be read"),
    ("rule_route", "rule_prepare", "the first weight needs a verified route"),
    ("rule_route", "rule_promote", "a bypass does not pass an unverified weight"),
    ("rule_route", "rule_promoting", "a promotion ends only on a verified route"),
    ("rule_route", "rule_bake", "time at a weight counts from when the weight was seen"),
    ("rule_pause", "rule_advance", "a pause wins over a verdict that allows more"),
    ("rule_pause", "rule_prepare", "a pause keeps the first weight back as well"),
    ("rule_first_install", "rule_promoting", "a first version has no canary to hand over"),
    ("rule_not_ready", "rule_restart_step", "the first weight after a lapsed lease needs both sides ready"),
    ("rule_not_ready", "rule_promote", "a bypass does not pass a missing instance"),
    ("rule_not_ready", "rule_advance", "no weight rises while an instance is missing"),
    ("rule_restart_step", "rule_advance", "a step that was lost is given again before it is judged"),
    ("rule_restart_step", "rule_bake", "a step that was lost is given again before it bakes"),
    ("rule_bake", "rule_advance", "a weight bakes before the next one"),
]


@pytest.mark.parametrize(("first", "second", "why"), PAIRS, ids=[f"{a} before {b}" for a, b, _ in PAIRS])
def test_the_order_that_protects_users(first: str, second: str, why: str) -> None:
    assert NAMES.index(first) < NAMES.index(second), why


def test_every_rule_is_listed_once_and_has_one_sentence() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert [rule.__name__ for rule in RULES if not (rule.__doc__ or "").strip()] == []


def first_to_answer(scene: object) -> str:
    return next(rule.__name__ for rule in RULES if rule(scene) is not None)  # type: ignore[arg-type]


def test_which_rule_answers_when_everything_happens_at_once() -> None:
    """A canary that fails and is gone, on a route in trouble, under a kill, with a person aborting: one by one."""
    release = wants(a_release(), IntentKind.ABORT)
    worst = scene_of(
        release,
        99_999,
        HARM,
        kill=KILL_REVERT,
        route=a_route(0, mark=a_mark(), lease_expired=True),
        canary=a_role(NEW, 1, ready=0),
        stable=a_role(OLD, 2),
    )
    assert first_to_answer(worst) == "rule_abort"
    calmer = replace(worst, release=replace(release, intent=None))
    assert first_to_answer(calmer) == "rule_abort_on_route"
    calmer = replace(calmer, seen=replace(calmer.seen, route=a_route(0, mark=a_mark("breaker"), lease_expired=True)))
    assert first_to_answer(calmer) == "rule_kill_revert"
    calmer = replace(calmer, seen=replace(calmer.seen, kill=KILL_HALT))
    assert first_to_answer(calmer) == "rule_kill_halt"
    calmer = replace(calmer, seen=replace(calmer.seen, kill=KILL_UNREADABLE))
    assert first_to_answer(calmer) == "rule_marked"
    calmer = replace(calmer, seen=replace(calmer.seen, route=a_route(0, lease_expired=True)))
    assert first_to_answer(calmer) == "rule_taken_down"
    calmer = replace(calmer, seen=replace(calmer.seen, route=a_route(0, 50)))
    assert first_to_answer(calmer) == "rule_canary_gone"
    calmer = replace(calmer, seen=replace(calmer.seen, canary=a_role(NEW, 1)))
    assert first_to_answer(calmer) == "rule_verdict"
    calmer = replace(calmer, verdict=PROVEN)
    assert first_to_answer(calmer) == "rule_no_data"
    calmer = replace(calmer, now_s=release.entered_at_s + 61)
    assert first_to_answer(calmer) == "rule_kill_unreadable"
    calmer = replace(calmer, seen=replace(calmer.seen, kill=scene_of(release).seen.kill))
    assert first_to_answer(calmer) == "rule_route"
    calmer = replace(calmer, seen=replace(calmer.seen, route=a_route(10)))
    assert first_to_answer(calmer) == "rule_advance"


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("kind", [None, *IntentKind])
def test_some_rule_answers_for_every_phase_and_every_wish(phase: Phase, kind: IntentKind | None) -> None:
    release = a_release(phase) if kind is None else wants(a_release(phase), kind, step=0)
    assert first_to_answer(scene_of(release, 1)) in NAMES
