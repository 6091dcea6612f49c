"""Built-in objects as typed structures read and write them: unknown forms are refused, empty fields vanish."""

from __future__ import annotations

import re
from typing import Any

from tests.kube.cluster.raw import Raw

METADATA = frozenset(
    (
        "name", "generateName", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "labels",
        "annotations", "ownerReferences", "finalizers", "deletionTimestamp", "deletionGracePeriodSeconds",
    )
)  # fmt: skip
MAPS = frozenset(
    (
        "labels", "annotations", "matchLabels", "nodeSelector", "data", "binaryData", "selector", "limits", "requests",
    )
)  # fmt: skip
ZEROES = frozenset(
    (
        "paused", "minReadySeconds", "hostNetwork", "hostPID", "hostIPC", "readOnly", "stdin", "stdinOnce", "tty",
        "initialDelaySeconds", "publishNotReadyAddresses", "readyReplicas", "availableReplicas", "updatedReplicas",
        "unavailableReplicas", "fullyLabeledReplicas", "observedGeneration",
    )
)  # fmt: skip
"""Fields that are left out when they are false or zero."""
INTEGERS = frozenset(
    ("replicas", "minReadySeconds", "progressDeadlineSeconds", "revisionHistoryLimit", "leaseDurationSeconds", "port")
)
MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)")
RAW_FIELDS = frozenset({"controllerrevisions"})
"""Kinds with a ``data`` of any form, which is kept as it is."""


def misread(kind: str, body: Raw) -> str | None:
    """Why the object cannot be read as one of its kind, in the words of the decoder."""
    for field in ("labels", "annotations"):
        told = not_texts(body["metadata"].get(field), f"ObjectMeta.metadata.{field}")
        if told:
            return told
    if kind in ("ConfigMap", "Secret"):
        told = not_texts(body.get("data"), f"{kind}.data")
        if told:
            return told
    if kind == "Lease":
        return not_lease(body)
    if not isinstance(body.get("spec", {}), dict | None):
        return unmarshal(body["spec"], f"{kind}.spec", f"v1.{kind}Spec")
    return not_numbers(body.get("spec") or {}, f"{kind}Spec.spec")


def unmarshal(value: Any, field: str, wanted: str) -> str:
    names = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return f"json: cannot unmarshal {names.get(type(value), 'null')} into Go struct field {field} of type {wanted}"


def not_texts(value: Any, field: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        return unmarshal(value, field, "map[string]string")
    wrong = [one for one in value.values() if one is not None and not isinstance(one, str)]
    return unmarshal(wrong[0], field, "string") if wrong else None


def not_numbers(spec: Raw, at: str) -> str | None:
    for key, value in spec.items():
        if key in INTEGERS and value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            return unmarshal(value, f"{at}.{key}", "int32")
    return None


def not_lease(body: Raw) -> str | None:
    spec = body.get("spec") or {}
    for field in ("renewTime", "acquireTime"):
        text = spec.get(field)
        if text is not None and not MICRO_TIME.fullmatch(str(text)):
            return f'parsing time "{text}" as "2006-01-02T15:04:05.000000Z07:00": cannot parse'
    return not_numbers(spec, "LeaseSpec.spec")


def tidied(plural: str, body: Raw) -> Raw:
    """A copy of a built-in object without nulls, empty lists, empty maps and the zeroes that are never written."""
    kept = {"data": body["data"]} if plural in RAW_FIELDS and "data" in body else {}
    result = without_empties({key: value for key, value in body.items() if key not in kept})
    return {**result, **kept, "metadata": tidied_metadata(body["metadata"])}


def tidied_metadata(metadata: Raw) -> Raw:
    return {key: value for key, value in without_empties(metadata).items() if key in METADATA}


def without_empties(value: Any) -> Any:
    if isinstance(value, list):
        return [without_empties(one) for one in value]
    if not isinstance(value, dict):
        return value
    result = {key: without_empties(one) for key, one in value.items() if one is not None and one != []}
    return {key: one for key, one in result.items() if not is_empty(key, one)}


def is_empty(key: str, value: Any) -> bool:
    if key == "value" and value == "":
        return True
    return (key in MAPS and value == {}) or (key in ZEROES and not value)
