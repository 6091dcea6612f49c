"""The RBAC of the chart as a real API server understands it: what is allowed, and what is not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.helm.chart import Raw, kept
from tests.helm.permissions import GATEWAY, ISTIO, NGINX, READ, REPLICAS, TRAEFIK, VERBS, wanted
from tests.helm.real import REVIEWS, Cluster, until

pytestmark = [pytest.mark.real, pytest.mark.timeout(60), pytest.mark.xdist_group("helm")]

ALL_ROUTERS = frozenset({GATEWAY, ISTIO, NGINX, TRAEFIK, REPLICAS})
RBAC_KINDS = ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")


def granted(cluster: Cluster, name: str) -> Iterator[Cluster]:
    """The set's RBAC objects, and only those, once the API server goes by them: it hears of them with a delay."""
    cluster.namespace("interlock", "shop", "cart", "elsewhere")
    found = [one for one in kept(name) if one["kind"] in RBAC_KINDS]
    bindings = [one for one in found if one["kind"].endswith("Binding")]

    def in_force() -> list[bool]:
        rules = {(one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]): one for one in found}
        return [
            may(cluster, user_of(one), rule["verbs"][0], rule["apiGroups"][0], rule["resources"][0], place, named)
            for one in bindings
            for place in [one["metadata"].get("namespace", "")]
            for rule in [rules[one["roleRef"]["kind"], place, one["roleRef"]["name"]]["rules"][0]]
            for named in [rule.get("resourceNames", [""])[0]]
        ]

    cluster.put(*found)
    until(lambda: all(in_force()), "what was granted is granted")
    yield cluster
    cluster.remove(*found)
    until(lambda: not any(in_force()), "what was taken back is taken back")


def user_of(binding: Raw) -> str:
    (subject,) = binding["subjects"]
    return f"system:serviceaccount:{subject['namespace']}:{subject['name']}"


@pytest.fixture
def in_namespaces(cluster: Cluster) -> Iterator[Cluster]:
    yield from granted(cluster, "namespaces")


@pytest.fixture
def in_cluster(cluster: Cluster) -> Iterator[Cluster]:
    yield from granted(cluster, "cluster-monitored")


@pytest.fixture
def by_default(cluster: Cluster) -> Iterator[Cluster]:
    yield from granted(cluster, "default")


def may(cluster: Cluster, user: str, verb: str, group: str, resource: str, namespace: str, name: str = "") -> bool:
    resource, _, below = resource.partition("/")
    attributes: Raw = {
        "verb": verb, "group": group, "resource": resource, "subresource": below, "namespace": namespace, "name": name,
    }  # fmt: skip
    asked = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "groups": ["system:serviceaccounts"], "resourceAttributes": attributes},
    }
    asked["metadata"] = {}
    return bool(cluster.admin.create(REVIEWS, "", asked)["status"]["allowed"])


def differences(
    cluster: Cluster, user: str, namespace: str, table: dict[tuple[str, str], frozenset[str]]
) -> list[str]:  # fmt: skip
    """Every verb that is allowed and must not be, or must be and is not."""
    return [
        f"{verb} {resource}.{group} in {namespace or 'all namespaces'}: {'missing' if verb in verbs else 'too much'}"
        for (group, resource), verbs in table.items()
        for verb in VERBS
        if may(cluster, user, verb, group, resource, namespace) != (verb in verbs)
    ]


DEPLOYER = "system:serviceaccount:interlock:deployer"
INTERLOCK = "system:serviceaccount:interlock:interlock"
NOTHING = dict.fromkeys(wanted(frozenset()), frozenset[str]())


def test_a_named_namespace_grants_exactly_what_is_needed(in_namespaces: Cluster) -> None:
    assert differences(in_namespaces, DEPLOYER, "cart", wanted(frozenset({GATEWAY}))) == []


def test_secrets_are_read_only_where_pinning_them_was_allowed(in_namespaces: Cluster) -> None:
    assert differences(in_namespaces, DEPLOYER, "shop", wanted(frozenset({GATEWAY}), secrets=True)) == []


@pytest.mark.parametrize("namespace", ["elsewhere", "kube-system", ""])
def test_in_namespaced_mode_nothing_is_granted_elsewhere(in_namespaces: Cluster, namespace: str) -> None:
    assert differences(in_namespaces, DEPLOYER, namespace, NOTHING) == []


def test_by_default_only_the_namespace_of_the_installation_is_guarded(by_default: Cluster) -> None:
    assert differences(by_default, INTERLOCK, "interlock", wanted(ALL_ROUTERS)) == []
    assert differences(by_default, INTERLOCK, "shop", NOTHING) == []


def test_cluster_mode_grants_the_same_everywhere_and_no_secrets(in_cluster: Cluster) -> None:
    assert differences(in_cluster, INTERLOCK, "elsewhere", wanted(ALL_ROUTERS)) == []
    assert differences(in_cluster, INTERLOCK, "", wanted(ALL_ROUTERS)) == []


def test_cluster_mode_reads_secrets_in_the_named_namespace_alone(in_cluster: Cluster) -> None:
    assert differences(in_cluster, INTERLOCK, "shop", wanted(ALL_ROUTERS, secrets=True)) == []


@pytest.mark.parametrize("user", ["system:serviceaccount:interlock:default", "system:serviceaccount:shop:interlock"])
def test_no_other_account_is_granted_anything(in_cluster: Cluster, user: str) -> None:
    assert differences(in_cluster, user, "shop", NOTHING) == []


def test_the_kill_can_be_shown_in_its_own_object_and_in_no_other(in_namespaces: Cluster) -> None:
    def told(verb: str, name: str, place: str = "interlock") -> bool:
        return may(in_namespaces, DEPLOYER, verb, "interlock.dev", "killswitches", place, name)

    assert [verb for verb in VERBS if told(verb, "interlock")] == ["get", "create", "patch"]
    assert [verb for verb in VERBS if told(verb, "another")] == ["create"]
    assert [verb for verb in VERBS if told(verb, "interlock", "shop")] == []


def test_the_rights_for_people_name_our_kinds_alone_and_never_their_status() -> None:
    roles = [one for one in kept("default") if one["kind"] == "ClusterRole"]
    assert {name for one in roles for name in one["metadata"]["labels"] if "aggregate-to" in name} == {
        f"rbac.authorization.k8s.io/aggregate-to-{role}" for role in ("view", "edit", "admin")
    }
    rules = [rule for one in roles for rule in one["rules"]]
    assert {group for rule in rules for group in rule["apiGroups"]} == {"interlock.dev"}
    assert {resource for rule in rules for resource in rule["resources"]} == {
        "applications", "releases", "killswitches",
    }  # fmt: skip
    changing = {tuple(rule["resources"]): rule["verbs"] for rule in rules if set(rule["verbs"]) - READ}
    assert changing.keys() == {("applications",), ("killswitches",)}
    assert "delete" not in changing["killswitches",]
