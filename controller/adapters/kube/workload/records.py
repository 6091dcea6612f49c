"""What a release leaves in the cluster to go on from: notes on two Deployments, and whole templates. Pure.

Nothing else remembers them: a controller that was away, or a new one, reads here what stable was and what was made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from controller.adapters.kube.kinds import CONTROLLER_REVISION, Raw
from controller.adapters.kube.workload.names import (
    APPLICATION,
    CANARY,
    MANAGED_BY,
    MANAGER,
    PROMOTION,
    STABLE,
    TEMPLATE,
    VERSION,
    revision_name,
)
from controller.adapters.kube.workload.pins import Source
from controller.adapters.kube.workload.versions import digest_of

REVISIONS_KEPT = 5
"""Templates of versions that nothing runs any more. A template has a few KiB."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One version: its text, the digest of its template, and the revision that holds the template whole."""

    version: str
    digest: str
    revision: str


@dataclass(frozen=True, slots=True)
class Started:
    """Stable as it was when the release began. ``replicas`` were wanted, ``ready`` of them were ready, and with
    ``autoscaled`` something may take some away as soon as the canary takes traffic off them."""

    kept: Kept
    replicas: int
    ready: int
    autoscaled: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """The canary as it was made: under which epoch, which labels differ from stable's, and which copies it reads."""

    kept: Kept
    epoch: int = 0
    labels: Mapping[str, str | None] = field(default_factory=dict)
    copies: Mapping[Source, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Records:
    stable: Started
    canary: Made
    template: str | None
    """The digest of the canary's template as the server took it; None until it was scaled up for the first time."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """What we last did to the guarded Deployment's template. ``by`` is the uid of the canary's Deployment, ``digest``
    that of the template as the server took it, ``back`` says that it was stable's own again."""

    by: str
    digest: str
    back: bool = False


def encode_started(started: Started) -> str:
    counts = {"replicas": started.replicas, "ready": started.ready, "autoscaled": started.autoscaled}
    return _json({**_kept(started.kept), **counts})


def encode_made(made: Made) -> str:
    copies = {str(source): name for source, name in made.copies.items()}
    return _json({**_kept(made.kept), "epoch": made.epoch, "labels": dict(made.labels), "copies": copies})


def encode_promotion(promotion: Promotion) -> str:
    return _json({"by": promotion.by, "template": promotion.digest, "back": promotion.back})


def records_in(annotations: Mapping[str, str]) -> Records | None:
    """None when they are not there or are not ours any more: whoever reads says what to do."""
    try:
        stable, canary = json.loads(annotations[STABLE]), json.loads(annotations[CANARY])
        counts = int(stable["replicas"]), int(stable["ready"]), stable.get("autoscaled") is True
        started = Started(_kept_in(stable), *counts)
        labels = {str(key): None if value is None else str(value) for key, value in canary["labels"].items()}
        copies = {Source.parse(str(key)): str(value) for key, value in canary["copies"].items()}
        return Records(started, Made(_kept_in(canary), int(canary["epoch"]), labels, copies), annotations.get(TEMPLATE))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def promotion_in(annotations: Mapping[str, str]) -> Promotion | None:
    try:
        told = json.loads(annotations[PROMOTION])
        return Promotion(str(told["by"]), str(told["template"]), told["back"] is True)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def kept_of(deployment: str, version: str, template: Mapping[str, Any]) -> Kept:
    digest = digest_of(template)
    return Kept(version, digest, revision_name(deployment, digest))


def revision_body(application: str, kept: Kept, template: Mapping[str, Any], number: int) -> Raw:
    """The revision as it is created. Its data cannot be changed afterwards, which is the point of it."""
    metadata = {
        "name": kept.revision,
        "labels": {MANAGED_BY: MANAGER, APPLICATION: application},
        "annotations": {VERSION: kept.version},
    }
    kind = CONTROLLER_REVISION
    data = {"template": dict(template)}
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, "data": data, "revision": number}


def template_in(revision: Raw) -> Raw | None:
    found = (revision.get("data") or {}).get("template")
    return found if isinstance(found, dict) else None


def version_in(revision: Raw) -> str:
    return str(((revision.get("metadata") or {}).get("annotations") or {}).get(VERSION, ""))


def number_in(revision: Raw) -> int:
    return int(revision.get("revision") or 0)


def outdated(revisions: list[Raw], used: frozenset[str]) -> list[Raw]:
    """The oldest that nothing uses, beyond those that are kept."""
    idle = sorted((one for one in revisions if one["metadata"]["name"] not in used), key=number_in, reverse=True)
    return idle[REVISIONS_KEPT:]


def _kept(kept: Kept) -> dict[str, Any]:
    return {"version": kept.version, "template": kept.digest, "revision": kept.revision}


def _kept_in(told: Mapping[str, Any]) -> Kept:
    return Kept(str(told["version"]), str(told["template"]), str(told["revision"]))


def _json(told: Mapping[str, Any]) -> str:
    return json.dumps(told, sort_keys=True, separators=(",", ":"))
