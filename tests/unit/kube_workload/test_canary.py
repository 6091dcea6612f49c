"""The objects of a canary: apart from stable's, otherwise the same, and taken care of by nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from controller.adapters.kube.workload.canary import (
    canary_deployment,
    canary_service,
    canary_template,
    label_changes,
    service_patch,
)
from controller.adapters.kube.workload.names import EPOCH, VERSION, canary_selector
from controller.adapters.kube.workload.patches import patch_of
from controller.adapters.kube.workload.pins import Source
from controller.adapters.kube.workload.records import Made, kept_of
from controller.adapters.kube.workload.selectors import Selector, matches, of_map
from tests.kube.cluster.small.patching import stepped
from tests.unit.kube_workload.objects import V2, guarded, raw_deployment, template, the_canary

MADE = Made(kept_of("shop", V2, template(V2)), 1, {"app": "shop-canary"}, {Source("ConfigMap", "a"): "a-1"})


def stable_service(**spec: Any) -> dict[str, Any]:
    ports = [
        {"name": "http", "port": 80, "targetPort": "web", "protocol": "TCP", "nodePort": 30080, "appProtocol": "h2c"},
        {"name": "admin", "port": 9000, "targetPort": 9000, "protocol": "TCP"},
    ]
    annotations = {"helm.sh/chart": "x", "external-dns.alpha.kubernetes.io/hostname": "shop.test", "mesh/keep": "yes"}
    return {
        "metadata": {"name": "shop", "annotations": annotations, "labels": {"app.kubernetes.io/instance": "prod"}},
        "spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1", "selector": {"app": "shop"}, "ports": ports, **spec},
    }


def test_pods_are_labelled_apart_and_otherwise_the_same() -> None:
    before = template(V2, volumes=[{"name": "x", "configMap": {"name": "a"}}])
    before["metadata"]["annotations"] = {"prometheus.io/scrape": "true"}
    after = canary_template("shop", before, MADE)
    labels = after["metadata"]["labels"]
    assert labels["app"] == "shop-canary"
    assert matches(of_map(canary_selector("shop")), labels)
    assert after["metadata"]["annotations"] == {"prometheus.io/scrape": "true", VERSION: V2}
    assert after["spec"]["containers"] == before["spec"]["containers"]
    assert after["spec"]["volumes"] == [{"name": "x", "configMap": {"name": "a-1"}}]
    assert before["metadata"]["labels"] == {"app": "shop"}


def test_labels_of_ours_are_never_the_ones_that_are_changed() -> None:
    own = Selector("the Service odd", of_map({"interlock.dev/role": "canary", "app": "shop"}))
    assert label_changes("shop", "shop-canary", template(), [own]) == {"app": "shop-canary"}


def test_the_deployment_is_made_without_instances_and_rolls_as_stable_does() -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    stable = guarded(strategy=strategy, minReadySeconds=5, paused=True)
    made = canary_deployment("shop-canary", stable, "shop", canary_template("shop", template(V2), MADE), {EPOCH: "3"})
    assert (made["spec"]["replicas"], made["spec"]["strategy"], made["spec"]["minReadySeconds"]) == (0, strategy, 5)
    assert "paused" not in made["spec"]
    assert matches(made["spec"]["selector"], made["spec"]["template"]["metadata"]["labels"])
    assert made["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "interlock"


def test_the_service_has_stables_ports_and_neither_its_address_nor_its_owners() -> None:
    made = canary_service(stable_service(), the_canary(), "shop")
    assert made["spec"]["type"] == "ClusterIP"
    assert "clusterIP" not in made["spec"]
    assert made["spec"]["selector"] == canary_selector("shop")
    assert [port["name"] for port in made["spec"]["ports"]] == ["http", "admin"]
    assert made["spec"]["ports"][0] == {
        "name": "http", "port": 80, "targetPort": "web", "protocol": "TCP", "appProtocol": "h2c",
    }  # fmt: skip
    assert made["metadata"]["annotations"] == {"mesh/keep": "yes"}
    assert "app.kubernetes.io/instance" not in made["metadata"]["labels"]
    assert made["metadata"]["ownerReferences"][0]["uid"] == "uid-of-shop-canary"


def test_a_headless_service_stays_headless_and_affinity_is_taken_over() -> None:
    made = canary_service(stable_service(clusterIP="None", sessionAffinity="ClientIP"), the_canary(), "shop")
    assert (made["spec"]["clusterIP"], made["spec"]["sessionAffinity"]) == ("None", "ClientIP")


def test_a_service_as_it_should_be_is_not_written() -> None:
    made = canary_service(stable_service(), the_canary(), "shop")
    have = {**made, "metadata": {**made["metadata"], "resourceVersion": "3"}}
    have["spec"] = {**have["spec"], "clusterIP": "10.0.0.2", "internalTrafficPolicy": "Cluster"}
    assert service_patch(have, stable_service(), "shop") is None


@pytest.mark.parametrize(
    ("field", "value"), [("ports", [{"port": 81}]), ("selector", {"app": "shop"}), ("sessionAffinity", "ClientIP")]
)
def test_a_service_that_differs_is_put_right_if_nobody_was_faster(field: str, value: Any) -> None:
    stable = stable_service(sessionAffinity="None")
    made = canary_service(stable, the_canary(), "shop")
    have = {"metadata": {"resourceVersion": "3"}, "spec": {**made["spec"], field: value}}
    patch = service_patch(have, stable, "shop")
    assert patch is not None
    assert patch["metadata"] == {"resourceVersion": "3"}
    after = (
        {key: wanted for key, wanted in patch["spec"][field].items() if wanted}
        if field == "selector"
        else (patch["spec"][field])
    )
    assert after == made["spec"][field]


def test_a_patch_holds_what_differs_and_the_reading_it_goes_by() -> None:
    read = guarded(annotations={EPOCH: "1", VERSION: "x"})
    assert patch_of(read, {}, {EPOCH: "1"}) == []
    steps = patch_of(read, {"/spec/replicas": 2}, {EPOCH: "2", VERSION: None})
    assert steps[0] == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}
    after = stepped(raw_deployment(annotations={EPOCH: "1", VERSION: "x", "mine": "stays"}), steps)
    assert after["spec"]["replicas"] == 2
    assert after["metadata"]["annotations"] == {EPOCH: "2", "mine": "stays"}


def test_the_first_annotation_of_an_object_makes_room_for_itself() -> None:
    raw = raw_deployment()
    del raw["metadata"]["annotations"]
    assert stepped(raw, patch_of(guarded(), {}, {EPOCH: "2"}))["metadata"]["annotations"] == {EPOCH: "2"}
