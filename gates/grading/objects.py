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
SUBRESOURCES = SHELLS | {"scale", "status", "eviction", "token", "log", "binding", "finalize", "approval"}
KNOWN = (
    frozenset(SHORT.values())
    | ACCESS
    | STORAGE
    | ADMISSION
    | SERVING
    | NETWORK
    | WHOLE_CLUSTER
    | {"secrets", "jobs", "endpoints", "events", "certificatesigningrequests"}
)
SYSTEM_NAMESPACES = frozenset({"kube-system", "kube-public", "kube-node-lease"})
GATE_NAMESPACES = frozenset({"interlock", "interlock-system"})
READING_ROLES = frozenset({"view"})


def resource_of(resource: str, subresource: str) -> tuple[str, str]:
    """``apps/v1/Deployment``, ``deployments.apps``, ``deploy/web`` and ``pods/exec`` in one spelling each.

    Several kinds in one breath count as all kinds.
    """
    if "," in resource:
        return "*", subresource
    parts = [part for part in resource.split("/") if part]
    if len(parts) > 1 and parts[-1] in SUBRESOURCES:
        return plural(parts[-2].partition(".")[0]), subresource or parts[-1]
    named = [name for part in parts if (name := plural(part.partition(".")[0])) in KNOWN]
    head = named[0] if named else plural(parts[-1].partition(".")[0]) if parts else ""
    return head, subresource


def plural(name: str) -> str:
    name = name.strip().lower()
    if name in SHORT:
        return SHORT[name]
    if not name or (name.endswith("s") and not name.endswith(("ss", "ress"))):
        return name
    if name.endswith("y"):
        return name[:-1] + "ies"
    return name + ("es" if name.endswith("s") else "s") if name != "*" else name
