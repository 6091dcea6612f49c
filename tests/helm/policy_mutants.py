"""The policies of the chart with one expression changed, each in force in a namespace of its own, and the requests that
have to notice it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from tests.helm.chart import Raw, kept, of_kind
from tests.helm.policy_stage import deployment, own, switch
from tests.helm.real import Cluster, refused, resource_of, until
from tests.helm.routes import note, route
from tests.kube.cluster.client import Client

PREFIX = "interlock-interlock-"
ROUTES = "halted-routes", "killed-routes"
CONTROLLER = "system:serviceaccount:interlock:interlock"
EMPTY = "[[], []]"
NEUTRAL: dict[str, tuple[str, ...]] = {
    "notes": ("['', '']",), "canary": ("['']",), "backends": (EMPTY,), "ingressShares": (EMPTY,), "rules": (EMPTY,),
    "shares": ("[[0], [0]]",), "carrying": (EMPTY,), "recorded": ("[0.0, 0.0]",), "rises": ("false",),
    "widens": ("false",), "reach": (EMPTY,), "reaches": ("false",), "removed": ("false",), "foreignNote": ("false",),
    "engaged": ("false", "true"), "scopes": ("['application:none']",), "releases": ("['']",),
    "covered": ("false", "true"), "application": ("''",), "sent": (EMPTY,), "canaries": (EMPTY,),
    "taken": ("[[dyn(1000000), dyn([])], [dyn(1000000), dyn([])]]",), "paths": ("false",),
}  # fmt: skip
"""What each variable is turned into: as if it had found nothing, or everything."""
OTHERWISE = {
    ("kill-latch", "scopes"): ("[['fleet'], ['fleet']]",),
    # With no kill the object is another one: see kill-latch's own condition.
    ("killed-routes", "engaged"): ("false",),
    ("killed-deployments", "engaged"): ("false",),
    ("killed-strangers", "engaged"): ("false",),
}


@dataclass(frozen=True)
class Mutant:
    """One expression of a policy, and what it becomes; None takes a condition out."""

    policy: str
    part: str
    place: int
    text: str | None
    name: str

    @property
    def id(self) -> str:
        return f"{self.policy}/{self.part}/{self.name}={self.text or 'out'}"

    def applied(self, spec: Raw) -> Raw:
        changed = copy.deepcopy(spec)
        if self.text is None:
            del changed[self.part][self.place]
        else:
            changed[self.part][self.place]["expression"] = self.text
        return changed


@cache
def originals() -> dict[str, Raw]:
    found = of_kind(kept("cluster-monitored"), "ValidatingAdmissionPolicy")
    return {one["metadata"]["name"].removeprefix(PREFIX): one["spec"] for one in found}


def shared() -> list[str]:
    """The variables that both policies about guarded routes are rendered with; they are changed in the first alone."""
    first, second = ([one["name"] for one in originals()[name]["variables"]] for name in ROUTES)
    return [name for name in first if name in second]


def mutants() -> Iterator[Mutant]:
    for policy, spec in originals().items():
        for place, _ in enumerate(spec["validations"]):
            yield Mutant(policy, "validations", place, "true", str(place))
        for place, one in enumerate(spec["matchConditions"]):
            yield Mutant(policy, "matchConditions", place, "false", one["name"])
            yield Mutant(policy, "matchConditions", place, None, one["name"])
        for place, one in enumerate(spec.get("variables", [])):
            name = one["name"]
            if policy == ROUTES[1] and name in shared():
                continue
            for text in OTHERWISE.get((policy, name), NEUTRAL[name]):
                yield Mutant(policy, "variables", place, text, name)


@dataclass(frozen=True)
class Ask:
    """A request that is admitted, or refused with ``said``. ``body`` None deletes ``before``; nothing is written."""

    who: str
    body: Raw | None
    before: Raw | None = None
    said: str = ""
    below: str = ""
    away: str = ""
    """In which namespace beside the mutant's own."""


