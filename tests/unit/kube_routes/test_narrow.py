"""On the way down every kind of route is patched under the narrow precondition: no step falls back to the version."""

from __future__ import annotations

import pytest

from controller.adapters.kube.kinds import HTTP_ROUTE
from controller.adapters.kube.routes.gateway import GatewayRoutes
from controller.adapters.kube.routes.istio import VirtualServices
from controller.adapters.kube.routes.patching import annotation_steps, at_content
from controller.adapters.kube.routes.record import ROUTE, Record, encode_record
from controller.adapters.kube.routes.strategy import Strategy
from controller.adapters.kube.routes.traefik import TraefikServices
from controller.core.targets import RouteKind
from tests.kube.cluster.raw import Raw
from tests.unit.kube_routes.build import STABLE, found, metadata, shifted

BACKEND = {"name": STABLE, "port": 80}
DESTINATION = {"destination": {"host": STABLE}}
EXTRAS = {"header": ("x", "y"), "cookie": "who", "mirror_pct": 20}


@pytest.mark.parametrize(
    ("strategy", "kind", "spec", "extras"),
    [
        (GatewayRoutes(HTTP_ROUTE), RouteKind.HTTP_ROUTE, {"rules": [{"backendRefs": [BACKEND]}]}, EXTRAS),
        (VirtualServices(), RouteKind.VIRTUAL_SERVICE, {"http": [{"route": [DESTINATION]}]}, EXTRAS),
        (TraefikServices(), RouteKind.TRAEFIK_SERVICE, {"weighted": {"services": [BACKEND]}}, {}),
    ],
)
def test_a_stop_meets_no_storm(strategy: Strategy, kind: RouteKind, spec: Raw, extras: Raw) -> None:
    note = {ROUTE: encode_record(Record(1, 1, 5, "r1"))}
    up = shifted(strategy, found(kind, {"metadata": metadata(annotations=note), "spec": spec}, **extras), 5)
    assert up.carrier is not None
    change = strategy.shift(up, 0, take=False)
    steps = [*change.steps, *annotation_steps(up.carrier, {ROUTE: encode_record(Record(1, 2, 0, "r1"))})]
    assert len(change.steps) >= 2
    tested = [test["path"] for test in at_content(up.carrier, ROUTE, steps)]
    assert "/metadata/resourceVersion" not in tested
