"""The blocks of an application document that name objects of a cluster, to the core's descriptions and back. It asks no
cluster."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from controller.core.targets import KubernetesRoute, KubernetesTarget, Route, RouteKind, RouteObject, Target, Trigger
from controller.spec_parts import Block, Label, Percent, Text

ROUTES_MAX = 20
"""Objects that carry one application's traffic; each costs a write at every step."""
CANARY_SUFFIX = "-canary"
_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_|~-]{1,100}")


def _object_name(value: str) -> str:
    if not _SUBDOMAIN.fullmatch(value):
        raise ValueError("use the object's name: 1 to 253 lower-case letters, digits, dashes and dots")
    return value


def _token(value: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise ValueError("use 1 to 100 letters, digits and dashes")
    return value


ObjectName = Annotated[str, AfterValidator(_object_name)]
Token = Annotated[str, AfterValidator(_token)]
Names = Annotated[list[ObjectName], Field(min_length=1, max_length=ROUTES_MAX)]


def placeholders(target: Target, route: Route) -> dict[str, tuple[str, str]]:
    """What queries may name of the objects in a cluster, such as $workload: stable's and the canary's."""
    if not isinstance(target, KubernetesTarget) or not isinstance(route, KubernetesRoute):
        return {}
    known = {
        "namespace": (target.namespace, target.namespace),
        "workload": (target.deployment, target.canary_name),
        "service": (target.service, target.canary_name),
    }
    ingresses = [one.name for one in route.objects if one.kind is RouteKind.INGRESS]
    if len(ingresses) == 1:
        known["ingress"] = (ingresses[0], ingresses[0])
    return known


class KubernetesBlock(Block):
    """An ordinary Deployment and the Service in front of it."""

    namespace: Label
    deployment: ObjectName
    service: Label
    canary_name: Label | None = None
    container: Label | None = None
    pin_secrets: bool = False

    @model_validator(mode="after")
    def _canary(self) -> KubernetesBlock:
        if self.canary_name is None and not re.fullmatch(r"[a-z0-9-]{1,56}", self.deployment):
            raise ValueError(
                "the canary cannot be called like the Deployment with -canary behind it: a Service's name has at most "
                "63 lower-case letters, digits and dashes. Set canaryName"
            )
        if self.canary() in (self.deployment, self.service):
            raise ValueError(
                "canaryName (the Deployment's with -canary behind it if not given) must be another name than the "
                "Deployment's and the Service's"
            )
        return self

    def canary(self) -> str:
        """What the canary's Deployment and Service are called."""
        return self.canary_name or self.deployment + CANARY_SUFFIX


class HeaderBlock(Block):
    """Requests with this header go to the canary while it has a weight."""

    name: Token
    value: Text


class _Extras(Block):
    header: HeaderBlock | None = None
    cookie: Token | None = None
    mirror: Percent | None = None


class GatewayBlock(_Extras):
    """Routes of the Gateway API; those of one application get the same weight."""

    http_route: ObjectName | None = None
    http_routes: Names | None = None
    grpc_route: ObjectName | None = None
    grpc_routes: Names | None = None

    @model_validator(mode="after")
    def _some(self) -> GatewayBlock:
        _distinct(self.objects(), "httpRoute, httpRoutes, grpcRoute or grpcRoutes")
        if (self.grpc_route or self.grpc_routes) and self.cookie is not None:
            raise ValueError("a GRPCRoute cannot match cookies: remove cookie or the gRPC routes")
        return self

    def objects(self) -> tuple[RouteObject, ...]:
        http = [*([self.http_route] if self.http_route else []), *(self.http_routes or [])]
        grpc = [*([self.grpc_route] if self.grpc_route else []), *(self.grpc_routes or [])]
        return _objects(RouteKind.HTTP_ROUTE, http) + _objects(RouteKind.GRPC_ROUTE, grpc)


class IstioBlock(_Extras):
    """VirtualServices; ``routes`` names their http routes to shift where not every one is meant."""

    virtual_service: ObjectName | None = None
    virtual_services: Names | None = None
    routes: list[Text] = Field(default=[], max_length=50)

    @model_validator(mode="after")
    def _some(self) -> IstioBlock:
        _distinct(self.objects(), "virtualService or virtualServices")
        return self

    def objects(self) -> tuple[RouteObject, ...]:
        names = [*([self.virtual_service] if self.virtual_service else []), *(self.virtual_services or [])]
        return _objects(RouteKind.VIRTUAL_SERVICE, names)


class IngressNginxBlock(Block):
    """Ingresses of ingress-nginx; each gets a canary Ingress beside it."""

    ingress: ObjectName | None = None
    ingresses: Names | None = None
    header: HeaderBlock | None = None
    cookie: Token | None = None

    @model_validator(mode="after")
    def _some(self) -> IngressNginxBlock:
        _distinct(self.objects(), "ingress or ingresses")
        return self

    def objects(self) -> tuple[RouteObject, ...]:
        names = [*([self.ingress] if self.ingress else []), *(self.ingresses or [])]
        return _objects(RouteKind.INGRESS, names)


class TraefikBlock(Block):
    """TraefikServices with weighted services."""

    traefik_service: ObjectName | None = None
    traefik_services: Names | None = None

    @model_validator(mode="after")
    def _some(self) -> TraefikBlock:
        _distinct(self.objects(), "traefikService or traefikServices")
        return self

    def objects(self) -> tuple[RouteObject, ...]:
        names = [*([self.traefik_service] if self.traefik_service else []), *(self.traefik_services or [])]
        return _objects(RouteKind.TRAEFIK_SERVICE, names)


class ReplicasBlock(Block):
    """No proxy splits the traffic: the canary's share is its share of the Service's endpoints."""


class ClusterRouters(Block):
    """Every router of a cluster, of which a document names one."""

    gateway_api: GatewayBlock | None = None
    istio: IstioBlock | None = None
    ingress_nginx: IngressNginxBlock | None = None
    traefik: TraefikBlock | None = None
    replicas: ReplicasBlock | None = None

    def cluster_kinds(self) -> list[Block]:
        kinds = (self.gateway_api, self.istio, self.ingress_nginx, self.traefik, self.replicas)
        return [kind for kind in kinds if kind is not None]


def _objects(kind: RouteKind, names: list[str]) -> tuple[RouteObject, ...]:
    return tuple(RouteObject(kind, name) for name in names)


def _distinct(objects: tuple[RouteObject, ...], fields: str) -> None:
    if not objects:
        raise ValueError(f"name at least one route: {fields}")
    if len(objects) > ROUTES_MAX:
        raise ValueError(f"at most {ROUTES_MAX} routes carry one application's traffic")
    if len(set(objects)) != len(objects):
        raise ValueError("a route is named twice")


def kubernetes_target(block: KubernetesBlock, trigger: str) -> KubernetesTarget:
    return KubernetesTarget(
        block.namespace,
        block.deployment,
        block.service,
        block.canary(),
        block.container,
        block.pin_secrets,
        Trigger(trigger),
    )


def kubernetes_route(routers: ClusterRouters, target: KubernetesTarget) -> KubernetesRoute:
    (block,) = routers.cluster_kinds()
    objects: tuple[RouteObject, ...] = (RouteObject(RouteKind.ENDPOINT_SLICE, target.service + "-interlock-canary"),)
    if isinstance(block, GatewayBlock | IstioBlock | IngressNginxBlock | TraefikBlock):
        objects = block.objects()
    header = getattr(block, "header", None)
    return KubernetesRoute(
        namespace=target.namespace,
        service=target.service,
        canary_service=target.canary_name,
        objects=objects,
        only=tuple(block.routes) if isinstance(block, IstioBlock) else (),
        header=(header.name, header.value) if isinstance(header, HeaderBlock) else None,
        cookie=getattr(block, "cookie", None),
        mirror_pct=getattr(block, "mirror", None),
    )


def target_document(target: KubernetesTarget) -> dict[str, Any]:
    return {
        "namespace": target.namespace,
        "deployment": target.deployment,
        "service": target.service,
        "canaryName": target.canary_name,
        "container": target.container,
        "pinSecrets": target.pin_secrets or None,
    }


def route_document(route: KubernetesRoute) -> dict[str, Any]:
    """The router's block under its name."""
    names: Callable[[RouteKind], list[str] | None] = lambda kind: (  # noqa: E731
        [one.name for one in route.objects if one.kind is kind] or None
    )
    extras = {
        "header": {"name": route.header[0], "value": route.header[1]} if route.header else None,
        "cookie": route.cookie,
        "mirror": route.mirror_pct,
    }
    match route.objects[0].kind:
        case RouteKind.HTTP_ROUTE | RouteKind.GRPC_ROUTE:
            http, grpc = names(RouteKind.HTTP_ROUTE), names(RouteKind.GRPC_ROUTE)
            return {"gatewayApi": {"httpRoutes": http, "grpcRoutes": grpc, **extras}}
        case RouteKind.VIRTUAL_SERVICE:
            only = list(route.only) or None
            return {"istio": {"virtualServices": names(RouteKind.VIRTUAL_SERVICE), "routes": only, **extras}}
        case RouteKind.INGRESS:
            return {"ingressNginx": {"ingresses": names(RouteKind.INGRESS), **extras}}
        case RouteKind.TRAEFIK_SERVICE:
            return {"traefik": {"traefikServices": names(RouteKind.TRAEFIK_SERVICE), **extras}}
        case RouteKind.ENDPOINT_SLICE:
            return {"replicas": {}}