@dataclass
class Ground:
    """Mutants by their namespaces, the last of which holds every policy as it is."""

    cluster: Cluster
    places: dict[str, str] = field(default_factory=dict)
    clients: dict[str, Client] = field(default_factory=dict)
    made: list[Raw] = field(default_factory=list)

    def clear(self) -> None:
        """What holds in the whole cluster; the namespaces hurt nobody. By a connection that was just used."""
        for one in reversed(self.made):
            place = one["metadata"].get("namespace", "")
            self.clients["person"].delete(resource_of(one), place, one["metadata"]["name"])

    def answer(self, place: str, ask: Ask) -> str | None:
        """Why it is refused, or None."""
        client = self.clients[ask.who]
        target = ask.body or ask.before
        assert target is not None
        kind, name, namespace = resource_of(target), target["metadata"]["name"], place + ask.away
        if ask.body is None:
            return refused(lambda: client.delete(kind, namespace, name, {"dryRun": ["All"]}))
        body = moved(ask.body, namespace)
        if ask.before is None:
            return refused(lambda: client.create(kind, namespace, body, dryRun="All"))
        change = {key: value for key, value in body.items() if key not in ("apiVersion", "kind")}
        return refused(lambda: client.patch(kind, namespace, name, change, ask.below, dryRun="All"))

    def noticed(self, place: str, policy: str) -> list[Ask]:
        """The requests that are not answered as they have to be."""
        return [ask for ask in ASKS[policy] if not fits(ask, self.answer(place, ask))]


def fits(ask: Ask, told: str | None) -> bool:
    return ask.said in told if told is not None and ask.said else told is None and not ask.said


def moved(body: Raw, namespace: str) -> Raw:
    return {**body, "metadata": {**body["metadata"], "namespace": namespace}}


def laid(cluster: Cluster, wanted: list[Mutant]) -> Ground:
    """Every mutant in force at once: its namespace and what is in there already, the policies, then what binds them."""
    ground = Ground(cluster)
    for user in ("person", "breaker", "controller"):
        group = "interlock:break-glass" if user == "breaker" else "system:masters"
        ground.clients[user] = cluster.acting(CONTROLLER if user == "controller" else "jane", group)
    ground.places = {one.id: f"m-{number}" for number, one in enumerate(wanted)}
    policies: list[Raw] = []
    for one in wanted:
        policies += policy_of(cluster, ground.places[one.id], one.policy, one.applied(originals()[one.policy]))
    for policy, spec in originals().items():
        policies += policy_of(cluster, f"m-{policy}", policy, spec)
    canaries = {f"{place}/next": True for place in (*ground.places.values(), *(f"m-{name}" for name in ASKS))}
    kill = switch("application:shop")
    cluster.namespace("interlock")
    ground.made = [bound_breakers(), {**kill, "spec": {**kill["spec"], "canaries": canaries}}]
    cluster.put(*ground.made)
    ground.made += policies
    for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"):
        cluster.put(*(one for one in policies if one["kind"] == kind))
    for policy in originals():
        until(lambda policy=policy: not ground.noticed(f"m-{policy}", policy), f"{policy} is in force")  # type: ignore[misc]
    return ground


def bound_breakers() -> Raw:
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "mutants-break-glass"},
        "subjects": [{"kind": "Group", "name": "interlock:break-glass", "apiGroup": group}],
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
    }  # fmt: skip


