"""The kinds of objects that are read or written in a cluster, and where the API server keeps them. It calls nobody."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from controller.ports import Refused

Raw = dict[str, Any]
"""An object as the API server sends it. Never handed on whole: the reader takes the fields it needs at once."""

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._:-]{0,251}[A-Za-z0-9])?")
"""What any name in a path may look like. An empty one would address the whole collection, ".." another one."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object. ``group`` is "" for the core group; ``plural`` is its name in paths and in Roles."""

    group: str
    version: str
    plural: str
    name: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """As kubectl and the API server's messages name it: deployments.apps."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def root(self) -> str:
        """Where its group and version say which kinds they serve."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def collection(self, namespace: str | None) -> str:
        """The path of all objects of this kind, in one namespace or (None) in all of them. Raises Refused."""
        if namespace is None or not self.namespaced:
            return f"{self.root}/{self.plural}"
        return f"{self.root}/namespaces/{_segment(namespace, 'namespace')}/{self.plural}"

    def path(self, namespace: str | None, name: str, subresource: str = "") -> str:
        """The path of one object. Raises Refused for what cannot be a name."""
        if self.namespaced and namespace is None:
            raise Refused(f"{self.resource} {name} needs a namespace")
        path = f"{self.collection(namespace)}/{_segment(name, self.name)}"
        return f"{path}/{quote(subresource, safe='')}" if subresource else path


def _segment(text: str, what: str) -> str:
    if not _NAME.fullmatch(text):
        raise Refused(f"{text[:80]!r} is not the name of a {what}")
    return quote(text, safe="")


DEPLOYMENT = Kind("apps", "v1", "deployments", "Deployment")
REPLICA_SET = Kind("apps", "v1", "replicasets", "ReplicaSet")
CONTROLLER_REVISION = Kind("apps", "v1", "controllerrevisions", "ControllerRevision")
POD = Kind("", "v1", "pods", "Pod")
SERVICE = Kind("", "v1", "services", "Service")
CONFIG_MAP = Kind("", "v1", "configmaps", "ConfigMap")
SECRET = Kind("", "v1", "secrets", "Secret")
EVENT = Kind("", "v1", "events", "Event")
NAMESPACE = Kind("", "v1", "namespaces", "Namespace", namespaced=False)
ENDPOINT_SLICE = Kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
HPA = Kind("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
PDB = Kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
LEASE = Kind("coordination.k8s.io", "v1", "leases", "Lease")
INGRESS = Kind("networking.k8s.io", "v1", "ingresses", "Ingress")
HTTP_ROUTE = Kind("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute")
GRPC_ROUTE = Kind("gateway.networking.k8s.io", "v1", "grpcroutes", "GRPCRoute")
VIRTUAL_SERVICE = Kind("networking.istio.io", "v1", "virtualservices", "VirtualService")
TRAEFIK_SERVICE = Kind("traefik.io", "v1alpha1", "traefikservices", "TraefikService")
APPLICATION = Kind("interlock.dev", "v1alpha1", "applications", "Application")
RELEASE = Kind("interlock.dev", "v1alpha1", "releases", "Release")
KILL_SWITCH = Kind("interlock.dev", "v1alpha1", "killswitches", "KillSwitch")
CRD = Kind("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)
