"""The chart as Helm renders it: as it was last looked at, refused where it cannot work, and clean for helm lint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.helm.chart import (
    APIS,
    CHART,
    HERE,
    SETS,
    Refused,
    definitions,
    identity,
    kept,
    of_kind,
    only,
    render,
    render_set,
    run,
    template,
)
from tests.parts import missing

LEFT_OUT = missing("helm")
pytestmark = pytest.mark.skipif(LEFT_OUT is not None, reason=str(LEFT_OUT))

OPEN: dict[str, Any] = {"api": {"insecure": True}}
LISTED = {"credentialsFor": ["https://prometheus.test:9090"]}


@contextmanager
def refusal() -> Iterator[list[str]]:
    """What Helm says; one text once it is left."""
    told: list[str] = []
    with pytest.raises(Refused) as caught:
        yield told
    told.append(str(caught.value))


@pytest.mark.parametrize("name", SETS)
def test_it_renders_what_was_last_looked_at(name: str) -> None:
    """After a change of the chart: python -m tests.helm.chart, and read the difference."""
    found, wanted = render_set(name), kept(name)
    assert [identity(one) for one in found] == sorted(identity(one) for one in wanted)
    for one in found:
        assert one == named_like(wanted, one)


def named_like(found: list[dict[str, Any]], one: dict[str, Any]) -> dict[str, Any]:
    return next(other for other in found if identity(other) == identity(one))


@pytest.mark.parametrize("name", SETS)
def test_helm_lint_has_nothing_to_say(name: str) -> None:
    told = run(
        "lint", str(CHART), "--strict", "--kube-version", "1.33.1", "--values", str(HERE / "values" / f"{name}.yaml")
    )
    assert "0 chart(s) failed" in told
    assert "[WARNING]" not in told
    assert "[ERROR]" not in told


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "set api.tls.secretName"),
        ({"api": {"tls": {"secretName": "x"}, "insecure": True}}, "contradict each other"),
        ({**OPEN, "clusterWide": True, "namespaces": ["shop"]}, "clusterWide=true already covers every namespace"),
        ({**OPEN, "serviceAccount": {"create": False}}, "needs serviceAccount.name"),
        (
            {**OPEN, "prometheus": {"tokenSecret": {"name": "a"}, "basicSecret": {"name": "b"}, **LISTED}},
            "not both",
        ),
        ({**OPEN, "prometheus": {"tokenSecret": {"name": "a"}}}, "credentialsFor"),
        ({**OPEN, "prometheus": {"basicSecret": {"name": "a"}}}, "credentialsFor"),
        ({**OPEN, "prometheus": {"tokenSecret": {"name": "a"}, "credentialsFor": ["prom:9090"]}}, "credentialsFor"),
        ({**OPEN, "pinSecretsIn": ["shop"]}, "not among namespaces"),
        ({**OPEN, "namespaces": ["cart"], "pinSecretsIn": ["shop"]}, "not among namespaces"),
    ],
)
def test_what_cannot_work_is_refused_with_what_to_do(values: dict[str, Any], says: str) -> None:
    with refusal() as told:
        render(values)
    assert says in told[0]


SERVER: dict[str, Any] = {"host": "db.test", "passwordSecret": {"name": "db"}, "sslMode": "require"}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"passwordSecret": {"name": ""}}, "needs store.postgresql.passwordSecret.name"),
        ({"sslMode": "verify-full"}, "set store.postgresql.caSecret.name"),
        ({"password": "s3cret"}, "password"),
        ({"host": "db.test:5432"}, "/store/postgresql/host"),
        ({"user": "a@b"}, "/store/postgresql/user"),
        ({"sslMode": "prefer"}, "/store/postgresql/sslMode"),
    ],
)
def test_a_server_for_the_state_that_cannot_be_used_is_refused(changed: dict[str, Any], says: str) -> None:
    with refusal() as told:
        render({**OPEN, "store": {"postgresql": {**SERVER, **changed}}})
    assert says in told[0]
    assert "s3cret" not in told[0]


def test_a_server_for_the_state_and_a_claim_for_it_are_refused() -> None:
    with refusal() as told:
        render({**OPEN, "store": {"postgresql": SERVER, "sqlite": {"existingClaim": "state"}}})
    assert "contradict each other" in told[0]


def test_with_postgresql_there_is_no_volume_and_the_password_is_a_file_of_a_secret() -> None:
    found = render({**OPEN, "store": {"postgresql": SERVER}})
    assert of_kind(found, "PersistentVolumeClaim") == []
    spec = only(found, "Deployment")["spec"]["template"]["spec"]
    volumes = {one["name"]: one for one in spec["volumes"]}
    assert "emptyDir" in volumes["data"]
    assert volumes["store"]["secret"]["secretName"] == "db"
    assert "store-ca" not in volumes
    told = only(found, "ConfigMap")["data"]["config.yaml"]
    assert "store: postgresql://interlock@db.test:5432/interlock?sslmode=require" in told
    assert "storePasswordFile: /etc/interlock/store/password" in told
    egress = only(found, "NetworkPolicy")["spec"]["egress"]
    assert [rule["ports"] for rule in egress].count([{"protocol": "TCP", "port": 5432}]) == 1


def test_without_postgresql_its_port_is_not_open() -> None:
    egress = only(render(OPEN), "NetworkPolicy")["spec"]["egress"]
    assert all(port["port"] != 5432 for rule in egress for port in rule["ports"])


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"imge": {}}, "imge"),
        ({"image": {"tags": "1"}}, "tags"),
        ({"image": {"digest": "sha256:abc"}}, "/image/digest"),
        ({"store": {"mysql": {}}}, "mysql"),
        ({"store": {"sqlite": {"size": "lots"}}}, "/store/sqlite/size"),
        ({"store": {"sqlite": {"accessMode": "ReadWriteMany"}}}, "/store/sqlite/accessMode"),
        ({"config": {"dataDir": "/tmp"}}, "dataDir"),
        ({"config": {"workers": 65}}, "/config/workers"),
        ({"config": {"logLevel": "loud"}}, "/config/logLevel"),
        ({"namespaces": ["Shop"]}, "/namespaces/0"),
        ({"namespaces": ["shop", "shop"]}, "/namespaces"),
        ({"routers": {"smi": True}}, "smi"),
        ({"podDisruptionBudget": {"maxUnavailable": 2}}, "/podDisruptionBudget/maxUnavailable"),
        ({"networkPolicy": {"dns": {"to": [], "ports": [53]}}}, "/networkPolicy/dns/to"),
        ({"networkPolicy": {"prometheus": {"ports": []}}}, "/networkPolicy/prometheus/ports"),
        ({"admissionPolicies": {"validationActions": []}}, "/admissionPolicies/validationActions"),
        ({"metrics": {"serviceMonitor": {"enabled": "yes"}}}, "/metrics/serviceMonitor/enabled"),
        ({"replicas": 2}, "replicas"),
    ],
)
def test_a_value_that_is_no_value_is_refused_by_its_place(values: dict[str, Any], place: str) -> None:
    with refusal() as told:
        render({**OPEN, **values})
    assert place in told[0]


def test_monitoring_objects_come_when_the_cluster_knows_them_or_when_they_are_asked_for() -> None:
    def kinds(values: dict[str, Any], *apis: str) -> set[str]:
        found = {one["kind"] for one in render({**OPEN, **values}, apis=apis)}
        return found & {"ServiceMonitor", "PrometheusRule"}

    def asked(enabled: object) -> dict[str, Any]:
        return {"metrics": {"serviceMonitor": {"enabled": enabled}, "prometheusRule": {"enabled": enabled}}}

    both = {"ServiceMonitor", "PrometheusRule"}
    assert kinds({}) == set()
    assert kinds({}, *APIS) == both
    assert kinds({}, APIS[0]) == {"ServiceMonitor"}
    assert kinds(asked(True)) == both
    assert kinds(asked(False), *APIS) == set()


def test_a_changed_setting_rolls_the_pod_and_nothing_else_does() -> None:
    def sums(values: dict[str, Any]) -> str:
        pod = only(render({**OPEN, **values}), "Deployment")["spec"]["template"]
        return str(pod["metadata"]["annotations"]["checksum/config"])

    assert sums({"config": {"workers": 9}}) != sums({"config": {"workers": 8}})
    assert sums({"podDisruptionBudget": {"enabled": False}}) == sums({})


def test_the_definitions_can_be_left_to_somebody_else() -> None:
    assert of_kind(render({**OPEN, "crds": {"install": False}}), "CustomResourceDefinition") == []
    assert len(of_kind(render(OPEN), "CustomResourceDefinition")) == len(definitions()) == 3


def test_rights_can_be_left_to_somebody_else() -> None:
    found = {one["kind"] for one in render({**OPEN, "rbac": {"create": False}})}
    assert not {kind for kind in found if "Role" in kind}


def test_two_installations_in_two_namespaces_share_no_object_of_the_cluster() -> None:
    def names(namespace: str) -> set[tuple[str, str]]:
        text = run(
            "template", "interlock", str(CHART), "--namespace", namespace, "--kube-version", "1.33.1",
            "--set", "api.insecure=true,crds.install=false",
        )  # fmt: skip
        return {
            (line, following)
            for line, following in zip(text.splitlines(), text.splitlines()[2:], strict=False)
            if line.startswith(("kind: ClusterRole", "kind: ValidatingAdmissionPolicy"))
        }

    assert names("one")
    assert names("one") & names("two") == set()


def test_a_long_release_name_makes_no_name_that_is_too_long() -> None:
    text = run(
        "template", "r" * 53, str(CHART), "--namespace", "n" * 63, "--kube-version", "1.33.1",
        "--set", "api.insecure=true",
    )  # fmt: skip
    names = [line.split(": ")[1] for line in text.splitlines() if line.startswith("  name: ")]
    assert len(names) > 20
    assert max(len(name) for name in names) <= 253
    services = text.split("kind: Service\n")[1].split("  name: ")[1].split("\n")[0]
    assert len(services) <= 63


def test_no_secret_is_rendered() -> None:
    assert of_kind([one for name in SETS for one in kept(name)], "Secret") == []
    assert "kind: Secret\n" not in template(OPEN)
