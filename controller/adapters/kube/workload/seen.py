"""Deployments, ReplicaSets and pods as they were read, reduced at once to what is asked of them here. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from controller.adapters.kube.kinds import Raw
from controller.adapters.kube.workload import notes
from controller.adapters.kube.workload.names import (
    APPLICATION,
    CANARY_ROLE,
    EPOCH,
    PREFIX,
    ROLE,
    VERSION,
    belongs_to,
)
from controller.adapters.kube.workload.notes import Trouble
from controller.adapters.kube.workload.records import Promotion, Records, promotion_in, records_in
from controller.adapters.kube.workload.versions import digest_of

STOPPING_S_MAX = 120.0
"""How long a pod that was told to end still counts as running. A node that is lost leaves its pods ending for ever, and
some ask for hours; by then they have no traffic, and nobody should wait for them."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """One Deployment. ``template`` stays whole, as it is put back whole."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    """Ours alone."""
    has_annotations: bool
    selector: Raw
    template: Raw
    digest: str
    replicas: int
    ready: int
    paused: bool
    strategy: str
    spec: Raw
    """The few fields of it that a canary takes over."""
    rolled_out: bool
    """Its controller has done all that its spec asks for."""
    behind: str
    """What its controller has still to do, in words."""
    trouble: Trouble | None
    leaving: bool

    @property
    def epoch(self) -> int:
        text = self.annotations.get(EPOCH, "")
        return int(text) if text.isdecimal() and text.isascii() else 0

    @property
    def promotion(self) -> Promotion | None:
        return promotion_in(self.annotations)

    @property
    def records(self) -> Records | None:
        return records_in(self.annotations)

    @property
    def pod_labels(self) -> dict[str, str]:
        return dict((self.template.get("metadata") or {}).get("labels") or {})

    def is_ours(self, application: str) -> bool:
        return belongs_to(self.labels, application)


@dataclass(frozen=True, slots=True)
class ReplicaSetSeen:
    uid: str
    owner: str
    template: Raw
    digest: str
    replicas: int
    number: int
    """The rollout that it was last made for; the highest is the newest."""
    trouble: Trouble | None


@dataclass(frozen=True, slots=True)
class PodSeen:
    """``application`` is set on the pods of a canary alone. ``counts``: it is there and not past all waiting."""

    owner: str
    application: str
    version: str
    ready: bool
    leaving: bool
    counts: bool
    trouble: Trouble | None
    name: str = ""
    started_s: float = 0.0


KEPT_FIELDS = ("strategy", "minReadySeconds", "progressDeadlineSeconds")


def deployed(raw: Raw) -> Deployed:
    meta, spec, status = raw["metadata"], raw["spec"], raw.get("status") or {}
    annotations = meta.get("annotations") or {}
    replicas = int(spec.get("replicas", 1))
    behind = _behind(meta, replicas, status)
    return Deployed(
        namespace=str(meta["namespace"]),
        name=str(meta["name"]),
        uid=str(meta["uid"]),
        resource_version=str(meta["resourceVersion"]),
        labels=dict(meta.get("labels") or {}),
        annotations={key: str(value) for key, value in annotations.items() if key.startswith(PREFIX)},
        has_annotations=bool(annotations),
        selector=spec["selector"],
        template=spec["template"],
        digest=digest_of(spec["template"]),
        replicas=replicas,
        ready=int(status.get("readyReplicas") or 0),
        paused=spec.get("paused") is True,
        strategy=str((spec.get("strategy") or {}).get("type", "RollingUpdate")),
        spec={key: spec[key] for key in KEPT_FIELDS if key in spec},
        rolled_out=not behind,
        behind=behind,
        trouble=notes.of_owner(raw),
        leaving="deletionTimestamp" in meta,
    )


def _behind(meta: Raw, replicas: int, status: Raw) -> str:
    if int(status.get("observedGeneration") or 0) < int(meta.get("generation") or 0):
        return f"the Deployment {meta['name']} has changed and its controller has not looked at it yet"
    counts = {field: int(status.get(field) or 0) for field in ("replicas", "updatedReplicas", "availableReplicas")}
    if all(count == replicas for count in counts.values()):
        return ""
    updated, available = counts["updatedReplicas"], counts["availableReplicas"]
    return f"{updated} of {counts['replicas']} instances are updated, {available} of {replicas} are available"


def replica_set(raw: Raw) -> ReplicaSetSeen:
    meta, spec = raw["metadata"], raw["spec"]
    number = (meta.get("annotations") or {}).get("deployment.kubernetes.io/revision", "0")
    return ReplicaSetSeen(
        uid=str(meta["uid"]),
        owner=controller_of(meta),
        template=spec["template"],
        digest=digest_of(spec["template"]),
        replicas=int(spec.get("replicas", 1)),
        number=int(number) if str(number).isdecimal() else 0,
        trouble=notes.of_owner(raw),
    )


def pod(raw: Raw, now_s: float) -> PodSeen:
    meta = raw["metadata"]
    labels = meta.get("labels") or {}
    leaving = "deletionTimestamp" in meta
    ended = (raw.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    canary = labels.get(ROLE) == CANARY_ROLE
    return PodSeen(
        owner=controller_of(meta),
        application=str(labels.get(APPLICATION, "")) if canary else "",
        version=str((meta.get("annotations") or {}).get(VERSION, "")),
        ready=notes.is_ready(raw) and not leaving and not ended,
        leaving=leaving,
        counts=not ended and not (leaving and _told_to_end_s(meta, now_s) > STOPPING_S_MAX),
        trouble=None if leaving else notes.of_pod(raw),
        name=str(meta.get("name", "")),
        started_s=_made_s(meta, now_s),
    )


def _made_s(meta: Raw, now_s: float) -> float:
    """When it was made; now, which is the latest that it can be, where that cannot be read."""
    try:
        return datetime.fromisoformat(str(meta["creationTimestamp"])).timestamp()
    except (KeyError, ValueError):
        return now_s


def _told_to_end_s(meta: Raw, now_s: float) -> float:
    """How long ago. The time stamp is that of the end that its grace allows."""
    try:
        end_s = datetime.fromisoformat(str(meta["deletionTimestamp"])).timestamp()
    except ValueError:
        return 0.0
    return now_s - end_s + float(meta.get("deletionGracePeriodSeconds") or 0)


def controller_of(meta: Raw) -> str:
    """The uid of the object that manages this one; empty when nobody does."""
    owners = [one for one in meta.get("ownerReferences") or [] if one.get("controller")]
    return str(owners[0].get("uid", "")) if owners else ""
