"""Label selectors: whom they choose, and with which labels a canary is chosen by none of stable's. Pure."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controller.adapters.kube.kinds import Raw
from controller.ports import Refused

Labels = Mapping[str, str]
Changes = dict[str, str | None]
"""Labels that are set, or (None) taken away."""

TELLING = (
    "app",
    "app.kubernetes.io/name",
    "k8s-app",
    "app.kubernetes.io/instance",
    "name",
    "app.kubernetes.io/component",
)
"""Labels that name a workload, in the order in which they are changed when any of several would do."""


@dataclass(frozen=True, slots=True)
class Selector:
    """A selector and whose it is, in words. An empty one chooses everything."""

    whose: str
    raw: Raw

    def chooses(self, labels: Labels) -> bool:
        return matches(self.raw, labels)


def of_map(labels: Labels) -> Raw:
    """A Service's kind of selector as that of the others."""
    return {"matchLabels": dict(labels)}


def matches(selector: Mapping[str, Any], labels: Labels) -> bool:
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_holds(one, labels) for one in selector.get("matchExpressions") or [])


def _holds(requirement: Mapping[str, Any], labels: Labels) -> bool:
    key, values = requirement["key"], requirement.get("values") or []
    match requirement["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return True  # one that we do not know may choose anything


def text_of(selector: Mapping[str, Any]) -> str:
    """As a query asks for it."""
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for one in selector.get("matchExpressions") or []:
        key, listed = one["key"], f"({','.join(one.get('values') or [])})"
        forms = {"In": f"{key} in {listed}", "NotIn": f"{key} notin {listed}", "Exists": key, "DoesNotExist": f"!{key}"}
        parts += [forms[one["operator"]]] if one["operator"] in forms else []
    return ",".join(parts)


def text_of_both(selector: Mapping[str, Any], canary: Labels) -> str | None:
    """One query for whom ``selector`` chooses and for the pods with these labels; None when there is none."""
    if selector.get("matchExpressions"):
        return None
    parts = []
    for key, value in sorted((selector.get("matchLabels") or {}).items()):
        if canary.get(key) == value:
            parts.append(f"{key}={value}")
        elif key in canary:
            parts.append(f"{key} in ({value},{canary[key]})")
    return ",".join(parts) or None


def apart(labels: Labels, selectors: Sequence[Selector], mark: str) -> Changes:
    """The fewest changes of ``labels`` so that none of ``selectors`` chooses them any more, with ``mark`` as new value.

    Raises Refused when a selector chooses by nothing that could be changed.
    """
    changes: Changes = {}
    while overlapping := [one for one in selectors if one.chooses(applied(labels, changes))]:
        ways = [
            (key, value) for one in overlapping for key, value in _ways(one.raw, labels, mark) if key not in changes
        ]
        if not ways:
            raise Refused(
                f"{overlapping[0].whose} chooses its pods by nothing that a canary could have otherwise, and would "
                "choose the canary's pods as well: give it a selector with a label like app"
            )
        key, value = max(ways, key=lambda way: _worth(way, overlapping, applied(labels, changes)))
        changes[key] = value
    return changes


def applied(labels: Labels, changes: Mapping[str, str | None]) -> dict[str, str]:
    kept = {key: value for key, value in labels.items() if key not in changes}
    return kept | {key: value for key, value in changes.items() if value is not None}


def _ways(selector: Raw, labels: Labels, mark: str) -> Iterator[tuple[str, str | None]]:
    for key in selector.get("matchLabels") or {}:
        yield key, (mark if labels.get(key) != mark else None)
    for one in selector.get("matchExpressions") or []:
        if one["operator"] == "In":
            yield one["key"], (mark if mark not in (one.get("values") or []) else None)
        elif one["operator"] == "Exists":
            yield one["key"], None


def _worth(way: tuple[str, str | None], overlapping: Sequence[Selector], labels: Labels) -> tuple[int, int, str]:
    """How many selectors it frees at once; then the label that names the workload."""
    key, value = way
    after = applied(labels, {key: value})
    freed = sum(not one.chooses(after) for one in overlapping)
    return freed, -TELLING.index(key) if key in TELLING else -len(TELLING), key


def rewritten(pod_spec: Raw, labels: Labels, changes: Mapping[str, str | None]) -> Raw:
    """The pod's rules about itself and its like (affinity, spread), now about the canary's pods among themselves."""
    spec: Raw = copy.deepcopy(pod_spec)
    for holder in _holders(spec):
        selector = holder.get("labelSelector")
        if isinstance(selector, dict) and matches(selector, labels):
            _rewrite(selector, changes)
    return spec


def _holders(spec: Raw) -> Iterator[Raw]:
    yield from spec.get("topologySpreadConstraints") or []
    affinity = spec.get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(kind) or {}
        yield from rules.get("requiredDuringSchedulingIgnoredDuringExecution") or []
        for weighted in rules.get("preferredDuringSchedulingIgnoredDuringExecution") or []:
            yield weighted.get("podAffinityTerm") or {}


def _rewrite(selector: Raw, changes: Mapping[str, str | None]) -> None:
    wanted = selector.get("matchLabels") or {}
    for key, value in changes.items():
        if key in wanted and value is not None:
            wanted[key] = value
        elif key in wanted:
            del wanted[key]
    kept = []
    for one in selector.get("matchExpressions") or []:
        new = changes.get(one["key"])
        if one["key"] not in changes or one["operator"] in ("NotIn", "DoesNotExist"):
            kept.append(one)
        elif new is not None:
            kept.append({**one, "values": [new]} if one["operator"] == "In" else one)
    if "matchExpressions" in selector:
        selector["matchExpressions"] = kept
