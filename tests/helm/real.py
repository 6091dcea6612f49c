"""A real API server for the chart's tests: who asks it, and the chart's objects in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import yaml

from tests.helm.chart import HERE, Raw
from tests.kube.cluster.client import Answered, Client, Endpoint, path_of
from tests.kube.cluster.levels import ADMIN
from tests.kube.cluster.raw import Resource, built_in
from tests.kube.cluster.starting import Started

DEADLINE_S = 30.0
"""Until the API server serves a definition or enforces a policy, which it does in the background."""
REVIEWS = Resource("authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False)
CLUSTER_KINDS = {
    "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "Namespace", "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}  # fmt: skip
PLURALS = {
    "NetworkPolicy": "networkpolicies",
    "Ingress": "ingresses",
    "KillSwitch": "killswitches",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
}


def resource_of(one: Raw) -> Resource:
    """Of an object that the chart or a test writes."""
    group, _, version = one["apiVersion"].rpartition("/")
    kind = one["kind"]
    return Resource(group, version, PLURALS.get(kind, f"{kind.lower()}s"), kind, namespaced=kind not in CLUSTER_KINDS)


@dataclass(frozen=True)
class Dressed(Endpoint):
    """An admin who sends further headers."""

    more: tuple[tuple[str, str], ...] = ()

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", **dict(self.more)}


@dataclass
class Cluster:
    """``close`` it: every client keeps a connection."""

    started: Started
    _made: list[Client] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.admin = self._client(self.started.level.endpoint(ADMIN))

    def _client(self, endpoint: Endpoint) -> Client:
        self._made.append(Client(endpoint))
        return self._made[-1]

    def close(self) -> None:
        for client in self._made:
            client.close()

    def _with(self, *more: tuple[str, str]) -> Client:
        admin = self.started.level.endpoint(ADMIN)
        return self._client(Dressed(admin.url, admin.token, admin.ca_file, more=more))

    def acting(self, user: str, group: str = "") -> Client:
        """As `kubectl --as` does it."""
        return self._with(("Impersonate-User", user), *([("Impersonate-Group", group)] if group else []))

    def table(self, path: str) -> Raw:
        """As kubectl get asks."""
        return self._with(("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")).ask("GET", path)

    def account(self, namespace: str, name: str) -> Client:
        """With a token of that ServiceAccount, as its pods have."""
        self.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}})
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        path = path_of(built_in("serviceaccounts"), namespace, name, "token")
        told = self.admin.ask("POST", path, asked)
        return self._client(self.started.level.with_token(told["status"]["token"]))

    def namespace(self, *names: str) -> None:
        for name in names:
            self.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def put(self, *found: Raw) -> None:
        """Create, or leave what is there."""
        client = self.admin
        for one in found:
            try:
                client.create(resource_of(one), one["metadata"].get("namespace", ""), one)
            except Answered as answered:
                if answered.reason != "AlreadyExists":
                    raise

    def remove(self, *found: Raw) -> None:
        for one in found:
            self.admin.delete(resource_of(one), one["metadata"].get("namespace", ""), one["metadata"]["name"])

    def define(self, found: Iterable[Raw]) -> None:
        """Other people's kinds, until they are served."""
        for one in found:
            self.put(one)
            spec = one["spec"]
            kind = Resource(spec["group"], spec["versions"][0]["name"], spec["names"]["plural"], spec["names"]["kind"])
            until(partial(self._serves, kind), f"{kind.qualified} is served")

    def _serves(self, kind: Resource) -> bool:
        return refused(lambda: self.admin.list(kind)) is None


def foreign() -> list[Raw]:
    """Minimal definitions of kinds that only the chart writes."""
    return [yaml.safe_load(path.read_text()) for path in sorted((HERE / "foreign").glob("*.yaml"))]


def until(true: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    end_s = time.monotonic() + deadline_s
    while not true():
        assert time.monotonic() < end_s, f"not within {deadline_s:g} s: {what}"
        time.sleep(0.05)


def refused(call: Callable[[], Any]) -> str | None:
    """Why the server refused, or None."""
    try:
        call()
    except Answered as answered:
        return answered.message or answered.reason
    return None
