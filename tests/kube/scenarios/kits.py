"""One route of each kind as a user has it before Interlock: how it is set up, its share, and how others edit it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Protocol

from tests.kube.cluster import builders
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.raw import Raw, is_ready

STABLE, CANARY = "shop", "shop-canary"
NGINX = "nginx.ingress.kubernetes.io"


class Kit(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def replicas(self) -> int: ...

    @property
    def router(self) -> Raw:
        """The router's block of the application document."""
        ...

    def set_up(self, cluster: Cluster) -> None: ...

    def share_pct(self, cluster: Cluster) -> float:
        """The canary's share as the cluster's objects say it now."""
        ...

    def weight_pct(self, share_pct: float) -> float:
        """What a share of ``share_pct`` percent becomes here."""
        ...

    def edit(self, cluster: Cluster, share_pct: int) -> None:
        """Somebody else sets the canary's weight by hand."""
        ...

    def of_others(self, cluster: Cluster) -> Any:
        """Everything in the route that is nobody's business but the user's."""
        ...


@dataclass(frozen=True, slots=True)
class HttpRouteKit:
    id: str = "httpRoute"
    replicas: int = 3

    @property
    def router(self) -> Raw:
        return {"gatewayApi": {"httpRoute": STABLE, "header": {"name": "x-canary", "value": "yes"}}}

    def set_up(self, cluster: Cluster) -> None:
        header = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-a", "value": "b"}]}}
        rules = [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/other"}}],
                "backendRefs": [builders.backend("other")],
            },
            {"filters": [header], "backendRefs": [builders.backend(STABLE, 100), builders.backend(CANARY, 0)]},
        ]
        cluster.apply(builders.service("other"))
        cluster.apply(builders.http_route(STABLE, [], rules=rules))

    def share_pct(self, cluster: Cluster) -> float:
        rules = [rule for rule in cluster.get("httproutes", STABLE)["spec"]["rules"] if not _is_ours(rule)]
        return share_of([(ref["name"], ref.get("weight", 1)) for ref in rules[1]["backendRefs"]])

    def weight_pct(self, share_pct: float) -> float:
        return share_pct

    def edit(self, cluster: Cluster, share_pct: int) -> None:
        rules = cluster.get("httproutes", STABLE)["spec"]["rules"]
        place = next(
            n for n, rule in enumerate(rules) if not _is_ours(rule) and rule["backendRefs"][0]["name"] == STABLE
        )
        for number, ref in enumerate(rules[place]["backendRefs"]):
            weight = share_pct if ref["name"] == CANARY else 100 - share_pct
            path = f"/spec/rules/{place}/backendRefs/{number}/weight"
            cluster.patch("httproutes", STABLE, [{"op": "add", "path": path, "value": weight}])

    def of_others(self, cluster: Cluster) -> Any:
        spec = copy.deepcopy(cluster.get("httproutes", STABLE)["spec"])
        spec["rules"] = [rule for rule in spec["rules"] if not _is_ours(rule)]
        for ref in spec["rules"][1]["backendRefs"]:
            ref.pop("weight", None)
        return spec


@dataclass(frozen=True, slots=True)
class VirtualServiceKit:
    id: str = "virtualService"
    replicas: int = 3

    @property
    def router(self) -> Raw:
        return {"istio": {"virtualService": STABLE, "header": {"name": "x-canary", "value": "yes"}}}

    def set_up(self, cluster: Cluster) -> None:
        host = f"{STABLE}.{cluster.namespace}.svc.cluster.local"
        routes = [
            {"name": "other", "match": [{"uri": {"prefix": "/other"}}], "route": [{"destination": {"host": "other"}}]},
            {
                "name": "primary",
                "retries": {"attempts": 2},
                "route": [
                    {"destination": {"host": host}, "weight": 100, "headers": {"response": {"set": {"x-a": "b"}}}},
                    {"destination": {"host": CANARY}, "weight": 0},
                ],
            },
        ]
        body = {"hosts": ["shop.test"], "gateways": ["edge"], "http": routes}
        api = "networking.istio.io/v1"
        cluster.apply({"apiVersion": api, "kind": "VirtualService", "metadata": {"name": STABLE}, "spec": body})

    def share_pct(self, cluster: Cluster) -> float:
        found = [r for r in cluster.get("virtualservices", STABLE)["spec"]["http"] if r.get("name") == "primary"]
        pairs = [(one["destination"]["host"].split(".")[0], one.get("weight", 0)) for one in found[0]["route"]]
        return share_of(pairs)

    def weight_pct(self, share_pct: float) -> float:
        return share_pct

    def edit(self, cluster: Cluster, share_pct: int) -> None:
        routes = cluster.get("virtualservices", STABLE)["spec"]["http"]
        for one in next(route for route in routes if route.get("name") == "primary")["route"]:
            one["weight"] = share_pct if one["destination"]["host"] == CANARY else 100 - share_pct
        cluster.patch("virtualservices", STABLE, {"spec": {"http": routes}})

    def of_others(self, cluster: Cluster) -> Any:
        spec = copy.deepcopy(cluster.get("virtualservices", STABLE)["spec"])
        spec["http"] = [route for route in spec["http"] if not str(route.get("name", "")).startswith("interlock-")]
        for one in spec["http"][1]["route"]:
            one.pop("weight", None)
        return spec


