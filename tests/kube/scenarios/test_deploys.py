"""Scenarios 1 to 3, 15 to 17, 19 to 21, 23, 27 and 29: versions that are good, bad, never ready, or come in between."""

from __future__ import annotations

import itertools

import pytest

from analysis.model import Role
from controller.core.model import Phase
from controller.wishes import Rejected
from tests.kube.scenarios.conftest import Make
from tests.kube.scenarios.stage import NEW, NEXT, OLD, Stage, image_of
from tests.unit.behaviour.world import PLAN

scenario = pytest.mark.scenario
LATE_S = 5.0
"""How much longer than its bake a step of a good version lasts, on the controller's clock."""


@scenario(1)
def test_what_is_deployed_already_is_taken_over_as_it_is(stage: Stage) -> None:
    before = {pod["metadata"]["uid"] for pod in stage.cluster.pods()}
    generation = stage.cluster.get("deployments", "shop")["metadata"]["generation"]
    stage.seconds(3)
    assert stage.live() == 0
    assert {pod["metadata"]["uid"] for pod in stage.cluster.pods()} == before
    assert stage.cluster.get("deployments", "shop")["metadata"]["generation"] == generation
    with pytest.raises(Rejected, match="already runs"):
        stage.deploy(OLD)
    assert not stage.memory.active("shop")
    assert stage.deploy(NEW).stable == image_of(OLD)


@scenario(2)
@scenario(5)
@scenario(27)
def test_a_good_version_goes_through_every_weight_and_becomes_stable(stage: Stage) -> None:
    stage.deploy()
    stage.until_phase(Phase.SUCCEEDED)
    risen = [stage.pct(weight) for weight in PLAN.steps]
    # While stable rolls, a share of the pods moves with every pod of stable that comes and goes.
    shown = [m.live_pct for m in stage.history if stage.kit.id != "replicas" or m.phase is not Phase.PROMOTING]
    assert [pct for pct, _ in itertools.groupby(shown)] == [0, *risen, 0]
    assert max(risen) <= PLAN.max_weight_pct
    assert set(stage.running(Role.STABLE)) == {NEW}
    assert stage.pods(Role.CANARY) == []
    assert stage.stable_version() == image_of(NEW)
    baked = [moment.at_s for moment in stage.history if moment.live_pct == risen[0]]
    assert baked[-1] - baked[0] >= PLAN.min_bake_s - 1
    assert stage.kit.share_pct(stage.cluster) == 0


@scenario(5)
def test_a_bake_is_as_long_as_the_plan_says_and_no_longer(make: Make) -> None:
    stage = make(steps=(10, 20), min_bake_s=20.0)
    stage.deploy()
    stage.until_phase(Phase.PROMOTING)
    for weight_pct in (10, 20):
        shown = [m.at_s for m in stage.history if (m.phase, m.live_pct) == (Phase.PROGRESSING, stage.pct(weight_pct))]
        # Seconds of the counted clock, which goes on while an API server under load lets a look wait.
        assert 20.0 - 1 <= shown[-1] - shown[0] <= 20.0 + LATE_S


@scenario(3)
def test_a_bad_version_is_at_zero_before_its_pods_go_and_the_reason_has_figures(stage: Stage) -> None:
    stage.errors[NEW] = 0.2
    stage.deploy()
    stage.until_phase(Phase.ROLLED_BACK)
    carried = [moment for moment in stage.history if moment.live_pct]
    after = stage.history[stage.history.index(carried[-1]) + 1]
    assert (after.live_pct, after.canary_running > 0) == (0, True)
    cause = stage.newest().reason
    assert "errors" in cause.text
    assert any(character.isdigit() for character in cause.text)
    assert set(stage.running(Role.STABLE)) == {OLD}
    assert stage.pods(Role.CANARY) == []


