"""Objects as users write them, short."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.kube.cluster.raw import Raw

IMAGE = "registry.test/web:1"


def metadata(name: str, labels: Mapping[str, str] | None = None, **more: Any) -> Raw:
    return {"name": name} | ({"labels": dict(labels)} if labels else {}) | more


def container(image: str = IMAGE, name: str = "main", port: int = 8080, **more: Any) -> Raw:
    return {"name": name, "image": image, "ports": [{"name": "http", "containerPort": port}], **more}


def deployment(
    name: str = "web",
    image: str = IMAGE,
    replicas: int | None = 3,
    *,
    labels: Mapping[str, str] | None = None,
    containers: list[Raw] | None = None,
    pod: Mapping[str, Any] | None = None,
    **spec: Any,
) -> Raw:
    """``pod`` goes into the pod's spec, what else is named into the Deployment's."""
    chosen = dict(labels or {"app": name})
    template = {
        "metadata": {"labels": chosen},
        "spec": {"containers": containers or [container(image)], "terminationGracePeriodSeconds": 1, **(pod or {})},
    }
    body: Raw = {"selector": {"matchLabels": chosen}, "template": template, **spec}
    if replicas is not None:
        body["replicas"] = replicas
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(name, chosen), "spec": body}


def service(name: str = "web", selector: Mapping[str, str] | None = None, port: int = 80) -> Raw:
    spec = {"selector": dict(selector or {"app": name}), "ports": [{"name": "http", "port": port, "targetPort": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata(name), "spec": spec}


def config_map(name: str, data: Mapping[str, str] | None = None) -> Raw:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(name), "data": dict(data or {})}


def http_route(name: str, backends: list[Raw], *, rules: list[Raw] | None = None, gateway: str = "edge") -> Raw:
    """One rule with these backends, unless whole rules are given."""
    spec = {
        "parentRefs": [{"name": gateway}],
        "hostnames": ["shop.test"],
        "rules": rules or [{"backendRefs": backends}],
    }
    api = "gateway.networking.k8s.io/v1"
    return {"apiVersion": api, "kind": "HTTPRoute", "metadata": metadata(name), "spec": spec}


def grpc_route(name: str, backends: list[Raw], *, gateway: str = "edge") -> Raw:
    return {**http_route(name, backends, gateway=gateway), "kind": "GRPCRoute"}


def backend(name: str, weight: int | None = None, port: int = 80) -> Raw:
    return {"name": name, "port": port} | ({"weight": weight} if weight is not None else {})


def quota(name: str, pods: int) -> Raw:
    """No more than so many pods in the namespace."""
    spec = {"hard": {"pods": str(pods)}}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata(name), "spec": spec}
