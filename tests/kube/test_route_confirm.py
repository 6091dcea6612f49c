"""A weight is verified when the proxies' own controller has confirmed this very version, not because it was written."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from controller.core.targets import RouteKind
from tests.kube.cluster import builders
from tests.kube.cluster.cluster import Cluster
from tests.kube.route_kits import CANARY, KITS, STABLE, Nginx
from tests.kube.route_stage import ABORT, RouteStage, staged

VERIFIED_S = 5.0
"""From the moment that the router's status says so until a look says verified."""


@pytest.fixture(params=KITS[:2], ids=lambda kit: kit.kind.value)
def stage(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[RouteStage]:
    with staged(cluster, request.param) as stage:
        for name in (STABLE, CANARY, "pay", "pay-old"):
            cluster.apply(builders.service(name))
        yield stage


def verified(stage: RouteStage) -> bool:
    return stage.router.read(stage.app).verified


def test_a_written_weight_is_verified_soon_after_the_gateway_says_so_and_not_before(stage: RouteStage) -> None:
    stage.at(0)
    stage.cluster.wait(lambda: verified(stage), "the route is confirmed at 0")
    stage.cluster.gateway.confirm_after_s = None
    route = stage.write(stage.router.read(stage.app), 10)
    assert (route.live_pct, route.verified) == (10, False)
    assert "has not taken the newest version yet" in route.unconfirmed
    time.sleep(0.1)
    assert not verified(stage)
    began_s = time.monotonic()
    stage.cluster.gateway.confirm_after_s = 0.0
    stage.cluster.gateway.confirm_now()
    stage.cluster.wait(lambda: verified(stage), "the weight is verified", VERIFIED_S)
    assert time.monotonic() - began_s < VERIFIED_S


def test_a_gateway_that_refuses_the_route_never_verifies_it_and_says_why(stage: RouteStage) -> None:
    stage.at(0)
    stage.cluster.wait(lambda: verified(stage), "the route is confirmed at 0")
    stage.cluster.gateway.accepts = False
    stage.write(stage.router.read(stage.app), 10)
    told = "Accepted is False: NotAllowedByListeners"
    stage.cluster.wait(lambda: told in stage.router.read(stage.app).unconfirmed, "the refusal is told")
    assert not verified(stage)


def test_a_canary_service_that_is_missing_matters_while_it_has_a_weight_and_not_at_zero(stage: RouteStage) -> None:
    stage.cluster.delete("services", CANARY)
    stage.at(10)
    told = "ResolvedRefs is False: BackendNotFound"
    stage.cluster.wait(lambda: told in stage.router.read(stage.app).unconfirmed, "the missing Service is told")
    stage.router.lower(stage.app, ABORT, 1)
    stage.cluster.wait(lambda: verified(stage), "at 0 the route is confirmed without the canary's Service")


def test_an_ingress_controller_that_has_not_taken_the_canary_ingress_is_told(cluster: Cluster) -> None:
    with staged(cluster, Nginx()) as stage:
        address = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
        cluster.patch("ingresses", STABLE, address, "status")
        route = stage.at(10)
        assert (route.live_pct, route.verified) == (10, False)
        assert "has none yet" in route.unconfirmed
        cluster.patch("ingresses", stage.kit.carrier, address, "status")
        assert verified(stage)


def test_what_istio_finds_wrong_is_told(cluster: Cluster) -> None:
    kit = next(kit for kit in KITS if kit.kind is RouteKind.VIRTUAL_SERVICE)
    with staged(cluster, kit) as stage:
        assert stage.at(10).verified, "Istio writes a status only where it was told to"
        wrong = {"status": {"validationMessages": [{"level": "ERROR", "type": {"code": "IST0101"}}]}}
        cluster.patch(kit.plural, STABLE, wrong, "status")
        seen = stage.router.read(stage.app)
        assert (seen.live_pct, seen.verified) == (10, False)
        assert "IST0101" in seen.unconfirmed
