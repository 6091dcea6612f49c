"""Effects are carried out in order, one that fails leaves the others to be done, a kill stops a rise at the last."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.model import Role
from controller.act import act, act_at_rest, lower_first
from controller.core.effects import Ensure, Lower, Renew, SetWeight, Unhalt
from controller.core.model import Mark, Observation
from controller.ports import Fenced, RouteWrite, Unavailable
from gates.kill import Verb, parse_scope
from tests.unit.behaviour.world import NEW, OLD, World
from tests.unit.core.build import a_release

DOWN = Unavailable("planted by the test")
LOWER = Lower(Mark("shop-1", "aborted", "for a test"))
STABLE, CANARY = Ensure(Role.STABLE, OLD), Ensure(Role.CANARY, NEW)


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.fake_router.claim(made.app, made.epoch)
    return made


def give(world: World, weight_pct: int) -> None:
    write = RouteWrite(weight_pct, "shop-1", world.epoch, world.route().revision, 60.0)
    world.fake_router.write(world.app, write)


def done(world: World, *wanted: object, seen: Observation | None = None) -> tuple[str, ...]:
    looked = Observation(route=world.route()) if seen is None else seen
    release = a_release(app=world.app)
    return act(world.ports, release, looked, wanted, world.epoch).troubles  # type: ignore[arg-type]


def test_every_effect_does_what_it_says(world: World) -> None:
    assert done(world, SetWeight(10, world.route().revision), STABLE, CANARY) == ()
    assert (world.live(), world.route().release_id, world.running(Role.CANARY)) == (10, "shop-1", [NEW])
    world.clock.advance(5)
    assert done(world, Renew()) == ()
    assert world.route().lease_left_s == world.app.canary.lease_s
    assert done(world, LOWER, Ensure(Role.CANARY, None)) == ()
    assert (world.live(), world.route().mark) == (0, LOWER.mark)


def test_the_marks_of_released_kills_are_taken_off(world: World) -> None:
    world.fake_router.halt(world.app, Mark(None, "killed", "for a test", "k-1"), True)
    assert done(world, Unhalt(frozenset({"k-1"}))) == ()
    assert world.route().halts == ()


def test_a_failed_effect_is_told_and_the_others_are_done(world: World) -> None:
    world.router.fail(DOWN, "write")
    troubles = done(world, SetWeight(10, 0), CANARY)
    assert troubles == ("setweight: planted by the test",)
    assert world.running(Role.CANARY) == [NEW]


def test_a_fence_ends_everything_at_once(world: World) -> None:
    world.router.fail(Fenced("a newer leader"), "write")
    with pytest.raises(Fenced):
        done(world, SetWeight(10, 0), CANARY)
    assert world.running(Role.CANARY) == []


@pytest.mark.parametrize("verb", list(Verb))
def test_a_kill_pressed_since_the_pass_began_stops_a_rise(world: World, verb: Verb) -> None:
    seen = Observation(route=world.route())
    world.router.fail(DOWN, "halt")
    world.switch.engage(verb, parse_scope("fleet"), "ann")
    assert done(world, SetWeight(10, world.route().revision), seen=seen) == ()
    assert world.live() == 0


def test_a_switch_that_cannot_be_read_since_stops_a_rise_too(world: World) -> None:
    world.store.fail(DOWN, "kills")
    done(world, SetWeight(10, world.route().revision))
    assert world.live() == 0


def test_a_kill_does_not_stop_a_weight_from_being_put_down(world: World) -> None:
    give(world, 20)
    seen = Observation(route=world.route())
    world.router.fail(DOWN, "halt")
    world.switch.engage(Verb.HALT, parse_scope("fleet"), "ann")
    assert done(world, SetWeight(10, world.route().revision), seen=seen) == ()
    assert world.live() == 10


@pytest.mark.parametrize("live", ["unseen", "unread"])
def test_a_weight_that_was_not_seen_counts_as_rising(world: World, live: str) -> None:
    give(world, 20)
    world.switch.engage(Verb.HALT, parse_scope("environment:production"), "ann")
    world.fake_router.unhalt(world.app, frozenset(m.engagement or "" for m in world.route().halts), world.epoch)
    revision = world.route().revision
    world.fake_router.haproxy.up = live == "unseen"
    seen = Observation() if live == "unseen" else Observation(route=world.route())
    assert done(world, SetWeight(10, revision), seen=seen) == ()
    assert world.route().weight_pct == 20


def test_before_the_commit_only_moves_back_to_stable_are_made(world: World) -> None:
    give(world, 20)
    wanted = (LOWER, CANARY, SetWeight(20, world.route().revision), Renew())
    acted = lower_first(world.ports, a_release(app=world.app), Observation(route=world.route()), wanted, world.epoch)
    assert acted.troubles == ()
    assert (world.live(), world.running(Role.CANARY)) == (0, [])


def test_at_rest_the_same_effects_but_never_a_weight(world: World) -> None:
    give(world, 20)
    world.fake_router.halt(world.app, Mark(None, "killed", "for a test", "k-1"), False)
    wanted = (LOWER, Unhalt(frozenset({"k-1"})), STABLE, Ensure(Role.CANARY, None))
    assert act_at_rest(world.ports, world.app, wanted, world.epoch).troubles == ()
    assert (world.live(), world.route().halts) == (0, ())
    for weight in (SetWeight(1, 1), Renew()):
        with pytest.raises(AssertionError, match="no canary weight"):
            act_at_rest(world.ports, world.app, (weight,), world.epoch)


def test_at_rest_trouble_is_told_and_a_fence_ends_it(world: World) -> None:
    world.router.fail(DOWN, "lower")
    assert act_at_rest(world.ports, world.app, (LOWER, STABLE), world.epoch).troubles == ("lower: planted by the test",)
    world.workload.fail(Fenced("a newer leader"), "ensure")
    with pytest.raises(Fenced):
        act_at_rest(world.ports, world.app, (STABLE,), world.epoch)
