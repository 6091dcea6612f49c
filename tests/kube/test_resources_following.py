"""A Deployment that starts releases, with the workload that really guards it, on both levels of test cluster."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from analysis.model import Role
from controller.adapters.clock import SystemClock
from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.workload.deployment import DeploymentWorkload
from controller.core.model import Application, IntentKind, Phase, Reason, Release
from controller.ports import Conflict
from tests.kube.cluster import builders
from tests.kube.cluster.cluster import Cluster, is_rolled_out
from tests.kube.resources_stage import KubeStage, staged
from tests.kube.workload_stage import V1, V2, V3, pinned
from tests.unit.kube_resources.memory import spec


def guarding(api: KubeApi) -> DeploymentWorkload:
    return DeploymentWorkload(api, SystemClock(), pinned)


@pytest.fixture
def shop(cluster: Cluster) -> Iterator[KubeStage]:
    cluster.apply(builders.service("shop"))
    apply(cluster, V1)
    cluster.rolled_out("shop")
    with staged(cluster, workload=guarding) as stage:
        stage.put(document=spec(trigger="deployment"))
        stage.until_accepted()
        stage.until(lambda: is_paused(cluster), "the Deployment is paused")
        yield stage


def apply(cluster: Cluster, image: str) -> None:
    """As Git's tool does it: it says nothing of the pause."""
    cluster.deployment("shop", image, 2)


def is_paused(cluster: Cluster) -> bool:
    return cluster.get("deployments", "shop")["spec"].get("paused") is True


def images(cluster: Cluster) -> set[str]:
    """Of what serves: pods of stable's own Service."""
    found = cluster.ready_pods("app=shop")
    return {pod["spec"]["containers"][0]["image"] for pod in found}


def changed(stage: KubeStage, image: str = V2) -> Release:
    before = len(stage.releases())
    apply(stage.cluster, image)
    stage.until(lambda: len(stage.releases()) == before + 1, f"the template {image} is a release")
    found = stage.newest()
    assert found.canary.startswith(f"{image}+t")
    return found


def ensure(stage: KubeStage, app: Application, role: Role, version: str | None) -> None:
    """One pass of the loop; what meets somebody else's write is left to the next one."""
    try:
        stage.workload.ensure(app, role, version, 1, 50)
    except Conflict:
        return


def rolled_to(stage: KubeStage, release: Release, version: str) -> None:
    def look() -> bool:
        stable, _ = stage.workload.observe(release.app)
        if stable.settled_on(version) and is_paused(stage.cluster):
            return True
        ensure(stage, release.app, Role.STABLE, version)
        return False

    stage.until(look, f"stable runs {version} and is paused", 20)


def promoting(stage: KubeStage, release: Release) -> None:
    ensure(stage, release.app, Role.CANARY, release.canary)
    stage.until(lambda: stage.workload.observe(release.app)[1].ready_of(release.canary) > 0, "the canary is ready", 20)
    stage.move(release.id, Phase.PROMOTING)
    rolled_to(stage, release, release.canary)


@pytest.mark.timeout(60)
def test_a_template_from_git_is_one_release_whose_promotion_lets_it_roll_and_pauses_it_again(shop: KubeStage) -> None:
    release = changed(shop)
    assert images(shop.cluster) == {V1}
    promoting(shop, release)
    assert shop.newest().intent is None
    shop.move(release.id, Phase.SUCCEEDED)
    shop.until(lambda: shop.condition("Ready").get("reason") == "Serving", "it serves")
    shop.beats(0.5)
    assert (images(shop.cluster), is_paused(shop.cluster), len(shop.releases())) == ({V2}, True, 1)


@pytest.mark.timeout(60)
def test_a_template_that_a_way_back_took_out_is_not_tried_again_when_git_puts_it_in_again(shop: KubeStage) -> None:
    release = changed(shop)
    promoting(shop, release)
    shop.move(release.id, Phase.ROLLING_BACK)
    assert release.stable is not None
    rolled_to(shop, release, release.stable)
    shop.until(lambda: images(shop.cluster) == {V1}, "stable is as it was")
    shop.move(release.id, Phase.ROLLED_BACK, Reason("errors", "errors: canary 9 %, stable 1 %"))
    shop.beats(0.5)
    apply(shop.cluster, V2)
    shop.until(lambda: shop.condition("Ready").get("reason") == "NotPromoted", "it says that it stays")
    shop.beats(0.5)
    assert (len(shop.releases()), images(shop.cluster)) == (1, {V1})
    changed(shop, V3)


def test_a_template_that_git_takes_back_aborts_its_release_and_a_newer_one_takes_its_place(shop: KubeStage) -> None:
    first = changed(shop)
    second = changed(shop, V3)
    old = shop.memory.release(first.id)
    assert old is not None
    assert old.superseded_by == second.id
    shop.move(first.id, Phase.ROLLED_BACK)
    apply(shop.cluster, V1)

    def aborted() -> bool:
        intent = shop.newest().intent
        return intent is not None and intent.kind is IntentKind.ABORT

    shop.until(aborted, "the release is aborted")
    assert images(shop.cluster) == {V1}


def test_any_change_of_the_template_counts_and_none_beside_it(shop: KubeStage) -> None:
    shop.cluster.patch("deployments", "shop", {"metadata": {"labels": {"team": "red"}}, "spec": {"replicas": 3}})
    shop.beats(0.5)
    assert shop.releases() == []
    env = [{"op": "add", "path": "/spec/template/spec/containers/0/env", "value": [{"name": "COLOUR", "value": "red"}]}]
    shop.cluster.patch("deployments", "shop", env)
    shop.until(lambda: len(shop.releases()) == 1, "a variable is a release")
    assert shop.newest().canary.startswith(f"{V1}+t")


def test_an_object_whose_deployment_would_roll_without_its_pause_stays_and_says_what_to_do(shop: KubeStage) -> None:
    release = changed(shop)
    shop.move(release.id, Phase.ROLLED_BACK)
    shop.cluster.delete("applications", "shop")
    shop.until(lambda: "Put the template back" in shop.condition("Ready").get("message", ""), "it says what to do")
    assert is_paused(shop.cluster)
    apply(shop.cluster, V1)
    shop.until(lambda: shop.cluster.find("applications", "shop") is None, "the object is gone")
    assert not is_paused(shop.cluster)
    shop.cluster.wait(lambda: is_rolled_out(shop.cluster.get("deployments", "shop")), "the Deployment is whole")
    assert images(shop.cluster) == {V1}


def test_a_trigger_that_is_switched_off_ends_the_pause_without_a_restart(shop: KubeStage) -> None:
    before = sorted(pod["metadata"]["uid"] for pod in shop.cluster.pods())
    shop.put(document=spec(trigger="api"))
    shop.until(lambda: not is_paused(shop.cluster), "the pause is over")
    shop.beats(0.5)
    assert sorted(pod["metadata"]["uid"] for pod in shop.cluster.pods()) == before
    apply(shop.cluster, V3)
    shop.until(lambda: images(shop.cluster) == {V3}, "the Deployment rolls as it did before")
    assert shop.releases() == []
