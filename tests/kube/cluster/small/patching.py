"""Merge patches and JSON Patches, applied to copies. A patch that does not fit is refused in Kubernetes' words."""

from __future__ import annotations

import copy
import json
from typing import Any

from tests.kube.cluster.raw import Raw
from tests.kube.cluster.small.failures import bad_request, patch_failed, unsupported_media

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
OPERATIONS = ("add", "remove", "replace", "move", "copy", "test")
OPERATIONS_AT_MOST = 10_000
"""Kubernetes' own limit on the length of a JSON Patch."""


RAISE = object()


class Misfit(Exception):
    """An operation that cannot be carried out on this object."""


def patched(body: Raw, content_type: str, text: bytes) -> Any:
    """The patched copy of ``body``."""
    kind = content_type.split(";")[0].strip()
    if kind not in (MERGE, JSON_PATCH):
        listed = ", ".join((JSON_PATCH, MERGE, "application/apply-patch+yaml"))
        told = f"the body of the request was in an unknown format - accepted media types include: {listed}"
        raise unsupported_media(told)
    try:
        patch = json.loads(text)
    except ValueError as broken:
        raise bad_request(f"error decoding patch: {broken}") from None
    if kind == MERGE:
        if not isinstance(patch, dict):
            raise bad_request(
                "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"
            )
        return merged(body, patch)
    if not isinstance(patch, list):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
        )
    if len(patch) > OPERATIONS_AT_MOST:
        raise patch_failed()
    return stepped(body, patch)


def merged(target: Any, patch: Any) -> Any:
    """RFC 7386. Null takes a field away."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def stepped(body: Raw, operations: list[Any]) -> Any:
    """RFC 6902, all or nothing."""
    document: Any = copy.deepcopy(body)
    try:
        for one in operations:
            document = operated(document, one)
    except Misfit:
        raise patch_failed() from None
    return document


def operated(document: Any, operation: Any) -> Any:
    if not isinstance(operation, dict) or operation.get("op") not in OPERATIONS or "path" not in operation:
        raise Misfit
    op, path = operation["op"], parts(operation["path"])
    if op in ("add", "replace", "test") and "value" not in operation:
        raise Misfit
    if op == "test":
        # A test for null holds where there is nothing, as in the library that Kubernetes uses.
        if as_text(found(document, path, missing=None)) != as_text(operation["value"]):
            raise Misfit
        return document
    if op in ("move", "copy"):
        missing = None if op == "copy" else RAISE
        value = copy.deepcopy(found(document, parts(operation.get("from", "x")), missing))
        document = removed(document, parts(operation["from"])) if op == "move" else document
        return added(document, path, value)
    if op == "remove":
        return removed(document, path)
    if op == "replace":
        return replaced(document, path, operation["value"])
    return added(document, path, operation["value"])


def as_text(value: Any) -> str:
    """0, 0.0 and false are three things."""
    return json.dumps(value, sort_keys=True)


def parts(pointer: Any) -> list[str]:
    if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
        raise Misfit
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def found(document: Any, path: list[str], missing: Any = RAISE) -> Any:
    for number, part in enumerate(path):
        last = number == len(path) - 1
        if isinstance(document, list):
            document = document[index(part, len(document) - 1)]
        elif isinstance(document, dict) and part in document:
            document = document[part]
        elif isinstance(document, dict) and last and missing is not RAISE:
            return missing
        else:
            raise Misfit
    return document


def index(part: str, highest: int) -> int:
    if not part.isascii() or not part.isdigit() or int(part) > highest:
        raise Misfit
    return int(part)


def added(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent, last = found(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        parent.insert(len(parent) if last == "-" else index(last, len(parent)), value)
    elif isinstance(parent, dict):
        parent[last] = value
    else:
        raise Misfit
    return document


def replaced(document: Any, path: list[str], value: Any) -> Any:
    """As in the library that Kubernetes uses, a field that is not there is set without a word."""
    if not path:
        return value
    parent, last = found(document, path[:-1]), path[-1]
    if not isinstance(parent, list):
        return added(document, path, value)
    parent[index(last, len(parent) - 1)] = value
    return document


def removed(document: Any, path: list[str]) -> Any:
    if not path:
        raise Misfit
    parent, last = found(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        del parent[index(last, len(parent) - 1)]
    elif isinstance(parent, dict) and last in parent:
        del parent[last]
    else:
        raise Misfit
    return document
