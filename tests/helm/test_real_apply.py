"""What the chart renders is taken whole by a real API server, with nothing unknown in it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.helm.chart import APIS, HERE, SETS, Raw, helm, kept, template
from tests.helm.real import Cluster, resource_of
from tests.kube.cluster.client import path_of
from tests.kube.cluster.levels import ADMIN
from tests.kube.cluster.real import assets, kubeconfig
from tests.parts import missing

pytestmark = [pytest.mark.real, pytest.mark.timeout(60), pytest.mark.xdist_group("helm")]


def applied(cluster: Cluster, body: Raw) -> Raw:
    """A dry run of a server-side apply: everything but the writing."""
    kind, meta = resource_of(body), body["metadata"]
    asked = {"dryRun": "All", "fieldValidation": "Strict", "fieldManager": "chart-tests", "force": "true"}
    path = path_of(kind, meta.get("namespace", ""), meta["name"], **asked)
    return cluster.admin.ask("PATCH", path, body, "application/apply-patch+yaml")


@pytest.mark.parametrize("name", SETS)
def test_every_object_is_valid_and_holds_no_unknown_field(cluster: Cluster, name: str) -> None:
    cluster.namespace("interlock", "shop", "cart")
    for body in kept(name):
        assert applied(cluster, body)["metadata"]["name"] == body["metadata"]["name"]


@pytest.mark.parametrize("name", SETS)
def test_helm_template_and_kubectl_apply_in_a_dry_run_of_the_server(
    cluster: Cluster, name: str, tmp_path: Path
) -> None:  # fmt: skip
    kubectl = assets() / "kubectl"
    if why := missing("helm"):
        pytest.skip(why)
    if not os.access(kubectl, os.X_OK):
        pytest.skip(f"left out: kubectl is not in {assets()}")
    assert helm() is not None
    cluster.namespace("interlock", "shop", "cart")
    endpoint = cluster.started.level.endpoint(ADMIN)
    (tmp_path / "config").write_text(json.dumps(kubeconfig(endpoint.url, endpoint.token, endpoint.ca_file)))
    rendered = template(None, HERE / "values" / f"{name}.yaml", apis=APIS if name.endswith("-monitored") else ())
    done = subprocess.run(
        [str(kubectl), "apply", "--dry-run=server", "-f", "-"],
        input=rendered, capture_output=True, text=True, timeout=50, check=False,
        env={"KUBECONFIG": str(tmp_path / "config"), "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(kept(name)), done.stdout
