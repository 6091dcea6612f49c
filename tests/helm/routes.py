"""Routes of every kind with a canary's share in them, as users write them and as the controller marks them."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.helm.chart import Raw

NOTE = "interlock.dev/route"
RELEASE = "shop-0a1b2c3d4e"
HALT = {"release_id": RELEASE, "code": "kill", "text": "a person", "engagement": "k-1"}
NGINX = "nginx.ingress.kubernetes.io/canary"


def note(weight_pct: float, *, halted: bool = False, release: str | None = RELEASE, canary: str = "") -> str:
    """The annotation as the controller writes it."""
    told: Raw = {
        "epoch": 3, "revision": 7, "weight_pct": weight_pct, "release_id": release,
        "halts": [HALT] if halted else [], "mark": None, "drift": 0,
    }  # fmt: skip
    return json.dumps(told | ({"canary": canary} if canary else {}))


def http(share: int, canary: str) -> Raw:
    pair = [{"name": "shop", "port": 80, "weight": 100 - share}, {"name": canary, "port": 80, "weight": share}]
    foreign = {"backendRefs": [{"name": "images", "port": 80}]}
    return _body("gateway.networking.k8s.io/v1", "HTTPRoute", {"rules": [foreign, {"backendRefs": pair}]})


def grpc(share: int, canary: str) -> Raw:
    return http(share, canary) | {"kind": "GRPCRoute"}


def istio(share: int, canary: str) -> Raw:
    pair = [
        {"destination": {"host": "shop"}, "weight": 100 - share},
        {"destination": {"host": f"{canary}.routes.svc.cluster.local"}, "weight": share},
    ]
    alone = {"match": [{"uri": {"prefix": "/images"}}], "route": [{"destination": {"host": "images"}}]}
    spec = {"hosts": ["shop.example"], "http": [alone, {"route": pair}]}
    return _body("networking.istio.io/v1", "VirtualService", spec)


def istio_tcp(share: int, canary: str) -> Raw:
    body = istio(share, canary)
    return body | {"spec": {"hosts": ["shop.example"], "tcp": [body["spec"]["http"][1]]}}


def traefik(share: int, canary: str) -> Raw:
    pair = [{"name": "shop", "port": 80, "weight": 100 - share}, {"name": canary, "port": 80, "weight": share}]
    return _body("traefik.io/v1alpha1", "TraefikService", {"weighted": {"services": pair}})


def ingress(share: int, canary: str) -> Raw:
    backend = {"service": {"name": canary, "port": {"number": 80}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    spec = {"ingressClassName": "nginx", "rules": [{"host": "shop.example", "http": {"paths": [path]}}]}
    body = _body("networking.k8s.io/v1", "Ingress", spec)
    body["metadata"]["annotations"] = {NGINX: "true", f"{NGINX}-weight": str(share)}
    return body


def endpoints(share: int, canary: str) -> Raw:
    """One endpoint for every ten percent of ten."""
    found = [{"addresses": [f"10.0.0.{n + 1}"], "conditions": {"ready": True}} for n in range(share // 5)]
    body = _body("discovery.k8s.io/v1", "EndpointSlice", None)
    return body | {"addressType": "IPv4", "endpoints": found, "ports": [{"name": "http", "port": 80}]}


def _body(api: str, kind: str, spec: Raw | None) -> Raw:
    body: Raw = {"apiVersion": api, "kind": kind, "metadata": {}}
    return body | ({} if spec is None else {"spec": spec})


KINDS: dict[str, Callable[[int, str], Raw]] = {
    "HTTPRoute": http,
    "GRPCRoute": grpc,
    "VirtualService": istio,
    "VirtualService-tcp": istio_tcp,
    "TraefikService": traefik,
    "Ingress": ingress,
    "EndpointSlice": endpoints,
}


def route(kind: str, name: str, share: int, told: str | None, *, canary: str = "shop-canary") -> Raw:
    """``told`` is the annotation, None for a route that nobody guards."""
    body = KINDS[kind](share, canary)
    annotations = {**body["metadata"].get("annotations", {}), **({NOTE: told} if told is not None else {})}
    return body | {"metadata": {"name": name, "namespace": "routes", "annotations": annotations}}
