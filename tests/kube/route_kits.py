"""One route of each kind as a user has it, with much in it that is nobody else's: how it is made, what share it gives,
how a hand changes it, and what of it must stay byte for byte."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Protocol

from controller.core.targets import KubernetesRoute, RouteKind, RouteObject
from tests.kube.cluster import builders
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.raw import Raw

STABLE, CANARY = "shop", "shop-canary"
ROUTE = "interlock.dev/route"
NGINX = "nginx.ingress.kubernetes.io/"
STABLE_PODS = CANARY_PODS = 99
"""So many that every weight up to 50 % is a share that rounds to it."""


class RouteKit(Protocol):
    """``carrier`` is the object that holds the weights, ``user`` the one that the user made."""

    @property
    def kind(self) -> RouteKind: ...
    @property
    def plural(self) -> str: ...
    @property
    def carrier(self) -> str: ...
    @property
    def user(self) -> str: ...

    def make(self, cluster: Cluster, name: str = STABLE) -> None: ...

    def share_pct(self, cluster: Cluster, name: str = STABLE) -> float: ...

    def edit(self, cluster: Cluster, weight_pct: int) -> None:
        """Somebody sets the canary's weight by hand."""
        ...

    def foreign(self, raw: Raw) -> Raw:
        """The user's object without what is ours in it."""
        ...


def without_ours(raw: Raw) -> Raw:
    """What any write changes, and our annotation."""
    body = copy.deepcopy(raw)
    for key in ("resourceVersion", "generation", "managedFields"):
        body["metadata"].pop(key, None)
    body["metadata"].get("annotations", {}).pop(ROUTE, None)
    body.pop("status", None)
    return body


def pair_pct(pairs: list[tuple[str, int]]) -> float:
    ours = [(name, weight) for name, weight in pairs if name in (STABLE, CANARY)]
    total = sum(weight for _, weight in ours)
    return 100.0 * sum(weight for name, weight in ours if name == CANARY) / total if total else 0.0


def is_ours(rule: Raw) -> bool:
    return str(rule.get("name", "")).startswith("interlock-")


@dataclass(frozen=True, slots=True)
class Gateway:
    kind: RouteKind
    plural: str
    carrier: str = STABLE
    user: str = STABLE

    def make(self, cluster: Cluster, name: str = STABLE) -> None:
        header = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-a", "value": "b"}]}}
        http = self.kind is RouteKind.HTTP_ROUTE
        match = {"path": {"type": "PathPrefix", "value": "/pay"}} if http else {"method": {"service": "pay.Pay"}}
        rules: list[Raw] = [
            {"matches": [match], "backendRefs": [builders.backend("pay", 3), builders.backend("pay-old", 1)]},
            {
                "filters": [header],
                "backendRefs": [{**builders.backend(STABLE), "filters": [header]}],
                "x-of-the-user": {"kept": [1, 2.5, None, True]},
            },
        ]
        body = builders.http_route(name, [], rules=rules)
        body["metadata"] |= {"labels": {"team": "shop"}, "annotations": {"note": "mine", "a.test/b": "d"}}
        cluster.apply({**body, "kind": self.kind.value})

    def share_pct(self, cluster: Cluster, name: str = STABLE) -> float:
        rules = [rule for rule in cluster.get(self.plural, name)["spec"]["rules"] if not is_ours(rule)]
        return pair_pct([(one["name"], one.get("weight", 1)) for one in rules[1]["backendRefs"]])

    def edit(self, cluster: Cluster, weight_pct: int) -> None:
        rules = cluster.get(self.plural, STABLE)["spec"]["rules"]
        for rule in rules:
            if not is_ours(rule) and rule["backendRefs"][0]["name"] == STABLE:
                base = {key: value for key, value in rule["backendRefs"][0].items() if key != "weight"}
                rule["backendRefs"] = [
                    {**base, "weight": 100 - weight_pct},
                    {**base, "name": CANARY, "weight": weight_pct},
                ]
        cluster.patch(self.plural, STABLE, {"spec": {"rules": rules}})

    def foreign(self, raw: Raw) -> Raw:
        body = without_ours(raw)
        body["spec"]["rules"] = [rule for rule in body["spec"]["rules"] if not is_ours(rule)]
        for rule in body["spec"]["rules"]:
            rule["backendRefs"] = [one for one in rule["backendRefs"] if one["name"] != CANARY]
            for one in rule["backendRefs"]:
                if one["name"] == STABLE:
                    one.pop("weight", None)
        return body


