"""VirtualService of Istio: weights of destinations in its http, tls and tcp routes, and http routes of ours beside a
user's. Pure. The first route that matches wins, so a copy stands nowhere but right before what it copies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from controller.adapters.kube.kinds import VIRTUAL_SERVICE, Kind, Raw
from controller.adapters.kube.routes.patching import Steps, among, look_into, objects_in
from controller.adapters.kube.routes.record import mirror_written_pct
from controller.adapters.kube.routes.splits import WHOLE, Split, split_of
from controller.adapters.kube.routes.strategy import RULE_PREFIX, Found
from controller.adapters.kube.routes.weighted import WeightedLists, cookie_pattern, field_steps
from controller.core.targets import KubernetesRoute
from controller.ports import Refused

PROTOCOLS = ("http", "tls", "tcp")
OWN_FIELDS = frozenset({"name", "match", "route", "mirror", "mirrorPercentage"})
"""Of an http route: what a copy does not take over as it is."""


@dataclass(frozen=True, slots=True)
class Managed:
    """One route of the user's that sends to stable. ``label`` is its name, or its number among the user's routes."""

    protocol: str
    place: int
    label: str
    rule: Raw
    split: Split

    @property
    def path(self) -> str:
        return f"/spec/{self.protocol}/{self.place}"


class VirtualServices(WeightedLists):
    @property
    def kind(self) -> Kind:
        return VIRTUAL_SERVICE

    def splits(self, found: Found) -> tuple[Split, ...]:
        return tuple(one.split for one in _managed(found))

    def sends_to(self, route: KubernetesRoute, raw: Raw, service: str) -> bool:
        rules = [rule for protocol in PROTOCOLS for rule in objects_in(raw, "spec", protocol)]
        return any(_is(one, route, service) for rule in rules for one in objects_in(rule, "route"))

    def extras(self, found: Found, weight_pct: int) -> Steps:
        route, rules = found.route, objects_in(found.carrier, "spec", "http")
        inner: Steps = []
        copies: list[tuple[int, Raw]] = []
        for one in _managed(found):
            if one.protocol == "http":
                inner += _mirror_steps(found, one, (route.mirror_pct or 0) if weight_pct else 0)
                copies += [(one.place, copy) for copy in _copies(route, one)] if weight_pct else []
        return inner + among("/spec/http", rules, [_is_ours(rule) for rule in rules], copies)

    def unconfirmed(self, found: Found, weight_pct: int) -> str:
        """Istio writes a status only where it was told to. What is there counts."""
        errors = [
            str(look_into(one, "type", "code") or look_into(one, "documentationUrl") or "")
            for one in objects_in(found.carrier, "status", "validationMessages")
            if str(one.get("level", "")).upper() in ("ERROR", "1")
        ]
        if errors:
            return f"Istio finds {found.where} wrong: {', '.join(errors)[:200]}"
        observed = look_into(found.carrier, "status", "observedGeneration")
        generation = look_into(found.carrier, "metadata", "generation")
        seen = int(observed) if str(observed).isdecimal() else 0
        if seen and isinstance(generation, int) and seen < generation:
            return f"Istio has not taken the newest version of {found.where} yet"
        return ""


def _managed(found: Found) -> list[Managed]:
    route = found.route
    managed: list[Managed] = []
    for protocol in PROTOCOLS:
        number = 0
        for place, rule in enumerate(objects_in(found.carrier, "spec", protocol)):
            if _is_ours(rule):
                continue
            number += 1
            label = str(rule.get("name") or number)
            if route.only and label not in route.only:
                continue
            backends = objects_in(rule, "route")
            split = split_of(
                path=f"/spec/{protocol}/{place}/route",
                where=f"{protocol} route {label} of {found.where}",
                backends=backends,
                unset=WHOLE if len(backends) == 1 else 0,
                is_stable=lambda one: _is(one, route, route.service),
                is_canary=lambda one: _is(one, route, route.canary_service),
                partner=lambda one: _partner(one, route),
            )
            if split is not None:
                managed.append(Managed(protocol, place, label, rule, split))
    return managed


def _is(backend: Raw, route: KubernetesRoute, service: str) -> bool:
    return is_host(look_into(backend, "destination", "host"), service, route.namespace)


def is_host(host: Any, service: str, namespace: str) -> bool:
    """A host is a Service's short name, or has its namespace and then the cluster's domain behind it."""
    qualified = f"{service}.{namespace}"
    if not isinstance(host, str):
        return False
    return host in (service, qualified, f"{qualified}.svc") or host.startswith(f"{qualified}.svc.")


def _partner(backend: Raw, route: KubernetesRoute) -> Raw:
    """Stable's destination for the canary: the host written the same way, and no subset, which is stable's own."""
    destination = {key: value for key, value in backend["destination"].items() if key != "subset"}
    host = route.canary_service + destination["host"][len(route.service) :]
    return {**backend, "destination": {**destination, "host": host}}


def _is_ours(rule: Raw) -> bool:
    return str(rule.get("name") or "").startswith(RULE_PREFIX)


def _copies(route: KubernetesRoute, one: Managed) -> list[Raw]:
    """The route once for the header and once for the cookie, each with the canary alone."""
    wanted: list[tuple[str, str, Raw]] = []
    if route.header is not None:
        wanted.append(("header", route.header[0].lower(), {"exact": route.header[1]}))
    if route.cookie is not None:
        wanted.append(("cookie", "cookie", {"regex": cookie_pattern(route.cookie)}))
    backend = {key: value for key, value in one.split.partner.items() if key != "weight"}
    kept = {key: value for key, value in one.rule.items() if key not in OWN_FIELDS}
    copies: list[Raw] = []
    for what, header, value in wanted:
        matches = [_narrowed(each, header, value) for each in objects_in(one.rule, "match") or [{}]]
        if some := [each for each in matches if each is not None]:
            copies.append({"name": f"{RULE_PREFIX}{what}-{one.label}", "match": some, **kept, "route": [backend]})
    return copies


def _narrowed(match: Raw, header: str, value: Raw) -> Raw | None:
    """The match with one more header; None when it asks something else of that header already."""
    headers = look_into(match, "headers") or {}
    same = [had for name, had in headers.items() if name.lower() == header]
    if not same:
        return {**match, "headers": {**headers, header: value}}
    return match if same[0] == value else None


def _mirror_steps(found: Found, one: Managed, mirror_pct: int) -> Steps:
    """Raises Refused where the user mirrors already: a route has room for one."""
    have, share = one.rule.get("mirror"), one.rule.get("mirrorPercentage")
    to_canary = is_host(look_into(have, "host"), found.route.canary_service, found.route.namespace)
    ours = to_canary and bool(mirror_written_pct(found.carrier, found.route))
    if mirror_pct and (objects_in(one.rule, "mirrors") or (have and not ours)):
        raise Refused(f"{one.split.where} mirrors its requests already: remove that, or router.istio.mirror")
    if not mirror_pct:
        return (
            field_steps(one.path, "mirror", have, None) + field_steps(one.path, "mirrorPercentage", share, None)
            if ours
            else []
        )
    wanted = {key: value for key, value in one.split.partner["destination"].items() if key in ("host", "port")}
    return field_steps(one.path, "mirror", have, wanted) + field_steps(
        one.path, "mirrorPercentage", share, {"value": mirror_pct}
    )
