"""Kubernetes objects by what they mean for safety: names made even, and the tables the rules look into."""

from __future__ import annotations

READ_VERBS = frozenset(
    {"get", "list", "watch", "describe", "logs", "log", "events", "top", "read", "explain", "status"}
)
DESTRUCTIVE_VERBS = frozenset({"delete", "deletecollection", "purge", "destroy"})
SHELLS = frozenset({"exec", "attach", "portforward", "proxy", "ephemeralcontainers"})
SHORT = {
    "po": "pods", "deploy": "deployments", "ds": "daemonsets", "sts": "statefulsets", "rs": "replicasets",
    "svc": "services", "ing": "ingresses", "cm": "configmaps", "ns": "namespaces", "no": "nodes",
    "pvc": "persistentvolumeclaims", "pv": "persistentvolumes", "crd": "customresourcedefinitions",
    "crds": "customresourcedefinitions", "hpa": "horizontalpodautoscalers", "pdb": "poddisruptionbudgets",
    "cj": "cronjobs", "sa": "serviceaccounts", "netpol": "networkpolicies", "sc": "storageclasses", "all": "*",
}  # fmt: skip
ACCESS = frozenset({"roles", "rolebindings", "clusterroles", "clusterrolebindings"})
STORAGE = frozenset({"persistentvolumeclaims", "persistentvolumes", "namespaces"})
ADMISSION = frozenset(
    {
        "validatingwebhookconfigurations",
        "mutatingwebhookconfigurations",
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
        "mutatingadmissionpolicies",
        "mutatingadmissionpolicybindings",
        "analysistemplates",
        "clusteranalysistemplates",
        "apiservices",
    }
)
SERVING = frozenset(
    {
        "deployments",
        "statefulsets",
        "daemonsets",
        "replicasets",
        "services",
        "ingresses",
        "httproutes",
        "grpcroutes",
        "gateways",
        "virtualservices",
        "rollouts",
    }
)
NETWORK = frozenset({"networkpolicies", "ciliumnetworkpolicies", "globalnetworkpolicies", "authorizationpolicies"})
WHOLE_CLUSTER = frozenset(
    {
        "customresourcedefinitions",
        "persistentvolumes",
        "storageclasses",
        "priorityclasses",
        "ingressclasses",
        "runtimeclasses",
        "nodes",
        "clusterroles",
        "clusterrolebindings",
        "*",
    }
)
SYSTEM_NAMESPACES = frozenset({"kube-system", "kube-public", "kube-node-lease"})
GATE_NAMESPACES = frozenset({"interlock", "interlock-system"})
READING_ROLES = frozenset({"view"})


def resource_of(resource: str, subresource: str) -> tuple[str, str]:
    """``apps/v1/Deployment``, ``deployments.apps``, ``deploy`` and ``pods/exec`` in one spelling each."""
    head = resource
    if "/" in resource:
        first, _, last = resource.rpartition("/")
        if last in SHELLS | {"scale", "status", "eviction", "token", "log", "binding", "finalize", "approval"}:
            head, subresource = first.rpartition("/")[2], subresource or last
        else:
            head = last
    return plural(head.partition(".")[0]), subresource


def plural(name: str) -> str:
    name = name.strip().lower()
    if name in SHORT:
        return SHORT[name]
    if not name or (name.endswith("s") and not name.endswith(("ss", "ress"))):
        return name
    if name.endswith("y"):
        return name[:-1] + "ies"
    return name + ("es" if name.endswith("s") else "s") if name != "*" else name
