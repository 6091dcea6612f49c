"""The fresh baseline: it holds the first weight until it is there, and never takes one back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from analysis.model import Outcome, Reading, Readings, Role, Series
from analysis.samples import Point
from controller.core.advance import rule_prepare, rule_restart_step
from controller.core.beside import baseline_of
from controller.core.check import check
from controller.core.decide import decide
from controller.core.model import Baseline, Phase, Release, RoleState
from controller.core.rules import RULES
from tests.unit.core.build import ADVANCE, CANARY_UP, NEW, PLAN, SPEC, T0, a_cluster_app, a_release, scene_of, seen_for

APP = a_cluster_app(canary=replace(PLAN, baseline=True), analysis=replace(SPEC, latency_warmup_s=120.0))
READY = a_release(Phase.PREPARING, app=APP)
RUNNING = a_release(app=APP)


def canary(*ready: tuple[str, float], wanted: int = 2, note: str = "") -> RoleState:
    return replace(CANARY_UP, baseline=Baseline(wanted, ready, note))


STANDS = canary(("b1", T0), ("b2", T0))


def test_the_first_weight_is_given_when_it_is_there() -> None:
    after = rule_prepare(scene_of(READY, canary=STANDS))
    assert after is not None
    assert after.weight_pct == 10


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (CANARY_UP, "0 of 1"),
        (canary(), "0 of 2"),
        (canary(("b1", T0), note="b2: image cannot be pulled"), "1 of 2 baseline instances of v1 are ready: b2: image"),
        (canary(wanted=0), "0 of 1"),
    ],
)
@pytest.mark.parametrize("release", [READY, a_release(app=APP, step=-1, weight_pct=0)])
def test_until_then_it_waits_and_says_for_what(release: Release, seen: RoleState, says: str) -> None:
    rule = rule_prepare if release.phase is Phase.PREPARING else rule_restart_step
    after = rule(scene_of(release, canary=seen))
    assert after is not None
    assert (after.weight_pct, after.reason.code) == (0, "baseline_not_ready")
    assert says in after.reason.text


def test_the_wait_ends_at_the_deadline_of_the_preparation() -> None:
    decision = decide(READY, seen_for(READY, canary=canary()), T0 + PLAN.prepare_deadline_s + 1)
    assert (decision.release.phase, decision.release.reason.code) == (Phase.ROLLING_BACK, "prepare_deadline")


def test_an_application_without_one_asks_for_none() -> None:
    plain = a_release(Phase.PREPARING, app=a_cluster_app())
    after = rule_prepare(scene_of(plain))
    assert after is not None
    assert after.weight_pct == 10
    assert baseline_of(a_release(app=a_cluster_app()), seen_for(RUNNING, canary=STANDS), T0) is None


@pytest.mark.parametrize(
    ("seen", "at_s", "names"),
    [
        (STANDS, 1.0, {"b1", "b2"}),
        (canary(("b1", T0 - 30)), 1.0, {"b1"}),
        (canary(("b1", T0), ("late", T0 + 50)), 100.0, {"b1"}),
        (canary(("b1", T0), ("late", T0 + 50)), 170.0, {"b1", "late"}),
        (canary(), 1.0, set()),
        (CANARY_UP, 1.0, set()),
        (None, 1.0, set()),
    ],
    ids=["both", "one", "young", "warm", "none ready", "none", "not readable"],
)
def test_who_stands_for_stable(seen: RoleState | None, at_s: float, names: set[str]) -> None:
    found = baseline_of(RUNNING, seen_for(RUNNING, canary=seen), T0 + at_s)
    assert found is not None
    assert set(found) == names


def readings(at_s: float) -> Readings:
    def side(role: Role, *pods: str) -> list[Reading]:
        return [
            Reading(metric, role, Outcome.OK, tuple(series(metric, pod, each) for pod in pods))
            for metric, each in (("total", 100.0), ("bad", 0.0))
        ]

    def series(metric: str, pod: str, each: float) -> Series:
        return Series(f"{metric} {pod}", (Point(T0, 0.0), Point(T0 + at_s, each)), None, pod, pod=pod)

    return Readings(T0 + at_s, (*side(Role.STABLE, "s1", "s2", "b1", "b2"), *side(Role.CANARY, "c1")))


@pytest.mark.parametrize(("seen", "total"), [(STANDS, 200.0), (canary(("b1", T0)), 100.0), (canary(), 400.0)])
def test_a_decision_compares_with_it_and_with_all_of_stable_when_it_is_gone(seen: RoleState, total: float) -> None:
    decision = decide(RUNNING, seen_for(RUNNING, canary=seen, readings=readings(30.0)), T0 + 30.0)
    judge = decision.release.judge
    assert judge is not None
    assert judge.metrics[0].stable_total == total
    assert (decision.release.phase, decision.release.weight_pct) == (Phase.PROGRESSING, 10), "it takes no weight back"
    assert decision.verdict is not None
    assert ("all of stable is compared with" in decision.verdict.text) is (total == 400.0)


def test_nothing_else_waits_for_it() -> None:
    """Not the next weight, nor any way back."""
    late = replace(RUNNING, baking_since_s=T0 - 600)
    scene = scene_of(late, 1.0, verdict=ADVANCE, canary=canary())
    after = next(answer for rule in RULES if (answer := rule(scene)) is not None)
    assert after.weight_pct == 20
    check(late, after, scene.seen, ADVANCE)
    assert after.canary == NEW


def test_the_canary_is_what_it_is_without_its_baseline() -> None:
    fields: dict[str, Any] = {"wanted": 1, "running": ((NEW, 1),), "ready": ((NEW, 1),)}
    assert RoleState(**fields, baseline=Baseline(1)).settled_on(NEW)
