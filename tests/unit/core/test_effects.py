"""What the world is driven to in every phase, derived from the committed release and what was seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from analysis.model import Role
from controller.core.effects import Ensure, Lower, Renew, SetWeight, Unhalt, effects, mark_of, rest_effects
from controller.core.model import HaltCause, Mark, Observation, Phase, Reason, Release, RoleState
from controller.core.moves import ENDED
from tests.unit.core.build import NEW, OLD, PLAN, T0, a_mark, a_release, a_route, seen_for

STABLE_OLD, STABLE_NEW = Ensure(Role.STABLE, OLD), Ensure(Role.STABLE, NEW)
NO_CANARY = Ensure(Role.CANARY, None)
CANARY_FIRST, CANARY_NEW = (Ensure(Role.CANARY, NEW, PLAN.steps[step]) for step in (0, 1))
"""Each is sized for the step to come, so that its instances are there before its traffic."""
BACK = a_release(Phase.ROLLING_BACK)


def test_a_release_that_waits_keeps_stable_up_unless_another_one_is_in_the_way() -> None:
    release = a_release(Phase.PENDING)
    assert effects(release, seen_for(release), T0) == (STABLE_OLD,)
    assert effects(release, seen_for(release, predecessor="shop-0"), T0) == ()
    assert effects(replace(release, stable=None), seen_for(release), T0) == ()


@pytest.mark.parametrize("phase", sorted(ENDED))
def test_a_release_that_has_ended_touches_nothing(phase: Phase) -> None:
    release = a_release(phase)
    for route in (None, a_route(50), a_route(0, None)):
        assert effects(release, seen_for(release, route=route), T0) == ()


@pytest.mark.parametrize(
    ("release", "route", "wanted"),
    [
        # preparing: take the route at 0, start the canary
        (a_release(Phase.PREPARING), a_route(0), (STABLE_OLD, CANARY_FIRST)),
        (a_release(Phase.PREPARING), a_route(0, release_id="shop-0"), (SetWeight(0, 7), STABLE_OLD, CANARY_FIRST)),
        (a_release(Phase.PREPARING), a_route(0, mark=a_mark()), (SetWeight(0, 7), STABLE_OLD, CANARY_FIRST)),
        (a_release(Phase.PREPARING), None, ("lower", STABLE_OLD, CANARY_FIRST)),
        (a_release(Phase.PREPARING), a_route(0, 5), ("lower", STABLE_OLD, CANARY_FIRST)),
        (a_release(Phase.PREPARING), a_route(5, 0), ("lower", STABLE_OLD, CANARY_FIRST)),
        # carrying a weight: renew what stands, write what does not
        (a_release(), a_route(10), (Renew(), STABLE_OLD, CANARY_NEW)),
        (a_release(), a_route(10, 80), (SetWeight(10, 7), STABLE_OLD, CANARY_NEW)),
        (a_release(), a_route(10, None), (SetWeight(10, 7), STABLE_OLD, CANARY_NEW)),
        (a_release(), a_route(0), (SetWeight(10, 7), STABLE_OLD, CANARY_NEW)),
        (a_release(), a_route(10, release_id="shop-0"), (SetWeight(10, 7), STABLE_OLD, CANARY_NEW)),
        (a_release(), a_route(10, lease_expired=True), (SetWeight(10, 7), STABLE_OLD, CANARY_NEW)),
        (a_release(), None, (STABLE_OLD, CANARY_NEW)),
        (a_release(Phase.PAUSED), a_route(10), (Renew(), STABLE_OLD, CANARY_NEW)),
        # promoting: stable goes to the new version, the canary stays until it has drained
        (a_release(Phase.PROMOTING), a_route(10), (Renew(), STABLE_NEW, CANARY_NEW)),
        (a_release(Phase.PROMOTING, weight_pct=0), a_route(10), ("lower", STABLE_NEW, CANARY_NEW)),
        (a_release(Phase.PROMOTING, weight_pct=0), a_route(0), (STABLE_NEW, CANARY_NEW)),
        (a_release(Phase.PROMOTING, weight_pct=0, stable=None), a_route(0), (STABLE_NEW,)),
        # rolling back: traffic first; nothing starts the canary again
        (BACK, a_route(10), ("lower", STABLE_OLD)),
        (BACK, a_route(0, None), ("lower", STABLE_OLD)),
        (BACK, None, ("lower", STABLE_OLD)),
        (BACK, a_route(0), (STABLE_OLD,)),
        (replace(BACK, stable=None), a_route(0), (Ensure(Role.STABLE, None),)),
    ],
)
def test_the_effects_of_each_phase(release: Release, route: object, wanted: tuple[object, ...]) -> None:
    expected = tuple(Lower(mark_of(release)) if one == "lower" else one for one in wanted)
    assert effects(release, seen_for(release, route=route), T0) == expected


@pytest.mark.parametrize(
    ("halt", "weight_pct", "route", "wanted"),
    [
        (HaltCause.KILL_REVERT, 0, a_route(0), (STABLE_OLD,)),
        (HaltCause.KILL_REVERT, 0, a_route(10), ("lower", STABLE_OLD)),
        (HaltCause.KILL_HALT, 10, a_route(10), (Renew(), STABLE_OLD)),
        (HaltCause.KILL_HALT, 10, a_route(10, release_id="shop-0"), (STABLE_OLD,)),
        (HaltCause.KILL_HALT, 10, a_route(5), (STABLE_OLD,)),
        (HaltCause.KILL_HALT, 10, None, (STABLE_OLD,)),
        (HaltCause.KILL_HALT, 0, a_route(0), (STABLE_OLD,)),
        (HaltCause.STABLE_DOWN, 10, a_route(10), (Renew(), STABLE_OLD)),
        (HaltCause.STABLE_DOWN, 10, a_route(0), (STABLE_OLD,)),
    ],
)
def test_a_halted_release_raises_nothing_and_starts_no_canary(
    halt: HaltCause, weight_pct: int, route: object, wanted: tuple[object, ...]
) -> None:
    release = a_release(Phase.HALTED, halt=halt, weight_pct=weight_pct)
    expected = tuple(Lower(mark_of(release)) if one == "lower" else one for one in wanted)
    assert effects(release, seen_for(release, route=route), T0) == expected


def test_a_halt_leaves_a_stable_that_is_half_rolled_as_it_is() -> None:
    release = a_release(Phase.HALTED, halt=HaltCause.KILL_HALT, weight_pct=0)
    mixed = RoleState(2, ((OLD, 1), (NEW, 1)), ((OLD, 1), (NEW, 1)))
    assert effects(release, seen_for(release, route=a_route(0), stable=mixed), T0) == ()


def test_a_halted_first_installation_has_no_stable_to_keep_up() -> None:
    assert effects(a_release(Phase.HALTED, stable=None), Observation(route=a_route(0)), T0) == ()


@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.ROLLING_BACK])
@pytest.mark.parametrize(
    ("since_s", "stops"), [(None, False), (T0 - PLAN.drain_s + 1, False), (T0 - PLAN.drain_s, True)]
)
def test_the_canary_is_stopped_only_after_the_route_was_at_zero_for_the_drain_delay(
    phase: Phase, since_s: float | None, stops: bool
) -> None:
    release = a_release(phase, weight_pct=0, zero_since_s=since_s)
    assert (NO_CANARY in effects(release, seen_for(release), T0)) is stops


def test_a_canary_with_a_weight_is_never_stopped() -> None:
    release = a_release(Phase.PROMOTING, zero_since_s=T0 - 9_999)
    assert NO_CANARY not in effects(release, seen_for(release), T0)


HALTS = (a_mark("killed", None, "k-1"), a_mark("killed", None, "k-2"), a_mark("killed", None, None))
RELEASED: dict[str, Any] = {"released_kills": frozenset({"k-1", "k-9"})}


@pytest.mark.parametrize(
    "release",
    [
        a_release(Phase.PREPARING),
        a_release(),
        a_release(Phase.HALTED),
        a_release(Phase.HALTED, halt=HaltCause.KILL_HALT, weight_pct=10),
        BACK,
    ],
)
def test_only_the_marks_of_released_kills_are_taken_off_the_route(release: Release) -> None:
    seen = seen_for(release, route=a_route(release.weight_pct, halts=HALTS), **RELEASED)
    assert effects(release, seen, T0)[0] == Unhalt(frozenset({"k-1"}))


def test_while_a_kill_is_engaged_its_mark_stays() -> None:
    seen = seen_for(a_release(), route=a_route(10, halts=HALTS))
    assert not [e for e in effects(a_release(), seen, T0) if isinstance(e, Unhalt)]


@pytest.mark.parametrize("phase", sorted(set(Phase) - ENDED - {Phase.PENDING}))
def test_traffic_comes_before_instances(phase: Phase) -> None:
    release = a_release(phase, weight_pct=0)
    wanted = effects(release, seen_for(release, route=a_route(30)), T0)
    assert isinstance(wanted[0], Lower)
    assert all(isinstance(e, Ensure) for e in wanted[1:])


def test_the_mark_on_the_route_names_the_cause_and_is_bounded() -> None:
    assert mark_of(replace(BACK, reason=Reason("draining", "waits"))) == Mark("shop-1", "errors", "too many errors")
    halted = a_release(Phase.HALTED, cause=None, reason=Reason("x", "y" * 900))
    assert mark_of(halted) == Mark("shop-1", "x", "y" * 400)


@pytest.mark.parametrize("phase", [Phase.PREPARING, Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING])
def test_the_mark_of_a_release_that_only_waits_at_zero_is_no_cause_to_roll_it_back(phase: Phase) -> None:
    waiting = a_release(phase, weight_pct=0, cause=None, reason=Reason("route_unreadable", "no answer"))
    assert mark_of(waiting) == Mark("shop-1", "at_zero", "no answer")


@pytest.mark.parametrize(
    ("route", "stable", "wanted"),
    [
        (a_route(0), OLD, (STABLE_OLD, NO_CANARY)),
        (a_route(0), None, (NO_CANARY,)),
        (None, OLD, (STABLE_OLD, NO_CANARY)),
        (a_route(0, halts=HALTS), OLD, (Unhalt(frozenset({"k-1"})), STABLE_OLD, NO_CANARY)),
        (a_route(5), OLD, (Lower(Mark(None, "at_rest", "no release is running")), STABLE_OLD, NO_CANARY)),
        (a_route(0, 5), OLD, (Lower(Mark(None, "at_rest", "no release is running")), STABLE_OLD, NO_CANARY)),
        (a_route(0, None), OLD, (Lower(Mark(None, "at_rest", "no release is running")), STABLE_OLD, NO_CANARY)),
    ],
)
def test_an_application_at_rest_keeps_stable_and_nothing_else(
    route: object, stable: str | None, wanted: tuple[object, ...]
) -> None:
    seen = Observation(route=route, **RELEASED)  # type: ignore[arg-type]
    assert rest_effects(seen, stable) == wanted
