"""Weights without a proxy: an EndpointSlice of ours puts some of the canary's ready endpoints among those of stable's
Service. Pure. No label and no selector changes, so an abort is one write of an empty list.

The share is that of connections, as far as kube-proxy spreads them evenly, and it is coarse: rounded down to whole
endpoints, never above the step.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from controller.adapters.kube.kinds import ENDPOINT_SLICE, Kind, Raw
from controller.adapters.kube.routes.patching import Change, annotations_of, labels_of, look_into, objects_in, put
from controller.adapters.kube.routes.strategy import MANAGED, Found, Look
from controller.core.targets import KubernetesRoute, RouteObject
from controller.ports import Refused

SERVICE_LABEL = "kubernetes.io/service-name"
MANAGER_LABEL = "endpointslice.kubernetes.io/managed-by"
MANAGER = "interlock"
DIGEST = "interlock.dev/endpoints"
"""Of the addresses as they were written last, so that an edit is told from a pod that went."""

ENDPOINTS_MAX = 1_000
"""The API server's limit for one slice."""
FAMILY = "IPv4"
"""Where stable has no slice yet."""


class CanaryEndpoints:
    owned = True

    @property
    def kind(self) -> Kind:
        return ENDPOINT_SLICE

    def carrier(self, one: RouteObject) -> str:
        return one.name

    def shown(self, found: Found, weight_pct: int) -> Look:
        ours = _addresses(objects_in(found.carrier, "endpoints"))
        edited = found.carrier is not None and annotations_of(found.carrier).get(DIGEST, _digest([])) != _digest(ours)
        if not ours:
            return Look(0, "" if weight_pct == 0 else f"{found.where} holds no canary endpoint", edited)
        if found.beside is None:
            # Nobody looked at the pods: it is as it was written, or nobody knows.
            return Look(None if edited else weight_pct, f"{found.where} was edited" if edited else "", edited)
        stable, ready = _ready(found, found.route.service), _ready(found, found.route.canary_service)
        gone, wanted = set(ours) - set(_addresses(ready)), _count(weight_pct, len(stable))
        if gone and len(ours) <= wanted:
            return Look(None, f"{len(gone)} of the {len(ours)} canary endpoints in {found.where} are not ready", edited)
        if len(ours) == wanted:
            return Look(weight_pct, "", edited)
        share, rest = divmod(100 * len(ours), len(stable) + len(ours))
        text = f"{found.where} holds {len(ours)} canary endpoints beside {len(stable)} of stable"
        return Look(share + (1 if rest and share >= weight_pct else 0), text, edited)

    def shift(self, found: Found, weight_pct: int, take: bool) -> Change:
        if not weight_pct:
            empty = not objects_in(found.carrier, "endpoints")
            return Change([] if empty else [put("/endpoints", [])], {DIGEST: _digest([])})
        stable, canary = _ready(found, found.route.service), _ready(found, found.route.canary_service)
        wanted = _whole(found, weight_pct, len(stable))
        if not canary:
            raise Refused(f"no endpoint of the Service {found.route.canary_service} is ready: there is nothing to add")
        chosen = _chosen(canary, _addresses(objects_in(found.carrier, "endpoints")), wanted)
        ports = objects_in(_slices(found, found.route.canary_service)[0], "ports")
        steps = []
        if objects_in(found.carrier, "endpoints") != chosen:
            steps.append(put("/endpoints", chosen))
        if objects_in(found.carrier, "ports") != ports:
            steps.append(put("/ports", ports))
        return Change(steps, {DIGEST: _digest(_addresses(chosen))})

    def as_found(self, found: Found) -> tuple[tuple[int | None, bool], ...]:
        return ()

    def given_back(self, found: Found, before: Sequence[tuple[int | None, bool]] | None) -> Change:
        return Change()

    def born(self, found: Found) -> Raw:
        labels = MANAGED | {SERVICE_LABEL: found.route.service, MANAGER_LABEL: MANAGER, "interlock.dev/role": "canary"}
        meta = {"name": found.one.name, "namespace": found.route.namespace, "labels": labels}
        families = [str(one.get("addressType")) for one in _slices(found, found.route.service, any_family=True)]
        body = {"addressType": families[0] if families else FAMILY, "endpoints": [], "ports": []}
        return {"apiVersion": ENDPOINT_SLICE.api_version, "kind": ENDPOINT_SLICE.name, "metadata": meta, **body}

    def troubles(self, found: Found, first_pct: int) -> tuple[str, ...]:
        if not _slices(found, found.route.service, any_family=True):
            return (f"the Service {found.route.service} has no endpoints: does it exist, and has it a selector?",)
        try:
            _whole(found, first_pct, len(_ready(found, found.route.service)))
        except Refused as refused:
            return (str(refused),)
        return ()

    def sends_to(self, route: KubernetesRoute, raw: Raw, service: str) -> bool:
        return False

    def clash(self, found: Found, raw: Raw) -> str:
        return ""