def policy_of(cluster: Cluster, place: str, policy: str, spec: Raw) -> list[Raw]:
    """Puts what is there before, and gives the policy with what binds it to this place."""
    asks = ASKS[policy]
    spaces = sorted({place + ask.away for ask in asks})
    cluster.namespace(*spaces)
    made: dict[str, Raw] = {}
    for ask in asks:
        if ask.before is not None:
            body = moved(ask.before, place + ask.away)
            made[json.dumps([body["kind"], body["metadata"]["name"], place + ask.away])] = body
    cluster.put(*made.values())
    text = json.dumps(spec).replace(
        "request.namespace == 'interlock'", f"request.namespace in ['{place}', '{place}-calm']"
    )
    api = {"apiVersion": "admissionregistration.k8s.io/v1"}
    binding: dict[str, Any] = {"policyName": place, "validationActions": ["Deny"]}
    if "paramKind" in spec:
        binding["paramRef"] = {"name": "interlock", "namespace": "interlock", "parameterNotFoundAction": "Allow"}
    chosen = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": spaces}
    binding["matchResources"] = {"namespaceSelector": {"matchExpressions": [chosen]}}
    return [
        {**api, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": place}, "spec": json.loads(text)},
        {**api, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": place}, "spec": binding},
    ]


# ---- the requests


def with_spec(body: Raw, **spec: Any) -> Raw:
    return {**body, "spec": {**body["spec"], **spec}}


def ruled(name: str, share: int, told: str, path: str) -> Raw:
    body = route("HTTPRoute", name, share, told)
    rule = {**body["spec"]["rules"][1], "matches": [{"path": {"type": "PathPrefix", "value": path}}]}
    return with_spec(body, rules=[rule])


def matching(body: Raw, path: str) -> list[Raw]:
    return [{**rule, "matches": [{"path": {"type": "PathPrefix", "value": path}}]} for rule in body["spec"]["rules"]]


def pathed(body: Raw, path: str) -> list[Raw]:
    (rule,) = body["spec"]["rules"]
    return [{**rule, "http": {"paths": [{**one, "path": path} for one in rule["http"]["paths"]]}}]


def about_routes(told: str, changed: str, recorded: str, named: str, said: str) -> tuple[Ask, ...]:
    """What holds on every stopped route. ``said`` is in every refusal."""
    http, ingress = route("HTTPRoute", "stopped", 20, told), route("Ingress", "stopped", 20, told)
    chosen, next_ = ruled("chosen", 20, told, "/rare"), route("HTTPRoute", "named", 20, named, canary="next")
    hosts = {**with_spec(http, hostnames=["a.example"]), "metadata": {**http["metadata"], "name": "hosts"}}
    raised = route("HTTPRoute", "stopped", 30, told)
    return (
        Ask("person", raised, http, said),
        Ask("controller", raised, http, said),
        Ask("breaker", raised, http),
        Ask("person", route("Ingress", "stopped", 30, told), ingress, said),
        Ask("controller", route("HTTPRoute", "stopped", 20, recorded), http, said),
        Ask("person", route("HTTPRoute", "named", 30, named, canary="next"), next_, said),
        Ask("person", ruled("chosen", 20, told, "/"), chosen, said),
        Ask("person", with_spec(hosts, hostnames=["a.example", "b.example"]), hosts, said),
        Ask("person", None, http, said),
        Ask("person", route("HTTPRoute", "stopped", 20, changed), http, said),
        Ask("person", route("HTTPRoute", "stopped", 10, told), http),
    )


def deployed(name: str, application: str, **changes: Any) -> Raw:
    body = deployment(name, marked=bool(application), **changes)
    meta = {**body["metadata"], "annotations": {"interlock.dev/application": application} if application else {}}
    return {**body, "metadata": meta}


def canary() -> Raw:
    body = own("Deployment")
    marks = {"interlock.dev/application": "shop", "interlock.dev/role": "canary"}
    body["spec"]["selector"]["matchLabels"] = body["spec"]["template"]["metadata"]["labels"] = marks
    return body


def scaled(body: Raw, who: str, said: str = "") -> Ask:
    return Ask(who, {**body, "spec": {"replicas": 7}}, body, said, "scale")


def latched(who: str, said: str = "", away: str = "", engaged: bool = True, notes: str = "", **spec: Any) -> Ask:
    before = switch("application:shop", engaged=engaged)
    before = with_spec(before, canaries={"web/shop": True})
    after = with_spec(before, **spec)
    if notes:
        after = {**after, "metadata": {**after["metadata"], "annotations": {"interlock.dev/controller-scopes": notes}}}
    return Ask(who, after, before, said, away=away)


KILLED, ELSEWHERE = "over application:shop", "cart-0a1b2c3d4e"
FREE, OTHERS = route("HTTPRoute", "free", 5, note(5)), route("HTTPRoute", "others", 5, note(5, release=ELSEWHERE))
FOREIGN, OUTER = route("HTTPRoute", "foreign", 5, None), route("Ingress", "outer", 20, None, canary="next")
NOTED = with_spec(route("HTTPRoute", "noted", 5, note(5), canary="next"), hostnames=["a.example"])
TILL, SHOP, CART = deployed("till", "shop"), deployed("shop", ""), deployed("cart", "cart")
ASKS: dict[str, tuple[Ask, ...]] = {
    "halted-routes": (
        *about_routes(
            note(20, halted=True), note(20), note(25, halted=True), note(20, halted=True, canary="next"), "is halted"
        ),
        Ask("controller", route("HTTPRoute", "free", 10, note(10)), FREE),
    ),
    "killed-routes": (
        *about_routes(note(20), note(10), note(25), note(20, canary="next"), KILLED),
        Ask("person", route("HTTPRoute", "others", 10, note(5, release=ELSEWHERE)), OTHERS),
        Ask("person", route("HTTPRoute", "foreign", 10, None), FOREIGN),
    ),
    "killed-strangers": (
        Ask("person", route("HTTPRoute", "new", 20, None, canary="next"), None, f"{KILLED}: no route may begin"),
        Ask("person", route("HTTPRoute", "new", 20, None, canary="books"), None),
        Ask("controller", route("HTTPRoute", "new", 20, None, canary="next"), None),
        Ask("person", route("HTTPRoute", "noted", 10, note(5), canary="next"), NOTED, f"{KILLED}: no route may begin"),
        Ask("person", route("Ingress", "outer", 30, None, canary="next"), OUTER, f"{KILLED}: no route may begin"),
        Ask("person", with_spec(NOTED, rules=matching(NOTED, "/more")), NOTED, f"{KILLED}: which requests"),
        Ask("person", with_spec(OUTER, rules=pathed(OUTER, "/more")), OUTER, f"{KILLED}: which requests"),
        Ask("person", with_spec(NOTED, hostnames=["b.example"]), NOTED, f"{KILLED}: while a canary"),
        Ask("person", route("HTTPRoute", "noted", 4, note(5), canary="next"), NOTED),
        Ask("person", None, NOTED),
    ),
    "killed-deployments": (
        Ask("person", deployed("till", "shop", image="new"), TILL, KILLED),
        Ask("controller", deployed("till", "shop", image="new"), TILL),
        Ask("person", deployed("till", "shop", replicas=3), TILL),
        Ask("person", deployed("shop", "", image="new"), SHOP),
        Ask("person", deployed("cart", "cart", image="new"), CART),
    ),
    "own-objects": (Ask("person", own("Service"), None, "Interlock's"), Ask("controller", own("Service"), None)),
    "own-scale": (scaled(canary(), "person", "Interlock's"), scaled(canary(), "controller"), scaled(TILL, "person")),
    "kill-latch": (
        latched("person", reason="the fire"),
        latched("person", "its scopes may only grow", scopes=["application:cart"]),
        latched("controller", scopes=["application:cart"]),
        latched("person", "names as canaries", canaries={"web/shop": None}),
        latched("person", "are the controller's", notes="application:shop"),
        latched("person", away="-away", scopes=["application:cart"]),
        latched("person", away="-calm", engaged=False, scopes=["application:cart"]),
    ),
}  # fmt: skip
"""By policy: what it has to refuse, and what it must let through."""
