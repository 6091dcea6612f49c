"""What a stand-in for a kubelet does with a pod next, from the pod and its age alone: pure, without any pod to run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.kube.cluster.raw import Raw, condition, is_true

NODE = "node-1"
SCHEDULER = "default-scheduler"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What becomes of a pod with such an image. ``ready_after_s`` None: it never gets ready.

    ``waiting`` is the reason why its container does not start; ``crash_after_s`` counts from when it was ready.
    """

    ready_after_s: float | None = 0.03
    waiting: str = ""
    crash_after_s: float | None = None
    schedulable: bool = True


BY_IMAGE = {
    ":bad": Behaviour(ready_after_s=None, waiting="ImagePullBackOff"),
    ":crash": Behaviour(crash_after_s=0.5),
    ":slow": Behaviour(ready_after_s=2.0),
    ":hung": Behaviour(ready_after_s=None),
    ":unschedulable": Behaviour(schedulable=False),
}
"""By a part of the image's text."""
MESSAGES = {
    "ImagePullBackOff": 'Back-off pulling image "{image}"',
    "CrashLoopBackOff": "back-off 10s restarting failed container={name}",
}


@dataclass(frozen=True, slots=True)
class Bind:
    """Assign the pod to the node."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Write this status. ``again_s`` says when to look again."""

    status: Raw
    again_s: float | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    again_s: float | None = None


@dataclass(frozen=True, slots=True)
class End:
    """The pod has stopped and may be removed."""


Step = Bind | Tell | Wait | End


@dataclass(frozen=True, slots=True)
class Seen:
    """What the kubelet knows apart from the pod: for how long it has run here, its address, whether it was told."""

    age_s: float
    ending_s: float | None
    address: str
    now: str
    told_ready: bool | None = None


def behaviour_of(pod: Raw, known: dict[str, Behaviour]) -> Behaviour:
    """That of the first container whose image is a special one."""
    for container in pod["spec"]["containers"]:
        for part, behaviour in known.items():
            if part in container["image"]:
                return behaviour
    return known.get("", Behaviour())


def next_step(pod: Raw, how: Behaviour, seen: Seen, stop_after_s: float) -> Step:
    if "deletionTimestamp" in pod["metadata"]:
        grace_s = min(float(pod["metadata"].get("deletionGracePeriodSeconds", 0)), stop_after_s)
        left_s = grace_s - (seen.ending_s or 0.0)
        return End() if left_s <= 0 else Wait(left_s)
    if not pod["spec"].get("nodeName"):
        if pod["spec"].get("schedulerName") != SCHEDULER:
            return Wait()
        if how.schedulable:
            return Bind()
        return tell_unless(pod, unscheduled(seen.now), None)
    ready, again_s = readiness(how, seen)
    return tell_unless(pod, status_of(pod, how, seen, ready=ready), again_s)


def tell_unless(pod: Raw, status: Raw, again_s: float | None) -> Step:
    """Nothing is written that is already so."""
    before = pod.get("status") or {}
    same = before.get("phase") == status["phase"] and shape(before) == shape(status)
    return Wait(again_s) if same else Tell(status, again_s)


def shape(status: Raw) -> Any:
    conditions = {(one["type"], one["status"], one.get("reason")) for one in status.get("conditions") or []}
    containers = [(one["name"], one.get("ready"), sorted(one.get("state") or {}), waiting_of(one))
                  for one in status.get("containerStatuses") or []]  # fmt: skip
    return conditions, containers


def waiting_of(container: Raw) -> str:
    return str(((container.get("state") or {}).get("waiting") or {}).get("reason", ""))


def readiness(how: Behaviour, seen: Seen) -> tuple[bool, float | None]:
    """Whether the pod is ready, and when that changes by itself."""
    if seen.told_ready is not None:
        return seen.told_ready, None
    if how.ready_after_s is None:
        return False, None
    if seen.age_s < how.ready_after_s:
        return False, how.ready_after_s - seen.age_s
    if how.crash_after_s is None:
        return True, None
    left_s = how.ready_after_s + how.crash_after_s - seen.age_s
    return (True, left_s) if left_s > 0 else (False, None)


def has_crashed(how: Behaviour, seen: Seen) -> bool:
    if how.crash_after_s is None or how.ready_after_s is None:
        return False
    return seen.age_s >= how.ready_after_s + how.crash_after_s


def unscheduled(now: str) -> Raw:
    told = "0/1 nodes are available: 1 Insufficient cpu."
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": told}
    return {"phase": "Pending", "conditions": [{**scheduled, "lastTransitionTime": now}]}


def status_of(pod: Raw, how: Behaviour, seen: Seen, *, ready: bool) -> Raw:
    crashed = has_crashed(how, seen)
    waiting = how.waiting or ("CrashLoopBackOff" if crashed else "")
    running = not how.waiting
    since = (pod.get("status") or {}).get("startTime") or seen.now
    conditions = [true_or_false(pod, kind, yes, seen.now) for kind, yes in (
        ("PodScheduled", True), ("Initialized", True), ("ContainersReady", ready), ("Ready", ready),
    )]  # fmt: skip
    containers = [container_status(one, waiting, since, ready=ready, crashed=crashed)
                  for one in pod["spec"]["containers"]]  # fmt: skip
    status: Raw = {"phase": "Running" if running else "Pending", "conditions": conditions}
    status |= {"containerStatuses": containers, "startTime": since, "hostIP": "192.0.2.10"}
    if running:
        status |= {"podIP": seen.address, "podIPs": [{"ip": seen.address}]}
    return status


def true_or_false(pod: Raw, kind: str, yes: bool, now: str) -> Raw:
    before = condition(pod, kind)
    since = before["lastTransitionTime"] if before and is_true(pod, kind) == yes else now
    told: Raw = {"type": kind, "status": "True" if yes else "False", "lastTransitionTime": since}
    return told if yes else {**told, "reason": "ContainersNotReady", "message": "containers with unready status"}


def container_status(container: Raw, waiting: str, now: str, *, ready: bool, crashed: bool) -> Raw:
    state: Raw = {"running": {"startedAt": now}}
    if waiting:
        told = MESSAGES.get(waiting, waiting).format(**container)
        state = {"waiting": {"reason": waiting, "message": told}}
    same = {"name": container["name"], "image": container["image"], "imageID": "", "ready": ready}
    return {**same, "restartCount": int(crashed), "started": ready, "state": state}