def _count(weight_pct: int, stable: int) -> int:
    """How many canary endpoints give at most ``weight_pct`` beside so many of stable."""
    return weight_pct * stable // (100 - weight_pct) if weight_pct < 100 else 0


def _whole(found: Found, weight_pct: int, stable: int) -> int:
    count = _count(weight_pct, stable)
    if weight_pct == 100:
        raise Refused(f"{found.where}: 100 % is not possible without a proxy, stable's endpoints stay: lower maxWeight")
    if count == 0:
        least = -(-(100 - weight_pct) // weight_pct)
        raise Refused(
            f"{weight_pct} % of {stable} ready endpoints of {found.route.service} is less than one canary endpoint: "
            f"run at least {least} stable pods, or use a router that splits by requests"
        )
    if count > ENDPOINTS_MAX:
        raise Refused(f"{found.where}: {count} canary endpoints are needed, a slice holds {ENDPOINTS_MAX}")
    return count


def _slices(found: Found, service: str, any_family: bool = False) -> list[Raw]:
    """The slices of a Service that are not ours, by name; of our slice's address family, which cannot be changed."""
    family = (look_into(found.carrier, "addressType") or FAMILY) if found.carrier is not None else None
    slices = [
        one
        for one in found.beside or ()
        if labels_of(one).get(SERVICE_LABEL) == service and labels_of(one).get(MANAGER_LABEL) != MANAGER
    ]
    chosen = [one for one in slices if any_family or family is None or one.get("addressType") == family]
    return sorted(chosen, key=lambda one: str(look_into(one, "metadata", "name")))


def _ready(found: Found, service: str) -> list[Raw]:
    """Ready endpoints, each address once. Of the canary those alone that have the ports of the first slice."""
    slices = _slices(found, service)
    same = [one for one in slices if objects_in(one, "ports") == objects_in(slices[0], "ports")]
    used = same if service == found.route.canary_service else slices
    ready = [one for each in used for one in objects_in(each, "endpoints") if _is_ready(one)]
    return list({address: one for one in ready if (address := _address(one))}.values())


def _is_ready(endpoint: Raw) -> bool:
    """No condition means ready; what terminates takes no new connections."""
    ready = look_into(endpoint, "conditions", "ready") is not False
    return ready and look_into(endpoint, "conditions", "terminating") is not True


def _chosen(canary: Sequence[Raw], kept: Sequence[str], count: int) -> list[Raw]:
    """Those that are in already stay in, so that connections last; then by address."""
    ordered = sorted(canary, key=lambda one: (_address(one) not in kept, _address(one)))
    fields = ("addresses", "nodeName", "targetRef", "zone")
    conditions = {"ready": True, "serving": True, "terminating": False}
    return [
        {key: one[key] for key in fields if key in one} | {"conditions": conditions}
        for one in sorted(ordered[:count], key=_address)
    ]


def _address(endpoint: Raw) -> str:
    found = endpoint.get("addresses")
    return str(found[0]) if isinstance(found, list) and found else ""


def _addresses(endpoints: Sequence[Raw]) -> list[str]:
    return sorted(_address(one) for one in endpoints)


def _digest(addresses: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(sorted(addresses)).encode()).hexdigest()[:16]
