"""Whole deploys: a first version, a good one, bad ones, one that never starts, and versions that follow each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.model import Outcome, Role
from controller.core.model import IntentKind, Phase
from controller.core.targets import ProcessesTarget
from controller.ports import Page
from controller.wishes import Rejected
from tests.fakes.metrics import Trouble
from tests.fakes.workload import Behaviour
from tests.unit.behaviour.world import CRASHES_EARLY, NEVER_READY, NEW, NEXT, OLD, World


def test_a_first_version_is_installed_without_canary_steps_or_analysis(tmp_path: Path) -> None:
    world = World(tmp_path, stable=None)
    world.deploy(OLD)
    world.until_phase(Phase.SUCCEEDED)
    assert world.phases() == ["promoting", "succeeded"]
    assert world.weights() == [0]
    assert world.running(Role.STABLE) == [OLD, OLD]
    assert world.stable_version() == OLD


def test_a_good_version_goes_through_every_weight_in_order_and_becomes_stable(world: World) -> None:
    world.deploy()
    world.until_phase(Phase.SUCCEEDED)
    world.seconds(5)
    assert world.weights() == [0, 10, 20, 30, 0]
    assert (world.running(Role.STABLE), world.running(Role.CANARY)) == ([NEW, NEW], [])
    assert world.stable_version() == NEW
    assert world.phases() == ["preparing", "progressing", "promoting", "succeeded"]


def test_the_weight_never_exceeds_the_maximum_of_the_plan(tmp_path: Path) -> None:
    world = World(tmp_path, steps=(5, 25), max_weight_pct=25)
    world.deploy()
    world.until_phase(Phase.SUCCEEDED)
    assert world.weights() == [0, 5, 25, 0]


def test_every_rise_has_a_record_from_before_it_with_the_figures_it_rests_on(world: World) -> None:
    world.router.watch("write", lambda _app, write: committed.append((write.weight_pct, world.newest().weight_pct)))
    committed: list[tuple[int, int]] = []
    world.deploy()
    world.until_phase(Phase.SUCCEEDED)
    assert all(written == in_store for written, in_store in committed)
    rises = [r for r in world.records("weight") if r.numbers["authority"] != "lower"]
    assert [(r.numbers["to_pct"], r.numbers["authority"]) for r in rises] == [
        (10, "start_check"),
        (20, "verdict_allows"),
        (30, "verdict_allows"),
    ]
    assert all(len(r.numbers) > 6 for r in rises[1:])
    assert world.memory.verify_audit().ok


def test_a_version_with_errors_is_rolled_back_with_the_metric_its_value_and_its_limit(world: World) -> None:
    world.errors[NEW] = 0.2
    world.deploy()
    world.until_phase(Phase.ROLLED_BACK)
    assert max(pct or 0 for pct in world.weights()) == 10
    assert "20" in world.newest().reason.text
    assert "errors" in world.newest().reason.text
    assert (world.running(Role.STABLE), world.running(Role.CANARY)) == ([OLD, OLD], [])
    assert world.stable_version() == OLD


def test_a_rollback_takes_all_traffic_off_the_canary_before_any_instance_goes(world: World) -> None:
    world.errors[NEW] = 0.2
    world.deploy()
    world.until_phase(Phase.ROLLED_BACK)
    assert not [moment for moment in world.history if moment.live_pct and not moment.canary_running]
    first_zero = next(n for n, m in enumerate(world.history) if m.phase is Phase.ROLLING_BACK and m.live_pct == 0)
    gone = next(n for n, m in enumerate(world.history[first_zero:]) if m.canary_running == 0)
    assert gone >= world.app.canary.drain_s


def test_a_total_failure_is_rolled_back_within_seconds_without_waiting_for_the_bake(tmp_path: Path) -> None:
    world = World(tmp_path, min_bake_s=120.0)
    world.errors[NEW] = 1.0
    world.deploy()
    world.until_live(10)
    world.until(lambda: world.live() == 0, limit_s=15)
    assert world.newest().reason.code in ("worse_than_stable", "breaker")


def test_a_version_that_never_gets_ready_never_gets_traffic_and_fails_at_its_deadline(world: World) -> None:
    world.fake_workload.script(NEW, NEVER_READY)
    world.deploy()
    world.until_phase(Phase.FAILED)
    assert world.weights() == [0]
    assert world.newest().reason.code == "prepare_deadline"
    assert world.running(Role.CANARY) == []


def test_a_canary_that_loses_its_last_instance_loses_its_traffic_on_the_next_look(world: World) -> None:
    world.deploy()
    world.until_live(20)
    world.fake_workload.crash("shop", Role.CANARY)
    world.turn()
    assert world.live() == 0
    world.until_phase(Phase.ROLLED_BACK)
    assert world.newest().reason.code == "canary_gone"


def test_a_crash_looping_canary_is_rolled_back_and_not_started_again(world: World) -> None:
    world.fake_workload.script(NEW, CRASHES_EARLY)
    world.deploy()
    world.until(lambda: world.newest().phase in (Phase.ROLLED_BACK, Phase.FAILED))
    assert world.running(Role.CANARY) == []


def test_one_crashing_instance_of_several_does_not_stop_the_judgement_of_the_others(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert isinstance(world.app.target, ProcessesTarget)
    three = replace(world.app, target=replace(world.app.target, canary_replicas=3))
    world.commands.register(three, "ann")
    world.errors[NEW] = 0.2
    world.deploy()
    world.until_live(10)
    world.fake_workload.crash("shop", Role.CANARY, 1)
    world.until_phase(Phase.ROLLED_BACK)
    assert world.newest().reason.code in ("worse_than_stable", "breaker")


def test_a_bad_version_after_a_good_one_leaves_the_good_one_and_a_later_good_one_gets_through(world: World) -> None:
    world.errors[NEW] = 0.3
    world.deploy(NEW)
    world.until_phase(Phase.ROLLED_BACK)
    world.deploy(NEXT)
    world.until_phase(Phase.SUCCEEDED)
    assert world.stable_version() == NEXT
    assert min(len(world.running(Role.STABLE)), 2) == 2


def test_two_bad_versions_in_a_row_leave_stable_alone(world: World) -> None:
    world.errors |= {NEW: 0.3, NEXT: 0.3}
    for version in (NEW, NEXT):
        world.deploy(version)
        world.until_phase(Phase.ROLLED_BACK)
    assert world.running(Role.STABLE) == [OLD, OLD]
    assert world.stable_version() == OLD


def test_a_new_version_in_the_middle_of_a_canary_waits_until_the_old_canary_is_gone(world: World) -> None:
    first = world.deploy(NEW)
    world.until_live(20)
    second = world.deploy(NEXT, replace=True)
    assert world.live() == 0
    world.until(lambda: world.release(second.id).phase is Phase.PREPARING)
    assert world.release(first.id).phase is Phase.ROLLED_BACK
    assert NEW not in world.running(Role.CANARY)
    judged = world.release(second.id)
    assert (judged.judge, judged.step, judged.bypassed) == (None, -1, ())
    world.until_phase(Phase.SUCCEEDED)
    assert world.stable_version() == NEXT
    assert world.weights() == [0, 10, 20, 0, 10, 20, 30, 0]


def test_without_asking_to_replace_it_a_second_deploy_is_refused(world: World) -> None:
    world.deploy(NEW)
    with pytest.raises(Rejected, match="shop-1 of shop is pending"):
        world.deploy(NEXT)


def test_deploying_the_stable_version_during_a_canary_reverts_at_once_without_analysis(world: World) -> None:
    first = world.deploy(NEW)
    world.until_live(20)
    assert world.deploy(OLD).id == first.id
    assert world.live() == 0
    world.until_phase(Phase.ROLLED_BACK)
    assert len(world.memory.releases(Page())) == 1
    world.deploy(NEW)
    world.until_phase(Phase.SUCCEEDED)


def test_deploying_what_already_runs_is_refused(world: World) -> None:
    with pytest.raises(Rejected, match="already runs v1"):
        world.deploy(OLD)


def test_a_version_submitted_while_the_last_rollback_still_waits_for_stable_is_not_lost(world: World) -> None:
    world.errors[NEW] = 0.3
    world.deploy(NEW)
    world.until_phase(Phase.ROLLING_BACK)
    world.fake_workload.crash("shop", Role.STABLE)
    second = world.deploy(NEXT, replace=True)
    world.until(lambda: world.release(second.id).phase is Phase.SUCCEEDED)
    assert world.stable_version() == NEXT


def test_a_slow_stable_does_not_end_the_promotion_early_and_a_stuck_one_rolls_back(world: World) -> None:
    world.deploy(NEW)
    world.until_live(30)
    world.fake_workload.script(NEW, Behaviour(ready_after=10_000))
    world.until_phase(Phase.ROLLED_BACK)
    assert world.newest().reason.code in ("promote_deadline", "canary_gone")
    assert world.running(Role.STABLE) == [OLD, OLD]
    assert world.stable_version() == OLD


def test_metrics_that_cannot_be_judged_keep_the_first_weight_back(world: World) -> None:
    world.metrics.problem = "no series for the stable version"
    world.deploy()
    world.seconds(20)
    assert world.weights() == [0]
    assert "no series for the stable version" in world.sentence()
    world.metrics.problem = None
    world.until_live(10)


def test_metrics_that_break_in_the_middle_hold_then_roll_back_as_the_policy_says(world: World) -> None:
    world.deploy()
    world.until_live(10)
    world.metrics.trouble = {role: Trouble(Outcome.UNREADABLE) for role in Role}
    world.seconds(15)
    assert (world.live(), world.newest().phase) == (10, Phase.PROGRESSING)
    world.until_phase(Phase.ROLLED_BACK)
    assert world.newest().reason.code == "no_data"


def test_metrics_that_come_back_in_time_let_the_release_go_on_without_a_restart(world: World) -> None:
    world.deploy()
    world.until_live(10)
    world.metrics.trouble = {role: Trouble(Outcome.UNREADABLE) for role in Role}
    world.seconds(15)
    world.metrics.trouble = {}
    world.until_phase(Phase.SUCCEEDED)
    assert world.weights() == [0, 10, 20, 30, 0]


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.OK])
def test_no_kind_of_odd_answer_ever_lets_a_weight_rise(world: World, outcome: Outcome) -> None:
    world.deploy()
    world.until_live(10)
    world.metrics.trouble[Role.CANARY] = Trouble(outcome, f"planted: {outcome.value}")
    world.seconds(15)
    assert world.live() == 10
    assert "planted" in world.sentence() or "no data of the canary" in world.sentence()


def test_a_deploy_while_an_abort_is_pending_is_told_to_wait(world: World) -> None:
    world.deploy(NEW)
    world.until_live(10)
    world.ask(IntentKind.ABORT)
    with pytest.raises(Rejected, match="shop-1"):
        world.deploy(NEXT)
