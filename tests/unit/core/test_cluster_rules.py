"""What is different in a cluster: it keeps up stable itself, others may change stable, and a route confirms late."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.model import Role
from controller.core.advance import rule_promoting
from controller.core.back import rule_rolling_back, rule_stable_replaced
from controller.core.check import Violation, check
from controller.core.decide import decide
from controller.core.effects import Ensure, effects, rest_effects
from controller.core.model import HaltCause, Observation, Phase, Reason, RoleState
from controller.core.rules import rule_route
from tests.unit.core.build import (
    ADVANCE,
    CANARY_UP,
    NEW,
    OLD,
    PLAN,
    STABLE_UP,
    T0,
    a_cluster_app,
    a_release,
    a_route,
    scene_of,
    seen_for,
)

REPLACED = RoleState(2, ((OLD, 1), ("v3", 1)), ((OLD, 1), ("v3", 1)), foreign="v3")
STABLE_OLD, STABLE_NEW = Ensure(Role.STABLE, OLD), Ensure(Role.STABLE, NEW)


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.PREPARING, Phase.PROGRESSING, Phase.PAUSED])
def test_nothing_touches_stable_before_the_promotion(phase: Phase) -> None:
    release = a_release(phase, app=a_cluster_app())
    wanted = effects(release, seen_for(release), T0)
    assert not [one for one in wanted if isinstance(one, Ensure) and one.role is Role.STABLE]


def test_the_promotion_and_the_way_back_are_asked_for() -> None:
    app = a_cluster_app()
    promoting, back = a_release(Phase.PROMOTING, app=app), a_release(Phase.ROLLING_BACK, app=app)
    reverted = a_release(Phase.HALTED, app=app, halt=HaltCause.KILL_REVERT, weight_pct=0)
    frozen = a_release(Phase.HALTED, app=app, halt=HaltCause.KILL_HALT, weight_pct=10)
    assert STABLE_NEW in effects(promoting, seen_for(promoting), T0)
    assert STABLE_OLD in effects(back, seen_for(back, route=a_route(0)), T0)
    assert STABLE_OLD in effects(reverted, seen_for(reverted, route=a_route(0)), T0)
    assert STABLE_OLD not in effects(frozen, seen_for(frozen, route=a_route(10)), T0)


def test_at_rest_only_a_left_over_canary_is_taken_away() -> None:
    assert rest_effects(Observation(route=a_route(0)), OLD, keeps_stable=False) == (Ensure(Role.CANARY, None),)
    assert rest_effects(Observation(route=a_route(0)), OLD) == (STABLE_OLD, Ensure(Role.CANARY, None))


@pytest.mark.parametrize(("step", "share_pct"), [(-1, 10), (0, 20), (1, 30), (2, 30)])
def test_the_canary_is_sized_for_the_step_to_come(step: int, share_pct: int) -> None:
    phase = Phase.PREPARING if step < 0 else Phase.PROGRESSING
    release = a_release(phase, step=step, weight_pct=PLAN.steps[step] if step >= 0 else 0)
    wanted = effects(release, seen_for(release, route=a_route(release.weight_pct)), T0)
    assert wanted[-1] == Ensure(Role.CANARY, NEW, share_pct)


@pytest.mark.parametrize("phase", [Phase.PREPARING, Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING])
def test_somebody_else_changing_stable_takes_the_canary_back(phase: Phase) -> None:
    release = a_release(phase, app=a_cluster_app())
    after = rule_stable_replaced(scene_of(release, stable=REPLACED))
    assert after is not None
    assert (after.phase, after.weight_pct, after.reason.code) == (Phase.ROLLING_BACK, 0, "stable_replaced")
    assert "v3" in after.reason.text
    assert rule_stable_replaced(scene_of(release, stable=STABLE_UP)) is None


def test_the_rollback_ends_on_the_version_that_somebody_else_put_there() -> None:
    release = a_release(
        Phase.ROLLING_BACK,
        app=a_cluster_app(),
        zero_since_s=T0 - 1000,
        cause=Reason("stable_replaced", "somebody else"),
        outcome=Phase.ROLLED_BACK,
    )
    only_new = RoleState(2, (("v3", 2),), (("v3", 2),), foreign="v3")
    for stable in (REPLACED, only_new):
        seen = seen_for(release, route=a_route(0), stable=stable, canary=RoleState(0))
        assert decide(release, seen, T0).release.phase is Phase.ROLLED_BACK
    broken = RoleState(2, (("v3", 2),), foreign="v3", note="it crashes")
    seen = seen_for(release, route=a_route(0), stable=broken, canary=RoleState(0))
    held = decide(release, seen, T0).release
    assert (held.phase, held.reason.code) == (Phase.ROLLING_BACK, "stable_not_ready")


def test_a_weight_that_its_route_has_not_confirmed_advances_nothing() -> None:
    release = a_release()
    late = replace(a_route(10), unconfirmed="HTTPRoute web/shop: no gateway has taken generation 4")
    held = rule_route(scene_of(release, route=late, verdict=ADVANCE))
    assert held is not None
    assert (held.weight_pct, held.reason.code) == (10, "waiting_for_route")
    assert "generation 4" in held.reason.text
    assert not late.verified


def test_a_rollback_waits_with_the_instances_until_zero_is_confirmed() -> None:
    late = replace(a_route(0), unconfirmed="HTTPRoute web/shop: no gateway has taken generation 4")
    release = a_release(Phase.ROLLING_BACK, zero_since_s=T0 - 1000)
    held = rule_rolling_back(scene_of(release, route=late, stable=STABLE_UP, canary=CANARY_UP))
    assert held is not None
    assert (held.phase, held.zero_since_s, held.reason.code) == (Phase.ROLLING_BACK, None, "waiting_for_route")
    promoting = a_release(Phase.PROMOTING, weight_pct=0, zero_since_s=T0 - 1000)
    done = rule_promoting(
        scene_of(promoting, route=late, stable=RoleState(2, ((NEW, 2),), ((NEW, 2),)), canary=RoleState(0))
    )
    assert done is not None
    with pytest.raises(Violation, match="known-good"):
        check(promoting, done, seen_for(promoting, route=late, stable=RoleState(2, ((NEW, 2),), ((NEW, 2),))), None)
