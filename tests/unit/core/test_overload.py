"""An automatic rollback to a stable that is too small: whether it waits, until when, and that nothing else does."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from types import ModuleType
from typing import Any

import pytest

from analysis.model import Role
from controller.core import back
from controller.core.back import rule_halted, rule_marked, rule_verdict
from controller.core.decide import decide
from controller.core.effects import Ensure, Lower, Renew, effects
from controller.core.model import HaltCause, IntentKind, Overload, Phase, Reason, Release, RoleState
from controller.core.scene import CARRIES
from tests.sim.mutants.hook import Patch
from tests.unit.core.build import (
    HARM,
    KILL_HALT,
    KILL_REVERT,
    NEW,
    OLD,
    PLAN,
    STABLE_UP,
    T0,
    a_cluster_app,
    a_mark,
    a_release,
    a_role,
    a_route,
    scene_of,
    seen_for,
    wants,
)

WAIT_S = 120.0
WAITS = replace(PLAN, overload=Overload(ready_pct=80, wait_s=WAIT_S))
CANARY_UP = a_role(NEW, 4)
SHORT = a_role(OLD, 10, ready=7)
ENOUGH = a_role(OLD, 10, ready=8)


def waiting(phase: Phase = Phase.PROGRESSING, **changes: Any) -> Release:
    return a_release(phase, **{"app": a_cluster_app(canary=WAITS), **changes})


def halted(**changes: Any) -> Release:
    cause = Reason(HARM.code, HARM.text)
    usual = {"halt": HaltCause.STABLE_SHORT, "weight_pct": 10, "peak_weight_pct": 10, "cause": cause}
    return waiting(Phase.HALTED, **{**usual, **changes})


@pytest.mark.parametrize("phase", sorted(CARRIES))
def test_an_automatic_rollback_to_a_stable_that_is_too_small_waits_when_the_plan_says_so(phase: Phase) -> None:
    after = rule_verdict(scene_of(waiting(phase), verdict=HARM, stable=SHORT, canary=CANARY_UP))
    assert after is not None
    assert (after.phase, after.halt, after.weight_pct) == (Phase.HALTED, HaltCause.STABLE_SHORT, 10)
    assert after.cause == Reason(HARM.code, HARM.text)
    assert after.reason.code == "stable_short"
    assert after.reason.text.endswith("stable has 7 ready instances and needs 1 more to carry everything")
    assert after.reason.until_s == T0 + WAIT_S


@pytest.mark.parametrize(
    ("changes", "stable", "canary"),
    [
        ({"app": a_cluster_app()}, SHORT, CANARY_UP),
        ({}, ENOUGH, CANARY_UP),
        ({}, None, CANARY_UP),
        ({}, SHORT, None),
        ({}, SHORT, a_role(NEW, 4, ready=0)),
        ({"weight_pct": 0}, SHORT, CANARY_UP),
        ({"stable": None}, SHORT, CANARY_UP),
    ],
    ids=["by default", "enough", "stable unread", "canary unread", "canary dead", "no traffic", "a first version"],
)
def test_it_goes_back_at_once_otherwise(changes: dict[str, Any], stable: object, canary: object) -> None:
    after = rule_verdict(scene_of(waiting(**changes), verdict=HARM, stable=stable, canary=canary))
    assert after is not None
    assert (after.phase, after.weight_pct) == (Phase.ROLLING_BACK, 0)


def test_what_an_autoscaler_took_from_stable_is_missing_too() -> None:
    shrunk = replace(a_role(OLD, 4), full=10)
    assert (shrunk.missing(80), shrunk.missing(40), RoleState(4, full=2).missing(100)) == (4, 0, 4)
    after = rule_verdict(scene_of(waiting(), verdict=HARM, stable=shrunk, canary=CANARY_UP))
    assert after is not None
    assert after.halt is HaltCause.STABLE_SHORT


@pytest.mark.parametrize(
    ("at_s", "stable", "canary", "halt"),
    [
        (WAIT_S - 1, SHORT, CANARY_UP, HaltCause.STABLE_SHORT),
        (WAIT_S, SHORT, CANARY_UP, None),
        (1, ENOUGH, CANARY_UP, None),
        (1, SHORT, a_role(NEW, 4, ready=0), None),
        (WAIT_S, a_role(OLD, 10, ready=0), CANARY_UP, HaltCause.STABLE_DOWN),
        (1, None, CANARY_UP, HaltCause.STABLE_SHORT),
        (1, SHORT, None, HaltCause.STABLE_SHORT),
        (WAIT_S, None, None, None),
    ],
)
def test_the_wait_ends_with_enough_of_stable_with_a_dead_canary_or_with_its_time(
    at_s: float, stable: object, canary: object, halt: HaltCause | None
) -> None:
    after = rule_halted(scene_of(halted(), at_s, stable=stable, canary=canary))
    assert after is not None
    assert (after.halt, after.weight_pct) == (halt, 10 if halt else 0)
    assert after.phase is (Phase.HALTED if halt else Phase.ROLLING_BACK)


def test_a_stable_that_comes_back_small_is_waited_for_no_longer_than_the_rest_of_the_time() -> None:
    down = halted(halt=HaltCause.STABLE_DOWN)
    for at_s, phase in ((WAIT_S - 1, Phase.HALTED), (WAIT_S, Phase.ROLLING_BACK)):
        after = rule_halted(scene_of(down, at_s, stable=SHORT, canary=CANARY_UP))
        assert after is not None
        assert after.phase is phase


@pytest.mark.parametrize("release", [waiting(), halted()], ids=["carrying", "waiting"])
@pytest.mark.parametrize("stable", [SHORT, a_role(OLD, 10, ready=0), None], ids=["short", "down", "unread"])
def test_an_abort_a_kill_and_a_mark_on_the_route_wait_for_nothing(release: Release, stable: object) -> None:
    seen = seen_for(release, stable=stable, canary=CANARY_UP, route=a_route(10))
    aborted = decide(wants(release, IntentKind.ABORT), seen, T0, 1).release
    assert (aborted.phase, aborted.weight_pct) == (Phase.ROLLING_BACK, 0)
    assert isinstance(effects(aborted, seen, T0)[0], Lower)
    killed = decide(release, replace(seen, kill=KILL_REVERT), T0, 1).release
    assert (killed.halt, killed.weight_pct) == (HaltCause.KILL_REVERT, 0)
    marked = rule_marked(scene_of(waiting(), stable=stable, route=a_route(0, mark=a_mark("aborted"))))
    assert marked is not None
    assert (marked.phase, marked.weight_pct) == (Phase.ROLLING_BACK, 0)


def test_while_it_waits_the_weight_is_renewed_and_stable_is_brought_back_to_its_size() -> None:
    release = halted()
    seen = seen_for(release, stable=SHORT, canary=CANARY_UP, route=a_route(10))
    assert effects(release, seen, T0) == (Renew(), Ensure(Role.STABLE, OLD))


def test_a_kill_that_halts_meanwhile_holds_it_and_its_end_lets_it_go_back() -> None:
    release = halted()
    seen = seen_for(release, stable=STABLE_UP, canary=CANARY_UP, route=a_route(10))
    held = decide(release, replace(seen, kill=KILL_HALT), T0 + 1, 1).release
    assert (held.phase, held.halt, held.reason.code) == (Phase.HALTED, HaltCause.STABLE_SHORT, "killed")
    assert decide(held, seen, T0 + 2, 1).release.phase is Phase.ROLLING_BACK


MUTANTS = {
    "it waits without an end": Patch("controller.core.scene", " or scene.now_s >= until_s:", ":"),
    "it waits for a canary without traffic": Patch("controller.core.scene", "if release.weight_pct == 0 or ", "if "),
    "it waits for the sake of a dead canary": Patch("controller.core.scene", " or canary.ready_any == 0:", ":"),
    "it does not ask the plan": Patch("controller.core.scene", "since_s + overload.wait_s", "since_s + 600.0"),
    "every look begins the wait anew": Patch(
        "controller.core.back", "release.cause, release.entered_at_s)", "release.cause, scene.now_s)"
    ),
    "what cannot be read holds for ever": Patch(
        "controller.core.back", "    if scene.now_s >= until_s:\n", "    if False:\n"
    ),
    "a dead stable is no reason to stay": Patch(
        "controller.core.scene", "    if stable.ready_any == 0:\n", "    if False:\n"
    ),
}


@pytest.mark.parametrize("patch", MUTANTS.values(), ids=MUTANTS)
def test_a_planted_bug_in_the_wait_changes_what_these_tests_see(patch: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    right = outcomes(back)
    module = ModuleType(patch.module)
    exec(compile(patch.applied(patch.path.read_text()), patch.module, "exec"), module.__dict__)
    if patch.module == "controller.core.back":
        assert outcomes(module) != right
        return
    for name in ("kept_from_stable", "roll_back_by_itself"):
        monkeypatch.setattr(back, name, getattr(module, name))
    assert outcomes(back) != right


def outcomes(rules: ModuleType) -> list[tuple[Phase, HaltCause | None]]:
    """Of the situations above, by the rules of ``rules``."""
    stables = (SHORT, ENOUGH, a_role(OLD, 10, ready=0), None)
    canaries = (CANARY_UP, a_role(NEW, 4, ready=0), None)
    starts = (waiting(), waiting(app=a_cluster_app()), waiting(weight_pct=0))
    found = [
        rules.rule_verdict(scene_of(release, verdict=HARM, stable=stable, canary=canary))
        for release, stable, canary in product(starts, stables, canaries)
    ]
    found += [
        rules.rule_halted(scene_of(halted(), at_s, stable=stable, canary=canary))
        for at_s, stable, canary in product((1, WAIT_S - 1, WAIT_S), stables, canaries)
    ]
    return [(after.phase, after.halt) for after in found]
