"""What people do to a running release: pause, resume, promote, abort, retry; also when little else works."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.model import Role
from controller.commands import Commands
from controller.core.model import IntentKind, Phase, Reason
from controller.ports import Conflict, Unavailable
from controller.wishes import Rejected
from tests.unit.behaviour.world import NEVER_READY, NEW, NEXT, OLD, World

DOWN = Unavailable("planted by the test")


def test_a_pause_keeps_the_weight_for_as_long_as_it_takes_and_no_deadline_ends_it(world: World) -> None:
    world.deploy()
    world.until_live(20)
    world.ask(IntentKind.PAUSE, reason="lunch")
    world.seconds(700)
    assert (world.newest().phase, world.live()) == (Phase.PAUSED, 20)
    assert world.sentence() == "shop v2 is paused at 20 %: paused by ann: lunch."
    world.ask(IntentKind.RESUME)
    world.until_phase(Phase.SUCCEEDED)
    assert world.weights() == [0, 10, 20, 30, 0]


def test_a_pause_before_the_first_weight_holds_the_release_there_and_stops_its_deadline(world: World) -> None:
    world.deploy()
    world.second()
    world.ask(IntentKind.PAUSE)
    world.seconds(60)
    assert (world.newest().phase, world.weights()) == (Phase.PREPARING, [0])
    world.ask(IntentKind.RESUME)
    world.until_phase(Phase.SUCCEEDED)


def test_harm_during_a_pause_still_rolls_back(world: World) -> None:
    world.deploy()
    world.until_live(20)
    world.ask(IntentKind.PAUSE)
    world.seconds(5)
    world.errors[NEW] = 0.5
    world.until_phase(Phase.ROLLED_BACK)


def test_a_paused_release_names_its_pause_again_after_another_trouble_has_passed(world: World) -> None:
    world.deploy()
    world.until_live(20)
    world.ask(IntentKind.PAUSE)
    world.seconds(2)
    world.fake_router.guard_up = False
    world.seconds(2)
    assert "cannot be reached" in world.sentence()
    world.fake_router.guard_up = True
    world.seconds(2)
    assert world.sentence() == "shop v2 is paused at 20 %: paused by ann."


def test_promoting_one_step_of_a_paused_release_passes_exactly_one(world: World) -> None:
    world.deploy()
    world.until_live(10)
    world.ask(IntentKind.PAUSE)
    world.seconds(2)
    world.ask(IntentKind.PROMOTE_STEP, reason="seen enough", step=0)
    world.turn()
    assert (world.newest().step, world.newest().weight_pct) == (1, 20)
    assert [r.text for r in world.records("bypass")] == ["ann passed the evidence (one-step promotion): seen enough"]


def test_the_same_promotion_sent_twice_passes_one_step(tmp_path: Path) -> None:
    world = World(tmp_path, min_bake_s=60.0)
    world.deploy()
    world.until_live(10)
    for _ in range(2):
        world.ask(IntentKind.PROMOTE_STEP, step=0)
        world.seconds(3)
    assert world.live() == 20
    assert len(world.records("bypass")) == 1


def test_a_full_promotion_skips_the_steps_is_recorded_and_moves_all_traffic_only_as_stable_rolls(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, min_bake_s=60.0)
    world.deploy()
    world.until_live(10)
    world.ask(IntentKind.PROMOTE_FULL, actor="oncall", reason="hotfix")
    world.until_phase(Phase.SUCCEEDED)
    assert world.weights() == [0, 10, 0]
    assert [r.text for r in world.records("bypass")] == ["oncall passed the evidence (full promotion): hotfix"]
    assert world.running(Role.STABLE) == [NEW, NEW]


def test_a_full_promotion_does_not_pass_harm(world: World) -> None:
    world.errors[NEW] = 0.5
    world.deploy()
    world.until_live(10)
    world.seconds(4, controller=False)
    world.ask(IntentKind.PROMOTE_FULL)
    world.until_phase(Phase.ROLLED_BACK)
    assert world.stable_version() == OLD


def test_an_abort_then_a_retry_starts_again_at_the_first_step_with_fresh_evidence(world: World) -> None:
    first = world.deploy()
    world.until_live(20)
    world.ask(IntentKind.ABORT)
    assert world.live() == 0
    world.until_phase(Phase.ROLLED_BACK)
    again = world.commands.retry(first.id, "ann").release
    assert (again.retry_of, again.canary, again.step, again.judge) == (first.id, NEW, -1, None)
    world.until_phase(Phase.SUCCEEDED)
    assert world.weights() == [0, 10, 20, 0, 10, 20, 30, 0]


def test_an_abort_with_nothing_in_progress_changes_nothing(world: World) -> None:
    world.deploy()
    world.until_phase(Phase.SUCCEEDED)
    world.seconds(3)
    before = (world.newest(), world.route().revision, world.running(Role.STABLE))
    assert "nothing to abort" in world.ask(IntentKind.ABORT).text
    world.seconds(3)
    assert (world.newest(), world.route().revision, world.running(Role.STABLE)) == before


def test_an_abort_keeps_the_instances_of_the_canary_for_the_drain_delay_each_time(world: World) -> None:
    for version in (NEW, NEXT):
        world.history.clear()
        world.deploy(version)
        world.until_live(20)
        world.ask(IntentKind.ABORT)
        world.until_phase(Phase.ROLLED_BACK)
        drained = [m for m in world.history if m.phase is Phase.ROLLING_BACK and m.live_pct == 0 and m.canary_running]
        assert len(drained) >= world.app.canary.drain_s
    assert world.running(Role.CANARY) == []


def test_an_abort_does_not_wait_for_a_degraded_stable(world: World) -> None:
    world.deploy()
    world.until_live(20)
    world.fake_workload.crash("shop", Role.STABLE, 1)
    world.ask(IntentKind.ABORT)
    assert world.live() == 0


def test_an_abort_works_even_with_no_stable_instance_ready_because_a_person_asked(world: World) -> None:
    world.deploy()
    world.until_live(20)
    world.fake_workload.crash("shop", Role.STABLE)
    world.ask(IntentKind.ABORT)
    assert world.live() == 0
    world.until_phase(Phase.ROLLED_BACK)


def test_an_automatic_rollback_halts_instead_while_the_canary_is_the_only_one_serving(world: World) -> None:
    world.deploy()
    world.until_live(20)
    world.fake_workload.script(OLD, NEVER_READY)
    world.errors[NEW] = 0.6
    world.until_phase(Phase.HALTED)
    world.seconds(30)
    assert (world.newest().phase, world.live()) == (Phase.HALTED, 20)
    assert "a person must decide" in world.sentence()
    world.fake_workload.script(OLD, world.fake_workload._default)
    world.until_phase(Phase.ROLLED_BACK)


def test_an_abort_after_every_canary_instance_is_gone_ends_without_trouble(world: World) -> None:
    world.deploy()
    world.until_live(20)
    world.fake_workload.instances("shop", Role.CANARY).clear()
    world.ask(IntentKind.ABORT)
    world.until_phase(Phase.ROLLED_BACK)
    assert world.live() == 0
    assert not [told for told in world.told if told["event"] == "effect_failed"]


def test_an_abort_waits_for_no_message_to_be_delivered(world: World) -> None:
    world.deploy()
    world.until_live(20)
    world.ask(IntentKind.ABORT)
    assert world.live() == 0
    world.turn()
    waiting = world.memory.outbox_due(world.clock.now_s() + 1e6, 10)
    assert [row.message.kind for row in waiting] == ["release_rolling_back"]


def test_an_abort_with_the_store_away_takes_traffic_back_and_is_recorded_late_when_it_returns(world: World) -> None:
    first = world.deploy()
    world.until_live(20)
    world.store.fail(DOWN, "release", "active", "commit", "kills", "application")
    done = world.commands.intend(first.id, IntentKind.ABORT, "ann", "bad feeling")
    assert (done.durable, world.live()) == (False, 0)
    world.seconds(3)
    assert world.live() == 0
    world.store.heal()
    world.until_phase(Phase.ROLLED_BACK)
    assert world.newest().cause == Reason("aborted", "aborted by ann: bad feeling")
    assert [r.numbers["to_phase"] for r in world.records("phase") if r.late] == ["rolling_back"]


def test_an_abort_that_reached_neither_route_nor_store_is_not_called_done(world: World) -> None:
    first = world.deploy()
    world.until_live(20)
    world.store.fail(DOWN, "release", "commit")
    world.fake_router.guard_up = False
    with pytest.raises(Unavailable, match=r"shop-1 is NOT aborted.*use the kill switch"):
        world.commands.intend(first.id, IntentKind.ABORT, "ann")


def test_an_abort_of_what_has_no_traffic_yet_fails_openly_while_the_store_is_away(world: World) -> None:
    first = world.deploy()
    world.second()
    assert world.newest().phase is Phase.PREPARING
    world.store.fail(DOWN, "commit")
    with pytest.raises(Unavailable, match="planted"):
        world.commands.intend(first.id, IntentKind.ABORT, "ann")


@pytest.mark.parametrize("kind", [IntentKind.PAUSE, IntentKind.PROMOTE_FULL])
def test_other_wishes_fail_openly_while_the_store_is_away(world: World, kind: IntentKind) -> None:
    first = world.deploy()
    world.until_live(20)
    world.store.fail(DOWN, "commit")
    with pytest.raises(Unavailable):
        world.commands.intend(first.id, kind, "ann")


def test_an_abort_gets_through_between_commits_of_the_controller_itself(world: World) -> None:
    world.deploy()
    world.until_live(20)
    refused = iter([Conflict("changed"), Conflict("changed")])

    def sometimes(commit: object) -> None:
        error = next(refused, None)
        if error is not None:
            raise error

    world.store.watch("commit", sometimes)
    assert world.ask(IntentKind.ABORT).durable
    world.until_phase(Phase.ROLLED_BACK)


def test_an_abort_at_a_node_that_was_overtaken_takes_traffic_back_all_the_same(world: World) -> None:
    first = world.deploy()
    world.until_live(20)
    old = world.epoch
    world.lead()
    world.second()
    overtaken = Commands(world.ports, lambda _id: None, lambda: old, world.loop.last_seen)
    overtaken.intend(first.id, IntentKind.ABORT, "ann")
    assert world.live() == 0
    world.until_phase(Phase.ROLLED_BACK)


def test_an_abort_that_meets_the_first_weight_takes_that_back_too(world: World) -> None:
    world.deploy()
    world.until_phase(Phase.PREPARING)
    met: list[object] = []

    def first_weight_comes_first(commit: object) -> None:
        if not met:
            met.append(commit)
            world.until_live(10)
            raise Conflict("changed")

    world.store.watch("commit", first_weight_comes_first)
    world.ask(IntentKind.ABORT)
    assert world.live() == 0
    world.until_phase(Phase.ROLLED_BACK)


def test_a_release_at_the_horizon_without_a_decision_pauses_and_a_resume_gives_it_another(tmp_path: Path) -> None:
    world = World(tmp_path, max_duration_s=20.0, min_bake_s=15.0)
    world.deploy()
    world.until_phase(Phase.PAUSED)
    assert world.newest().reason.code == "inconclusive"
    weight = world.live()
    world.seconds(10)
    assert (world.newest().phase, world.live()) == (Phase.PAUSED, weight)
    world.ask(IntentKind.RESUME)
    world.seconds(8)
    assert world.newest().phase is Phase.PROGRESSING


def test_after_an_inconclusive_pause_a_promotion_passes_exactly_one_step_which_then_bakes(tmp_path: Path) -> None:
    world = World(tmp_path, max_duration_s=8.0, min_bake_s=15.0)
    world.deploy()
    world.until_phase(Phase.PAUSED)
    world.ask(IntentKind.PROMOTE_STEP, step=0)
    world.seconds(3)
    assert (world.newest().phase, world.live(), world.newest().step) == (Phase.PROGRESSING, 20, 1)
    world.until_phase(Phase.PAUSED)
    assert world.live() == 20


def test_a_succeeded_release_and_a_running_one_cannot_be_retried(world: World) -> None:
    first = world.deploy()
    with pytest.raises(Rejected, match="only an ended release"):
        world.commands.retry(first.id, "ann")
    world.until_phase(Phase.SUCCEEDED)
    with pytest.raises(Rejected, match="nothing to retry"):
        world.commands.retry(first.id, "ann")
