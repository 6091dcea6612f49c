"""``trigger: deployment`` from an Application object to its end in the whole loop: a changed template is a release, its
canary gets traffic, and the Deployment is paused on what serves in the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.model import Role
from controller.core.model import IntentKind, Phase
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.raw import Raw
from tests.kube.loop_stage import LoopStage, looping
from tests.kube.scenarios.stage import NEW, NEXT, OLD, image_of

NOTE = "interlock.dev/route"


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


def waits(stage: LoopStage) -> None:
    """A template that was not promoted: without the pause it would roll."""
    stage.errors[NEW] = 0.3
    released(stage)
    stage.until_phase(Phase.ROLLED_BACK)
    stage.until(lambda: stage.ready()[0] == "NotPromoted")
    stage.seconds(5)


def the_route(stage: LoopStage) -> Raw:
    return stage.cluster.get("httproutes", "shop")


def test_an_application_with_a_template_that_waits_is_not_deleted_and_keeps_its_route_with_its_note(
    stage: LoopStage,
) -> None:
    waits(stage)
    route, since = the_route(stage), len(stage.cluster.calls())
    assert NOTE in route["metadata"]["annotations"]
    stage.cluster.delete("applications", "shop")
    stage.seconds(10)
    assert "rollout resume deployment/shop" in stage.ready()[1]
    assert the_route(stage) == route
    writes = {one.resource for one in stage.cluster.calls()[since:] if one.writes}
    assert writes == {"applications/status"}, "nothing but what is shown"
    stage.set_image(OLD)
    stage.until(lambda: stage.cluster.find("applications", "shop") is None)
    assert (stage.paused, stage.owner, set(stage.running(Role.STABLE))) == (False, "", {OLD})
    assert NOTE not in the_route(stage)["metadata"].get("annotations", {})


def test_an_edit_that_would_end_the_pause_over_a_template_that_waits_is_refused_and_keeps_the_route(
    stage: LoopStage,
) -> None:
    waits(stage)
    route = the_route(stage)
    stage.cluster.patch("applications", "shop", {"spec": {"trigger": "api"}})
    stage.until(lambda: stage.ready()[0] == "NotAccepted")
    stage.seconds(10)
    assert "rollout resume deployment/shop" in str(stage.status()["conditions"])
    assert (the_route(stage), stage.paused) == (route, True)
