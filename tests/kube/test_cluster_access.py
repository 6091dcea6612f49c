"""Both levels: who may do what, and how a refusal sounds."""

from __future__ import annotations

import pytest

from tests.kube.cluster import builders
from tests.kube.cluster.client import Answered, Endpoint
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.raw import built_in

READ_MAPS = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}


def test_a_service_account_may_do_what_its_role_says_and_nothing_else(cluster: Cluster) -> None:
    reader = cluster.identity("reader", [READ_MAPS])
    cluster.apply(builders.config_map("c", {"a": "1"}))
    client = cluster.caller(reader.endpoint)
    maps = built_in("configmaps")
    granted = cluster.wait(lambda: client.find(maps, cluster.namespace, "c"), "the role is in force")
    assert granted["data"] == {"a": "1"}
    with pytest.raises(Answered) as refused:
        client.patch(maps, cluster.namespace, "c", {"data": {"a": "2"}})
    assert (refused.value.code, refused.value.reason) == (403, "Forbidden")
    assert refused.value.message == (
        f'configmaps "c" is forbidden: User "{reader.user}" cannot patch resource "configmaps" in API group "" '
        f'in the namespace "{cluster.namespace}"'
    )
    assert cluster.get("configmaps", "c")["data"] == {"a": "1"}


def test_a_subresource_needs_a_permission_of_its_own(cluster: Cluster) -> None:
    rule = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["*"]}
    client = cluster.caller(cluster.identity("mover", [rule]).endpoint)
    cluster.deployment(replicas=0)
    kind = built_in("deployments")
    cluster.wait(lambda: client.find(kind, cluster.namespace, "web"), "the role is in force")
    with pytest.raises(Answered) as refused:
        client.patch(kind, cluster.namespace, "web", {"status": {"replicas": 1}}, "status")
    assert refused.value.code == 403
    assert 'cannot patch resource "deployments/status" in API group "apps"' in refused.value.message


def test_a_rule_for_one_name_covers_no_other(cluster: Cluster) -> None:
    client = cluster.caller(cluster.identity("one", [{**READ_MAPS, "resourceNames": ["mine"]}]).endpoint)
    for name in ("mine", "yours"):
        cluster.apply(builders.config_map(name))
    maps = built_in("configmaps")
    cluster.wait(lambda: client.find(maps, cluster.namespace, "mine"), "the role is in force")
    with pytest.raises(Answered) as refused:
        client.get(maps, cluster.namespace, "yours")
    assert refused.value.code == 403


def test_a_role_ends_at_its_namespace_and_a_cluster_role_does_not(cluster: Cluster) -> None:
    namespaces = {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]}
    client = cluster.caller(cluster.identity("looker", [READ_MAPS], cluster_rules=[namespaces]).endpoint)
    cluster.wait(lambda: client.find(built_in("namespaces"), "", "default"), "the cluster role is in force")
    with pytest.raises(Answered) as refused:
        client.list(built_in("configmaps"), "default")
    assert refused.value.message.endswith('in API group "" in the namespace "default"')
    with pytest.raises(Answered) as everywhere:
        client.list(built_in("configmaps"))
    assert everywhere.value.message.endswith('in API group "" at the cluster scope')


def test_an_unknown_token_is_unauthorized_and_no_token_is_anonymous(cluster: Cluster) -> None:
    known = cluster.tested
    with pytest.raises(Answered) as unknown:
        cluster.caller(Endpoint(known.url, "not-a-token", known.ca_file)).list(built_in("pods"), cluster.namespace)
    assert (unknown.value.code, unknown.value.reason) == (401, "Unauthorized")
    with pytest.raises(Answered) as nobody:
        cluster.caller(Endpoint(known.url, "", known.ca_file)).list(built_in("pods"), cluster.namespace)
    assert nobody.value.code == 403
    assert 'User "system:anonymous" cannot list resource "pods"' in nobody.value.message


def test_one_can_ask_what_one_may_do(cluster: Cluster) -> None:
    client = cluster.caller(cluster.identity("asker", [READ_MAPS]).endpoint)
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

    def may(verb: str) -> bool:
        wanted = {"namespace": cluster.namespace, "verb": verb, "resource": "configmaps", "group": ""}
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
        return bool(client.ask("POST", path, {**body, "spec": {"resourceAttributes": wanted}})["status"]["allowed"])

    cluster.wait(lambda: may("get"), "the role is in force")
    assert not may("delete")


def test_the_calls_of_the_one_who_is_tested_are_counted_and_no_others(cluster: Cluster) -> None:
    client = cluster.caller()
    cluster.apply(builders.config_map("c"))
    client.get(built_in("configmaps"), cluster.namespace, "c")
    client.patch(built_in("configmaps"), cluster.namespace, "c", {"data": {"a": "1"}})
    with client.watch(built_in("configmaps"), cluster.namespace, timeout_s=1) as watching:
        for _ in watching:
            break
    told = cluster.wait(lambda: calls if len(calls := cluster.calls()) >= 3 else None, "the calls are told")
    assert [(call.verb, call.resource) for call in told] == [
        ("get", "configmaps"),
        ("patch", "configmaps"),
        ("watch", "configmaps"),
    ]
    assert [call.verb for call in told if call.writes] == ["patch"]
