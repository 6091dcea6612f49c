"""Drift, leases, kills, crashes and rivals: what the world does to a release, and what the users get."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.model import Role
from controller.core.model import HaltCause, IntentKind, Mark, Phase
from controller.core.moves import ENDED
from controller.core.targets import ProcessesTarget
from controller.ports import Fenced, RouteWrite, Unavailable
from controller.wishes import Rejected
from gates.kill import Verb, parse_scope
from tests.unit.behaviour.world import NEW, OLD, World

DOWN = Unavailable("planted by the test")
FLEET = parse_scope("fleet")


class Crash(BaseException):
    """The process ends here and now."""


def test_a_weight_edited_from_outside_is_put_back_reported_and_advances_nothing(world: World) -> None:
    world.deploy()
    world.until_live(10)
    step = world.newest().step
    world.fake_router.haproxy.run("set weight shop/canary 100")
    assert (world.live() or 0) > 50
    world.seconds(2)
    assert (world.live(), world.newest().step) == (10, step)
    assert [r.type for r in world.records("drift")] == ["drift"]


def test_a_reloaded_proxy_gets_its_weight_again(world: World) -> None:
    world.deploy()
    world.until_live(20)
    world.fake_router.haproxy.reload()
    assert world.live() == 0
    world.seconds(2)
    assert world.live() == 20


def test_with_the_proxy_gone_nothing_advances_and_the_sentence_says_so(world: World) -> None:
    world.deploy()
    world.until_live(10)
    world.fake_router.haproxy.up = False
    world.seconds(15)
    assert (world.newest().step, world.newest().weight_pct) == (0, 10)
    assert "the proxy cannot be read" in world.sentence()
    world.fake_router.haproxy.up = True
    world.until_phase(Phase.SUCCEEDED)


def test_a_controller_that_went_away_leaves_nobody_on_the_canary_and_begins_again_at_the_first_step(
    world: World,
) -> None:
    world.deploy()
    world.until_live(20)
    world.seconds(int(world.app.canary.lease_s) + 2, controller=False)
    assert world.live() == 0
    world.lead()
    world.seconds(3)
    assert world.newest().phase is Phase.PROGRESSING
    world.until_phase(Phase.SUCCEEDED)
    assert world.weights() == [0, 10, 20, 0, 10, 20, 30, 0]


def test_a_lease_that_ran_out_during_a_pause_waits_for_the_person_and_then_starts_at_the_first_step(
    world: World,
) -> None:
    world.deploy()
    world.until_live(20)
    world.ask(IntentKind.PAUSE)
    world.second()
    world.seconds(25, controller=False)
    world.seconds(5)
    assert (world.newest().phase, world.live()) == (Phase.PAUSED, 0)
    world.ask(IntentKind.PROMOTE_STEP)
    world.until_phase(Phase.SUCCEEDED)
    assert world.weights() == [0, 10, 20, 0, 10, 20, 30, 0]


def test_with_the_store_away_nothing_advances_and_harm_still_goes_back(world: World) -> None:
    world.deploy()
    world.until_live(10)
    world.store.fail(DOWN, "release", "active", "commit", "application")
    world.memory.active("shop")
    world.seconds(10)
    assert world.live() == 10
    world.errors[NEW] = 0.6
    world.until(lambda: world.live() == 0, limit_s=10)
    world.store.heal()
    world.until_phase(Phase.ROLLED_BACK)
    assert [r for r in world.records("phase") if r.late]


def test_a_kill_takes_all_traffic_back_at_once_and_holds_until_a_person_releases_it(world: World) -> None:
    world.deploy()
    world.until_live(20)
    engaged = world.switch.engage(Verb.REVERT, FLEET, "ann")
    assert (engaged.effective, world.live()) == (True, 0)
    world.seconds(60)
    assert (world.newest().phase, world.live()) == (Phase.HALTED, 0)
    assert engaged.engagement.id in world.sentence()
    world.switch.release(engaged.engagement.id, "ann", "fixed")
    world.until_phase(Phase.SUCCEEDED)
    assert world.weights() == [0, 10, 20, 0, 10, 20, 30, 0]
    assert world.newest().attempt == 2


def test_a_halt_freezes_the_weight_and_after_its_release_traffic_is_on_stable_before_it_starts_again(
    world: World,
) -> None:
    world.deploy()
    world.until_live(20)
    engaged = world.switch.engage(Verb.HALT, FLEET, "ann").engagement
    world.seconds(60)
    assert (world.newest().phase, world.live()) == (Phase.HALTED, 20)
    world.switch.release(engaged.id, "ann", "")
    world.until_phase(Phase.PENDING)
    assert world.live() == 0
    world.until_phase(Phase.SUCCEEDED)
    assert world.weights() == [0, 10, 20, 0, 10, 20, 30, 0]


def test_under_a_kill_nothing_starts_but_an_abort_still_ends_a_release_known_good(world: World) -> None:
    world.deploy()
    world.until_live(20)
    world.switch.engage(Verb.HALT, FLEET, "ann")
    world.seconds(2)
    world.ask(IntentKind.ABORT)
    assert world.live() == 0
    world.until_phase(Phase.ROLLED_BACK)
    with pytest.raises(Rejected, match="no deploy of shop"):
        world.deploy(NEW)


def test_a_kill_during_a_promotion_brings_stable_back_to_its_previous_version(world: World) -> None:
    world.deploy()
    world.until_phase(Phase.PROMOTING)
    world.seconds(2)
    assert NEW in world.running(Role.STABLE)
    world.switch.engage(Verb.REVERT, FLEET, "ann")
    world.seconds(20)
    assert world.newest().halt is HaltCause.KILL_REVERT
    assert world.running(Role.STABLE) == [OLD, OLD]


def test_a_kill_pressed_between_the_commit_and_the_write_stops_the_write(world: World) -> None:
    world.deploy()
    world.until_live(10)
    pressed: list[int] = []

    def press(commit: Any) -> None:
        if commit.release is not None and commit.release.weight_pct == 20 and not pressed:
            pressed.append(world.live() or 0)
            world.router.fail(DOWN, "halt")
            world.switch.engage(Verb.HALT, FLEET, "ann")

    world.store.watch("commit", press)
    world.until(lambda: bool(pressed))
    world.seconds(10)
    assert max(pct or 0 for pct in world.weights()) == 10
    assert (world.newest().phase, world.newest().weight_pct) == (Phase.HALTED, 10)


def test_an_unreadable_switch_holds_and_releases_nothing(world: World) -> None:
    world.deploy()
    world.until_live(10)
    world.store.fail(DOWN, "kills")
    world.seconds(15)
    assert (world.newest().phase, world.live()) == (Phase.PROGRESSING, 10)
    assert "the kill switch cannot be read" in world.sentence()
    world.store.heal()
    world.until_phase(Phase.SUCCEEDED)


def test_a_halt_file_beside_the_guard_stops_a_release_without_controller_or_store(world: World) -> None:
    world.deploy()
    world.until_live(20)
    world.fake_router.files.add("HALT")
    world.seconds(2, controller=False)
    assert world.live() == 0
    world.seconds(2)
    assert world.newest().phase is Phase.HALTED
    assert "the route itself carries a kill" in world.sentence()
    world.seconds(30)
    assert (world.newest().phase, world.live()) == (Phase.HALTED, 0)


def test_a_halt_that_only_the_route_knows_freezes_the_weight(world: World) -> None:
    world.deploy()
    world.until_live(20)
    world.fake_router.halt(world.app, Mark(None, "killed", "by hand", "k-elsewhere"), revert=False)
    world.seconds(30)
    assert (world.newest().phase, world.live(), world.newest().halt) == (Phase.HALTED, 20, HaltCause.KILL_HALT)


CALLS = ["write", "lower", "claim", "commit", "ensure", "renew"]


@pytest.mark.parametrize("after", [False, True], ids=["before it", "after it"])
@pytest.mark.parametrize("errors", [0.0, 0.3], ids=["good version", "bad version"])
@pytest.mark.parametrize("call", CALLS)
def test_a_controller_killed_at_any_write_again_and_again_comes_to_the_same_end(
    world: World, call: str, errors: float, after: bool
) -> None:
    """Killed at the 1st, 2nd, 3rd such write; each time a new controller takes over."""
    world.errors[NEW] = errors
    world.deploy()
    crashes = sum(killed_at(world, call, nth, after) for nth in (1, 1, 2, 3, 4, 2, 1))
    world.until(lambda: world.newest().phase in ENDED)
    assert crashes >= 1
    assert world.newest().phase is (Phase.ROLLED_BACK if errors else Phase.SUCCEEDED)
    assert world.live() == 0
    assert world.memory.verify_audit().ok
    assert_every_weight_was_recorded(world)


def killed_at(world: World, call: str, nth: int, after: bool) -> bool:
    """One life of a controller: it dies at its ``nth`` such call, if it comes to that, and a new one leads."""
    count = itertools.count(1)

    def die(*_args: object, **_fields: object) -> None:
        if next(count) == nth:
            raise Crash

    ports = (world.store, world.router, world.workload)
    for port in ports:
        (port.after if after else port.watch)(call, die)
    try:
        world.until(lambda: world.newest().phase in ENDED)
    except Crash:
        world.lead()
        return True
    finally:
        for port in ports:
            port.heal()
    return False


def assert_every_weight_was_recorded(world: World) -> None:
    recorded = {record.numbers["to_pct"] for record in world.records("weight")}
    assert {pct for pct in world.weights() if pct} <= recorded


def test_an_old_controller_that_wakes_up_late_can_write_nothing_and_stops_leading(world: World) -> None:
    world.deploy()
    world.until_live(20)
    old, router = world.loop, world.ports.router
    stale = world.route()
    world.lead()
    world.second()
    write = RouteWrite(50, "shop-1", old.epoch, stale.revision, 60.0)
    with pytest.raises(Fenced):
        router.write(world.app, write)
    with pytest.raises(Fenced):
        old.run("shop-1")
    assert world.live() == 20
    world.until_phase(Phase.SUCCEEDED)
    assert world.weights() == [0, 10, 20, 30, 0]


def test_two_submissions_at_the_same_moment_give_exactly_one_release(world: World) -> None:
    refused: list[Exception] = []

    def rival(commit: Any) -> None:
        if commit.create is not None and not refused:
            refused.append(RuntimeError("only once"))
            world.deploy("v9")

    world.store.watch("commit", rival)
    with pytest.raises(Rejected, match="wait, abort it, or deploy with replace"):
        world.deploy(NEW)
    assert [r.canary for r in world.memory.active("shop")] == ["v9"]


def test_an_application_at_rest_is_put_back_when_somebody_gives_the_canary_traffic(world: World) -> None:
    world.fake_router.haproxy.run("set weight shop/canary 100")
    world.seconds(2)
    assert world.live() == 0


def test_an_application_at_rest_keeps_its_stable_instances_up(world: World) -> None:
    world.fake_workload.crash("shop", Role.STABLE)
    world.seconds(8)
    assert world.fake_workload.observe(world.app)[0].ready_of(OLD) == 2


def test_an_edit_of_the_application_changes_later_releases_only(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.deploy()
    world.until_live(10)
    world.commands.register(replace(world.app, canary=replace(world.app.canary, steps=(1, 2))), "ann")
    world.until_phase(Phase.SUCCEEDED)
    assert world.weights() == [0, 10, 20, 30, 0]
    world.history.clear()
    world.deploy("v3")
    world.until_phase(Phase.SUCCEEDED)
    assert world.weights() == [0, 1, 2, 0]


def test_the_environment_of_the_instances_never_reaches_records_logs_or_sentences(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert isinstance(world.app.target, ProcessesTarget)
    secretive = replace(world.app.target, environment=(("TOKEN", "hunter2"),))
    world.commands.register(replace(world.app, target=secretive), "ann")
    world.errors[NEW] = 0.4
    world.deploy()
    world.until_phase(Phase.ROLLED_BACK)
    said = [*map(str, world.records()), *map(str, world.told), world.sentence()]
    assert not [text for text in said if "hunter2" in text]