@scenario(15)
def test_a_canary_without_an_available_pod_loses_its_traffic_on_the_next_look(stage: Stage) -> None:
    stage.deploy()
    stage.until_live(10)
    stage.cluster.patch("deployments", "shop-canary", {"spec": {"replicas": 0}})
    stage.cluster.wait(lambda: not stage.pods(Role.CANARY), "the canary's pods are gone")
    stage.clock.advance(1)
    stage.turn()
    assert stage.live() == 0
    assert stage.newest().reason.code == "canary_gone"
    stage.until_phase(Phase.ROLLED_BACK)


@scenario(17)
def test_a_canary_that_never_gets_ready_never_has_traffic_and_fails_at_its_deadline(stage: Stage) -> None:
    stage.deploy("bad")
    stage.until_phase(Phase.FAILED)
    assert stage.weights() == [0]
    assert stage.newest().reason.code == "prepare_deadline"
    assert "ImagePullBackOff" in stage.newest().reason.text
    assert set(stage.running(Role.STABLE)) == {OLD}


@scenario(19)
def test_a_newer_version_in_the_middle_waits_until_the_old_canary_has_no_traffic(stage: Stage) -> None:
    first = stage.deploy()
    stage.until_live(20)
    second = stage.deploy(NEXT, replace=True)
    assert stage.live() == 0
    stage.until_phase(Phase.SUCCEEDED)
    assert stage.release(first.id).phase is Phase.ROLLED_BACK
    assert stage.newest().id == second.id
    assert set(stage.running(Role.STABLE)) == {NEXT}
    assert stage.pct(10) in stage.weights()[stage.weights().index(0, 1) :]


@scenario(20)
def test_going_back_to_stable_reverts_at_once_and_deploying_again_starts_a_new_canary(stage: Stage) -> None:
    first = stage.deploy()
    stage.until_live(20)
    stage.deploy(OLD)
    assert stage.live() == 0
    stage.until(lambda: not stage.memory.active("shop"))
    assert stage.release(first.id).phase is Phase.ROLLED_BACK
    stage.deploy()
    stage.until_phase(Phase.SUCCEEDED)
    assert set(stage.running(Role.STABLE)) == {NEW}


@scenario(21)
def test_a_version_submitted_while_a_rollback_waits_for_stable_is_not_lost(stage: Stage) -> None:
    stage.errors[NEW] = 0.3
    stage.deploy()
    stage.until(lambda: stage.newest().phase is Phase.ROLLING_BACK)
    later = stage.deploy(NEXT, replace=True)
    stage.until(lambda: stage.release(later.id).phase is Phase.SUCCEEDED)
    assert set(stage.running(Role.STABLE)) == {NEXT}


@scenario(23)
@pytest.mark.timeout(30)
def test_bad_then_bad_leaves_stable_alone_and_then_good_gets_through(stage: Stage) -> None:
    stage.errors.update({NEW: 0.3, NEXT: 0.3})
    for version in (NEW, NEXT):
        stage.deploy(version)
        stage.until_phase(Phase.ROLLED_BACK)
        assert set(stage.running(Role.STABLE)) == {OLD}
    stage.deploy("v4")
    stage.until_phase(Phase.SUCCEEDED)
    assert set(stage.running(Role.STABLE)) == {"v4"}


@scenario(27)
def test_no_weight_is_above_the_plans_maximum(make: Make) -> None:
    stage = make(steps=(10, 20, 50), max_weight_pct=50)
    stage.deploy()
    stage.until_phase(Phase.SUCCEEDED)
    assert max(stage.rising()) <= 50


@scenario(29)
def test_rules_filters_and_destinations_of_others_stay_exactly_as_they_are(stage: Stage) -> None:
    before = stage.kit.of_others(stage.cluster)
    stage.deploy()
    stage.until_live(20)
    assert stage.kit.of_others(stage.cluster) == before
    stage.deploy(OLD)
    stage.until(lambda: not stage.memory.active("shop"))
    assert stage.kit.of_others(stage.cluster) == before
