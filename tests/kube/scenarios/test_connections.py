"""Scenario 25, as the users of a Service have it: connections are counted, not endpoints. A stand-in spreads them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.model import Role
from controller.core.model import IntentKind
from tests.kube.cluster.cluster import Cluster
from tests.kube.scenarios.kits import STABLE, ReplicasKit
from tests.kube.scenarios.stage import Stage

scenario = pytest.mark.scenario
CONNECTIONS = 40_000
NOISE_PCT = 1.0
"""Four standard deviations of a share of 30 percent of so many connections."""


class KubeProxyStandIn:
    """Stands for kube-proxy: a new connection to a Service goes to any ready endpoint of all its slices, each as
    likely as the next. An address that is in two slices counts once, as it does there."""

    def __init__(self, cluster: Cluster, service: str) -> None:
        self._cluster, self._service = cluster, service
        self._random = random.Random("connections")

    def addresses(self) -> list[str]:
        slices = self._cluster.list("endpointslices", f"kubernetes.io/service-name={self._service}")
        found = {
            endpoint["addresses"][0]
            for one in slices
            for endpoint in one.get("endpoints") or []
            if (endpoint.get("conditions") or {}).get("ready") is not False
        }
        return sorted(found)

    def connect(self, count: int) -> Counter[str]:
        return Counter(self._random.choices(self.addresses(), k=count))


@pytest.fixture(params=[9, 19, 40])
def sized(request: pytest.FixtureRequest, cluster: Cluster, tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(cluster, replace(ReplicasKit(), replicas=request.param), tmp_path)
    yield stage
    stage.close()


def canary_share_pct(stage: Stage, proxy: KubeProxyStandIn) -> float:
    role_of = {pod["status"]["podIP"]: role for role in Role for pod in stage.pods_of(role)}
    taken: Counter[Role] = Counter()
    for address, count in proxy.connect(CONNECTIONS).items():
        taken[role_of[address]] += count
    return 100 * taken[Role.CANARY] / CONNECTIONS


@scenario(25)
def test_the_share_of_connections_is_the_weight_rounded_down_to_whole_pods(sized: Stage) -> None:
    proxy = KubeProxyStandIn(sized.cluster, STABLE)
    assert canary_share_pct(sized, proxy) == 0
    sized.deploy()
    for weight_pct in (10, 20, 30):
        sized.until_live(weight_pct)
        share_pct = canary_share_pct(sized, proxy)
        pods = len(proxy.addresses())
        # At most the weight, and less than one pod below it.
        assert weight_pct - 100 / pods - NOISE_PCT < share_pct < weight_pct + NOISE_PCT
        assert abs(share_pct - sized.kit.weight_pct(weight_pct)) < NOISE_PCT
    sized.ask(IntentKind.ABORT)
    assert canary_share_pct(sized, proxy) == 0
