"""Mistakes that canary controllers make with single objects: what was read is changed before it is written, and objects
that look otherwise than expected."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.adapters.clock import SystemClock
from controller.adapters.kube.routes.caches import RouteCaches
from controller.adapters.kube.routes.router import KubeRouter
from controller.ports import PortError
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.small.faults import Fault, Trouble
from tests.kube.route_kits import CANARY, KITS, STABLE, Nginx, RouteKit
from tests.kube.route_stage import ABORT, staged
from tests.kube.test_route_hints import QUICK, Hints


@pytest.mark.parametrize("kit", KITS, ids=lambda kit: kit.kind.value)
def test_a_write_that_fails_leaves_what_the_watch_keeps_as_it_is(small_cluster: Cluster, kit: RouteKit) -> None:
    with staged(small_cluster, kit) as stage:
        caches = RouteCaches(stage.api, SystemClock(), [small_cluster.namespace], Hints(), QUICK)
        stage.router = KubeRouter(stage.api, stage.clock, caches, wait=stage.waits.append)
        try:
            stage.router.claim(stage.app, 1)
            route = stage.router.lower(stage.app, ABORT, 1)
            small_cluster.wait(
                lambda: stage.router.read(stage.app, hint=True).mark == ABORT, "the watch has heard of it"
            )
            known = stage.router.read(stage.app, hint=True)
            refuse = Fault(Trouble.ANSWER, verb="patch", resource=stage.kit.plural, code=403)
            with small_cluster.faults.on(refuse), pytest.raises(PortError):
                stage.write(route, 10)
            # A gateway's own word on the route may have come meanwhile.
            after = stage.router.read(stage.app, hint=True)
            assert replace(after, unconfirmed="") == replace(known, unconfirmed="")
            assert stage.share_pct == 0
        finally:
            caches.stop()


def test_an_ingress_with_a_rule_without_paths_and_a_resource_for_a_backend_carries_a_canary(cluster: Cluster) -> None:
    with staged(cluster, Nginx()) as stage:
        hosts = [rule["host"] for rule in stage.user()["spec"]["rules"]]
        assert hosts == ["shop.test", "nothing.test", "files.test"]
        stage.at(10)
        rules = stage.raw()["spec"]["rules"]
        assert [rule["host"] for rule in rules] == ["shop.test"]
        assert CANARY in str(rules)
        assert STABLE not in str(rules).replace(CANARY, "").replace("shop.test", "")
