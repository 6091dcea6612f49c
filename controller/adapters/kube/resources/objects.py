"""The few fields that are kept of Application, Release and Deployment objects, and the names that are ours. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from controller.adapters.kube.kinds import APPLICATION, Raw

FINALIZER = "interlock.dev/serving-state"
"""On every registered Application object: it goes only after all traffic is on stable and everything is given back."""
ABANDON = "interlock.dev/abandon"
MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "interlock"
LABEL_APPLICATION = "interlock.dev/application"

Place = tuple[str, str]
"""Namespace and name of an object."""


@dataclass(frozen=True, slots=True)
class ApplicationObject:
    """``version`` takes no part in comparisons: a change of what is not kept here is no change."""

    namespace: str
    name: str
    uid: str
    generation: int
    deleting: bool = False
    abandoned: bool = False
    finalizers: tuple[str, ...] = ()
    spec: Raw = field(default_factory=dict)
    status: Raw = field(default_factory=dict)
    version: str = field(default="", compare=False)

    @property
    def place(self) -> Place:
        return self.namespace, self.name

    @property
    def held(self) -> bool:
        return FINALIZER in self.finalizers


@dataclass(frozen=True, slots=True)
class ReleaseObject:
    namespace: str
    name: str
    uid: str
    labels: Raw = field(default_factory=dict)
    owners: tuple[Raw, ...] = ()
    spec: Raw = field(default_factory=dict)
    status: Raw = field(default_factory=dict)

    @property
    def application(self) -> str:
        """Whose it says it is; empty for one that is not ours at all."""
        return str(self.labels.get(LABEL_APPLICATION, "")) if self.labels.get(MANAGED_BY) == MANAGER else ""


@dataclass(frozen=True, slots=True)
class DeploymentSeen:
    """``generation`` counts changes of its spec. ``settled``: it rolls nothing out, all its pods have one template."""

    generation: int
    paused: bool
    settled: bool


def application_object(told: Raw) -> ApplicationObject:
    meta = told["metadata"]
    return ApplicationObject(
        namespace=str(meta["namespace"]),
        name=str(meta["name"]),
        uid=str(meta.get("uid", "")),
        generation=int(meta.get("generation", 0)),
        deleting="deletionTimestamp" in meta,
        abandoned=_block(meta.get("annotations")).get(ABANDON) == "true",
        finalizers=tuple(str(one) for one in meta.get("finalizers") or ()),
        spec=_block(told.get("spec")),
        status=_block(told.get("status")),
        version=str(meta.get("resourceVersion", "")),
    )


def release_object(told: Raw) -> ReleaseObject:
    meta = told["metadata"]
    labels = _block(meta.get("labels"))
    return ReleaseObject(
        namespace=str(meta["namespace"]),
        name=str(meta["name"]),
        uid=str(meta.get("uid", "")),
        labels={name: labels[name] for name in (MANAGED_BY, LABEL_APPLICATION) if name in labels},
        owners=tuple(one for one in meta.get("ownerReferences") or () if isinstance(one, dict)),
        spec=_block(told.get("spec")),
        status=_block(told.get("status")),
    )


def deployment_seen(told: Raw) -> DeploymentSeen:
    meta, spec, status = told["metadata"], _block(told.get("spec")), _block(told.get("status"))
    generation = int(meta.get("generation", 0))
    pods, updated = int(status.get("replicas", 0)), int(status.get("updatedReplicas", 0))
    settled = int(status.get("observedGeneration", 0)) >= generation
    return DeploymentSeen(
        generation=generation,
        paused=spec.get("paused") is True,
        settled=settled and pods == updated == int(spec.get("replicas", 1)),
    )


def owner_of(seen: ApplicationObject) -> Raw:
    """The reference that lets the Release objects go with their Application."""
    return {
        "apiVersion": APPLICATION.api_version,
        "kind": APPLICATION.name,
        "name": seen.name,
        "uid": seen.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def actor_of(place: Place) -> str:
    """Who asked, in the record: the object itself."""
    return f"kubernetes:{place[0]}/{place[1]}"


def _block(told: Any) -> Raw:
    return told if isinstance(told, dict) else {}
