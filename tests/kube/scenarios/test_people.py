"""Scenarios 4, 6 to 14 and 18: what people ask for, in the middle of a release and in bad moments."""

from __future__ import annotations

import pytest

from analysis.model import Role
from controller.core.model import IntentKind, Phase
from tests.kube.scenarios.conftest import Make
from tests.kube.scenarios.kits import CANARY, STABLE
from tests.kube.scenarios.stage import NEW, OLD, Stage

scenario = pytest.mark.scenario


@scenario(4)
@scenario(18)
def test_a_pause_keeps_the_weight_for_any_time_and_no_deadline_ends_it(make: Make) -> None:
    stage = make(prepare_deadline_s=8.0, promote_deadline_s=20.0, drain_s=6.0)
    stage.deploy()
    stage.until_live(10)
    stage.ask(IntentKind.PAUSE)
    stage.until_phase(Phase.PAUSED)
    stage.seconds(30)
    assert (stage.newest().phase, stage.live()) == (Phase.PAUSED, stage.pct(10))
    stage.ask(IntentKind.RESUME)
    stage.until_phase(Phase.SUCCEEDED)


@scenario(6)
def test_a_promotion_of_a_paused_release_passes_one_step_and_sent_twice_still_one(stage: Stage) -> None:
    stage.deploy()
    stage.until_live(10)
    stage.ask(IntentKind.PAUSE)
    stage.until_phase(Phase.PAUSED)
    step = stage.newest().step
    for _ in range(2):
        stage.ask(IntentKind.PROMOTE_STEP, step=step)
    stage.until_live(20)
    assert stage.newest().step == step + 1
    assert len(stage.records("bypass")) == 1


@scenario(7)
def test_a_full_promotion_is_recorded_and_ends_when_stable_has_rolled(stage: Stage) -> None:
    stage.deploy()
    stage.until_live(10)
    stage.ask(IntentKind.PROMOTE_FULL, actor="ann")
    stage.until_phase(Phase.SUCCEEDED)
    (bypass,) = stage.records("bypass")
    assert "ann passed the evidence (full promotion)" in bypass.text
    assert stage.pct(20) not in stage.weights()
    assert set(stage.running(Role.STABLE)) == {NEW}


@scenario(8)
def test_an_abort_then_a_retry_starts_at_the_first_step_and_gets_to_the_end(stage: Stage) -> None:
    aborted = stage.deploy()
    stage.until_live(20)
    stage.ask(IntentKind.ABORT)
    assert stage.live() == 0
    stage.until_phase(Phase.ROLLED_BACK)
    before = len(stage.history)
    again = stage.commands.retry(aborted.id, "ann").release
    assert (again.step, again.judge) == (-1, None)
    stage.until_phase(Phase.SUCCEEDED)
    risen = [moment.live_pct for moment in stage.history[before:] if moment.live_pct]
    assert risen[0] == stage.pct(10)


@scenario(9)
def test_an_abort_with_nothing_in_progress_changes_nothing(stage: Stage) -> None:
    done = stage.deploy()
    stage.until_phase(Phase.SUCCEEDED)
    stage.second()
    pods = {pod["metadata"]["uid"] for pod in stage.cluster.pods()}
    answer = stage.commands.intend(done.id, IntentKind.ABORT, "ann")
    stage.seconds(3)
    assert "succeeded" in answer.text
    assert {pod["metadata"]["uid"] for pod in stage.cluster.pods()} == pods
    assert stage.live() == 0


@scenario(10)
@scenario(11)
@pytest.mark.timeout(30)
def test_the_canary_stays_for_the_drain_delay_after_each_abort(make: Make) -> None:
    stage = make(drain_s=6.0)
    released = stage.deploy()
    for _ in range(2):
        stage.until_live(10)
        stage.ask(IntentKind.ABORT)
        stage.second()
        zero_s = stage.clock.now_s()
        stage.until(lambda: not stage.memory.active("shop"))
        carried = [m for m in stage.history if m.at_s >= zero_s and m.canary_running]
        assert 4.0 <= carried[-1].at_s - zero_s <= 9.0
        assert stage.pods(Role.CANARY) == []
        released = stage.commands.retry(released.id, "ann").release


@scenario(12)
def test_an_abort_does_not_wait_for_a_degraded_stable(stage: Stage) -> None:
    stage.deploy()
    stage.until_live(20)
    for pod in stage.cluster.pods(f"app={STABLE}")[:2]:
        stage.cluster.crew.kubelet.set_ready(pod, ready=False)
    stage.cluster.wait(lambda: len(stage.running(Role.STABLE)) == stage.kit.replicas - 2, "stable is degraded")
    stage.ask(IntentKind.ABORT)
    assert stage.live() == 0


@scenario(13)
def test_an_abort_does_not_wait_for_scaling_in_the_same_moment(stage: Stage) -> None:
    stage.deploy()
    stage.until_live(20)
    stage.cluster.patch("deployments", STABLE, {"spec": {"replicas": stage.kit.replicas + 5}})
    stage.ask(IntentKind.ABORT)
    assert stage.live() == 0
    stage.until_phase(Phase.ROLLED_BACK)
    assert stage.cluster.get("deployments", STABLE)["spec"]["replicas"] == stage.kit.replicas + 5


@scenario(14)
def test_an_abort_after_every_canary_pod_is_gone_ends_without_trouble(stage: Stage) -> None:
    stage.deploy()
    stage.until_live(20)
    stage.cluster.delete("deployments", CANARY)
    stage.cluster.wait(lambda: not stage.pods(Role.CANARY), "the canary's pods are gone")
    stage.ask(IntentKind.ABORT)
    assert stage.live() == 0
    stage.until_phase(Phase.ROLLED_BACK)
    assert set(stage.running(Role.STABLE)) == {OLD}
    # The one that met the deletion itself may fail; what must not be is an error that comes back.
    assert len([entry for entry in stage.told if entry["event"] == "effect_failed"]) <= 1