@dataclass(frozen=True, slots=True)
class IngressNginxKit:
    id: str = "ingressNginx"
    replicas: int = 3
    canary: str = "shop-interlock-canary"

    @property
    def router(self) -> Raw:
        return {"ingressNginx": {"ingress": STABLE, "header": {"name": "x-canary", "value": "yes"}}}

    def set_up(self, cluster: Cluster) -> None:
        def path(where: str, name: str) -> Raw:
            return {"path": where, "pathType": "Prefix", "backend": {"service": {"name": name, "port": {"number": 80}}}}

        rules = [
            {"host": "shop.test", "http": {"paths": [path("/other", "other"), path("/", STABLE)]}},
            {"host": "nothing.test"},
        ]
        metadata = {"name": STABLE, "annotations": {f"{NGINX}/proxy-read-timeout": "5"}}
        body = {"ingressClassName": "nginx", "rules": rules}
        cluster.apply({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": body})

    def share_pct(self, cluster: Cluster) -> float:
        found = cluster.find("ingresses", self.canary)
        if found is None or found["metadata"]["annotations"].get(f"{NGINX}/canary") != "true":
            return 0.0
        return float(found["metadata"]["annotations"].get(f"{NGINX}/canary-weight", "0"))

    def weight_pct(self, share_pct: float) -> float:
        return share_pct

    def edit(self, cluster: Cluster, share_pct: int) -> None:
        cluster.patch(
            "ingresses", self.canary, {"metadata": {"annotations": {f"{NGINX}/canary-weight": str(share_pct)}}}
        )

    def of_others(self, cluster: Cluster) -> Any:
        found = cluster.get("ingresses", STABLE)
        return found["spec"], found["metadata"]["annotations"][f"{NGINX}/proxy-read-timeout"]


@dataclass(frozen=True, slots=True)
class TraefikKit:
    id: str = "traefik"
    replicas: int = 3

    @property
    def router(self) -> Raw:
        return {"traefik": {"traefikService": STABLE}}

    def set_up(self, cluster: Cluster) -> None:
        services = [{"name": STABLE, "port": 80, "weight": 100, "passHostHeader": False}]
        body = {"weighted": {"services": services, "sticky": {"cookie": {"name": "lb"}}}}
        api = "traefik.io/v1alpha1"
        cluster.apply({"apiVersion": api, "kind": "TraefikService", "metadata": {"name": STABLE}, "spec": body})

    def share_pct(self, cluster: Cluster) -> float:
        services = cluster.get("traefikservices", STABLE)["spec"]["weighted"]["services"]
        return share_of([(one["name"], one.get("weight", 1)) for one in services])

    def weight_pct(self, share_pct: float) -> float:
        return share_pct

    def edit(self, cluster: Cluster, share_pct: int) -> None:
        services = cluster.get("traefikservices", STABLE)["spec"]["weighted"]["services"]
        for one in services:
            one["weight"] = share_pct if one["name"] == CANARY else 100 - share_pct
        cluster.patch("traefikservices", STABLE, {"spec": {"weighted": {"services": services}}})

    def of_others(self, cluster: Cluster) -> Any:
        spec = copy.deepcopy(cluster.get("traefikservices", STABLE)["spec"])
        services = [one for one in spec["weighted"]["services"] if one["name"] != CANARY]
        for one in services:
            one.pop("weight", None)
        spec["weighted"]["services"] = services
        return spec


@dataclass(frozen=True, slots=True)
class ReplicasKit:
    id: str = "replicas"
    replicas: int = 9
    slice: str = "shop-interlock-canary"

    @property
    def router(self) -> Raw:
        return {"replicas": {}}

    def set_up(self, cluster: Cluster) -> None:
        """Nothing beside the Service, which every kit has."""

    def share_pct(self, cluster: Cluster) -> float:
        found = cluster.find("endpointslices", self.slice)
        canary = len((found or {}).get("endpoints") or [])
        stable = len([pod for pod in cluster.pods(f"app={STABLE}") if is_ready(pod)])
        return 100.0 * canary / max(1, canary + stable)

    def weight_pct(self, share_pct: float) -> float:
        """Whole pods, rounded down."""
        canary = int(share_pct * self.replicas / (100 - share_pct) + 1e-9)
        return 100.0 * canary / (canary + self.replicas)

    def edit(self, cluster: Cluster, share_pct: int) -> None:
        endpoints = [{"addresses": [f"10.9.9.{number}"], "conditions": {"ready": True}} for number in range(1, 30)]
        cluster.patch("endpointslices", self.slice, {"endpoints": endpoints if share_pct else []})

    def of_others(self, cluster: Cluster) -> Any:
        return cluster.get("services", STABLE)["spec"]


KITS: tuple[Kit, ...] = (HttpRouteKit(), VirtualServiceKit(), IngressNginxKit(), TraefikKit(), ReplicasKit())


def share_of(pairs: list[tuple[str, int]]) -> float:
    total = sum(weight for _, weight in pairs)
    return 100.0 * sum(weight for name, weight in pairs if name == CANARY) / total if total else 0.0


def _is_ours(rule: Raw) -> bool:
    return str(rule.get("name", "")).startswith("interlock-")
