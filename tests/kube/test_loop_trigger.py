"""``trigger: deployment`` from an Application object to its end in the whole loop: a changed template is a release, its
canary gets traffic, and the Deployment is paused on what serves in the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.model import Role
from controller.core.model import IntentKind, Phase
from tests.kube.cluster.cluster import Cluster
from tests.kube.loop_stage import LoopStage, looping
from tests.kube.scenarios.stage import NEW, NEXT, OLD, image_of


@pytest.fixture
def stage(cluster: Cluster, tmp_path: Path) -> Iterator[LoopStage]:
    with looping(cluster, tmp_path, "deployment") as stage:
        stage.until(lambda: stage.paused)
        yield stage


def released(stage: LoopStage, tag: str = NEW) -> None:
    """Somebody changes the image, and that is a release."""
    before = stage.releases
    stage.set_image(tag)
    stage.until(lambda: stage.releases > before)
    assert stage.newest().canary.startswith(f"{image_of(tag)}+t")


def test_a_changed_image_is_a_release_that_is_promoted_by_letting_the_deployment_roll(stage: LoopStage) -> None:
    released(stage)
    assert stage.newest().actor == f"kubernetes:{stage.cluster.namespace}/shop"
    stage.until_live(10)
    assert (set(stage.running(Role.STABLE)), set(stage.running(Role.CANARY)), stage.paused) == ({OLD}, {NEW}, True)
    stage.until_phase(Phase.SUCCEEDED)
    assert [pct for pct in stage.weights() if pct] == [10, 20, 30]
    stage.until(lambda: stage.ready()[0] == "Serving")
    assert (set(stage.running(Role.STABLE)), stage.pods(Role.CANARY), stage.live()) == ({NEW}, [], 0)
    assert (stage.paused, stage.template_image) == (True, image_of(NEW))
    assert (stage.status()["phase"], stage.status()["stableVersion"]) == ("succeeded", stage.newest().canary)


def test_a_harmful_image_is_taken_back_and_the_deployment_stays_paused_on_its_old_pods(stage: LoopStage) -> None:
    pods = {pod["metadata"]["uid"] for pod in stage.cluster.pods("app=shop")}
    stage.errors[NEW] = 0.3
    released(stage)
    stage.until_phase(Phase.ROLLED_BACK)
    stage.until(lambda: stage.ready()[0] == "NotPromoted")
    assert "stays paused on its old pods until its template changes" in stage.ready()[1]
    assert {pod["metadata"]["uid"] for pod in stage.cluster.pods("app=shop")} == pods
    assert (stage.live(), stage.paused, stage.template_image) == (0, True, image_of(NEW))
    stage.seconds(10)
    assert stage.releases == 1, "the same template is not tried again by itself"
    released(stage, NEXT)
    stage.until_phase(Phase.SUCCEEDED)
    assert (set(stage.running(Role.STABLE)), stage.paused) == ({NEXT}, True)


def test_a_promotion_that_never_completes_puts_the_old_template_back_and_pauses_it(
    cluster: Cluster, tmp_path: Path
) -> None:
    with looping(cluster, tmp_path, "deployment", promote_deadline_s=15.0) as stage:
        stage.until(lambda: stage.paused)
        pods = {pod["metadata"]["uid"] for pod in cluster.pods("app=shop")}
        released(stage)
        stage.until_live(30)
        stage.no_more_pods()
        stage.until(lambda: stage.newest().phase is Phase.PROMOTING and not stage.paused)
        assert stage.template_image == image_of(NEW)
        stage.until_phase(Phase.ROLLED_BACK)
        assert stage.newest().reason.code == "promote_deadline"
        assert "exceeded quota" in stage.newest().reason.text
        stage.until(lambda: stage.paused)
        assert (stage.template_image, stage.live(), set(stage.running(Role.STABLE))) == (image_of(OLD), 0, {OLD})
        assert {pod["metadata"]["uid"] for pod in cluster.pods("app=shop")} == pods


def test_an_abort_and_a_template_that_is_taken_back_end_the_same_way(stage: LoopStage) -> None:
    released(stage)
    stage.until_live(10)
    stage.ask(IntentKind.ABORT)
    assert stage.live() == 0
    stage.until_phase(Phase.ROLLED_BACK)
    assert (stage.paused, stage.template_image, set(stage.running(Role.STABLE))) == (True, image_of(NEW), {OLD})
    released(stage, NEXT)
    stage.until_live(10)
    stage.set_image(OLD)
    stage.until_phase(Phase.ROLLED_BACK)
    assert stage.newest().reason.code == "aborted"
    assert (stage.paused, stage.template_image, set(stage.running(Role.STABLE))) == (True, image_of(OLD), {OLD})
