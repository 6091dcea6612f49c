"""Objects as they are on the wire, and the kinds that the test clusters know by their plural name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

Raw = dict[str, Any]


class KindLike(Protocol):
    """What is needed to find an object's address. The product's own table of kinds fits as well."""

    @property
    def group(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def plural(self) -> str: ...
    @property
    def namespaced(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object. ``counts`` says that it has a generation; ``subresources`` what can be addressed below it."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    subresources: tuple[str, ...] = ()
    counts: bool = False

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """As in messages: deployments.apps."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind


RBAC = "rbac.authorization.k8s.io"
SCALE = ("status", "scale")
STATUS = ("status",)
BUILT_IN = (
    Resource("", "v1", "namespaces", "Namespace", namespaced=False, subresources=("status", "finalize")),
    Resource("", "v1", "nodes", "Node", namespaced=False, subresources=STATUS),
    Resource("", "v1", "pods", "Pod", subresources=("status", "binding", "eviction"), counts=True),
    Resource("", "v1", "services", "Service", subresources=STATUS),
    Resource("", "v1", "configmaps", "ConfigMap"),
    Resource("", "v1", "secrets", "Secret"),
    Resource("", "v1", "events", "Event"),
    Resource("", "v1", "serviceaccounts", "ServiceAccount", subresources=("token",)),
    Resource("", "v1", "resourcequotas", "ResourceQuota", subresources=STATUS),
    Resource("apps", "v1", "deployments", "Deployment", subresources=SCALE, counts=True),
    Resource("apps", "v1", "replicasets", "ReplicaSet", subresources=SCALE, counts=True),
    Resource("apps", "v1", "controllerrevisions", "ControllerRevision"),
    Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", subresources=STATUS),
    Resource("coordination.k8s.io", "v1", "leases", "Lease"),
    Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", counts=True),
    Resource("networking.k8s.io", "v1", "ingresses", "Ingress", subresources=STATUS, counts=True),
    Resource("networking.k8s.io", "v1", "ingressclasses", "IngressClass", namespaced=False, counts=True),
    Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", subresources=STATUS, counts=True),
    Resource(RBAC, "v1", "roles", "Role"),
    Resource(RBAC, "v1", "rolebindings", "RoleBinding"),
    Resource(RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False),
    Resource(RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False),
    Resource(
        "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition",
        namespaced=False, subresources=STATUS, counts=True,
    ),
)  # fmt: skip


def built_in(plural: str) -> Resource:
    return next(one for one in BUILT_IN if one.plural == plural)


def name_of(body: Raw) -> str:
    return str(body["metadata"]["name"])


def namespace_of(body: Raw) -> str:
    return str(body["metadata"].get("namespace", ""))


def labels_of(body: Raw) -> dict[str, str]:
    found: dict[str, str] = body["metadata"].get("labels") or {}
    return found


def condition(body: Raw, name: str) -> Raw | None:
    """The condition of that type in the object's status."""
    found: list[Raw] = (body.get("status") or {}).get("conditions") or []
    return next((one for one in found if one["type"] == name), None)


def is_true(body: Raw, name: str) -> bool:
    found = condition(body, name)
    return found is not None and found.get("status") == "True"


def is_ready(pod: Raw) -> bool:
    return is_true(pod, "Ready") and "deletionTimestamp" not in pod["metadata"]


def owner_of(body: Raw) -> Raw | None:
    """The owner reference of the one controller that manages the object."""
    found: list[Raw] = body["metadata"].get("ownerReferences") or []
    return next((one for one in found if one.get("controller")), None)
