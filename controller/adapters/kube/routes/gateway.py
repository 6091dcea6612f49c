"""HTTPRoute and GRPCRoute of the Gateway API: weights of backendRefs, and rules and filters of ours beside a user's.
Pure.

Which rule wins is the Gateway API's matter: a copy of a rule with one more header is more specific than the rule, and
less so than a user's rule that matches more. A canary's answer to a mirrored request is thrown away by the proxy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from controller.adapters.kube.kinds import GRPC_ROUTE, HTTP_ROUTE, Kind, Raw
from controller.adapters.kube.routes.patching import (
    Steps,
    among,
    covers,
    drop,
    look_into,
    objects_in,
    pointer,
    put,
)
from controller.adapters.kube.routes.record import mirror_written_pct, read_record
from controller.adapters.kube.routes.splits import Split, split_of
from controller.adapters.kube.routes.strategy import RULE_PREFIX, Found
from controller.adapters.kube.routes.weighted import WeightedLists, cookie_pattern
from controller.core.targets import KubernetesRoute

RULES = "/spec/rules"
UNSET = 1
"""The weight of a backendRef without one."""
CONDITIONS = ("Accepted", "ResolvedRefs")
OWN_FIELDS = frozenset({"name", "matches", "filters", "backendRefs"})
"""Of a rule: what a copy does not take over as it is."""


@dataclass(frozen=True, slots=True)
class Managed:
    """One rule of the user's that sends to stable. ``label`` is its name, or its number among the user's rules."""

    place: int
    label: str
    rule: Raw
    split: Split


class GatewayRoutes(WeightedLists):
    def __init__(self, kind: Kind) -> None:
        assert kind in (HTTP_ROUTE, GRPC_ROUTE)
        self._kind = kind

    @property
    def kind(self) -> Kind:
        return self._kind

    def splits(self, found: Found) -> tuple[Split, ...]:
        return tuple(one.split for one in _managed(found))

    def sends_to(self, route: KubernetesRoute, raw: Raw, service: str) -> bool:
        rules = objects_in(raw, "spec", "rules")
        return any(_is(one, route, service) for rule in rules for one in objects_in(rule, "backendRefs"))

    def extras(self, found: Found, weight_pct: int) -> Steps:
        route, rules = found.route, objects_in(found.carrier, "spec", "rules")
        inner: Steps = []
        copies: list[tuple[int, Raw]] = []
        for one in _managed(found):
            mirrors = [_mirror(one.split.partner, route.mirror_pct)] if weight_pct and route.mirror_pct else []
            inner += _filter_steps(found, one, mirrors)
            if weight_pct:
                copies += [(one.place, copy) for copy in self._copies(route, one)]
        return inner + among(RULES, rules, [_is_ours(rule) for rule in rules], copies)

    def _copies(self, route: KubernetesRoute, one: Managed) -> list[Raw]:
        """The rule once for the header and once for the cookie, each with the canary alone.

        Two copies, not one with twice the matches: some filters allow a rule one match only.
        """
        backend = one.rule["backendRefs"][one.split.canary[0]] if one.split.canary else one.split.partner
        kept = {key: value for key, value in one.rule.items() if key not in OWN_FIELDS}
        filters = [each for each in objects_in(one.rule, "filters") if not _mirrors_canary(each, route)]
        copies: list[Raw] = []
        for what, header in self._headers(route):
            matches = [_narrowed(each, header) for each in objects_in(one.rule, "matches") or [{}]]
            if some := [each for each in matches if each is not None]:
                name = f"{RULE_PREFIX}{what}-{one.label}"
                body = {"name": name, "matches": some, **kept, "backendRefs": [{**backend, "weight": UNSET}]}
                copies.append(body | ({"filters": filters} if filters else {}))
        return copies

    def _headers(self, route: KubernetesRoute) -> list[tuple[str, Raw]]:
        headers: list[tuple[str, Raw]] = []
        if route.header is not None:
            name, value = route.header
            headers.append(("header", {"type": "Exact", "name": name, "value": value}))
        if route.cookie is not None and self._kind == HTTP_ROUTE:
            pattern = cookie_pattern(route.cookie)
            headers.append(("cookie", {"type": "RegularExpression", "name": "Cookie", "value": pattern}))
        return headers

    def unconfirmed(self, found: Found, weight_pct: int) -> str:
        """Every parent that has said anything must have accepted this very version, and one must have."""
        generation = look_into(found.carrier, "metadata", "generation") or 0
        named = {_parent(one, found) for one in objects_in(found.carrier, "spec", "parentRefs")}
        said = objects_in(found.carrier, "status", "parents")
        parents = [one for one in said if _parent(look_into(one, "parentRef"), found) in named]
        if not parents:
            return f"no Gateway has accepted {found.where} yet"
        texts = (_unconfirmed(parent, kind, generation, weight_pct) for parent in parents for kind in CONDITIONS)
        return next((f"{found.where}: {text}" for text in texts if text), "")


def _managed(found: Found) -> list[Managed]:
    route = found.route
    managed: list[Managed] = []
    number = 0
    for place, rule in enumerate(objects_in(found.carrier, "spec", "rules")):
        if _is_ours(rule):
            continue
        number += 1
        label = str(rule.get("name") or number)
        if route.only and label not in route.only:
            continue
        split = split_of(
            path=f"{RULES}/{place}/backendRefs",
            where=f"rule {label} of {found.where}",
            backends=objects_in(rule, "backendRefs"),
            unset=UNSET,
            is_stable=lambda one: _is(one, route, route.service),
            is_canary=lambda one: _is(one, route, route.canary_service),
            partner=lambda one: {**one, "name": route.canary_service},
        )
        if split is not None:
            managed.append(Managed(place, label, rule, split))
    return managed


def _is(backend: Any, route: KubernetesRoute, service: str) -> bool:
    """Whether a backendRef means that Service of the route's namespace."""
    if not isinstance(backend, dict) or backend.get("name") != service:
        return False
    service_kind = backend.get("kind") in (None, "Service") and backend.get("group") in (None, "")
    return service_kind and backend.get("namespace") in (None, route.namespace)


