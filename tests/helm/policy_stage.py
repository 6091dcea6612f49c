"""The chart's admission policies in force on a real API server, who acts under them, and how a kill is engaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from tests.helm.chart import Raw, kept
from tests.helm.real import Cluster, refused, resource_of, until
from tests.helm.routes import note, route
from tests.kube.cluster.client import Client
from tests.kube.cluster.raw import Resource, built_in

SWITCHES = Resource("interlock.dev", "v1alpha1", "killswitches", "KillSwitch")
DEPLOYMENTS = built_in("deployments")
HOME, PLACE = "interlock", "routes"
"""Where the controller is, and where applications are."""
BREAK_GLASS = "interlock:break-glass"


@dataclass
class Stage:
    """Who acts. ``person`` may do everything that RBAC can allow."""

    cluster: Cluster
    controller: Client
    person: Client
    breaker: Client
    kubernetes: Client

    @property
    def everyone(self) -> dict[str, Client]:
        return {"person": self.person, "controller": self.controller}

    def kill(self, *scopes: str, engaged: bool = True) -> None:
        """As the controller shows it; without scopes it is everything."""
        body = switch(*scopes, engaged=engaged)
        if self.breaker.find(SWITCHES, HOME, "interlock") is None:
            self.breaker.create(SWITCHES, HOME, body)
        else:
            self.breaker.patch(SWITCHES, HOME, "interlock", [{"op": "replace", "path": "/spec", "value": body["spec"]}])

    def no_kill(self) -> None:
        self.kill(engaged=False)

    def put(self, body: Raw) -> None:
        """As it is given, whatever was there before."""
        kind, name, namespace = resource_of(body), body["metadata"]["name"], body["metadata"]["namespace"]
        if self.breaker.find(kind, namespace, name) is not None:
            self.breaker.delete(kind, namespace, name)
        self.breaker.create(kind, namespace, body)

    def to(self, client: Client, body: Raw) -> str | None:
        """Why the object may not become ``body``, or None. Nothing is written."""
        kind, name, namespace = resource_of(body), body["metadata"]["name"], body["metadata"]["namespace"]
        if self.cluster.admin.find(kind, namespace, name) is None:
            return refused(lambda: client.create(kind, namespace, body, dryRun="All"))
        change = {key: value for key, value in body.items() if key not in ("apiVersion", "kind")}
        return refused(lambda: client.patch(kind, namespace, name, change, dryRun="All"))


@contextmanager
def in_force(cluster: Cluster) -> Iterator[Stage]:
    cluster.namespace("interlock", "shop", PLACE)
    found = [one for one in kept("cluster-monitored") if one["kind"] in CHART_KINDS]
    group = {"kind": "Group", "name": BREAK_GLASS, "apiGroup": "rbac.authorization.k8s.io"}
    found.append(bound("break-glass", "cluster-admin", group))
    cluster.put(*found)
    made = Stage(
        cluster,
        cluster.account("interlock", "interlock"),
        cluster.acting("jane", "system:masters"),
        cluster.acting("jane", BREAK_GLASS),
        cluster.acting("system:serviceaccount:kube-system:deployment-controller", "system:masters"),
    )
    for probe in PROBES:
        until(partial(probe, made), f"{probe.__name__}: its policy is in force")
    made.no_kill()
    yield made
    made.breaker.delete(SWITCHES, HOME, "interlock")
    cluster.remove(*found)


CHART_KINDS = (
    "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
)  # fmt: skip


def switch(*scopes: str, engaged: bool = True) -> Raw:
    return {
        "apiVersion": "interlock.dev/v1alpha1",
        "kind": "KillSwitch",
        "metadata": {"name": "interlock", "namespace": HOME},
        "spec": {"engaged": engaged, "scopes": list(scopes)},
    }


def bound(name: str, role: str, subject: Raw) -> Raw:
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name}, "subjects": [subject],
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
    }  # fmt: skip


def probe_rights(stage: Stage) -> bool:
    return refused(lambda: stage.controller.list(DEPLOYMENTS, PLACE)) is None and (
        refused(lambda: stage.breaker.list(SWITCHES, HOME)) is None
    )


def probe_own(stage: Stage) -> bool:
    return stage.to(stage.person, own("Service", "probe")) is not None


def probe_latch(stage: Stage) -> bool:
    stage.kill()
    return unlatched(stage.person) is not None


def unlatched(client: Client) -> str | None:
    """Why the KillSwitch may not be taken away."""
    return refused(lambda: client.delete(SWITCHES, HOME, "interlock", {"dryRun": ["All"]}))


def probe_halted(stage: Stage) -> bool:
    stage.put(route("HTTPRoute", "probe", 5, note(5, halted=True)))
    return stage.to(stage.person, route("HTTPRoute", "probe", 6, note(5, halted=True))) is not None


def probe_killed(stage: Stage) -> bool:
    stage.kill()
    stage.put(route("HTTPRoute", "probe", 5, note(5)))
    return stage.to(stage.person, route("HTTPRoute", "probe", 6, note(5))) is not None


def probe_deployments(stage: Stage) -> bool:
    stage.kill()
    stage.put(deployment("probe"))
    return stage.to(stage.person, deployment("probe", image="new")) is not None


PROBES: tuple[Callable[[Stage], bool], ...] = (
    probe_rights, probe_own, probe_latch, probe_halted, probe_killed, probe_deployments,
)  # fmt: skip


def killed(stage: Stage, *scopes: str) -> None:
    """Engage, and wait until the API server has heard of it. Any scope covers the marker "seen" as well."""
    stage.kill(*scopes, *(["application:seen"] if scopes else []))
    seen_by_routes(stage, engaged=True)
    seen_by_deployments(stage, engaged=True)


def seen_by_routes(stage: Stage, *, engaged: bool) -> None:
    stage.put(route("HTTPRoute", "seen", 5, note(5, release="seen-0000000000")))
    raised = route("HTTPRoute", "seen", 6, note(5, release="seen-0000000000"))
    until(lambda: (stage.to(stage.person, raised) is not None) == engaged, f"routes see a kill: {engaged}")


def seen_by_deployments(stage: Stage, *, engaged: bool) -> None:
    stage.put(deployment("seen"))
    changed = deployment("seen", image="new")
    until(lambda: (stage.to(stage.person, changed) is not None) == engaged, f"Deployments see a kill: {engaged}")


def deployment(name: str, *, image: str = "old", marked: bool = True, replicas: int = 0) -> Raw:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": PLACE,
            "annotations": {"interlock.dev/application": name} if marked else {},
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "app", "image": image}]},
            },
        },
    }


OWN_KINDS = {
    "Deployment": "apps/v1",
    "ControllerRevision": "apps/v1",
    "Service": "v1",
    "ConfigMap": "v1",
    "Secret": "v1",
    "EndpointSlice": "discovery.k8s.io/v1",
    "Lease": "coordination.k8s.io/v1",
    "Ingress": "networking.k8s.io/v1",
    "Release": "interlock.dev/v1alpha1",
}


def own(kind: str, name: str = "ours", **labels: str) -> Raw:
    bodies: Raw = {
        "Deployment": {"spec": deployment(name)["spec"]},
        # Its data must stay the same to the byte, and a patch takes out spaces.
        "ControllerRevision": {"revision": 1, "data": {}},
        "Service": {"spec": {"ports": [{"port": 80}], "selector": {"app": name}}},
        "EndpointSlice": {"addressType": "IPv4", "endpoints": []},
        "Ingress": {"spec": {"defaultBackend": {"service": {"name": name, "port": {"number": 80}}}}},
        "Lease": {"spec": {"holderIdentity": "shop-0a1b2c3d4e"}},
        "Release": {"spec": {"application": "shop", "version": "2.0"}},
    }
    marks = {"app.kubernetes.io/managed-by": "interlock", "interlock.dev/application": "shop", **labels}
    meta = {"name": name, "namespace": PLACE, "labels": marks}
    return {"apiVersion": OWN_KINDS[kind], "kind": kind, "metadata": meta, **bodies.get(kind, {})}


def deleted(client: Client, body: Raw) -> str | None:
    kind, name = resource_of(body), body["metadata"]["name"]
    return refused(lambda: client.delete(kind, PLACE, name, {"dryRun": ["All"]}))
