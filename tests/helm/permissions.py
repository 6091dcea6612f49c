"""What the controller must be allowed and nothing more, written down apart from the chart that grants it."""

from __future__ import annotations

from dataclasses import dataclass

READ = frozenset({"get", "list", "watch"})
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")


@dataclass(frozen=True, slots=True)
class Grant:
    group: str
    resource: str
    verbs: frozenset[str]
    router: str = ""
    """Only with this router switched on."""


def grant(group: str, resource: str, *verbs: str, router: str = "") -> Grant:
    return Grant(group, resource, frozenset(verbs), router)


GATEWAY, ISTIO, NGINX, TRAEFIK, REPLICAS = "gatewayApi", "istio", "ingressNginx", "traefik", "replicas"
GRANTS = (
    grant("apps", "deployments", *READ, "create", "patch", "delete"),
    grant("apps", "deployments/scale", "patch"),
    grant("apps", "replicasets", "list"),
    grant("apps", "controllerrevisions", "get", "list", "create", "delete"),
    grant("", "pods", "list"),
    grant("", "services", "get", "list", "create", "patch", "delete"),
    grant("", "configmaps", "get", "list", "create", "delete"),
    grant("autoscaling", "horizontalpodautoscalers", "list"),
    grant("policy", "poddisruptionbudgets", "list"),
    grant("coordination.k8s.io", "leases", "get", "create", "patch", "delete"),
    grant("gateway.networking.k8s.io", "httproutes", *READ, "patch", router=GATEWAY),
    grant("gateway.networking.k8s.io", "grpcroutes", *READ, "patch", router=GATEWAY),
    grant("networking.istio.io", "virtualservices", *READ, "patch", router=ISTIO),
    grant("networking.k8s.io", "ingresses", *READ, "create", "patch", "delete", router=NGINX),
    grant("traefik.io", "traefikservices", *READ, "patch", router=TRAEFIK),
    grant("discovery.k8s.io", "endpointslices", *READ, "create", "patch", "delete", router=REPLICAS),
    grant("interlock.dev", "applications", "list", "watch", "patch"),
    grant("interlock.dev", "applications/status", "patch"),
    grant("interlock.dev", "releases", "list", "watch", "create", "patch", "delete"),
    grant("interlock.dev", "releases/status", "patch"),
)
KILL = grant("interlock.dev", "killswitches", "get", "create", "patch")
"""In the namespace of the controller alone, and but for create only the one object."""
SECRETS = grant("", "secrets", "get", "list", "create", "delete")
"""Only where an explicit value says so."""
NEVER = (
    grant("", "secrets"),
    grant("", "events"),
    grant("interlock.dev", "applications/finalizers"),
    grant("", "pods/eviction"),
    grant("", "pods/exec"),
    grant("", "pods/attach"),
    grant("", "pods/portforward"),
    grant("", "pods/log"),
    grant("", "nodes"),
    grant("", "namespaces"),
    grant("", "serviceaccounts"),
    grant("", "serviceaccounts/token"),
    grant("", "endpoints"),
    grant("", "persistentvolumeclaims"),
    grant("", "users"),
    grant("apps", "deployments/status"),
    grant("apps", "statefulsets"),
    grant("apps", "daemonsets"),
    grant("batch", "jobs"),
    grant("gateway.networking.k8s.io", "gateways"),
    grant("gateway.networking.k8s.io", "httproutes/status"),
    grant("networking.istio.io", "destinationrules"),
    grant("networking.k8s.io", "networkpolicies"),
    grant("networking.k8s.io", "ingresses/status"),
    grant("rbac.authorization.k8s.io", "roles"),
    grant("rbac.authorization.k8s.io", "rolebindings"),
    grant("rbac.authorization.k8s.io", "clusterroles"),
    grant("rbac.authorization.k8s.io", "clusterrolebindings"),
    grant("apiextensions.k8s.io", "customresourcedefinitions"),
    grant("admissionregistration.k8s.io", "validatingadmissionpolicies"),
    grant("admissionregistration.k8s.io", "validatingadmissionpolicybindings"),
    grant("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
    grant("certificates.k8s.io", "certificatesigningrequests"),
)
"""Nothing at all, in no namespace."""


def wanted(routers: frozenset[str], *, secrets: bool = False) -> dict[tuple[str, str], frozenset[str]]:
    """Every resource that is known here, with the verbs that must be allowed; the others must not be."""
    found = {(one.group, one.resource): one.verbs for one in NEVER}
    found |= {
        (one.group, one.resource): one.verbs if not one.router or one.router in routers else frozenset()
        for one in GRANTS
    }
    return found | ({("", "secrets"): SECRETS.verbs} if secrets else {})
