"""Both levels: how objects are written, and what becomes of them. What one level shows holds on the other."""

from __future__ import annotations

import pytest

from tests.kube.cluster import builders
from tests.kube.cluster.client import Answered, Client
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.raw import Raw, built_in


@pytest.fixture
def client(cluster: Cluster) -> Client:
    return cluster.caller()


def version_of(body: Raw) -> str:
    return str(body["metadata"]["resourceVersion"])


def route(cluster: Cluster, stable: int = 100, canary: int = 0) -> Raw:
    backends = [builders.backend("stable", stable), builders.backend("canary", canary)]
    return cluster.apply(builders.http_route("shop", backends))


def weights(body: Raw) -> list[int]:
    return [one["weight"] for one in body["spec"]["rules"][0]["backendRefs"]]


def test_a_write_on_an_older_version_is_a_conflict(cluster: Cluster) -> None:
    first = cluster.apply(builders.config_map("c", {"a": "1"}))
    cluster.patch("configmaps", "c", {"data": {"a": "2"}})
    with pytest.raises(Answered) as refused:
        cluster.patch("configmaps", "c", {"metadata": {"resourceVersion": version_of(first)}, "data": {"a": "3"}})
    assert (refused.value.code, refused.value.reason) == (409, "Conflict")
    assert refused.value.message.startswith('Operation cannot be fulfilled on configmaps "c": the object has been')
    assert cluster.get("configmaps", "c")["data"] == {"a": "2"}


def test_a_json_patch_whose_test_fails_changes_nothing_and_is_no_conflict(cluster: Cluster) -> None:
    before = route(cluster)
    cluster.patch("httproutes", "shop", {"metadata": {"annotations": {"by": "another"}}})
    steps = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": version_of(before)},
        {"op": "replace", "path": "/spec/rules/0/backendRefs/1/weight", "value": 50},
    ]
    with pytest.raises(Answered) as refused:
        cluster.patch("httproutes", "shop", steps)
    assert (refused.value.code, refused.value.reason) == (422, "Invalid")
    assert refused.value.message == "the server rejected our request due to an error in our request"
    assert weights(cluster.get("httproutes", "shop")) == [100, 0]


def test_a_json_patch_with_the_right_version_changes_just_what_it_names(cluster: Cluster) -> None:
    cluster.gateway.confirm_after_s = None
    before = route(cluster)
    steps = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": version_of(before)},
        {"op": "replace", "path": "/spec/rules/0/backendRefs/0/weight", "value": 95},
        {"op": "replace", "path": "/spec/rules/0/backendRefs/1/weight", "value": 5},
    ]
    after = cluster.patch("httproutes", "shop", steps)
    assert weights(after) == [95, 5]
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1
    for one, weight in zip(after["spec"]["rules"][0]["backendRefs"], (100, 0), strict=True):
        one["weight"] = weight
    assert after["spec"] == before["spec"]


def test_a_write_that_changes_nothing_makes_no_new_version(cluster: Cluster) -> None:
    cluster.gateway.confirm_after_s = None
    before = route(cluster)
    assert version_of(cluster.patch("httproutes", "shop", {"spec": before["spec"]})) == version_of(before)


def test_null_in_a_merge_patch_takes_a_field_away(cluster: Cluster) -> None:
    cluster.apply(builders.config_map("c", {"a": "1", "b": "2"}))
    assert cluster.patch("configmaps", "c", {"data": {"a": None}})["data"] == {"b": "2"}


def test_an_update_without_a_version_is_refused_for_custom_kinds(cluster: Cluster, client: Client) -> None:
    body = route(cluster)
    del body["metadata"]["resourceVersion"]
    kind = cluster.kinds["httproutes"]
    with pytest.raises(Answered) as refused:
        client.update(kind, cluster.namespace, body)
    assert refused.value.code == 422
    assert "metadata.resourceVersion" in refused.value.message


def test_a_weight_that_is_left_out_is_one_and_unknown_fields_are_pruned(cluster: Cluster) -> None:
    body = builders.http_route("shop", [{"name": "stable", "port": 80, "unknown": True}])
    found = cluster.apply(body)["spec"]["rules"][0]["backendRefs"][0]
    assert found == {"group": "", "kind": "Service", "name": "stable", "port": 80, "weight": 1}


def test_only_a_change_of_the_spec_makes_a_new_generation(cluster: Cluster) -> None:
    cluster.gateway.confirm_after_s = None
    route(cluster)
    labelled = cluster.patch("httproutes", "shop", {"metadata": {"annotations": {"a": "b"}, "labels": {"a": "b"}}})
    assert labelled["metadata"]["generation"] == 1
    status = {"parents": [{"parentRef": {"name": "edge"}, "controllerName": "test.dev/one"}]}
    told = cluster.patch("httproutes", "shop", {"status": status, "spec": {"hostnames": []}}, "status")
    assert told["metadata"]["generation"] == 1
    assert told["spec"]["hostnames"] == ["shop.test"]
    assert told["status"]["parents"][0]["controllerName"] == "test.dev/one"
    moved = cluster.patch("httproutes", "shop", {"spec": {"hostnames": ["a.test"]}, "status": {"parents": []}})
    assert moved["metadata"]["generation"] == 2
    assert len(moved["status"]["parents"]) == 1


