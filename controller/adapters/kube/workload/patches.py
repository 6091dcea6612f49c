"""Patches of a Deployment that was read; those of its content have that reading as their precondition. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controller.adapters.kube.api import JsonPatch
from controller.adapters.kube.kinds import Raw
from controller.adapters.kube.workload.seen import Deployed

ANNOTATIONS = "/metadata/annotations"


def put(path: str, value: Any) -> Raw:
    """Set a field, there or not."""
    return {"op": "add", "path": path, "value": value}


def patch_of(read: Deployed, fields: Mapping[str, Any], notes: Mapping[str, str | None]) -> JsonPatch:
    """``fields`` by their path, ``notes`` are annotations of ours (None: away). Empty when everything is so already."""
    steps = [put(path, value) for path, value in fields.items()] + _annotations(read, notes)
    if not steps:
        return []
    return [{"op": "test", "path": "/metadata/resourceVersion", "value": read.resource_version}, *steps]


def label_patch(read: Deployed, key: str, value: str | None) -> Raw:
    """A merge patch of one label of ours (None: away), empty when it is so already. It needs no precondition: whatever
    else has changed, the label is to be so, and nobody's edit is met."""
    return {} if read.labels.get(key) == value else {"metadata": {"labels": {key: value}}}


def _annotations(read: Deployed, notes: Mapping[str, str | None]) -> JsonPatch:
    new = {key: value for key, value in notes.items() if value is not None and read.annotations.get(key) != value}
    gone = [key for key, value in notes.items() if value is None and key in read.annotations]
    if new and not read.has_annotations:
        return [put(ANNOTATIONS, new)]
    steps = [put(_pointer(key), value) for key, value in new.items()]
    return steps + [{"op": "remove", "path": _pointer(key)} for key in gone]


def _pointer(key: str) -> str:
    return f"{ANNOTATIONS}/{key.replace('~', '~0').replace('/', '~1')}"
