"""Releases with a fresh baseline in the whole loop: nothing begins before it stands, and it is gone at every end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.model import AnalysisSpec, Role
from analysis.samples import Point, Series
from controller.core.model import IntentKind, Phase
from gates.kill import Verb
from tests.fakes.metrics import FakeMetrics
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.raw import is_ready, name_of
from tests.kube.scenarios.kits import CANARY, STABLE, HttpRouteKit
from tests.kube.scenarios.stage import NEW, OLD, Stage
from tests.kube.test_workload_apart import autoscaler
from tests.unit.core.build import FLEET

BASELINE = f"{STABLE}-baseline"


class PodMetrics(FakeMetrics):
    """Stable's pods share its requests evenly, and each has its own series."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__()
        self._cluster = cluster

    def _series(
        self, spec: AnalysisSpec, selector: str, role: Role, seen: list[tuple[float, float, float, float]]
    ) -> tuple[Series, ...]:
        (whole,) = super()._series(spec, selector, role, seen)
        names = [name_of(pod) for pod in self._cluster.pods() if is_ready(pod)]
        mine = [name for name in names if (role is Role.CANARY) == name.startswith(CANARY)]
        points = tuple(Point(one.at_s, one.value / max(1, len(mine))) for one in whole.points)
        return tuple(replace(whole, key=f"{whole.key} {name}", points=points, source=name, pod=name) for name in mine)


@pytest.fixture
def stage(cluster: Cluster, tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(cluster, HttpRouteKit(), tmp_path, baseline=True)
    stage.metrics = PodMetrics(cluster)
    stage.lead()
    try:
        yield stage
    finally:
        stage.close()


def baseline_pods(stage: Stage) -> list[str]:
    return [name_of(pod) for pod in stage.cluster.pods() if name_of(pod).startswith(BASELINE) and is_ready(pod)]


def assert_gone(stage: Stage) -> None:
    stage.cluster.wait(
        lambda: stage.cluster.find("deployments", BASELINE) is None and not baseline_pods(stage), "the baseline is gone"
    )


def test_a_healthy_release_with_a_baseline_is_promoted_and_leaves_nothing(stage: Stage) -> None:
    stage.deploy(NEW)
    stage.until_live(10)
    assert baseline_pods(stage)
    assert not any(moment.live_pct for moment in stage.history if moment.canary_running == 0)
    stage.until_phase(Phase.SUCCEEDED)
    assert_gone(stage)
    assert stage.weights() == [0, 10, 20, 30, 0]


def test_the_first_weight_waits_for_it(stage: Stage) -> None:
    """Its name is taken by somebody, until that goes."""
    stage.cluster.deployment(BASELINE, replicas=0)
    stage.deploy(NEW)
    stage.until(lambda: stage.newest().reason.code == "baseline_not_ready")
    stage.seconds(3)
    assert (stage.newest().phase, stage.live()) == (Phase.PREPARING, 0)
    assert "not Interlock's" in stage.sentence()
    stage.cluster.delete("deployments", BASELINE)
    stage.until_live(10)


def test_metrics_that_do_not_name_its_pods_keep_the_first_weight_back(cluster: Cluster, tmp_path: Path) -> None:
    stage = Stage(cluster, HttpRouteKit(), tmp_path, baseline=True)
    try:
        stage.second()
        stage.deploy(NEW)
        stage.until(lambda: stage.newest().reason.code == "metrics_check")
        assert "no series of stable names the baseline's instance shop-baseline" in stage.sentence().replace(
            STABLE, "shop"
        )
        assert stage.live() == 0
    finally:
        stage.close()


@pytest.mark.parametrize("way", ["abort", "kill", "harm", "deleted by hand, and a new leader"])
def test_it_goes_with_the_canary_on_the_way_back(stage: Stage, way: str) -> None:
    stage.deploy(NEW)
    stage.until_live(10)
    if way == "kill":
        stage.switch.engage(Verb.REVERT, FLEET, "ann")
        stage.until(lambda: stage.live() == 0)
        stage.ask(IntentKind.ABORT)
    elif way == "abort":
        stage.ask(IntentKind.ABORT)
    elif way == "harm":
        stage.errors[NEW] = 0.5
    else:
        stage.cluster.delete("deployments", CANARY)
        stage.lead()
    stage.until_phase(Phase.ROLLED_BACK)
    assert (stage.live(), set(stage.running(Role.STABLE))) == (0, {OLD})
    assert_gone(stage)


def test_without_it_a_release_goes_on_against_all_of_stable(stage: Stage) -> None:
    stage.deploy(NEW)
    stage.until_live(10)
    stage.cluster.apply(autoscaler(STABLE))
    stage.until(lambda: "all of stable is compared with" in stage.sentence())
    stage.until_phase(Phase.SUCCEEDED)
    assert set(stage.running(Role.STABLE)) == {NEW}
    assert_gone(stage)
