"""A Deployment's status from its ReplicaSets: counts and conditions in Kubernetes' words, pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.kube.cluster.raw import Raw, condition, name_of
from tests.kube.cluster.standins.rollout import available, bounds_of, size

COUNTED = ("replicas", "readyReplicas", "availableReplicas")


def status_of(deployment: Raw, new: Raw | None, old: list[Raw], now: datetime) -> Raw:
    everything = [*old, *([new] if new else [])]
    counts = {field: sum(int((one.get("status") or {}).get(field, 0)) for one in everything) for field in COUNTED}
    updated = int((new.get("status") or {}).get("replicas", 0)) if new else 0
    unavailable = max(0, sum(map(size, everything)) - counts["availableReplicas"])
    status: Raw = {"observedGeneration": deployment["metadata"]["generation"], **counts}
    status |= {"updatedReplicas": updated, "unavailableReplicas": unavailable}
    conditions = [availability(deployment, counts["availableReplicas"]), progress(deployment, new, status, now)]
    failure = replica_failure(new, old)
    found = [one for one in [*conditions, failure] if one]
    return {**status, "conditions": [stamped(deployment, one, now) for one in found]}


def stamped(deployment: Raw, found: Raw, now: datetime) -> Raw:
    """With its times; one that says what it said before keeps them."""
    before = condition(deployment, found["type"])
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    moved = stamp if before is None or before["status"] != found["status"] else before["lastTransitionTime"]
    same = before is not None and all(before.get(field) == found[field] for field in ("status", "reason", "message"))
    fresh = found.pop("fresh", False)
    updated = before["lastUpdateTime"] if before is not None and same and not fresh else stamp
    return {**found, "lastTransitionTime": moved, "lastUpdateTime": updated}


def availability(deployment: Raw, count: int) -> Raw:
    if count >= bounds_of(deployment).least_available:
        told = "Deployment has minimum availability."
        return {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": told}
    told = "Deployment does not have minimum availability."
    return {"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable", "message": told}


def progress(deployment: Raw, new: Raw | None, status: Raw, now: datetime) -> Raw | None:
    before = condition(deployment, "Progressing")
    if deployment["spec"].get("paused"):
        if before is not None and before["reason"] == "ProgressDeadlineExceeded":
            return kept(before)
        return progressing("Unknown", "DeploymentPaused", "Deployment is paused")
    if new is None:
        return kept(before) if before else None
    if before is not None and before["reason"] == "DeploymentPaused":
        return progressing("Unknown", "DeploymentResumed", "Deployment is resumed")
    called = f'ReplicaSet "{name_of(new)}"'
    if is_complete(deployment, status):
        return progressing("True", "NewReplicaSetAvailable", f"{called} has successfully progressed.")
    if (
        has_moved(deployment, status)
        or before is None
        or before["reason"] in ("NewReplicaSetAvailable", "DeploymentResumed")
    ):
        return {**progressing("True", "ReplicaSetUpdated", f"{called} is progressing."), "fresh": True}
    if is_late(deployment, before, now):
        return progressing("False", "ProgressDeadlineExceeded", f"{called} has timed out progressing.")
    return kept(before)


def progressing(status: str, reason: str, message: str) -> Raw:
    return {"type": "Progressing", "status": status, "reason": reason, "message": message}


def kept(found: Raw) -> Raw:
    return {field: found[field] for field in ("type", "status", "reason", "message")}


def is_complete(deployment: Raw, status: Raw) -> bool:
    wanted = deployment["spec"]["replicas"]
    return bool(status["updatedReplicas"] == status["replicas"] == status["availableReplicas"] == wanted)


def has_moved(deployment: Raw, status: Raw) -> bool:
    before: Raw = deployment.get("status") or {}
    old_before = before.get("replicas", 0) - before.get("updatedReplicas", 0)
    old_now = status["replicas"] - status["updatedReplicas"]
    more = any(
        status[field] > before.get(field, 0) for field in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )
    return bool(more or old_now < old_before)


def is_late(deployment: Raw, before: Raw, now: datetime) -> bool:
    return late_in_s(deployment, before, now) <= 0


def late_in_s(deployment: Raw, before: Raw, now: datetime) -> float:
    since = datetime.fromisoformat(before["lastUpdateTime"])
    return float(deployment["spec"]["progressDeadlineSeconds"] - (now - since).total_seconds())


def replica_failure(new: Raw | None, old: list[Raw]) -> Raw | None:
    """That of the new ReplicaSet, else of any."""
    for one in [*([new] if new else []), *old]:
        found = condition(one, "ReplicaFailure")
        if found is not None and (one is new or available(one) < size(one)):
            return kept(found)
    return None


def same_status(before: Raw, after: Raw) -> bool:
    return bool(essence(before) == essence(after))


def essence(status: Raw) -> Any:
    """Zero and absent are the same; the order of the conditions does not matter."""
    counts = {key: value for key, value in status.items() if key != "conditions" and value}
    return counts, sorted(status.get("conditions") or [], key=lambda one: str(one["type"]))
