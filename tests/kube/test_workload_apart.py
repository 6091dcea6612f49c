"""A canary beside stable and never part of it: labels, selectors, ports, containers, and what its pods read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from controller.adapters.kube.workload.selectors import matches, of_map, text_of
from controller.ports import Refused
from tests.kube.cluster import builders
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.raw import Raw, is_ready, labels_of, name_of
from tests.kube.workload_stage import CANARY, SHOP, SHOP_CANARY, STABLE, V1, V2, Shop, shop_in

HELM = {"app.kubernetes.io/name": "shop", "app.kubernetes.io/instance": "prod", "team": "blue"}


@pytest.fixture
def shop(cluster: Cluster) -> Iterator[Shop]:
    with shop_in(cluster) as shop:
        yield shop


def budget(name: str, selector: Raw, **spec: Any) -> Raw:
    body = {"selector": selector, "minAvailable": 1, **spec}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}, "spec": body}


def autoscaler(deployment: str = SHOP, most: int = 10) -> Raw:
    aims = {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment}
    spec = {"scaleTargetRef": aims, "minReplicas": 1, "maxReplicas": most}
    kind = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}
    return {**kind, "metadata": {"name": "shop"}, "spec": spec}


def choosers(shop: Shop) -> dict[str, Raw]:
    """The selectors of everything of stable's that chooses pods. An autoscaler's is that of what it scales."""
    found = {f"Service {name_of(one)}": of_map(one["spec"]["selector"]) for one in shop.cluster.list("services")}
    found |= {f"PDB {name_of(one)}": one["spec"]["selector"] for one in shop.cluster.list("poddisruptionbudgets")}
    found["Deployment"] = shop.deployment()["spec"]["selector"]
    for one in shop.cluster.list("replicasets"):
        if one["metadata"]["ownerReferences"][0]["name"] == SHOP:
            found[f"ReplicaSet {name_of(one)}"] = one["spec"]["selector"]
    del found[f"Service {SHOP_CANARY}"]
    return found


def test_nothing_of_stables_chooses_a_canarys_pod_and_the_canarys_service_none_of_stables(shop: Shop) -> None:
    guarded: list[Raw] = [
        {"matchLabels": {"app": "shop"}},
        {"matchExpressions": [{"key": "app", "operator": "Exists"}]},
        {"matchExpressions": [{"key": "app", "operator": "In", "values": ["shop", "other"]}]},
    ]
    for number, selector in enumerate(guarded):
        shop.cluster.apply(budget(f"pdb-{number}", selector))
    shop.cluster.apply(autoscaler())
    shop.start_canary(V2, share_pct=50)
    stable, canary = names(shop.pods()), names(shop.pods(SHOP_CANARY))
    assert (len(stable), len(canary)) == (4, 2)
    for whose, selector in choosers(shop).items():
        assert names(shop.cluster.pods(text_of(selector))) == stable, whose
    own = shop.cluster.get("services", SHOP_CANARY)["spec"]["selector"]
    assert names(shop.cluster.pods(text_of(of_map(own)))) == canary
    shop.cluster.wait(
        lambda: (len(addresses(shop, SHOP)), len(addresses(shop, SHOP_CANARY))) == (4, 2),
        "each Service has the endpoints of its own pods alone",
    )
    assert not addresses(shop, SHOP) & addresses(shop, SHOP_CANARY)


def names(pods: list[Raw]) -> list[str]:
    return sorted(name_of(pod) for pod in pods)


def addresses(shop: Shop, service: str) -> set[str]:
    slices = shop.cluster.list("endpointslices", f"kubernetes.io/service-name={service}")
    return {address for one in slices for each in one.get("endpoints") or [] for address in each["addresses"]}


def test_of_several_labels_only_what_has_to_differ_does(cluster: Cluster) -> None:
    with shop_in(cluster, labels=HELM) as shop:
        cluster.patch("services", SHOP, {"spec": {"selector": {"app": None, **HELM}}})
        shop.start_canary(V2)
        (pod,) = shop.pods(SHOP_CANARY)
        changed = {key: value for key, value in labels_of(pod).items() if HELM.get(key) not in (value, None)}
        assert changed == {"app.kubernetes.io/name": SHOP_CANARY}
        assert shop.canary().ready_of(V2) == 1


def test_a_second_service_of_stables_chooses_no_canary_either(shop: Shop) -> None:
    shop.cluster.patch("deployments", SHOP, {"spec": {"template": {"metadata": {"labels": {"public": "yes"}}}}})
    shop.cluster.rolled_out(SHOP)
    shop.cluster.apply(builders.service("public", {"public": "yes"}))
    shop.start_canary(V2)
    (pod,) = shop.pods(SHOP_CANARY)
    assert not matches(of_map({"public": "yes"}), labels_of(pod))


def test_a_selector_that_no_canary_can_avoid_is_refused_with_what_to_do(shop: Shop) -> None:
    shop.cluster.apply(budget("everything", {"matchExpressions": [{"key": "old", "operator": "DoesNotExist"}]}))
    with pytest.raises(Refused, match="PodDisruptionBudget everything chooses its pods by nothing"):
        shop.workload.ensure(shop.app, CANARY, V2, 1)
    assert shop.cluster.find("deployments", SHOP_CANARY) is None
    assert "everything" in shop.canary().note


def test_a_service_that_comes_to_choose_the_canary_past_the_weight_is_told(shop: Shop) -> None:
    shop.start_canary(V2)
    shop.cluster.apply(builders.service("late", {"interlock.dev/role": "canary"}))
    shop.restart()
    with pytest.raises(Refused, match=r"the Service late chooses the canary's pods by interlock\.dev/role=canary"):
        shop.workload.ensure(shop.app, CANARY, V2, 1)


def test_every_container_but_the_main_one_is_the_same_and_all_have_to_be_ready(cluster: Cluster) -> None:
    containers = [builders.container("registry.test/proxy:9", "proxy", 9000), builders.container(V1, "web", 8080)]
    with shop_in(cluster, containers=containers) as shop:
        shop.change(container="web")
        assert shop.workload.running(shop.app) == V1
        shop.start_canary(V2)
        images = [one["image"] for one in shop.deployment(SHOP_CANARY)["spec"]["template"]["spec"]["containers"]]
        assert images == ["registry.test/proxy:9", V2]
        (pod,) = shop.pods(SHOP_CANARY)
        cluster.kubelet.set_ready(pod, ready=False)
        shop.until(lambda _, canary: canary.ready_any == 0, "the pod is not ready")
        shop.promote_without_canary(V2)
        assert [c["image"] for c in shop.deployment()["spec"]["template"]["spec"]["containers"]] == images


def test_a_container_that_is_not_there_is_refused(shop: Shop) -> None:
    shop.change(container="web")
    with pytest.raises(Refused, match="no container 'web', only main"):
        shop.workload.resolve(shop.app, "v2")


def test_several_ports_are_those_of_stables_service_and_follow_it(shop: Shop) -> None:
    ports = [
        {"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP", "appProtocol": "http"},
        {"name": "dns", "port": 53, "targetPort": 5353, "protocol": "UDP"},
    ]
    shop.cluster.patch("services", SHOP, {"spec": {"ports": ports, "sessionAffinity": "ClientIP"}})
    shop.start_canary(V2)
    made = shop.cluster.get("services", SHOP_CANARY)
    assert made["spec"]["ports"] == shop.cluster.get("services", SHOP)["spec"]["ports"]
    assert made["spec"]["sessionAffinity"] == "ClientIP"
    shop.cluster.patch("services", SHOP, {"spec": {"ports": [{**ports[0], "port": 8081}]}})
    shop.restart()
    shop.ensure(CANARY, V2, 25)
    assert [port["port"] for port in shop.cluster.get("services", SHOP_CANARY)["spec"]["ports"]] == [8081]


def reading(shop: Shop, *, secret: bool = False) -> None:
    """Stable reads a ConfigMap, and a Secret, from now on."""
    shop.cluster.apply(builders.config_map("settings", {"colour": "blue"}))
    source: Raw = {"configMapRef": {"name": "settings"}}
    if secret:
        kind = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}}
        shop.cluster.apply({**kind, "type": "Opaque", "data": {"password": "aHVudGVyMg=="}})
        source = {"secretRef": {"name": "login"}}
    steps = [{"op": "add", "path": "/spec/template/spec/containers/0/envFrom", "value": [source]}]
    shop.cluster.patch("deployments", SHOP, steps)
    shop.cluster.rolled_out(SHOP)


def read_by(shop: Shop, name: str, key: str = "configMapRef") -> str:
    template = shop.deployment(name)["spec"]["template"]
    return str(template["spec"]["containers"][0]["envFrom"][0][key]["name"])


def test_a_canary_reads_a_copy_that_nobody_edits_while_stable_reads_the_original(shop: Shop) -> None:
    reading(shop)
    shop.start_canary(V2)
    copy = read_by(shop, SHOP_CANARY)
    assert copy.startswith("settings-")
    shop.cluster.patch("configmaps", "settings", {"data": {"colour": "red"}})
    made = shop.cluster.get("configmaps", copy)
    assert (made["data"], made["immutable"]) == ({"colour": "blue"}, True)
    assert read_by(shop, SHOP) == "settings"


def test_after_a_promotion_stable_reads_the_original_by_its_own_name(shop: Shop) -> None:
    reading(shop)
    shop.start_canary(V2)
    shop.promote(V2)
    assert read_by(shop, SHOP) == "settings"
    shop.remove_canary()
    assert [name_of(one) for one in shop.cluster.list("configmaps", "interlock.dev/application")] == []


def test_a_promotion_waits_when_what_stable_would_read_is_not_what_was_judged(shop: Shop) -> None:
    reading(shop)
    shop.start_canary(V2)
    shop.cluster.patch("configmaps", "settings", {"data": {"colour": "red"}})
    with pytest.raises(Refused, match="the ConfigMap settings was changed while the canary ran with its copy"):
        shop.workload.ensure(shop.app, STABLE, V2, 1)
    assert shop.images() == {V1}
    assert "what was judged is not what would run" in shop.stable().note
    shop.cluster.patch("configmaps", "settings", {"data": {"colour": "blue"}})
    shop.promote(V2)


def test_a_copy_that_was_deleted_comes_back_and_one_that_cannot_is_told(shop: Shop) -> None:
    reading(shop)
    shop.start_canary(V2)
    copy = read_by(shop, SHOP_CANARY)
    shop.cluster.delete("configmaps", copy)
    shop.restart()
    shop.ensure(CANARY, V2, 25)
    assert shop.cluster.get("configmaps", copy)["data"] == {"colour": "blue"}
    shop.cluster.delete("configmaps", copy)
    shop.cluster.patch("configmaps", "settings", {"data": {"colour": "red"}})
    shop.restart()
    with pytest.raises(Refused, match="is missing, and cannot be made again"):
        shop.workload.ensure(shop.app, CANARY, V2, 1, 25)


def test_secrets_are_read_as_they_are_unless_they_are_to_be_pinned(shop: Shop) -> None:
    reading(shop, secret=True)
    shop.start_canary(V2)
    assert read_by(shop, SHOP_CANARY, "secretRef") == "login"
    assert not shop.cluster.calls(resource="secrets")
    shop.remove_canary()
    shop.change(pin_secrets=True)
    shop.start_canary(V2)
    copy = read_by(shop, SHOP_CANARY, "secretRef")
    assert shop.cluster.get("secrets", copy)["data"] == {"password": "aHVudGVyMg=="}
    shop.remove_canary()
    assert shop.cluster.find("secrets", copy) is None


def test_two_applications_that_read_one_config_map_have_a_copy_each(shop: Shop) -> None:
    reading(shop)
    shop.start_canary(V2)
    mine = read_by(shop, SHOP_CANARY)
    assert [name_of(one) for one in shop.cluster.list("configmaps", "interlock.dev/application=shop")] == [mine]
    assert is_ready(shop.pods(SHOP_CANARY)[0])
