"""Ways back in the whole loop: to a stable that is too small for all the traffic, from a promotion that does not end,
and over several routes of one application."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from analysis.model import Role
from controller.core.model import HaltCause, IntentKind, Overload, Phase
from controller.core.targets import KubernetesRoute, RouteKind, RouteObject
from tests.kube.cluster import builders
from tests.kube.cluster.cluster import Cluster
from tests.kube.loop_stage import LoopStage, looping
from tests.kube.scenarios.kits import STABLE, HttpRouteKit
from tests.kube.scenarios.stage import NEW, OLD, Stage, image_of
from tests.kube.test_workload_apart import autoscaler

WAITS = Overload(ready_pct=100, wait_s=40.0)


def harmful_beside_a_shrunk_stable(stage: LoopStage) -> None:
    """An autoscaler takes an instance of stable away while the canary carries a part, and then the canary fails."""
    stage.cluster.apply(autoscaler())
    stage.deploy()
    stage.until_live(20)
    stage.cluster.patch("deployments", STABLE, {"spec": {"replicas": 1}}, "scale")
    stage.until(lambda: len(stage.running(Role.STABLE)) == 1)
    stage.errors[NEW] = 0.3


def test_an_automatic_rollback_waits_for_the_instances_that_an_autoscaler_took(
    cluster: Cluster, tmp_path: Path
) -> None:
    with looping(cluster, tmp_path, overload=WAITS) as stage:
        harmful_beside_a_shrunk_stable(stage)
        stage.until(lambda: stage.newest().halt is HaltCause.STABLE_SHORT)
        assert stage.live() == 20
        assert "stable has 1 ready instance and needs 2 more to carry everything" in stage.sentence()
        stage.until_phase(Phase.ROLLED_BACK)
        back = next(one for one in stage.records("phase") if one.numbers["to_phase"] == "rolling_back")
        assert back.at_s - stage.newest().created_at_s < WAITS.wait_s + 60
        assert (stage.live(), len(stage.running(Role.STABLE))) == (0, 3), "they were there before the traffic was"


def test_an_automatic_rollback_that_waited_long_enough_goes_back_to_what_there_is(
    cluster: Cluster, tmp_path: Path
) -> None:
    with looping(cluster, tmp_path, overload=replace(WAITS, wait_s=8.0)) as stage:
        stage.deploy()
        stage.until_live(20)
        stage.cluster.kubelet.set_ready(stage.cluster.pods("app=shop")[0], ready=False)
        cluster.wait(lambda: len(stage.running(Role.STABLE)) == 2, "one of stable is not ready")
        stage.errors[NEW] = 0.3
        stage.settle = lambda: None  # type: ignore[method-assign]
        stage.until(lambda: stage.newest().halt is HaltCause.STABLE_SHORT)
        halted_s = stage.clock.now_s()
        stage.until(lambda: stage.live() == 0)
        assert 8.0 <= stage.clock.now_s() - halted_s <= 10.0


def test_an_abort_does_not_wait_for_a_stable_that_is_too_small(cluster: Cluster, tmp_path: Path) -> None:
    with looping(cluster, tmp_path, overload=WAITS) as stage:
        harmful_beside_a_shrunk_stable(stage)
        stage.until(lambda: stage.newest().halt is HaltCause.STABLE_SHORT)
        stage.ask(IntentKind.ABORT)
        assert stage.live() == 0
        stage.until_phase(Phase.ROLLED_BACK)


def test_without_a_policy_an_automatic_rollback_waits_for_nothing(cluster: Cluster, tmp_path: Path) -> None:
    with looping(cluster, tmp_path) as stage:
        harmful_beside_a_shrunk_stable(stage)
        stage.until_phase(Phase.ROLLED_BACK)
        assert not [one for one in stage.records("phase") if one.numbers["to_phase"] == "halted"]
        assert len(stage.running(Role.STABLE)) == 3, "what the autoscaler took is given back beside that"


def test_a_promotion_past_its_deadline_puts_stables_template_back_and_its_pods_never_went(
    cluster: Cluster, tmp_path: Path
) -> None:
    with looping(cluster, tmp_path, promote_deadline_s=15.0) as stage:
        before, pods = stage.deployment(), {pod["metadata"]["uid"] for pod in cluster.pods("app=shop")}
        stage.deploy()
        stage.until_live(30)
        stage.no_more_pods()
        stage.until(lambda: stage.template_image == image_of(NEW))
        assert (stage.newest().phase, stage.live()) == (Phase.PROMOTING, 30)
        stage.until_phase(Phase.ROLLED_BACK)
        assert stage.newest().reason.code == "promote_deadline"
        assert stage.deployment()["spec"] == before["spec"]
        assert (stage.live(), set(stage.running(Role.STABLE))) == (0, {OLD})
        assert {pod["metadata"]["uid"] for pod in cluster.pods("app=shop")} == pods


class TwoRoutes(Stage):
    """One application behind two HTTPRoutes."""

    def store_application(self) -> None:
        assert isinstance(self.app.router, KubernetesRoute)
        more = RouteObject(RouteKind.HTTP_ROUTE, "partners")
        router = replace(self.app.router, objects=(*self.app.router.objects, more), header=None)
        self.cluster.apply(builders.http_route("partners", [builders.backend(STABLE, 1)]))
        self.app = replace(self.app, router=router)
        super().store_application()

    def weights_of(self, name: str) -> dict[str, int]:
        (rule,) = [one for one in self.cluster.get("httproutes", name)["spec"]["rules"] if STABLE in str(one)][:1]
        return {one["name"]: one.get("weight", 1) for one in rule["backendRefs"]}

    def both(self) -> set[int]:
        return {self.weights_of(name).get("shop-canary", 0) for name in (STABLE, "partners")}


def test_every_route_of_an_application_has_the_same_weight_through_a_release(cluster: Cluster, tmp_path: Path) -> None:
    stage = TwoRoutes(cluster, HttpRouteKit(), tmp_path)
    try:
        stage.deploy()
        seen: list[int] = []
        for weight in (10, 20, 30):
            stage.until_live(weight)
            assert stage.both() == {weight}
            seen.append(weight)
        stage.until_phase(Phase.SUCCEEDED)
        assert (seen, stage.both()) == ([10, 20, 30], {0})
    finally:
        stage.close()


def test_a_route_that_cannot_be_patched_keeps_no_other_one_on_the_canary(cluster: Cluster, tmp_path: Path) -> None:
    """And nothing ends before the last of them is back."""
    stage = TwoRoutes(cluster, HttpRouteKit(), tmp_path)
    try:
        stage.deploy()
        stage.until_live(20)
        kept = stage.cluster.get("httproutes", "partners")
        stage.cluster.delete("httproutes", "partners")
        stage.ask(IntentKind.ABORT)
        assert stage.weights_of(STABLE)["shop-canary"] == 0
        stage.seconds(5)
        assert stage.newest().phase is Phase.ROLLING_BACK
        kept["metadata"] = {"name": "partners", "annotations": kept["metadata"]["annotations"]}
        kept.pop("status", None)
        stage.cluster.apply(kept)
        stage.until_phase(Phase.ROLLED_BACK)
        assert stage.both() == {0}
    finally:
        stage.close()
