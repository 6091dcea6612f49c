"""The canary Ingress of ingress-nginx: an Ingress of ours beside the user's, with the same hosts and paths. Pure.

The user's Ingress is never written. Ours stays while the application is registered, at weight 0 between releases, since
it remembers who leads and what is stopped. What ingress-nginx inherits from the user's Ingress is not copied.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from controller.adapters.kube.kinds import INGRESS, Kind, Raw
from controller.adapters.kube.routes.patching import (
    Change,
    Steps,
    annotations_of,
    covers,
    labels_of,
    look_into,
    objects_in,
)
from controller.adapters.kube.routes.strategy import MANAGED, Found, Look
from controller.adapters.kube.routes.weighted import clash_of, field_steps
from controller.core.targets import KubernetesRoute, RouteObject
from controller.ports import Refused

PREFIX = "nginx.ingress.kubernetes.io/"
CANARY = PREFIX + "canary"
WEIGHT, TOTAL = CANARY + "-weight", CANARY + "-weight-total"
HEADER, HEADER_VALUE, COOKIE = CANARY + "-by-header", CANARY + "-by-header-value", CANARY + "-by-cookie"
EXTRAS = (HEADER, HEADER_VALUE, COOKIE)
CLASS = "kubernetes.io/ingress.class"
COPIED = ("load-balance", "upstream-hash-by", "backend-protocol", "service-upstream")
"""Of the user's annotations under PREFIX: those that a canary Ingress needs for itself."""
UNSTUCK = {PREFIX + "affinity-canary-behavior": "legacy"}
"""Or a session cookie would keep its users on the canary after its weight is 0."""

SUFFIX = "-interlock-canary"
NAME_CHARS_MAX = 253
SPEC_FIELDS = ("ingressClassName", "defaultBackend", "rules")


class CanaryIngresses:
    owned = True

    @property
    def kind(self) -> Kind:
        return INGRESS

    def carrier(self, one: RouteObject) -> str:
        if len(one.name) + len(SUFFIX) <= NAME_CHARS_MAX:
            return one.name + SUFFIX
        digest = hashlib.sha256(one.name.encode()).hexdigest()[:10]
        return f"{one.name[: NAME_CHARS_MAX - len(SUFFIX) - 11]}-{digest}{SUFFIX}"

    def shown(self, found: Found, weight_pct: int) -> Look:
        if found.carrier is None:
            return Look(0)
        have = annotations_of(found.carrier)
        share, wrong = _share(have), []
        if share != weight_pct:
            wrong.append(f"{found.where}: the canary Ingress has weight {share}")
        if have.get(CANARY) != "true":
            wrong.append(f"{found.where}: the canary Ingress is not marked as one")
        if any(have.get(key) != value for key, value in _extras(found.route, weight_pct).items()):
            wrong.append(f"{found.where}: header and cookie of the canary Ingress are not those of {weight_pct} %")
        # What a user does to the Ingress itself is no drift: the canary Ingress follows.
        behind = _behind(found, weight_pct)
        unclear = bool(wrong) or (weight_pct > 0 and bool(behind))
        live = None if unclear and share == weight_pct else share
        return Look(live, "; ".join(wrong + behind), bool(wrong), self._unconfirmed(found, weight_pct))

    def _unconfirmed(self, found: Found, weight_pct: int) -> str:
        """ingress-nginx says nothing about weights. It gives an Ingress that it has taken an address."""
        if not weight_pct or not found.beside:
            return ""
        addresses = [objects_in(one, "status", "loadBalancer", "ingress") for one in (found.beside[0], found.carrier)]
        waits = addresses[0] and not addresses[1]
        return f"{found.where} has an address and its canary Ingress has none yet" if waits else ""

    def shift(self, found: Found, weight_pct: int, take: bool) -> Change:
        assert found.carrier is not None, "an Ingress of ours is born at weight 0"
        extras = _extras(found.route, weight_pct)
        if not weight_pct and not take:
            return Change(annotations={CANARY: "true", WEIGHT: "0", TOTAL: None} | extras)
        # What the user's Ingress has no more, ours has no more.
        gone = {key: None for key in annotations_of(found.carrier) if _is_copied(key)}
        wanted = gone | _kept(_user(found)) | {WEIGHT: str(weight_pct), TOTAL: None} | extras
        return Change(_spec_steps(found), wanted)

    def as_found(self, found: Found) -> tuple[tuple[int | None, bool], ...]:
        return ()

    def given_back(self, found: Found, before: Sequence[tuple[int | None, bool]] | None) -> Change:
        return Change()

    def born(self, found: Found) -> Raw:
        annotations = _kept(_user(found)) | {WEIGHT: "0"}
        meta = {
            "name": self.carrier(found.one),
            "namespace": found.route.namespace,
            "labels": MANAGED | {"interlock.dev/role": "canary"},
            "annotations": annotations,
        }
        spec = _spec(found)
        return {"apiVersion": INGRESS.api_version, "kind": INGRESS.name, "metadata": meta, "spec": spec}

    def troubles(self, found: Found, first_pct: int) -> tuple[str, ...]:
        try:
            _spec(found)
        except Refused as refused:
            return (str(refused),)
        if annotations_of(_user(found)).get(CANARY) == "true":
            return (f"{found.where} is a canary Ingress itself: name the one that sends to {found.route.service}",)
        return ()

    def sends_to(self, route: KubernetesRoute, raw: Raw, service: str) -> bool:
        backends = [look_into(raw, "spec", "defaultBackend"), *(path.get("backend") for _, path in _paths(raw))]
        return any(look_into(one, "service", "name") == service for one in backends)

    def clash(self, found: Found, raw: Raw) -> str:
        """ingress-nginx takes one canary for a path, and which one it takes is chance."""
        if MANAGED.items() <= labels_of(raw).items():
            return ""
        if annotations_of(raw).get(CANARY) == "true":
            places = {_place(rule, path) for rule, path in _paths({"spec": _spec(found)})}
            same = any(_place(rule, path) in places for rule, path in _paths(raw))
            return (
                f"is a canary for a path of {found.where} already, and ingress-nginx allows one: delete it"
                if same
                else ""
            )
        return clash_of(found) if self.sends_to(found.route, raw, found.route.service) else ""


