"""What keeps instances from being ready, in words, from what the cluster tells of pods and of who makes them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from controller.adapters.kube.kinds import Raw
from controller.core.explain import counted

TEXT_CHARS_MAX = 240
"""Of one message of the cluster; some list every node."""

PULL_REASONS = frozenset(
    {
        "ImagePullBackOff",
        "ErrImagePull",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
    }
)
CRASH_REASON = "CrashLoopBackOff"


class Rank(IntEnum):
    """Which of several troubles is told: the one that explains the others comes first."""

    REFUSED = 0
    UNSCHEDULABLE = 1
    IMAGE = 2
    CONTAINER = 3
    CRASH = 4
    STARTING = 5


@dataclass(frozen=True, slots=True, order=True)
class Trouble:
    rank: Rank
    text: str


def shortened(text: object) -> str:
    line = " ".join(str(text or "").split())
    return line if len(line) <= TEXT_CHARS_MAX else line[: TEXT_CHARS_MAX - 1] + "…"


def condition(raw: Raw, kind: str) -> Raw:
    """That condition of the object's status; {} when it has none."""
    found = [one for one in (raw.get("status") or {}).get("conditions") or [] if one.get("type") == kind]
    return found[0] if found else {}


def is_ready(pod: Raw) -> bool:
    """The pod's own word, which takes every container and readiness gate into account."""
    return bool(condition(pod, "Ready").get("status") == "True")


def of_pod(pod: Raw) -> Trouble | None:
    """The first thing to look at; None for a pod that is ready."""
    if is_ready(pod):
        return None
    status = pod.get("status") or {}
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return Trouble(Rank.UNSCHEDULABLE, shortened(f"cannot be scheduled: {scheduled.get('message', '')}"))
    return min(_of_containers(status), default=Trouble(Rank.STARTING, "not started yet"))


def _of_containers(status: Raw) -> Iterator[Trouble]:
    for one in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        trouble = _of_container(one)
        if trouble is not None:
            yield trouble


def _of_container(one: Raw) -> Trouble | None:
    name, state = one.get("name"), one.get("state") or {}
    waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
    reason = str(waiting.get("reason", ""))
    if reason in PULL_REASONS:
        text = f"the image {one.get('image')} of container {name} cannot be pulled ({reason}): "
        return Trouble(Rank.IMAGE, shortened(text + str(waiting.get("message", ""))))
    crashed = ended if ended.get("exitCode") else (one.get("lastState") or {}).get("terminated") or {}
    if reason == CRASH_REASON or (crashed and not one.get("ready")):
        return Trouble(Rank.CRASH, _crash(one, crashed, reason))
    if reason and reason not in ("ContainerCreating", "PodInitializing"):
        return Trouble(Rank.CONTAINER, shortened(f"container {name}: {reason}: {waiting.get('message', '')}"))
    if waiting or one.get("ready") or "terminated" in state:
        return None
    return Trouble(Rank.STARTING, f"container {name} runs and is not ready: does its readiness probe pass?")


def _crash(one: Raw, crashed: Raw, reason: str) -> str:
    code = f" with exit code {crashed['exitCode']}" if "exitCode" in crashed else ""
    why = str(crashed.get("reason") or "")
    why = f" ({why})" if why not in ("", "Error", "Completed") else ""
    restarts = int(one.get("restartCount") or 0)
    loop = f", {reason}" if reason else ""
    return f"container {one.get('name')} ended{code}{why}, restarted {counted(restarts, 'time')}{loop}"


def of_owner(raw: Raw) -> Trouble | None:
    """Of a Deployment or a ReplicaSet: pods that it may not make, as with a quota that is used up, or no progress."""
    failed, progress = condition(raw, "ReplicaFailure"), condition(raw, "Progressing")
    if failed.get("status") == "True":
        return Trouble(Rank.REFUSED, shortened(f"pods cannot be made: {failed.get('message', '')}"))
    if progress.get("status") == "False":
        return Trouble(Rank.STARTING, shortened(progress.get("message", "")))
    return None


def told(troubles: Sequence[Trouble]) -> str:
    """The worst of them, with how many instances have it when they are several."""
    if not troubles:
        return ""
    worst, count = min(Counter(troubles).items(), key=lambda item: (item[0].rank, -item[1], item[0].text))
    return worst.text if count == 1 or worst.rank is Rank.REFUSED else f"{count} instances: {worst.text}"


def joined(*parts: str) -> str:
    """One note of several, each said once."""
    return "; ".join(dict.fromkeys(part for part in parts if part))
