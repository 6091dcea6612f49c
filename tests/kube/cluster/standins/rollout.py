"""How many pods the old and the new ReplicaSets of a Deployment may have: the arithmetic of a rolling update, pure."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from dataclasses import dataclass

from tests.kube.cluster.raw import Raw, name_of

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
MOST = "deployment.kubernetes.io/max-replicas"


@dataclass(frozen=True, slots=True)
class Bounds:
    """``surge`` pods more than wanted, ``unavailable`` fewer."""

    wanted: int
    surge: int
    unavailable: int

    @property
    def most(self) -> int:
        return self.wanted + self.surge

    @property
    def least_available(self) -> int:
        return self.wanted - self.unavailable


def bounds_of(deployment: Raw) -> Bounds:
    spec = deployment["spec"]
    wanted, rolling = int(spec["replicas"]), spec["strategy"].get("rollingUpdate") or {}
    if spec["strategy"]["type"] != "RollingUpdate":
        return Bounds(wanted, 0, wanted)
    surge = resolved(rolling.get("maxSurge", 0), wanted, up=True)
    unavailable = min(resolved(rolling.get("maxUnavailable", 0), wanted, up=False), wanted)
    # With neither, nothing could ever move.
    return Bounds(wanted, surge, unavailable if surge or unavailable else 1)


def resolved(value: int | str, wanted: int, *, up: bool) -> int:
    if isinstance(value, int):
        return value
    share = int(value.rstrip("%")) * wanted / 100
    return math.ceil(share) if up else math.floor(share)


def size(replica_set: Raw) -> int:
    return int(replica_set["spec"]["replicas"])


def available(replica_set: Raw) -> int:
    return int((replica_set.get("status") or {}).get("availableReplicas", 0))


def grown(new: Raw, old: list[Raw], bounds: Bounds) -> int:
    """The new ReplicaSet's next size; it is made smaller only when the Deployment was."""
    now = size(new)
    if now >= bounds.wanted:
        return bounds.wanted
    room = bounds.most - now - sum(map(size, old))
    return now + max(0, min(room, bounds.wanted - now))


def shrunk(new: Raw, old: list[Raw], bounds: Bounds) -> dict[str, int]:
    """The next sizes of the old ReplicaSets that change: first what serves nobody, then what can be spared."""
    everything = [*old, new]
    unavailable_new = size(new) - available(new)
    spare = sum(map(size, everything)) - bounds.least_available - unavailable_new
    sizes = {name_of(one): size(one) for one in old}
    if spare <= 0:
        return {}
    oldest_first = sorted(old, key=lambda one: (one["metadata"]["creationTimestamp"], name_of(one)))
    for one in oldest_first:
        broken = min(spare, size(one) - available(one))
        if broken > 0:
            sizes[name_of(one)] -= broken
            spare -= broken
    spare = min(spare, sum(map(available, everything)) - bounds.least_available)
    for one in oldest_first:
        taken = min(max(spare, 0), sizes[name_of(one)])
        sizes[name_of(one)] -= taken
        spare -= taken
    return {name_of(one): sizes[name_of(one)] for one in old if sizes[name_of(one)] != size(one)}


def scaled(active: list[Raw], bounds: Bounds) -> dict[str, int]:
    """The sizes after the Deployment itself was scaled in the middle of a roll: everyone keeps its share.

    A share is of what the ReplicaSet was last told, so that one that has grown already does not grow again."""
    if len(active) == 1:
        return {name_of(active[0]): bounds.wanted}
    total = sum(map(size, active))
    if total == 0:
        return {}
    most = bounds.most if bounds.wanted else 0
    sizes = {name_of(one): round(size(one) * most / (told_most(one) or total)) for one in active}
    biggest = max(active, key=lambda one: (size(one), one["metadata"]["creationTimestamp"]))
    sizes[name_of(biggest)] += most - sum(sizes.values())
    return {name: max(0, count) for name, count in sizes.items()}


def told_most(replica_set: Raw) -> int:
    return int((replica_set["metadata"].get("annotations") or {}).get(MOST, 0))


def bare(template: Raw) -> Raw:
    """A template without what only its ReplicaSet knows."""
    result = copy.deepcopy(template)
    labels = result["metadata"].get("labels") or {}
    labels.pop(HASH, None)
    return result


def hash_of(template: Raw) -> str:
    text = json.dumps(bare(template), sort_keys=True).encode()
    return str(int(hashlib.sha256(text).hexdigest()[:8], 16)).translate(str.maketrans("0123456789", "bcdfghjklm"))


def revision_of(body: Raw) -> int:
    return int((body["metadata"].get("annotations") or {}).get(REVISION, 0))