def _user(found: Found) -> Raw:
    if not found.beside:
        raise Refused(f"{found.where} is missing: create it, with rules that send to the Service {found.route.service}")
    return found.beside[0]


def _behind(found: Found, weight_pct: int) -> list[str]:
    """How the canary Ingress is behind the user's, as far as that matters at this weight."""
    if found.beside is None:
        return []
    if not found.beside:
        return [f"{found.where} is missing"]
    try:
        return (
            [f"{found.where}: the canary Ingress does not have its rules"] if weight_pct and _spec_steps(found) else []
        )
    except Refused as refused:
        return [str(refused)]


def _share(have: dict[str, str]) -> int:
    """In percent, rounded up."""
    total = _number(have.get(TOTAL), 100)
    return -(-100 * _number(have.get(WEIGHT), 0) // total)


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() and int(text) else otherwise


def _extras(route: KubernetesRoute, weight_pct: int) -> dict[str, str | None]:
    header, value = route.header or (None, None)
    wanted = {HEADER: header, HEADER_VALUE: value, COOKIE: route.cookie}
    return wanted if weight_pct else dict.fromkeys(EXTRAS)


def _is_copied(key: str) -> bool:
    name = key.removeprefix(PREFIX)
    return key == CLASS or (name != key and name.startswith(COPIED))


def _kept(user: Raw) -> dict[str, str | None]:
    """The annotations of the canary Ingress beside those of its weight."""
    own = {key: value for key, value in annotations_of(user).items() if _is_copied(key)}
    return {**own, **UNSTUCK, CANARY: "true"}


def _paths(raw: Any) -> list[tuple[Raw, Raw]]:
    """Every path with its rule. A rule may have no http at all."""
    rules = objects_in(raw, "spec", "rules")
    return [(rule, path) for rule in rules for path in objects_in(rule, "http", "paths")]


def _place(rule: Raw, path: Raw) -> tuple[Any, Any]:
    return rule.get("host"), path.get("path")


def _spec(found: Found) -> Raw:
    """Those rules of the user's that send to stable, sending to the canary. Raises Refused when there is none."""
    user, route = _user(found), found.route
    spec: Raw = {}
    if class_name := look_into(user, "spec", "ingressClassName"):
        spec["ingressClassName"] = class_name
    default = look_into(user, "spec", "defaultBackend")
    if look_into(default, "service", "name") == route.service:
        spec["defaultBackend"] = _for_canary(default, route)
    rules = []
    for rule in objects_in(user, "spec", "rules"):
        paths = [one for one in objects_in(rule, "http", "paths") if _sends(one, route.service)]
        if paths:
            copied = [{**one, "backend": _for_canary(one["backend"], route)} for one in paths]
            rules.append(({"host": rule["host"]} if rule.get("host") else {}) | {"http": {"paths": copied}})
    if rules:
        spec["rules"] = rules
    if not rules and "defaultBackend" not in spec:
        raise Refused(
            f"no rule of {found.where} sends to the Service {route.service}: add one, or name another Ingress"
        )
    return spec


def _sends(path: Raw, service: str) -> bool:
    return bool(look_into(path, "backend", "service", "name") == service)


def _for_canary(backend: Raw, route: KubernetesRoute) -> Raw:
    return {**backend, "service": {**backend["service"], "name": route.canary_service}}


def _spec_steps(found: Found) -> Steps:
    have, wanted = look_into(found.carrier, "spec") or {}, _spec(found)
    fields = [key for key in SPEC_FIELDS if not _same(have.get(key), wanted.get(key))]
    return [step for key in fields for step in field_steps("/spec", key, have.get(key), wanted.get(key))]


def _same(have: Any, wanted: Any) -> bool:
    return have is None if wanted is None else covers(wanted, have)
