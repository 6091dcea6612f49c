"""What the store holds, as objects on both levels of test cluster: releases, their columns, and the Deployment that is
kept paused."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from controller.adapters.clock import SystemClock
from controller.adapters.kube.connect import KubeSettings, connect
from controller.adapters.kube.kinds import Raw
from controller.adapters.kube.resources.mirrors import KEPT
from controller.adapters.kube.resources.needs import Controller
from controller.adapters.kube.resources.resources import Resources
from controller.core.model import Phase, Reason
from tests.kube.cluster.client import Answered
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.real import assets
from tests.kube.conftest import LEVELS
from tests.kube.resources_stage import PACE, KubeStage, staged
from tests.unit.kube_resources.memory import spec
from tests.unit.kube_resources.stage import V2, V3

FOLLOWS = spec(trigger="deployment")
WHY = Reason("errors", "errors: canary 9 %, stable 1 %")


ON_REAL = pytest.mark.parametrize("cluster", LEVELS[1:], indirect=True)
"""kubectl needs more of a server than the small one has."""


@pytest.fixture
def stage(cluster: Cluster) -> Iterator[KubeStage]:
    with staged(cluster) as made:
        yield made


@pytest.fixture
def shop(stage: KubeStage) -> KubeStage:
    stage.put()
    stage.until_accepted()
    return stage


def shown(stage: KubeStage, name: str) -> Raw:
    return stage.cluster.find("releases", name) or {}


def until_shown(stage: KubeStage, name: str, phase: str) -> Raw:
    def look() -> Raw | None:
        found = shown(stage, name)
        return found if (found.get("status") or {}).get("phase") == phase else None

    return stage.until(look, f"{name} is shown as {phase}")


def kubectl(stage: KubeStage, *words: str) -> list[list[str]]:
    """The table that kubectl prints, without its heading."""
    program = assets() / "kubectl"
    if not os.access(program, os.X_OK):
        pytest.skip(f"left out: kubectl is not in {assets()}")
    command = [str(program), "--kubeconfig", str(stage.cluster.kubeconfig), *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30, env={"HOME": "/nonexistent"})
    return [line.split() for line in done.stdout.splitlines()[1:]]


def test_a_release_has_an_object_that_follows_it(shop: KubeStage) -> None:
    release = shop.deploy(V2).release
    seen = until_shown(shop, release.id, "pending")
    (owner,) = seen["metadata"]["ownerReferences"]
    assert owner["uid"] == shop.cluster.get("applications", "shop")["metadata"]["uid"]
    assert seen["spec"] == {
        "application": "shop", "environment": "production", "version": V2, "stable": "shop:1", "steps": [5, 25, 50],
        "actor": "ci",
    }  # fmt: skip
    shop.move(release.id, Phase.ROLLED_BACK, WHY)
    assert until_shown(shop, release.id, "rolled_back")["status"]["reason"] == WHY.text


def test_an_edit_of_a_release_object_is_put_back(shop: KubeStage) -> None:
    release = shop.deploy(V2).release
    before = until_shown(shop, release.id, "pending")
    shop.cluster.patch("releases", release.id, {"metadata": {"labels": None}, "spec": {"version": "evil"}})
    shop.cluster.patch("releases", release.id, {"status": {"phase": "succeeded"}}, subresource="status")

    def restored() -> bool:
        now = shown(shop, release.id)
        same = all(now[part] == before[part] for part in ("spec", "status"))
        return same and now["metadata"].get("labels") == before["metadata"]["labels"]

    shop.until(restored, "the edit is undone")
    assert shop.newest().phase is Phase.PENDING


def test_a_release_object_that_somebody_deleted_comes_back(shop: KubeStage) -> None:
    release = shop.deploy(V2).release
    before = until_shown(shop, release.id, "pending")
    shop.cluster.delete("releases", release.id)
    after = shop.until(
        lambda: (now := shown(shop, release.id)) and now["metadata"]["uid"] != before["metadata"]["uid"] and now,
        "it is there again",
    )
    assert after["spec"] == before["spec"]


def test_only_the_newest_releases_have_objects(shop: KubeStage) -> None:
    made = [shop.deploy(f"shop:{number}").release.id for number in _tries(shop)]
    wanted = set(made[-KEPT:])
    shop.until(
        lambda: {one["metadata"]["name"] for one in shop.cluster.list("releases")} == wanted, "the newest few are shown"
    )


def _tries(stage: KubeStage) -> Iterator[int]:
    for number in range(2, KEPT + 5):
        yield number
        stage.move(stage.newest().id, Phase.ROLLED_BACK)
        stage.bridge.sync()


def test_a_texts_of_any_length_fits_the_schema(shop: KubeStage) -> None:
    release = shop.deploy(V2, actor="x" * 400).release
    shop.move(release.id, Phase.FAILED, Reason("never_ready", "no " * 3_000))
    shop.kill()
    until_shown(shop, release.id, "failed")
    shop.until_status("phase", "failed")


def test_the_status_is_its_own_door(shop: KubeStage) -> None:
    """Whoever may edit Applications cannot write what the controller says of them."""
    shop.cluster.patch("applications", "shop", {"status": {"phase": "succeeded"}})
    assert "phase" not in shop.status()


@ON_REAL
def test_kubectl_shows_phase_weight_verdict_and_since(shop: KubeStage) -> None:
    release = shop.deploy(V2).release
    shop.move(release.id, Phase.PROGRESSING, step=0, weight_pct=5)
    shop.until_status("weightPct", 5)
    until_shown(shop, release.id, "progressing")
    ((name, phase, weight, verdict, *_),) = kubectl(shop, "get", "applications")
    assert (name, phase, weight, verdict) == ("shop", "progressing", "5", "none")
    ((name, application, phase, weight, *_),) = kubectl(shop, "get", "ilr")
    assert (name, application, phase, weight) == (release.id, "shop", "progressing", "5")
    ((*_, stable, canary, ready),) = kubectl(shop, "get", "ila", "-o", "wide")
    assert (canary, ready) == (V2, "False")
    assert stable


@ON_REAL
def test_kubectl_waits_for_what_was_asked_for_last(shop: KubeStage) -> None:
    shop.move(shop.deploy(V2).release.id, Phase.SUCCEEDED)
    shop.until_status("phase", "succeeded")
    assert kubectl(shop, "wait", "--for=condition=Ready", "application/shop", "--timeout=5s") == []


def rolled(stage: KubeStage) -> list[str]:
    stage.cluster.deployment("shop", replicas=2)
    stage.cluster.rolled_out("shop")
    return uids(stage)


def uids(stage: KubeStage) -> list[str]:
    return sorted(pod["metadata"]["uid"] for pod in stage.cluster.pods())


def paused(stage: KubeStage) -> bool:
    return stage.cluster.get("deployments", "shop")["spec"].get("paused") is True


def test_the_deployment_is_paused_without_a_restart_and_a_change_of_it_is_one_release(stage: KubeStage) -> None:
    before = rolled(stage)
    stage.put(document=FOLLOWS)
    stage.until(lambda: paused(stage), "the Deployment is paused")
    assert uids(stage) == before
    stage.world.template["shop"] = V2
    stage.cluster.deployment("shop", image=V2, replicas=2)
    stage.until(lambda: stage.releases() == [V2], "the change is a release")
    stage.beats(0.5)
    assert (stage.releases(), uids(stage)) == ([V2], before)
    stage.move(stage.newest().id, Phase.ROLLED_BACK, WHY)
    stage.until(lambda: stage.condition("Ready").get("reason") == "NotPromoted", "it says that it stays")
    assert "stays paused on its old pods" in stage.condition("Ready")["message"]


def test_a_deployment_that_somebody_lets_go_is_paused_again_when_it_has_rolled_out(stage: KubeStage) -> None:
    rolled(stage)
    stage.put(document=FOLLOWS)
    stage.until(lambda: paused(stage), "the Deployment is paused")
    stage.cluster.deployment("shop", image=V3, replicas=2, paused=False)
    stage.until(lambda: paused(stage), "the Deployment is paused again")
    assert {pod["spec"]["containers"][0]["image"] for pod in stage.cluster.ready_pods()} == {V3}


def test_a_scaling_in_the_middle_asks_for_no_release(stage: KubeStage) -> None:
    rolled(stage)
    stage.put(document=FOLLOWS)
    stage.until(lambda: paused(stage), "the Deployment is paused")
    stage.cluster.patch("deployments", "shop", {"spec": {"replicas": 3}})
    stage.beats(0.5)
    assert stage.releases() == []


def test_resources_start_beat_and_stop_on_their_own(cluster: Cluster) -> None:
    with contextlib.closing(connect(KubeSettings(kubeconfig=str(cluster.kubeconfig)), SystemClock())) as api:
        with staged(cluster) as bench:
            around: Any = bench.bridge._controller
            assert isinstance(around, Controller)
            resources = Resources(api, around, (cluster.namespace,), PACE)
            resources.start()
            try:
                bench.put()

                def accepted() -> bool:
                    resources.sync()
                    return bench.condition("Accepted").get("status") == "True"

                cluster.wait(accepted, "it is registered")
            finally:
                resources.stop()
        resources.sync()


def test_a_release_object_cannot_be_made_by_hand_for_long(shop: KubeStage) -> None:
    release = shop.deploy(V2).release
    body = until_shown(shop, release.id, "pending")
    fake = {**body, "metadata": {"name": "shop-fake", "labels": body["metadata"]["labels"]}}
    shop.cluster.apply(fake)
    shop.until(lambda: not shown(shop, "shop-fake"), "it is gone")
    with pytest.raises(Answered):
        shop.cluster.get("releases", "shop-fake")
