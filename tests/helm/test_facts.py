"""What must be true of everything the chart renders. It reads the kept objects, so it needs no Helm and no cluster."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from pydantic.alias_generators import to_camel

from controller.settings import Settings, load_settings
from tests.helm.chart import CHART, SETS, Raw, kept, of_kind, only
from tests.helm.permissions import GATEWAY, GRANTS, ISTIO, KILL, NEVER, NGINX, REPLICAS, SECRETS, TRAEFIK, wanted
from tests.helm.used import CHOSEN, used
from tests.tree import ROOT

EVERY = {name: kept(name) for name in SETS}
VALUES: Raw = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA: Raw = yaml.safe_load((CHART / "values.schema.json").read_text())


@pytest.fixture(params=SETS)
def found(request: pytest.FixtureRequest) -> list[Raw]:
    return EVERY[request.param]


def pod(found: list[Raw]) -> Raw:
    spec: Raw = only(found, "Deployment")["spec"]["template"]["spec"]
    return spec


# ---- the pod


def test_the_pod_has_no_right_that_it_does_not_need(found: list[Raw]) -> None:
    spec = pod(found)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    assert {"requests", "limits"} <= container["resources"].keys()
    assert "memory" in container["resources"]["limits"]


def test_only_state_and_tmp_can_be_written(found: list[Raw]) -> None:
    (container,) = pod(found)["containers"]
    writable = {one["mountPath"] for one in container["volumeMounts"] if not one.get("readOnly")}
    assert writable == {"/var/lib/interlock", "/tmp"}
    (tmp,) = [one for one in pod(found)["volumes"] if one["name"] == "tmp"]
    assert tmp["emptyDir"]["sizeLimit"]


def test_only_the_controllers_pod_gets_a_token(found: list[Raw]) -> None:
    assert pod(found)["automountServiceAccountToken"] is True
    assert [one["automountServiceAccountToken"] for one in of_kind(found, "ServiceAccount")] in ([], [False])


def test_a_service_called_interlock_puts_nothing_into_the_environment_where_settings_are_read(found: list[Raw]) -> None:
    assert pod(found)["enableServiceLinks"] is False


def test_the_store_is_never_opened_by_two_pods(found: list[Raw]) -> None:
    spec = only(found, "Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_probes_ask_for_life_and_for_progress_apart(found: list[Raw]) -> None:
    (container,) = pod(found)["containers"]
    paths = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    scheme = {container[f"{name}Probe"]["httpGet"]["scheme"] for name in paths}
    assert scheme == {"HTTP" if settings(found).get("insecure") else "HTTPS"}
    live = container["livenessProbe"]
    assert live["periodSeconds"] * live["failureThreshold"] >= 60, "a slow minute is no reason for a restart"


def test_a_controller_that_is_not_ready_can_still_be_told_to_stop(found: list[Raw]) -> None:
    assert only(found, "Service")["spec"]["publishNotReadyAddresses"] is True


def test_selectors_find_the_pod_and_nothing_else_of_the_chart(found: list[Raw]) -> None:
    labels = only(found, "Deployment")["spec"]["template"]["metadata"]["labels"]
    selectors = [
        only(found, "Deployment")["spec"]["selector"]["matchLabels"],
        only(found, "Service")["spec"]["selector"],
    ]
    selectors += [one["spec"]["podSelector"]["matchLabels"] for one in of_kind(found, "NetworkPolicy")]
    selectors += [one["spec"]["selector"]["matchLabels"] for one in of_kind(found, "PodDisruptionBudget")]
    assert all(selector.items() <= labels.items() for selector in selectors)
    assert all(selector == selectors[0] for selector in selectors)


def test_a_drain_is_never_blocked_by_a_pod_that_is_not_ready(found: list[Raw]) -> None:
    for one in of_kind(found, "PodDisruptionBudget"):
        assert one["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        assert one["spec"]["maxUnavailable"] in (0, 1)
        assert "minAvailable" not in one["spec"]


# ---- settings


def settings(found: list[Raw]) -> Raw:
    read: Raw = yaml.safe_load(only(found, "ConfigMap")["data"]["config.yaml"])
    return read


def test_the_controller_takes_the_settings_that_are_rendered(found: list[Raw], tmp_path: Path) -> None:
    """With the files of Secrets where the test can put them."""
    told = settings(found)
    for name, path in told.items():
        if name.endswith(("File", "Credentials")) or name.startswith("tls"):
            (tmp_path / name).write_text("x")
            told[name] = str(tmp_path / name)
            assert path.startswith("/etc/interlock/")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(told))
    read = load_settings(tmp_path / "config.yaml", {})
    (container,) = pod(found)["containers"]
    assert read.port == container["ports"][0]["containerPort"]
    assert str(read.data_dir) in {one["mountPath"] for one in container["volumeMounts"]}


def test_every_file_in_the_settings_is_mounted(found: list[Raw]) -> None:
    (container,) = pod(found)["containers"]
    mounts = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
    volumes = {one["name"] for one in pod(found)["volumes"]}
    assert volumes == set(mounts.values())
    paths = [value for value in settings(found).values() if str(value).startswith("/etc/")]
    paths.append(container["args"][-1])
    assert all(str(Path(path).parent) in mounts for path in paths)


def test_the_chart_knows_every_setting() -> None:
    """A new one goes into config of values.schema.json, or into templates/configmap.yaml where the chart decides it."""
    sets = {
        "dataDir", "host", "port", "tlsCertificate", "tlsKey", "insecure", "prometheusTokenFile", "prometheusBasicFile",
        "prometheusCredentialsFor", "inCluster", "kubeNamespaces", "registryCredentials", "store", "storePasswordFile",
    }  # fmt: skip
    outside_of_a_cluster = {"kubeconfig", "kubeContext", "storePassword"}
    takes = set(SCHEMA["properties"]["config"]["properties"])
    assert sets & takes == set()
    assert sets | takes | outside_of_a_cluster == {to_camel(name) for name in Settings.model_fields}


def test_the_controller_looks_into_the_namespaces_where_it_has_rights() -> None:
    for name, places in (("default", ["interlock"]), ("namespaces", ["cart", "shop"]), ("cluster-monitored", None)):
        told = settings(EVERY[name])
        assert told["inCluster"] is True
        assert told.get("kubeNamespaces") == places


# ---- values


def test_the_schema_describes_every_value_and_every_value_is_in_the_schema() -> None:
    # config has no values of its own.
    left_out = {("global",)}

    def paths(schema: Raw, *path: str) -> set[tuple[str, ...]]:
        below = schema.get("properties", {})
        deeper = {one for name, part in below.items() for one in paths(part, *path, name)}
        return deeper | {(*path, name) for name in below}

    def given(values: Raw, *path: str) -> set[tuple[str, ...]]:
        found = {(*path, name) for name in values}
        for name, value in values.items():
            if isinstance(value, dict) and part(SCHEMA, *path, name).get("properties"):
                found |= given(value, *path, name)
        return found

    def part(schema: Raw, *path: str) -> Raw:
        for name in path:
            schema = schema.get("properties", {}).get(name, {})
        return schema

    described = {path for path in paths(SCHEMA) if path[0] != "config" or len(path) == 1} - left_out
    assert described == given(VALUES)


def test_the_schema_refuses_what_it_does_not_know() -> None:
    def loose(schema: Raw, place: str) -> list[str]:
        here = [place] if "properties" in schema and schema.get("additionalProperties") is not False else []
        below = [one for name, part in schema.get("properties", {}).items() for one in loose(part, f"{place}/{name}")]
        return here + below + (loose(schema["items"], f"{place}[]") if isinstance(schema.get("items"), dict) else [])

    assert loose(SCHEMA, "") == []


def test_every_value_is_explained() -> None:
    text = (ROOT / "docs" / "helm.md").read_text()
    for name in VALUES:
        assert re.search(rf"`{name}[`.]", text), f"docs/helm.md says nothing about {name}"


# ---- rights


def rules(found: list[Raw], *kinds: str) -> list[tuple[Raw, Raw]]:
    return [(one, rule) for kind in kinds for one in of_kind(found, kind) for rule in one["rules"]]


def test_no_rule_holds_a_star_and_none_lets_rights_grow(found: list[Raw]) -> None:
    for _, rule in rules(found, "Role", "ClusterRole"):
        assert "*" not in [*rule["verbs"], *rule["resources"], *rule["apiGroups"]]
        assert not {"escalate", "bind", "impersonate", "deletecollection"} & set(rule["verbs"])


def test_secrets_are_in_no_cluster_role_and_in_a_role_only_where_pinning_was_asked_for() -> None:
    for name, found in EVERY.items():
        assert [rule for _, rule in rules(found, "ClusterRole") if "secrets" in rule["resources"]] == []
        places = [one["metadata"]["namespace"] for one, rule in rules(found, "Role") if "secrets" in rule["resources"]]
        asked = yaml.safe_load((Path(__file__).parent / "values" / f"{name}.yaml").read_text()).get("pinSecretsIn", [])
        assert places == asked


@pytest.mark.parametrize(
    ("name", "kind", "routers"),
    [
        ("default", "Role", {GATEWAY, ISTIO, NGINX, TRAEFIK, REPLICAS}),
        ("cluster-monitored", "ClusterRole", {GATEWAY, ISTIO, NGINX, TRAEFIK, REPLICAS}),
        ("namespaces", "Role", {GATEWAY}),
    ],
)
def test_the_rules_are_exactly_those_that_are_wanted(name: str, kind: str, routers: set[str]) -> None:
    main = next(one for one in of_kind(EVERY[name], kind) if one["metadata"]["name"].endswith("-interlock"))
    granted = {
        (group, resource): frozenset(rule["verbs"])
        for rule in main["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    table = wanted(frozenset(routers))
    assert granted == {where: verbs for where, verbs in table.items() if verbs}


def test_the_table_of_what_is_wanted_names_every_grant_once() -> None:
    named_twice = [(one.group, one.resource) for one in (*GRANTS, *NEVER)]
    assert len(named_twice) == len(set(named_twice))
    assert SECRETS.verbs.isdisjoint({"watch", "update", "patch"})


def test_what_is_granted_is_what_the_code_calls() -> None:
    calls, met = used()
    assert {(one.group, one.resource): set(one.verbs) for one in (*GRANTS, SECRETS, KILL)} == calls
    assert met == CHOSEN.keys(), "a line about a call that is no more"


def test_every_binding_is_the_controllers_own(found: list[Raw]) -> None:
    account = pod(found)["serviceAccountName"]
    subjects = [one["subjects"] for kind in ("RoleBinding", "ClusterRoleBinding") for one in of_kind(found, kind)]
    assert all(one == [{"kind": "ServiceAccount", "name": account, "namespace": "interlock"}] for one in subjects)
    assert subjects


def test_in_namespaced_mode_nothing_is_granted_in_the_whole_cluster() -> None:
    for name in ("default", "namespaces"):
        assert of_kind(EVERY[name], "ClusterRoleBinding") == []


# ---- policies


def test_the_policies_hold_where_applications_live() -> None:
    for binding in of_kind(EVERY["default"], "ValidatingAdmissionPolicyBinding"):
        if not binding["metadata"]["name"].endswith("-kill-latch"):
            (place,) = binding["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"]
            assert place == {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["interlock"]}
    for binding in of_kind(EVERY["cluster-monitored"], "ValidatingAdmissionPolicyBinding"):
        assert "matchResources" not in binding["spec"]


def test_no_policy_can_keep_traffic_from_going_back() -> None:
    """Were an expression about weights to fail, the write that lowers one would be refused with the others."""
    found = {one["metadata"]["name"].split("interlock-interlock-")[1]: one for one in policies()}
    assert {name: one["spec"]["failurePolicy"] for name, one in found.items()} == {
        "halted-routes": "Ignore",
        "killed-routes": "Ignore",
        "killed-strangers": "Ignore",
        "killed-deployments": "Ignore",
        "own-objects": "Fail",
        "own-scale": "Fail",
        "kill-latch": "Fail",
    }
    bindings = of_kind(EVERY["default"], "ValidatingAdmissionPolicyBinding")
    params = [one["spec"]["paramRef"] for one in bindings if "paramRef" in one["spec"]]
    assert {one["parameterNotFoundAction"] for one in params} == {"Allow"}


def policies() -> list[Raw]:
    return of_kind(EVERY["default"], "ValidatingAdmissionPolicy")


def test_no_kill_is_rendered_because_an_upgrade_would_release_what_it_writes_back(found: list[Raw]) -> None:
    assert of_kind(found, "KillSwitch") == []


def test_a_policy_reads_a_kind_of_ours_since_the_cache_of_others_dies_with_an_uninstallation() -> None:
    kinds = [one["spec"]["paramKind"] for one in policies() if "paramKind" in one["spec"]]
    assert kinds == [{"apiVersion": "interlock.dev/v1alpha1", "kind": "KillSwitch"}] * 3


# ---- the network


def test_nobody_gets_in_who_is_not_named() -> None:
    for name in ("default", "cluster-monitored"):
        spec = only(EVERY[name], "NetworkPolicy")["spec"]
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        for rule in spec["ingress"]:
            assert rule["from"], "an empty list would let everybody in"
            assert rule["ports"] == [{"protocol": "TCP", "port": "http"}]
        assert all(rule["to"] and rule["ports"] for rule in spec["egress"])


def test_names_are_resolved_over_both_protocols() -> None:
    first = only(EVERY["default"], "NetworkPolicy")["spec"]["egress"][0]
    assert {(one["protocol"], one["port"]) for one in first["ports"]} == {("TCP", 53), ("UDP", 53)}
