"""Mistakes that canary controllers make in a cluster, in the whole loop: each test shows one that is not made here. The
page of them is written by tests/kube/mistakes.py."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.model import Outcome, Role
from controller.core.model import HaltCause, IntentKind, Phase
from controller.ports import Unavailable
from tests.fakes.metrics import Trouble
from tests.kube.cluster import builders
from tests.kube.cluster.cluster import Cluster
from tests.kube.loop_stage import LoopStage, looping
from tests.kube.scenarios.kits import CANARY, STABLE
from tests.kube.scenarios.stage import NEW, NEXT, OLD, image_of


@pytest.fixture
def stage(cluster: Cluster, tmp_path: Path) -> Iterator[LoopStage]:
    with looping(cluster, tmp_path) as stage:
        yield stage


@pytest.fixture
def followed(cluster: Cluster, tmp_path: Path) -> Iterator[LoopStage]:
    with looping(cluster, tmp_path, "deployment") as stage:
        stage.until(lambda: stage.paused)
        yield stage


def test_harm_is_acted_on_while_an_instance_of_stable_and_one_of_the_canary_are_not_ready(
    cluster: Cluster, tmp_path: Path
) -> None:
    with looping(cluster, tmp_path, steps=(10, 45)) as stage:
        stage.deploy()
        stage.until_live(45)
        full = {role: len(stage.running(role)) for role in Role}
        assert min(full.values()) > 1
        for name in (STABLE, CANARY):
            pod = next(one for one in cluster.pods() if one["metadata"]["name"].rsplit("-", 2)[0] == name)
            cluster.kubelet.set_ready(pod, ready=False)
        cluster.wait(lambda: all(len(stage.running(role)) < full[role] for role in Role), "both are short")
        stage.settle = lambda: None  # type: ignore[method-assign]
        stage.errors[NEW] = 0.3
        stage.until(lambda: stage.live() == 0, 30)
        assert stage.newest().reason.code not in ("canary_gone", "promote_deadline")


def test_without_one_measurement_nothing_is_promoted(stage: LoopStage) -> None:
    stage.metrics.trouble[Role.CANARY] = Trouble(Outcome.NO_SERIES)
    stage.deploy()
    stage.until(lambda: not stage.memory.active("shop"))
    assert (stage.newest().phase, stage.newest().reason.code) == (Phase.ROLLED_BACK, "no_data")
    assert max(pct for pct in stage.weights() if pct is not None) == 10
    assert set(stage.running(Role.STABLE)) == {OLD}


def test_an_aborted_canary_is_left_alone_until_it_goes_and_no_service_flaps(cluster: Cluster, tmp_path: Path) -> None:
    with looping(cluster, tmp_path, drain_s=8.0) as stage:
        stage.deploy()
        stage.until_live(20)
        stage.ask(IntentKind.ABORT)
        stage.second()
        since_s = time.monotonic()
        stage.seconds(5)
        assert stage.running(Role.CANARY), "its pods are still there"
        written = [call.resource for call in cluster.calls(since_s=since_s) if call.writes]
        assert not {"services", "httproutes", "deployments"} & set(written)


def test_an_application_deleted_in_the_middle_leaves_no_weight_and_no_rule_behind(stage: LoopStage) -> None:
    stage.deploy()
    stage.until_live(20)
    assert stage.owner == "shop"
    stage.cluster.delete("applications", "shop")
    stage.until(lambda: stage.cluster.find("applications", "shop") is None)
    route = stage.cluster.get("httproutes", STABLE)
    assert (stage.live(), stage.owner) == (0, "")
    assert "interlock" not in str(route["spec"]) + str(route["metadata"].get("annotations"))
    assert stage.cluster.find("deployments", CANARY) is None
    assert set(stage.running(Role.STABLE)) == {OLD}
    carried = [one for one in stage.history if one.live_pct]
    after = stage.history[stage.history.index(carried[-1]) + 1 :]
    assert any(one.canary_running for one in after), "the traffic went first"


def test_traffic_does_not_go_back_to_a_stable_that_was_scaled_to_nothing(stage: LoopStage) -> None:
    stage.deploy()
    stage.until_live(20)
    stage.cluster.patch("deployments", STABLE, {"spec": {"replicas": 0}}, "scale")
    stage.until(lambda: not stage.pods(Role.STABLE))
    stage.errors[NEW] = 0.9
    stage.until(lambda: stage.newest().halt is HaltCause.STABLE_DOWN)
    stage.seconds(3)
    assert (stage.live(), len(stage.running(Role.CANARY)) > 0) == (20, True)
    stage.cluster.patch("deployments", STABLE, {"spec": {"replicas": 3}}, "scale")
    stage.until_phase(Phase.ROLLED_BACK)
    assert (stage.live(), len(stage.running(Role.STABLE))) == (0, 3)


def test_a_template_that_comes_while_a_rollback_is_under_way_and_nothing_can_be_read_is_not_lost(
    followed: LoopStage,
) -> None:
    stage = followed
    stage.errors[NEW] = 0.3
    stage.set_image(NEW)
    stage.until(lambda: stage.releases > 0 and stage.newest().phase is Phase.ROLLING_BACK)
    stage.workload.fail(Unavailable("the API server cannot be reached"), "pending_version", "observe", "ensure")
    stage.set_image(NEXT)
    stage.seconds(10)
    assert stage.releases == 1
    stage.workload.heal()
    stage.until(lambda: stage.releases > 1 and stage.newest().phase is Phase.SUCCEEDED)
    assert set(stage.running(Role.STABLE)) == {NEXT}


def test_a_template_that_is_taken_back_and_applied_again_is_a_release_again(followed: LoopStage) -> None:
    stage = followed
    for number in (1, 2):
        stage.set_image(NEW)
        stage.until(lambda number=number: stage.releases == number and stage.live() == 10)  # type: ignore[misc]
        stage.set_image(OLD)
        stage.until(lambda: not stage.memory.active("shop"))
        assert (stage.live(), stage.template_image) == (0, image_of(OLD))
    stage.set_image(NEW)
    stage.until(lambda: stage.releases == 3 and stage.newest().phase is Phase.SUCCEEDED)
    assert set(stage.running(Role.STABLE)) == {NEW}


def test_a_controller_that_dies_between_the_end_of_a_canary_and_its_record_sends_it_nothing(stage: LoopStage) -> None:
    stage.errors[NEW] = 0.3
    stage.deploy()
    stage.until(lambda: stage.newest().phase is Phase.ROLLING_BACK)
    stage.until(lambda: stage.cluster.find("deployments", CANARY) is None and stage.live() == 0)
    stage.store.fail(Unavailable("the disk is gone"), "commit")
    stage.seconds(3)
    assert stage.newest().phase is Phase.ROLLING_BACK, "its end is on no record"
    before = len(stage.history)
    stage.store.heal()
    stage.lead()
    stage.until_phase(Phase.ROLLED_BACK)
    assert {one.live_pct for one in stage.history[before:]} == {0}
    assert stage.cluster.find("deployments", CANARY) is None


def test_an_edit_of_the_route_while_stable_rolls_moves_no_weight(stage: LoopStage) -> None:
    stage.deploy()
    stage.until_live(30)
    stage.no_more_pods()
    stage.until(lambda: stage.newest().phase is Phase.PROMOTING)
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": "/more"}}],
        "backendRefs": [builders.backend("pay", 1)],
    }
    meta = {"metadata": {"labels": {"team": "red"}, "annotations": {"note": "mine"}}}
    stage.cluster.patch("httproutes", STABLE, meta)
    stage.cluster.patch("httproutes", STABLE, [{"op": "add", "path": "/spec/rules/-", "value": rule}])
    before = len(stage.history)
    stage.seconds(4)
    assert stage.newest().phase is Phase.PROMOTING
    assert {one.live_pct for one in stage.history[before:]} == {30}
    assert "/more" in str(stage.cluster.get("httproutes", STABLE)["spec"])
