"""Scenario 37: whatever way the pods read their Secrets, nothing of their content leaves them."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from controller.adapters.kube.workload.pins import sources
from controller.core.model import Phase
from controller.core.targets import KubernetesTarget
from tests.kube.cluster import builders
from tests.kube.cluster.raw import Raw, name_of
from tests.kube.scenarios.conftest import Make
from tests.kube.scenarios.kits import CANARY, STABLE
from tests.kube.scenarios.stage import NEW, OLD, Stage, image_of

scenario = pytest.mark.scenario
READ = ("by-key", "by-env", "by-volume", "by-projection")
PULL = "for-the-registry"


def value_of(name: str) -> str:
    return f"hunter2-{name}"


def secret(name: str) -> Raw:
    data = {"password": base64.b64encode(value_of(name).encode()).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}


def reading_secrets(stage: Stage) -> None:
    """Stable as its users have it: its pods read four Secrets, each in another way, and the node a fifth."""
    for name in (*READ, PULL):
        stage.cluster.apply(secret(name))
    by_key, by_env, by_volume, by_projection = READ
    container = builders.container(
        image_of(OLD),
        env=[{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": by_key, "key": "password"}}}],
        envFrom=[{"secretRef": {"name": by_env}}],
        volumeMounts=[{"name": name, "mountPath": f"/{name}"} for name in ("mounted", "projected")],
    )
    volumes = [
        {"name": "mounted", "secret": {"secretName": by_volume}},
        {"name": "projected", "projected": {"sources": [{"secret": {"name": by_projection}}]}},
    ]
    pod = {"volumes": volumes, "imagePullSecrets": [{"name": PULL}]}
    stage.cluster.deployment(STABLE, image_of(OLD), stage.kit.replicas, containers=[container], pod=pod)
    stage.cluster.rolled_out(STABLE)


def read_by(stage: Stage, deployment: str) -> list[str]:
    """The Secrets that the pods of a Deployment read, in the order of ``READ``."""
    pod = stage.cluster.get("deployments", deployment)["spec"]["template"]["spec"]
    container, volumes = pod["containers"][0], {one["name"]: one for one in pod["volumes"]}
    return [
        container["env"][0]["valueFrom"]["secretKeyRef"]["name"],
        container["envFrom"][0]["secretRef"]["name"],
        volumes["mounted"]["secret"]["secretName"],
        volumes["projected"]["projected"]["sources"][0]["secret"]["name"],
    ]


def told(stage: Stage) -> str:
    """All that leaves: logs, sentences, records, releases, and what is written into the cluster beside Secrets."""
    kinds = ("deployments", "replicasets", "controllerrevisions", "configmaps", "events", "services", "endpointslices")
    objects = [one for kind in kinds for one in stage.cluster.list(kind)]
    records = [(record.text, str(record.numbers)) for record in stage.records()]
    return json.dumps([str(stage.told), stage.sentence(), records, str(stage.newest()), objects])


@scenario(37)
@pytest.mark.parametrize("pinned", [False, True], ids=["as_they_are", "pinned"])
def test_secrets_of_every_source_are_read_by_the_canary_and_told_nowhere(make: Make, pinned: bool) -> None:
    stage = make()
    assert isinstance(stage.app.target, KubernetesTarget)
    stage.app = replace(stage.app, target=replace(stage.app.target, pin_secrets=pinned))
    stage.store_application()
    reading_secrets(stage)
    template = stage.cluster.get("deployments", STABLE)["spec"]["template"]
    assert {source.name for source in sources(template, secrets=True)} == set(READ)
    stage.deploy(NEW)
    stage.until_live(10)
    used = read_by(stage, CANARY)
    pod = stage.cluster.get("deployments", CANARY)["spec"]["template"]["spec"]
    assert pod["imagePullSecrets"] == [{"name": PULL}]
    assert [stage.cluster.get("secrets", name)["data"] for name in used] == [secret(name)["data"] for name in READ]
    if pinned:
        assert not set(used) & set(READ)
        assert PULL not in {call.name for call in stage.cluster.calls(resource="secrets")}
    else:
        assert used == list(READ)
        assert not stage.cluster.calls(resource="secrets")
    stage.until_phase(Phase.SUCCEEDED)
    assert read_by(stage, STABLE) == list(READ)
    assert {name_of(one) for one in stage.cluster.list("secrets")} == {*READ, PULL}
    text = told(stage)
    for name in (*READ, PULL):
        assert value_of(name) not in text
        assert secret(name)["data"]["password"] not in text
