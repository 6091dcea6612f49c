"""What stable's own pods teach: learned at the start, kept with the application, frozen for a release, and said."""

from __future__ import annotations

from dataclasses import replace

from analysis.model import Calibration, Role
from controller.core.model import Phase
from tests.unit.behaviour.world import NEW, World

LEARNED = Calibration(1.4, 1.1, 12, 36, 500.0)


def kept_by_the_application(world: World) -> Calibration | None:
    stored = world.memory.application("shop")
    assert stored is not None
    return stored.calibration


def frozen_for_the_release(world: World) -> Calibration | None:
    judge = world.newest().judge
    assert judge is not None
    return judge.calibration


def test_what_the_pods_teach_is_kept_with_the_application_and_frozen_for_the_release(world: World) -> None:
    world.metrics.learned = LEARNED
    world.deploy()
    world.until_phase(Phase.PROGRESSING)
    assert (kept_by_the_application(world), frozen_for_the_release(world)) == (LEARNED, LEARNED)
    world.metrics.learned = replace(LEARNED, errors=9.0)
    world.until_phase(Phase.PROMOTING)
    assert frozen_for_the_release(world) == LEARNED
    world.until_phase(Phase.SUCCEEDED)
    assert kept_by_the_application(world) == LEARNED
    assert world.stable_version() == NEW


def test_pods_too_young_to_teach_leave_what_was_learned_before(world: World) -> None:
    stored = world.memory.application("shop")
    assert stored is not None
    world.metrics.learned = LEARNED
    world.deploy()
    world.until_phase(Phase.SUCCEEDED)
    world.metrics.learned = None
    world.deploy("v3")
    world.until_phase(Phase.PROGRESSING)
    assert frozen_for_the_release(world) == LEARNED


def test_without_anything_learned_a_release_starts_with_the_margins_of_the_application(world: World) -> None:
    world.deploy()
    world.until_phase(Phase.PROGRESSING)
    assert (kept_by_the_application(world), frozen_for_the_release(world)) == (None, None)


def test_metrics_that_fail_their_check_teach_nothing_and_nothing_starts(world: World) -> None:
    world.metrics.learned, world.metrics.problem = LEARNED, "no such series"
    world.deploy()
    world.seconds(30)
    assert world.newest().phase is Phase.PREPARING
    assert kept_by_the_application(world) is None


def test_the_record_of_a_start_says_what_the_plan_can_find_and_how_long_a_healthy_release_takes(world: World) -> None:
    world.deploy()
    world.until_phase(Phase.PROGRESSING)
    text = next(draft.text for draft in world.records() if "start check passed" in draft.text)
    assert "requests a second each step finds, within its bake: " in text
    assert "A healthy " in text
    assert "The canary is a single pod" in text
    assert world.metrics.roles[Role.STABLE].total > 0
