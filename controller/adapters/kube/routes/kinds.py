"""Which strategy serves which kind of route. Nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from controller.adapters.kube.kinds import GRPC_ROUTE, HTTP_ROUTE
from controller.adapters.kube.routes.gateway import GatewayRoutes
from controller.adapters.kube.routes.ingress import CanaryIngresses
from controller.adapters.kube.routes.istio import VirtualServices
from controller.adapters.kube.routes.replicas import CanaryEndpoints
from controller.adapters.kube.routes.strategy import Strategy
from controller.adapters.kube.routes.traefik import TraefikServices
from controller.core.targets import RouteKind


def strategies() -> Mapping[RouteKind, Strategy]:
    return {
        RouteKind.HTTP_ROUTE: GatewayRoutes(HTTP_ROUTE),
        RouteKind.GRPC_ROUTE: GatewayRoutes(GRPC_ROUTE),
        RouteKind.VIRTUAL_SERVICE: VirtualServices(),
        RouteKind.INGRESS: CanaryIngresses(),
        RouteKind.TRAEFIK_SERVICE: TraefikServices(),
        RouteKind.ENDPOINT_SLICE: CanaryEndpoints(),
    }