@dataclass(frozen=True, slots=True)
class Istio:
    kind: RouteKind = RouteKind.VIRTUAL_SERVICE
    plural: str = "virtualservices"
    carrier: str = STABLE
    user: str = STABLE

    def make(self, cluster: Cluster, name: str = STABLE) -> None:
        host = f"{STABLE}.{cluster.namespace}.svc.cluster.local"
        port = {"port": {"number": 80}}
        http = [
            {"name": "pay", "match": [{"uri": {"prefix": "/pay"}}], "route": [{"destination": {"host": "pay"}}]},
            {
                "name": "all",
                "retries": {"attempts": 2, "retryOn": "5xx"},
                "corsPolicy": {"allowOrigins": [{"exact": "https://a.test"}]},
                "route": [
                    {"destination": {"host": host, "subset": "v1", **port}, "headers": {"request": {"add": {"x": "y"}}}}
                ],
            },
        ]
        tcp = [{"match": [{"port": 5432}], "route": [{"destination": {"host": "database"}, "weight": 100}]}]
        meta = {"name": name, "labels": {"team": "shop"}, "annotations": {"note": "mine"}}
        spec = {"hosts": ["shop.test"], "gateways": ["edge"], "http": http, "tcp": tcp}
        cluster.apply(
            {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": meta, "spec": spec}
        )

    def share_pct(self, cluster: Cluster, name: str = STABLE) -> float:
        rule = next(r for r in cluster.get(self.plural, name)["spec"]["http"] if r.get("name") == "all")
        unset = 100 if len(rule["route"]) == 1 else 0
        return pair_pct([(one["destination"]["host"].split(".")[0], one.get("weight", unset)) for one in rule["route"]])

    def edit(self, cluster: Cluster, weight_pct: int) -> None:
        rules = cluster.get(self.plural, STABLE)["spec"]["http"]
        rule = next(r for r in rules if r.get("name") == "all")
        base = rule["route"][0]
        host = base["destination"]["host"].replace(STABLE, CANARY, 1)
        rule["route"] = [
            {**base, "weight": 100 - weight_pct},
            {"destination": {"host": host}, "weight": weight_pct},
        ]
        cluster.patch(self.plural, STABLE, {"spec": {"http": rules}})

    def foreign(self, raw: Raw) -> Raw:
        body = without_ours(raw)
        body["spec"]["http"] = [rule for rule in body["spec"]["http"] if not is_ours(rule)]
        for rule in body["spec"]["http"]:
            rule["route"] = [one for one in rule["route"] if not one["destination"]["host"].startswith(CANARY)]
            for one in rule["route"]:
                if one["destination"]["host"].startswith(STABLE):
                    one.pop("weight", None)
        return body


@dataclass(frozen=True, slots=True)
class Nginx:
    kind: RouteKind = RouteKind.INGRESS
    plural: str = "ingresses"
    carrier: str = f"{STABLE}-interlock-canary"
    user: str = STABLE

    def make(self, cluster: Cluster, name: str = STABLE) -> None:
        def path(where: str, service: str) -> Raw:
            backend = {"service": {"name": service, "port": {"name": "http"}}}
            return {"path": where, "pathType": "Prefix", "backend": backend}

        rules = [
            {"host": f"{name}.test", "http": {"paths": [path("/pay", "pay"), path("/", STABLE)]}},
            {"host": "nothing.test"},
            {
                "host": "files.test",
                "http": {
                    "paths": [
                        {
                            "path": "/",
                            "pathType": "Exact",
                            "backend": {"resource": {"apiGroup": "a.test", "kind": "Bucket", "name": "b"}},
                        }
                    ]
                },
            },
        ]
        own = {f"{NGINX}proxy-read-timeout": "5", f"{NGINX}affinity": "cookie", f"{NGINX}upstream-hash-by": "$host"}
        meta = {"name": name, "labels": {"team": "shop"}, "annotations": own}
        spec = {"ingressClassName": "nginx", "rules": rules, "tls": [{"hosts": [f"{name}.test"], "secretName": "t"}]}
        cluster.apply({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta, "spec": spec})

    def share_pct(self, cluster: Cluster, name: str = STABLE) -> float:
        found = cluster.find(self.plural, f"{name}-interlock-canary")
        annotations = found["metadata"]["annotations"] if found else {}
        return float(annotations[f"{NGINX}canary-weight"]) if annotations.get(f"{NGINX}canary") == "true" else 0.0

    def edit(self, cluster: Cluster, weight_pct: int) -> None:
        annotations = {f"{NGINX}canary": "true", f"{NGINX}canary-weight": str(weight_pct)}
        cluster.patch(self.plural, self.carrier, {"metadata": {"annotations": annotations}})

    def foreign(self, raw: Raw) -> Raw:
        return without_ours(raw)


@dataclass(frozen=True, slots=True)
class Traefik:
    kind: RouteKind = RouteKind.TRAEFIK_SERVICE
    plural: str = "traefikservices"
    carrier: str = STABLE
    user: str = STABLE

    def make(self, cluster: Cluster, name: str = STABLE) -> None:
        services = [{"name": STABLE, "port": "http", "passHostHeader": False, "scheme": "https"}]
        meta = {"name": name, "labels": {"team": "shop"}, "annotations": {"note": "mine"}}
        spec = {"weighted": {"services": services, "sticky": {"cookie": {"name": "lb", "httpOnly": True}}}}
        cluster.apply({"apiVersion": "traefik.io/v1alpha1", "kind": "TraefikService", "metadata": meta, "spec": spec})

    def share_pct(self, cluster: Cluster, name: str = STABLE) -> float:
        services = cluster.get(self.plural, name)["spec"]["weighted"]["services"]
        return pair_pct([(one["name"], one.get("weight", 1)) for one in services])

    def edit(self, cluster: Cluster, weight_pct: int) -> None:
        services = cluster.get(self.plural, STABLE)["spec"]["weighted"]["services"]
        base = next(one for one in services if one["name"] == STABLE)
        pair = [{**base, "weight": 100 - weight_pct}, {**base, "name": CANARY, "weight": weight_pct}]
        cluster.patch(self.plural, STABLE, {"spec": {"weighted": {"services": pair}}})

    def foreign(self, raw: Raw) -> Raw:
        body = without_ours(raw)
        services = [one for one in body["spec"]["weighted"]["services"] if one["name"] != CANARY]
        body["spec"]["weighted"]["services"] = services
        for one in services:
            if one["name"] == STABLE:
                one.pop("weight", None)
        return body


@dataclass(frozen=True, slots=True)
class Replicas:
    kind: RouteKind = RouteKind.ENDPOINT_SLICE
    plural: str = "endpointslices"
    carrier: str = f"{STABLE}-interlock-canary"
    user: str = f"{STABLE}-0"

    def make(self, cluster: Cluster, name: str = STABLE) -> None:
        cluster.apply(endpoint_slice(f"{STABLE}-0", STABLE, "10.1.0.", STABLE_PODS))
        cluster.apply(endpoint_slice(f"{CANARY}-0", CANARY, "10.2.0.", CANARY_PODS))

    def share_pct(self, cluster: Cluster, name: str = STABLE) -> float:
        found = cluster.find(self.plural, self.carrier)
        canary = len((found or {}).get("endpoints") or [])
        return 100.0 * canary / (canary + STABLE_PODS)

    def edit(self, cluster: Cluster, weight_pct: int) -> None:
        count = weight_pct * STABLE_PODS // (100 - weight_pct)
        body = endpoint_slice(self.carrier, STABLE, "10.2.0.", count)
        cluster.patch(self.plural, self.carrier, {"endpoints": body["endpoints"]})

    def foreign(self, raw: Raw) -> Raw:
        return without_ours(raw)


def endpoint_slice(name: str, service: str, network: str, ready: int, unready: int = 0) -> Raw:
    """As the cluster's own controller makes it; in these tests no controller does, for Services without selectors."""
    endpoints = [
        {
            "addresses": [f"{network}{number + 1}"],
            "conditions": {"ready": number < ready, "serving": number < ready, "terminating": False},
            "nodeName": "node-1",
            "targetRef": {"kind": "Pod", "name": f"{service}-{number}"},
        }
        for number in range(ready + unready)
    ]
    labels = {"kubernetes.io/service-name": service, "endpointslice.kubernetes.io/managed-by": "tests"}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": labels},
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }


KITS: tuple[RouteKit, ...] = (
    Gateway(RouteKind.HTTP_ROUTE, "httproutes"),
    Gateway(RouteKind.GRPC_ROUTE, "grpcroutes"),
    Istio(),
    Nginx(),
    Traefik(),
    Replicas(),
)


def route_of(kit: RouteKit, namespace: str, *names: str) -> KubernetesRoute:
    name = kit.carrier if kit.kind is RouteKind.ENDPOINT_SLICE else kit.user
    return KubernetesRoute(namespace, STABLE, CANARY, tuple(RouteObject(kit.kind, one) for one in names or (name,)))
