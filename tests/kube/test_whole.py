"""The whole controller as ``interlock serve`` builds it, on a cluster: objects in, weights and status out, kill, giving
back. Only the metrics are away, so that nothing here rises: what rises is shown by the scenarios and the guided run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.core.model import Phase
from controller.main import RunningNode, build
from controller.ports import Page
from controller.runtime.node import KILL_SYNC_S
from controller.settings import Settings
from controller.wishes import Submission
from gates.kill import Verb, parse_scope
from tests.kube.cluster import builders
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.raw import Raw

DIGEST = "@sha256:" + "a" * 64
LATE_S = 20.0
BEATS_S = KILL_SYNC_S + 1.0
"""Every heartbeat that could look at an application has beaten once by then."""


@pytest.fixture
def node(cluster: Cluster, tmp_path: Path) -> Iterator[RunningNode]:
    cluster.apply(builders.service("shop"))
    cluster.apply(builders.http_route("shop", [builders.backend("shop", 1)]))
    cluster.deployment("shop", f"registry.test/web:1{DIGEST}", 2)
    cluster.rolled_out("shop")
    settings = {"dataDir": tmp_path / "data", "kubeconfig": cluster.kubeconfig, "kubeNamespaces": [cluster.namespace]}
    running = build(Settings.model_validate(settings))
    running.start()
    yield running
    running.stop()


def an_application() -> Raw:
    spec = {
        "environment": "production",
        "target": {"kubernetes": {"deployment": "shop", "service": "shop"}},
        "router": {"gatewayApi": {"httpRoute": "shop"}},
        "canary": {"steps": [10, 50], "minBake": "5s", "prepareDeadline": "2s", "drain": "0s", "poll": "200ms"},
        "metrics": {"prometheus": "http://127.0.0.1:9", "preset": "generic"},
    }
    return {"apiVersion": "interlock.dev/v1alpha1", "kind": "Application", "metadata": {"name": "shop"}, "spec": spec}


def registered(cluster: Cluster, node: RunningNode) -> None:
    cluster.apply(an_application())
    cluster.wait(lambda: node.doors.store.application("shop"), "the object is registered", LATE_S)


def accepted(cluster: Cluster) -> str:
    conditions = (cluster.get("applications", "shop").get("status") or {}).get("conditions") or []
    return next((one["status"] for one in conditions if one["type"] == "Accepted"), "")


@pytest.mark.timeout(60)
def test_an_object_becomes_an_application_whose_release_shows_in_its_status(
    cluster: Cluster, node: RunningNode
) -> None:
    pods = {pod["metadata"]["uid"] for pod in cluster.pods()}
    registered(cluster, node)
    cluster.wait(lambda: accepted(cluster) == "True", "its status says so", LATE_S)
    done = node.doors.commands.submit(Submission("shop", f"registry.test/web:bad{DIGEST}", "ci"))
    assert done.release.stable == f"registry.test/web:1{DIGEST}"

    def ended() -> bool:
        found = node.doors.store.release(done.release.id)
        return found is not None and found.phase is Phase.FAILED

    cluster.wait(ended, "a version that never gets ready fails", LATE_S)
    route = cluster.get("httproutes", "shop")["spec"]["rules"][0]["backendRefs"]
    assert [ref.get("weight") for ref in route if ref["name"] == "shop-canary"] in ([], [0])
    cluster.wait(
        lambda: (cluster.get("applications", "shop").get("status") or {}).get("phase") == "failed", "status", LATE_S
    )
    cluster.wait(lambda: cluster.find("deployments", "shop-canary") is None, "the canary is gone", LATE_S)
    assert pods <= {pod["metadata"]["uid"] for pod in cluster.pods()}


@pytest.mark.timeout(60)
def test_a_kill_reaches_the_route_object_and_no_deploy_starts_under_it(cluster: Cluster, node: RunningNode) -> None:
    registered(cluster, node)
    engaged = node.doors.kills.engage(Verb.REVERT, parse_scope("fleet"), "ann")
    assert {path.path: path.state for path in engaged.paths}["route:shop"] == "effective"
    assert engaged.engagement.id in cluster.get("httproutes", "shop")["metadata"]["annotations"]["interlock.dev/route"]
    node.doors.kills.release(engaged.engagement.id, "ann", "over")


@pytest.mark.timeout(60)
def test_a_deleted_object_gives_the_deployment_back_as_it_serves(cluster: Cluster, node: RunningNode) -> None:
    registered(cluster, node)
    cluster.wait(lambda: accepted(cluster) == "True", "its status says so", LATE_S)
    pods = {pod["metadata"]["uid"] for pod in cluster.pods()}
    cluster.delete("applications", "shop")
    cluster.wait(lambda: cluster.find("applications", "shop") is None, "the object is let go", LATE_S)
    assert not node.doors.store.applications(Page())
    assert {pod["metadata"]["uid"] for pod in cluster.pods()} == pods
    annotations = cluster.get("httproutes", "shop")["metadata"].get("annotations") or {}
    assert "interlock.dev/route" not in annotations


@pytest.mark.timeout(90)
def test_an_application_at_rest_costs_no_call_whatever_beats(cluster: Cluster, node: RunningNode) -> None:
    registered(cluster, node)
    cluster.wait(lambda: accepted(cluster) == "True", "its status says so", LATE_S)

    def calls_of_a_round() -> list[tuple[str, str]]:
        before = len(cluster.calls())
        threading.Event().wait(BEATS_S)
        return [(call.verb, call.resource) for call in cluster.calls()[before:] if call.verb != "watch"]

    cluster.wait(lambda: not calls_of_a_round(), "a round without a call", 3 * BEATS_S)