def _is_ours(rule: Raw) -> bool:
    return str(rule.get("name") or "").startswith(RULE_PREFIX)


def _narrowed(match: Raw, header: Raw) -> Raw | None:
    """The match with one more header; None when it asks something else of that header already."""
    headers = objects_in(match, "headers")
    name = header["name"].lower()
    same = [one for one in headers if str(one.get("name", "")).lower() == name]
    if not same:
        return {**match, "headers": [*headers, header]}
    return match if covers({"value": header["value"]}, same[0]) else None


def _mirror(partner: Raw, mirror_pct: int) -> Raw:
    backend = {key: partner[key] for key in ("group", "kind", "name", "port") if key in partner}
    share = {"percent": mirror_pct} if mirror_pct < 100 else {}
    return {"type": "RequestMirror", "requestMirror": {"backendRef": backend, **share}}


def _mirrors_canary(one: Raw, route: KubernetesRoute) -> bool:
    return _is(look_into(one, "requestMirror", "backendRef"), route, route.canary_service)


def _our_mirrors(found: Found, one: Managed, filters: list[Raw]) -> list[int]:
    """The places of mirrors as we write them. While the canary has a weight, one that a hand changed is ours as well,
    so that no stop leaves it there: then the last one, since ours stands behind the user's."""
    written_pct = mirror_written_pct(found.carrier, found.route)
    if not written_pct:
        return []
    wanted = _mirror(one.split.partner, written_pct)
    to_canary = [place for place, each in enumerate(filters) if _mirrors_canary(each, found.route)]
    same = [place for place in to_canary if covers(wanted, filters[place]) and covers(filters[place], wanted)]
    record = read_record(found.carrier) if found.carrier is not None else None
    noted = record is not None and record.mirror_pct is not None and record.weight_pct > 0
    return same or (to_canary[-1:] if noted else [])


def _filter_steps(found: Found, one: Managed, mirrors: list[Raw]) -> Steps:
    """Ours stands behind the user's filters, and leaves no empty list behind."""
    path = f"{RULES}/{one.place}/filters"
    filters = objects_in(one.rule, "filters")
    ours = _our_mirrors(found, one, filters)
    if covers(mirrors, [filters[place] for place in ours]):
        return []
    if not filters:
        return [put(path, mirrors)]
    if not mirrors and len(ours) == len(filters):
        return [drop(path)]
    return [drop(path + pointer(place)) for place in reversed(ours)] + [put(path + "/-", each) for each in mirrors]


def _parent(reference: Any, found: Found) -> tuple[Any, ...]:
    keys = ("name", "sectionName", "port")
    namespace = look_into(reference, "namespace") or found.route.namespace
    kind = look_into(reference, "kind") or "Gateway"
    return (namespace, kind, *(look_into(reference, key) for key in keys))


def _unconfirmed(parent: Raw, kind: str, generation: int, weight_pct: int) -> str:
    name = f"the {look_into(parent, 'parentRef', 'kind') or 'Gateway'} {look_into(parent, 'parentRef', 'name')}"
    condition = next((one for one in objects_in(parent, "conditions") if one.get("type") == kind), None)
    if condition is None:
        return f"{name} has not said whether it is {kind}"
    if (condition.get("observedGeneration") or 0) < generation:
        return f"{name} has not taken the newest version yet"
    # At weight 0 a canary's Service that is gone gets no request: that it cannot be resolved is no harm.
    if condition.get("status") == "True" or (weight_pct == 0 and kind == "ResolvedRefs"):
        return ""
    why = f"{condition.get('reason')} {condition.get('message') or ''}".strip()
    return f"{name} says {kind} is {condition.get('status')}: {why}"[:300]