def test_a_dry_run_answers_and_writes_nothing(cluster: Cluster, client: Client) -> None:
    maps = built_in("configmaps")
    assert client.create(maps, cluster.namespace, builders.config_map("c"), dryRun="All")["metadata"]["uid"]
    assert cluster.find("configmaps", "c") is None
    before = cluster.apply(builders.config_map("c", {"a": "1"}))
    told = client.patch(maps, cluster.namespace, "c", {"data": {"a": "2"}}, dryRun="All")
    assert told["data"] == {"a": "2"}
    client.delete(maps, cluster.namespace, "c", dryRun="All")
    assert version_of(cluster.get("configmaps", "c")) == version_of(before)


def test_a_dry_run_is_refused_as_the_write_would_be(cluster: Cluster, client: Client) -> None:
    cluster.deployment(replicas=0)
    with pytest.raises(Answered) as refused:
        client.patch(built_in("deployments"), cluster.namespace, "web", {"spec": {"replicas": -1}}, dryRun="All")
    assert refused.value.code == 422


@pytest.mark.parametrize("field", ["uid", "resourceVersion"])
def test_a_delete_of_another_object_or_version_is_a_conflict(cluster: Cluster, field: str) -> None:
    body = cluster.apply(builders.config_map("c"))
    with pytest.raises(Answered) as refused:
        cluster.delete("configmaps", "c", {"preconditions": {field: "1"}})
    assert (refused.value.code, refused.value.reason) == (409, "Conflict")
    assert "precondition (1) does not match" in refused.value.message
    cluster.delete("configmaps", "c", {"preconditions": {field: body["metadata"][field]}})
    assert cluster.find("configmaps", "c") is None


def test_an_object_with_a_finalizer_goes_when_the_last_one_is_taken_off(cluster: Cluster) -> None:
    cluster.apply(builders.config_map("c"))
    cluster.patch("configmaps", "c", {"metadata": {"finalizers": ["test.dev/a", "test.dev/b"]}})
    cluster.delete("configmaps", "c")
    marked = cluster.get("configmaps", "c")
    assert marked["metadata"]["deletionTimestamp"]
    cluster.patch("configmaps", "c", {"metadata": {"finalizers": ["test.dev/b"]}})
    assert cluster.find("configmaps", "c") is not None
    cluster.patch("configmaps", "c", {"metadata": {"finalizers": None}})
    assert cluster.find("configmaps", "c") is None


def owned_by(owner: Raw, name: str) -> Raw:
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"]}
    reference |= {field: owner["metadata"][field] for field in ("name", "uid")}
    body = builders.config_map(name)
    return {**body, "metadata": {**body["metadata"], "ownerReferences": [reference]}}


def test_what_is_owned_goes_with_its_owner(cluster: Cluster) -> None:
    owner = cluster.apply({**builders.config_map("owner")})
    cluster.apply(owned_by(owner, "child"))
    cluster.apply(builders.config_map("other"))
    cluster.delete("configmaps", "owner")
    cluster.wait(lambda: cluster.find("configmaps", "child") is None, "the child has gone", timeout_s=20)
    assert cluster.find("configmaps", "other") is not None


def test_what_is_owned_stays_when_its_owner_is_deleted_as_an_orphan(cluster: Cluster) -> None:
    owner = cluster.apply({**builders.config_map("owner")})
    cluster.apply(owned_by(owner, "child"))
    cluster.delete("configmaps", "owner", {"propagationPolicy": "Orphan"})
    cluster.wait(lambda: cluster.find("configmaps", "owner") is None, "the owner has gone", timeout_s=20)
    assert not cluster.get("configmaps", "child")["metadata"].get("ownerReferences")


def test_a_deployment_is_read_back_with_what_the_server_filled_in(cluster: Cluster) -> None:
    body = builders.deployment(replicas=0)
    template = cluster.apply(body)["spec"]["template"]
    assert template != body["spec"]["template"]
    assert template["metadata"]["creationTimestamp"] is None
    assert template["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"


def test_an_empty_slice_of_endpoints_reads_as_null(cluster: Cluster) -> None:
    labels = {"kubernetes.io/service-name": "web"}
    body = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4"}
    found = cluster.apply({**body, "metadata": builders.metadata("e", labels), "endpoints": [], "ports": []})
    assert found["endpoints"] is None
    assert found["ports"] is None


def test_a_controller_revision_never_changes_not_even_a_label(cluster: Cluster) -> None:
    body = {"apiVersion": "apps/v1", "kind": "ControllerRevision", "revision": 1, "data": {"a": 1, "b": 2}}
    cluster.apply({**body, "metadata": {"name": "r"}})
    for patch in ({"data": {"a": 2}}, {"metadata": {"labels": {"a": "b"}}}):
        with pytest.raises(Answered) as refused:
            cluster.patch("controllerrevisions", "r", patch)
        assert refused.value.code == 422
        assert "field is immutable" in refused.value.message


def test_a_namespace_takes_everything_in_it_along(cluster: Cluster, client: Client) -> None:
    name = f"{cluster.namespace}-b"
    namespaces, maps = built_in("namespaces"), built_in("configmaps")
    client.create(namespaces, "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    client.create(maps, name, builders.config_map("c"))
    client.delete(namespaces, "", name)
    with pytest.raises(Answered) as refused:
        client.create(maps, name, builders.config_map("late"))
    assert refused.value.code in (403, 404)
    cluster.wait(lambda: client.find(namespaces, "", name) is None, "the namespace has gone", timeout_s=30)
    assert client.list(maps, name)["items"] == []
