"""Helm installs, upgrades and removes the chart on a real API server; what must outlive that does."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.helm.chart import CHART, Raw, run
from tests.helm.real import Cluster, refused, until
from tests.helm.routes import note, route
from tests.kube.cluster.levels import ADMIN
from tests.kube.cluster.raw import Resource, built_in
from tests.kube.cluster.real import kubeconfig
from tests.parts import missing

LEFT_OUT = missing("helm")
pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(120),
    pytest.mark.xdist_group("helm"),
    pytest.mark.skipif(LEFT_OUT is not None, reason=str(LEFT_OUT)),
]

OPEN: dict[str, Any] = {"api": {"insecure": True}}
SWITCHES = Resource("interlock.dev", "v1alpha1", "killswitches", "KillSwitch")
HTTP_ROUTES = Resource("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute")
KILL: Raw = {"apiVersion": "interlock.dev/v1alpha1", "kind": "KillSwitch", "metadata": {"name": "interlock"}}
OURS = {"applications.interlock.dev", "releases.interlock.dev", "killswitches.interlock.dev"}
LATE_S = 60.0
"""The API server looks for kinds that a policy reads twice a minute."""
CLAIMS = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
CRDS = built_in("customresourcedefinitions")
POLICIES = Resource(
    "admissionregistration.k8s.io", "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", namespaced=False
)


@dataclass
class Trial:
    """One installation in a namespace of its own."""

    cluster: Cluster
    place: str
    folder: Path

    @property
    def settings(self) -> dict[str, str]:
        return {"KUBECONFIG": str(self.folder / "config"), "HOME": str(self.folder)}

    def helm(self, verb: str, values: dict[str, Any] | None = None) -> str:
        # The test cluster has the definitions already, from somebody else.
        given = [] if values is None else [str(CHART), "--take-ownership", "--values", "-"]
        text = json.dumps(values or {})
        return run(verb, "trial", *given, "--namespace", self.place, stdin=text, **self.settings)

    @property
    def installed(self) -> bool:
        return "trial" in run("list", "--short", "--namespace", self.place, **self.settings)

    @property
    def kill(self) -> Raw | None:
        found = self.cluster.admin.find(SWITCHES, self.place, "interlock")
        return None if found is None else found["spec"]

    def holds(self) -> bool:
        """Whether Kubernetes refuses to raise the weight of a route."""
        told = refused(lambda: self.cluster.admin.create(HTTP_ROUTES, self.place, self.raised, dryRun="All"))
        return told is not None and "must not rise" in told

    @property
    def raised(self) -> Raw:
        body = route("HTTPRoute", "raised", 20, note(0))
        return body | {"metadata": body["metadata"] | {"namespace": self.place}}

    @property
    def policies(self) -> set[str]:
        names = {one["metadata"]["name"] for one in self.cluster.admin.list(POLICIES)["items"]}
        return {name for name in names if self.place in name}


@pytest.fixture
def trial(cluster: Cluster, tmp_path: Path) -> Iterator[Trial]:
    """Nothing of the installation is left behind."""
    made = Trial(cluster, f"trial-{secrets.token_hex(4)}", tmp_path)
    endpoint = cluster.started.level.endpoint(ADMIN)
    config = tmp_path / "config"
    config.write_text(json.dumps(kubeconfig(endpoint.url, endpoint.token, endpoint.ca_file)))
    config.chmod(0o600)
    cluster.namespace(made.place)
    yield made
    if made.installed:
        made.helm("uninstall")
    cluster.admin.delete(built_in("namespaces"), "", made.place)


def test_a_kill_and_the_record_outlive_an_upgrade_and_an_uninstallation(trial: Trial) -> None:
    admin = trial.cluster.admin
    notes = trial.helm("install", OPEN).split("NOTES:")[1]
    assert "interlock token" in notes
    assert "tokens travel in the clear" in notes
    assert len(trial.policies) == 7
    engaged = {"engaged": True, "scopes": ["fleet"]}
    admin.create(SWITCHES, trial.place, KILL | {"spec": engaged})
    until(trial.holds, "the kill is held by Kubernetes", LATE_S)

    trial.helm("upgrade", {**OPEN, "podLabels": {"team": "platform"}})
    pod = admin.get(built_in("deployments"), trial.place, "trial-interlock")["spec"]["template"]
    assert pod["metadata"]["labels"]["team"] == "platform"
    assert (trial.kill, trial.holds()) == (engaged, True)

    trial.helm("uninstall")
    assert trial.policies == set()
    assert admin.find(built_in("deployments"), trial.place, "trial-interlock") is None
    assert admin.find(CLAIMS, trial.place, "trial-interlock-data") is not None
    assert {one["metadata"]["name"] for one in admin.list(CRDS)["items"]} >= OURS

    trial.helm("install", OPEN)
    assert trial.kill == engaged, "a new installation finds the kill of the old one"
    until(trial.holds, "the kill is held again", LATE_S)


def test_what_is_switched_off_is_told(trial: Trial) -> None:
    closed = {**OPEN, "admissionPolicies": {"enabled": False}, "networkPolicy": {"enabled": False}}
    notes = trial.helm("install", closed).split("NOTES:")[1]
    assert "nothing in the cluster keeps others" in notes
    assert "every pod of the cluster may call the API" in notes
    assert trial.policies == set()


def test_an_upgrade_brings_the_definitions_up_to_date(trial: Trial) -> None:
    admin, name = trial.cluster.admin, "releases.interlock.dev"
    trial.helm("install", OPEN)
    columns = admin.get(CRDS, "", name)["spec"]["versions"][0]["additionalPrinterColumns"]
    admin.patch(CRDS, "", name, [{"op": "remove", "path": "/spec/versions/0/additionalPrinterColumns"}])
    trial.helm("upgrade", {**OPEN, "podLabels": {"a": "b"}})
    assert admin.get(CRDS, "", name)["spec"]["versions"][0]["additionalPrinterColumns"] == columns
