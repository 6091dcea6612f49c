"""What is said to both levels about the objects that carry weights: every answer has to be the same."""

from __future__ import annotations

from tests.kube.cluster import builders
from tests.kube.cluster.exchanges import (
    GRPC,
    INGRESSES,
    ROUTES,
    TRAEFIK,
    VIRTUAL,
    Exchange,
    body,
    get,
    merge,
    post,
    put,
    remove,
    steps,
    with_metadata,
    without,
)

STATUS_OF_ROUTE = {
    "parents": [
        {
            "parentRef": {"name": "edge"},
            "controllerName": "test.dev/gateway",
            "conditions": [
                {
                    "type": "Accepted",
                    "status": "True",
                    "reason": "Accepted",
                    "message": "",
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                    "observedGeneration": 1,
                }
            ],
        }
    ]
}


ROUTE_TALKS: dict[str, list[Exchange]] = {
    "routes of the Gateway API": [
        post(ROUTES, builders.http_route("r", [builders.backend("a"), builders.backend("c", 0)])),
        merge(f"{ROUTES}/r", {"spec": {"nope": 1}}),
        merge(f"{ROUTES}/r", {"spec": {"rules": [{"name": "n", "backendRefs": [{"name": "a", "zz": 1}]}]}}),
        merge(f"{ROUTES}/r", {"spec": {"rules": [{"matches": [{"headers": [{"name": "h", "value": "v"}]}]}]}}),
        merge(f"{ROUTES}/r", {"spec": {"rules": [{"backendRefs": [{"name": "a"}], "timeouts": {"request": "1s"}}]}}),
        *(
            steps(f"{ROUTES}/r", {"op": "replace", "path": "/spec/rules/0/backendRefs/0/weight", "value": value})
            for value in (-1, "x", 1.5, 10_000_001, 5)
        ),
        steps(f"{ROUTES}/r", {"op": "test", "path": "/metadata/resourceVersion", "value": "1"}),
        steps(f"{ROUTES}/r", {"op": "remove", "path": "/spec/rules/0/backendRefs/0/weight"}),
        merge(f"{ROUTES}/r", {"metadata": {"resourceVersion": "1"}}),
        merge(f"{ROUTES}/r", {"spec": None}),
        Exchange("PATCH", f"{ROUTES}/r", {"spec": {}}, "application/strategic-merge-patch+json"),
        put(f"{ROUTES}/r", builders.http_route("r", [])),
        put(f"{ROUTES}/r", with_metadata(builders.http_route("r", []), resourceVersion="1")),
        put(f"{ROUTES}/q", with_metadata(builders.http_route("q", []), resourceVersion="1")),
        merge(f"{ROUTES}/r/status", {"spec": {"hostnames": []}, "status": STATUS_OF_ROUTE}),
        merge(f"{ROUTES}/r/status", {"status": {"parents": [{"parentRef": {"name": "g"}}]}}),
        merge(f"{ROUTES}/r", {"metadata": {"annotations": {"test.dev/route": "{}"}}}),
        get(ROUTES),
        post(ROUTES, {**builders.http_route("v", []), "apiVersion": "gateway.networking.k8s.io/v2"}),
        post(ROUTES, {**builders.http_route("v", []), "kind": "Nope"}),
        post(ROUTES, builders.http_route("Bad_", [])),
        post(ROUTES, {**builders.http_route("v", []), "spec": {"rules": "x"}}),
        post(ROUTES, {**builders.http_route("v", []), "spec": {"rules": [{"backendRefs": [{}]}], "hostnames": [""]}}),
        post(ROUTES, without(builders.http_route("v", []), "spec")),
        remove(f"{ROUTES}/r"),
        post(GRPC, builders.grpc_route("g", [builders.backend("a", 5)])),
    ],
    "other routes": [
        post(
            VIRTUAL,
            body("VirtualService", "networking.istio.io/v1", "v", spec={
                "hosts": ["a"], "http": [{"route": [{"destination": {"host": "a"}, "weight": 1}], "retries": {}}],
            }),
        ),
        merge(f"{VIRTUAL}/v", {"spec": {"http": [{"route": [{"weight": 1}]}]}}),
        post(
            TRAEFIK,
            body("TraefikService", "traefik.io/v1alpha1", "t", status={"a": 1}, spec={
                "weighted": {"services": [{"name": "a", "port": 80, "weight": 1}, {"name": "b", "port": "http"}]},
            }),
        ),
        merge(f"{TRAEFIK}/t", {"spec": {"weighted": {"services": [{"name": "a", "kind": "Nope"}]}}}),
        merge(f"{TRAEFIK}/t", {"spec": {"weighted": {"services": [{"name": "a", "port": True}]}}}),
        merge(f"{TRAEFIK}/t/status", {"status": {}}),
        post(INGRESSES, body("Ingress", "networking.k8s.io/v1", "i", spec={"rules": [{"host": "a.test", "http": {
            "paths": [
                {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "a", "port": {"number": 8}}}},
            ],
        }}]})),
        merge(f"{INGRESSES}/i", {"metadata": {"annotations": {"nginx.ingress.kubernetes.io/canary": "true"}}}),
        post(INGRESSES, body("Ingress", "networking.k8s.io/v1", "j", spec={})),
        post(INGRESSES, body("Ingress", "networking.k8s.io/v1", "j", spec={"rules": [{"http": {"paths": [{}]}}]})),
    ],
}  # fmt: skip
