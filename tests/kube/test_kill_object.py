"""The kill switch as the cluster's admission policies see it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from controller.adapters.clock import SystemClock
from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.cluster import home_of
from controller.adapters.kube.connect import KubeSettings, connect
from controller.adapters.kube.killswitch import SCOPES_MAX, KillObject, shown
from gates.kill import Engagement, KillState, Scope, ScopeKind, Verb
from tests.kube.cluster.cluster import Cluster

SHOP = Engagement("k-1", Verb.REVERT, Scope(ScopeKind.APPLICATION, "shop"), "ann", 1_790_000_000.0)
FLEET = replace(SHOP, id="k-2", scope=Scope(ScopeKind.FLEET))


@pytest.fixture
def api(cluster: Cluster) -> Iterator[KubeApi]:
    made = connect(KubeSettings(kubeconfig=str(cluster.kubeconfig)), SystemClock())
    yield made
    made.close()


def test_nothing_is_made_before_the_first_kill_and_a_released_one_is_shown_as_over(
    cluster: Cluster, api: KubeApi
) -> None:
    mirror = KillObject(api, cluster.namespace)
    mirror.show(KillState())
    assert cluster.find("killswitches", "interlock") is None
    mirror.show(KillState((SHOP,)))
    spec = cluster.get("killswitches", "interlock")["spec"]
    assert (spec["engaged"], spec["scopes"], spec["since"]) == (True, ["application:shop"], "2026-09-21T14:13:20Z")
    mirror.show(KillState())
    assert cluster.get("killswitches", "interlock")["spec"] == {"engaged": False}


def test_what_is_shown_already_costs_no_call(cluster: Cluster, api: KubeApi) -> None:
    mirror = KillObject(api, cluster.namespace)
    mirror.show(KillState((SHOP,)))
    before = len(cluster.calls())
    for _ in range(5):
        mirror.show(KillState((SHOP,)))
    assert len(cluster.calls()) == before


def test_what_somebody_engaged_by_hand_stays_so_until_they_release_it(cluster: Cluster, api: KubeApi) -> None:
    body = {"apiVersion": "interlock.dev/v1alpha1", "kind": "KillSwitch", "metadata": {"name": "interlock"}}
    cluster.apply({**body, "spec": {"engaged": True, "scopes": ["application:pay"], "reason": "by hand"}})
    KillObject(api, cluster.namespace).show(KillState())
    assert cluster.get("killswitches", "interlock")["spec"]["reason"] == "by hand"
    mirror = KillObject(api, cluster.namespace)
    mirror.show(KillState((SHOP,)))
    assert cluster.get("killswitches", "interlock")["spec"]["scopes"] == ["application:pay", "application:shop"]
    mirror.show(KillState())
    assert cluster.get("killswitches", "interlock")["spec"]["engaged"] is True


def test_doubt_and_too_much_are_everything() -> None:
    assert shown(KillState(readable=False)) == {"engaged": True, "scopes": ["fleet"]}
    assert shown(KillState((SHOP, FLEET)))["scopes"] == ["fleet"]
    many = tuple(replace(SHOP, id=f"k-{n}", scope=Scope(ScopeKind.APPLICATION, f"a{n}")) for n in range(SCOPES_MAX + 1))
    assert shown(KillState(many))["scopes"] == ["fleet"]
    assert len(shown(KillState(many[1:]))["scopes"]) == SCOPES_MAX


def test_home_is_the_namespace_of_the_pod_and_nowhere_else(tmp_path: Path) -> None:
    assert home_of(KubeSettings(in_cluster=True, service_account=str(tmp_path))) == ""
    (tmp_path / "namespace").write_text("interlock\n")
    assert home_of(KubeSettings(in_cluster=True, service_account=str(tmp_path))) == "interlock"
    assert home_of(KubeSettings(kubeconfig="/k", service_account=str(tmp_path))) == ""
