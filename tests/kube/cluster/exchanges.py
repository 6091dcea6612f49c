"""The same requests for both levels, and their answers without what differs from one server to the next."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any

from tests.kube.cluster import builders
from tests.kube.cluster.client import JSON_PATCH, MERGE, Endpoint
from tests.kube.cluster.raw import Raw

DEPLOYMENTS = "/apis/apps/v1/namespaces/{ns}/deployments"
SERVICES = "/api/v1/namespaces/{ns}/services"
MAPS = "/api/v1/namespaces/{ns}/configmaps"
PODS = "/api/v1/namespaces/{ns}/pods"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases"
REVISIONS = "/apis/apps/v1/namespaces/{ns}/controllerrevisions"
ROUTES = "/apis/gateway.networking.k8s.io/v1/namespaces/{ns}/httproutes"
GRPC = "/apis/gateway.networking.k8s.io/v1/namespaces/{ns}/grpcroutes"
VIRTUAL = "/apis/networking.istio.io/v1/namespaces/{ns}/virtualservices"
TRAEFIK = "/apis/traefik.io/v1alpha1/namespaces/{ns}/traefikservices"
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/{ns}/ingresses"
SCALERS = "/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers"
BUDGETS = "/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets"
EVENTS = "/api/v1/namespaces/{ns}/events"
SECRETS = "/api/v1/namespaces/{ns}/secrets"
VARIES = frozenset(
    (
        "uid",
        "resourceVersion",
        "managedFields",
        "clusterIP",
        "clusterIPs",
        "continue",
        "storageVersionHash",
        "podIP",
        "podIPs",
    )
)
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
RECORD = re.compile(r"in record \(\d+\)")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request; ``{ns}`` in the path stands for the namespace."""

    method: str
    path: str
    body: Any = None
    how: str = "application/json"
    loosely: bool = False


def loosely(one: Exchange) -> Exchange:
    """Of a refusal only the code and the reason are compared: the text shows the inside of the server."""
    return replace(one, loosely=True)


def post(path: str, body: Any) -> Exchange:
    return Exchange("POST", path, body)


def merge(path: str, body: Any) -> Exchange:
    return Exchange("PATCH", path, body, MERGE)


def steps(path: str, *operations: Raw) -> Exchange:
    return Exchange("PATCH", path, list(operations), JSON_PATCH)


def put(path: str, body: Any) -> Exchange:
    return Exchange("PUT", path, body)


def get(path: str) -> Exchange:
    return Exchange("GET", path)


def remove(path: str, body: Any = None) -> Exchange:
    return Exchange("DELETE", path, body)


def answered(endpoint: Endpoint, namespace: str, exchange: Exchange) -> tuple[int, Any]:
    """The code and the body, comparable."""
    connection = endpoint.connect(10)
    try:
        body = exchange.body if exchange.body is None or isinstance(exchange.body, str) else json.dumps(exchange.body)
        headers = endpoint.headers | ({"Content-Type": exchange.how} if body is not None else {})
        path = exchange.path.replace("{ns}", namespace)
        connection.request(exchange.method, path, body.replace("{ns}", namespace) if body else None, headers)
        response = connection.getresponse()
        text = response.read().decode()
    finally:
        connection.close()
    try:
        read = json.loads(text)
    except ValueError:
        return response.status, text
    if exchange.loosely and read.get("kind") == "Status":
        return response.status, read.get("reason")
    return response.status, comparable(read, namespace)


def comparable(value: Any, namespace: str) -> Any:
    if isinstance(value, list):
        return [comparable(one, namespace) for one in value]
    if isinstance(value, dict):
        plain = {key: comparable(one, namespace) for key, one in value.items() if key not in VARIES}
        if "progressDeadlineSeconds" in (plain.get("spec") or ()):
            # A Deployment's status is the business of controllers, who take their time.
            plain.pop("status", None)
        return in_order(plain) if plain.get("kind") == "Status" else plain
    if isinstance(value, str):
        text = RECORD.sub("in record (<version>)", UUID.sub("<uid>", TIME.sub("<time>", value)))
        return text.replace(namespace, "<ns>")
    return value


def in_order(status: Raw) -> Raw:
    """Several causes come in any order, and some of them twice."""
    causes = (status.get("details") or {}).get("causes")
    if not causes:
        return status
    once = sorted({json.dumps(one, sort_keys=True) for one in causes})
    told = status["message"] if len(once) == 1 else ""
    return {**status, "details": {**status["details"], "causes": once}, "message": told}


def deployment(name: str = "web", **spec: Any) -> Raw:
    """Paused, so that no controller writes into it meanwhile."""
    return builders.deployment(name, "registry.test/web:1", 0, paused=True, **spec)


def body(kind: str, version: str, name: str, **rest: Any) -> Raw:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **rest}


def without(whole: Raw, *fields: str) -> Raw:
    return {key: value for key, value in whole.items() if key not in fields}


def with_metadata(whole: Raw, **metadata: Any) -> Raw:
    return {**whole, "metadata": {**whole["metadata"], **metadata}}
