"""What a test gets: one cluster with a fresh namespace, and short words for what one does in it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tests.kube.cluster import builders
from tests.kube.cluster.client import Answered, Client, Endpoint, path_of
from tests.kube.cluster.levels import ADMIN, TESTED, Level, SmallLevel
from tests.kube.cluster.raw import RBAC, KindLike, Raw, Resource, built_in, is_ready
from tests.kube.cluster.real import kubeconfig
from tests.kube.cluster.small.faults import Faults
from tests.kube.cluster.small.journal import Call, chosen
from tests.kube.cluster.small.server import SmallServer
from tests.kube.cluster.standins.crew import Crew
from tests.kube.cluster.standins.gateway import Gateway
from tests.kube.cluster.standins.kubelet import Kubelet

Found = TypeVar("Found")
Bodies = list[Raw]
Calls = list[Call]
WAIT_S = {"small": 8.0, "real": 30.0}
"""A test may take 10 s, one with real parts longer; what has to happen by itself gets most of it."""
POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Identity:
    """A ServiceAccount with the rules that a test gave it."""

    user: str
    endpoint: Endpoint
    kubeconfig: Path


@dataclass(slots=True)
class Cluster:
    """``get``, ``apply`` and the others act as a master whom no fault meets and whose calls are not counted."""

    at: Level
    namespace: str
    folder: Path
    kinds: dict[str, Resource]
    crew: Crew
    client: Client = field(init=False)
    _callers: list[Client] = field(default_factory=list)
    _made_s: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.client = Client(self.at.endpoint(ADMIN))

    @property
    def level(self) -> str:
        """``small`` or ``real``."""
        return self.at.name

    @property
    def tested(self) -> Endpoint:
        """The identity for what is tested: it may do everything, faults meet it, and ``calls`` counts it."""
        return self.at.endpoint(TESTED)

    @property
    def url(self) -> str:
        return self.tested.url

    @property
    def token(self) -> str:
        return self.tested.token

    @property
    def ca_file(self) -> str | None:
        return self.tested.ca_file

    @property
    def server(self) -> SmallServer:
        """The small API server itself: ``server.faults``, ``server.go()`` and ``server.come_back()``."""
        assert isinstance(self.at, SmallLevel), "only the small API server can be troubled: use small_cluster"
        return self.at.server

    @property
    def faults(self) -> Faults:
        return self.server.faults

    @property
    def kubelet(self) -> Kubelet:
        """The stand-in for scheduler and kubelets, which a test may tell what becomes of pods."""
        return self.crew.kubelet

    @property
    def gateway(self) -> Gateway:
        """The stand-in for a router's controller."""
        return self.crew.gateway

    @property
    def kubeconfig(self) -> Path:
        return self.write_kubeconfig("kubeconfig", self.tested)

    def write_kubeconfig(self, name: str, endpoint: Endpoint) -> Path:
        path = self.folder / f"{name}.json"
        config = kubeconfig(endpoint.url, endpoint.token, endpoint.ca_file, self.namespace)
        path.write_text(json.dumps(config))
        path.chmod(0o600)
        return path

    def caller(self, endpoint: Endpoint | None = None) -> Client:
        """A client for the one who is tested, or for another identity, closed after the test."""
        found = Client(endpoint or self.tested)
        self._callers.append(found)
        return found

    def kind(self, kind: str | KindLike) -> KindLike:
        """Kinds may be named by their plural: deployments, httproutes."""
        return self.kinds[kind] if isinstance(kind, str) else kind

    def get(self, kind: str | KindLike, name: str) -> Raw:
        return self.client.get(self.kind(kind), self.namespace, name)

    def find(self, kind: str | KindLike, name: str) -> Raw | None:
        return self.client.find(self.kind(kind), self.namespace, name)

    def list(self, kind: str | KindLike, selector: str = "") -> Bodies:
        items: Bodies = self.client.list(self.kind(kind), self.namespace, selector)["items"]
        return items

    def apply(self, body: Raw) -> Raw:
        """Create, or merge into what is there."""
        kind = self.kind_of(body)
        namespace = body["metadata"].get("namespace", self.namespace)
        try:
            return self.client.create(kind, namespace, body)
        except Answered as answered:
            if answered.reason != "AlreadyExists":
                raise
        return self.client.patch(kind, namespace, body["metadata"]["name"], body)

    def kind_of(self, body: Raw) -> Resource:
        wanted = (body["apiVersion"], body["kind"])
        return next(one for one in self.kinds.values() if (one.api_version, one.kind) == wanted)

    def patch(self, kind: str | KindLike, name: str, patch: Any, subresource: str = "") -> Raw:
        """A dict is a merge patch, a list a JSON Patch."""
        return self.client.patch(self.kind(kind), self.namespace, name, patch, subresource)

    def delete(self, kind: str | KindLike, name: str, options: Raw | None = None) -> None:
        """It is no trouble when it is not there."""
        try:
            self.client.delete(self.kind(kind), self.namespace, name, options)
        except Answered as answered:
            if answered.code != 404:
                raise

    def wait(self, cond: Callable[[], Found | None], what: str, timeout_s: float | None = None) -> Found:
        """What ``cond`` gives as soon as it is true in Python's sense."""
        timeout_s = timeout_s or WAIT_S[self.level]
        end_s, trouble = time.monotonic() + timeout_s, ""
        while True:
            try:
                if found := cond():
                    return found
                trouble = ""
            except (Answered, OSError) as broken:
                trouble = f" ({broken})"
            if time.monotonic() > end_s:
                raise AssertionError(f"not within {timeout_s:g} s: {what}{trouble}")
            time.sleep(POLL_S)

    def deployment(self, name: str = "web", image: str = builders.IMAGE, replicas: int = 3, **more: Any) -> Raw:
        """Create or change a Deployment; see ``builders.deployment`` for what else can be said."""
        return self.apply(builders.deployment(name, image, replicas, **more))

    def rolled_out(self, name: str = "web", timeout_s: float | None = None) -> Raw:
        """The Deployment once all its pods are of the newest template and available."""

        def now() -> Raw | None:
            found = self.get("deployments", name)
            return found if is_rolled_out(found) else None

        return self.wait(now, f"the Deployment {name} has rolled out", timeout_s)

    def pods(self, selector: str = "") -> Bodies:
        return self.list("pods", selector)

    def ready_pods(self, selector: str = "", image: str = "") -> Bodies:
        found = [pod for pod in self.pods(selector) if is_ready(pod)]
        return [pod for pod in found if not image or pod["spec"]["containers"][0]["image"] == image]

    def calls(
        self, verb: str = "", resource: str = "", *, user: str = TESTED, since_s: float = 0.0, everywhere: bool = False
    ) -> Calls:  # fmt: skip
        """What the one who is tested asked in this namespace, or of the cluster, since the namespace was made."""
        namespace = "" if everywhere else self.namespace
        found = self.at.calls()
        since_s = max(since_s, self._made_s)
        return chosen(found, user=user, namespace=namespace, verb=verb, resource=resource, since_s=since_s)

    def identity(self, name: str, rules: Iterable[Raw], *, cluster_rules: Iterable[Raw] = ()) -> Identity:
        """A ServiceAccount that may do just this: ``rules`` in the namespace, ``cluster_rules`` everywhere."""
        subject = {"kind": "ServiceAccount", "name": name, "namespace": self.namespace}
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
        self.apply(account)
        role = {"apiVersion": f"{RBAC}/v1", "metadata": {"name": name}}
        self.apply({**role, "kind": "Role", "rules": list(rules)})
        bound = {"roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name}, "subjects": [subject]}
        self.apply({**role, "kind": "RoleBinding", **bound})
        if cluster_rules := list(cluster_rules):
            self._cluster_role(f"{self.namespace}-{name}", cluster_rules, subject)
        path = path_of(built_in("serviceaccounts"), self.namespace, name, "token")
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        token = self.client.ask("POST", path, request)["status"]["token"]
        endpoint = self.at.with_token(token)
        user = f"system:serviceaccount:{self.namespace}:{name}"
        return Identity(user, endpoint, self.write_kubeconfig(f"kubeconfig-{name}", endpoint))

    def _cluster_role(self, name: str, rules: Bodies, subject: Raw) -> None:
        role = {"apiVersion": f"{RBAC}/v1", "metadata": {"name": name}}
        self.apply({**role, "kind": "ClusterRole", "rules": rules})
        bound = {"roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name}, "subjects": [subject]}
        self.apply({**role, "kind": "ClusterRoleBinding", **bound})

    def close(self) -> None:
        """Give the namespace up; what is in it goes in its own time."""
        with contextlib.suppress(Answered, OSError):
            self.client.delete(built_in("namespaces"), "", self.namespace)
        for one in (self.client, *self._callers):
            one.close()


def is_rolled_out(found: Raw) -> bool:
    status, wanted = found.get("status") or {}, found["spec"]["replicas"]
    return bool(
        status.get("observedGeneration") == found["metadata"]["generation"]
        and status.get("replicas", 0)
        == status.get("updatedReplicas", 0)
        == status.get("availableReplicas", 0)
        == wanted
    )
