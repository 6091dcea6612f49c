"""A stand-in for the ReplicaSet controller: as many pods as wanted, the ones that serve nobody go first."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tests.kube.cluster.client import Answered, Client
from tests.kube.cluster.raw import Raw, built_in, condition, is_ready, name_of, namespace_of, owner_of
from tests.kube.cluster.standins.hints import Sources
from tests.kube.cluster.standins.progress import essence
from tests.kube.cluster.standins.work import Work

REPLICA_SETS, PODS = built_in("replicasets"), built_in("pods")
AGAIN_AFTER_REFUSAL_S = 0.3
AT_ONCE = 50
"""How many pods one pass makes or removes at most."""
Key = tuple[str, str]


class ReplicaSets:
    def __init__(self, client: Client, sources: Sources) -> None:
        self.client = client
        self._work: Work[Key] = Work("replicasets", self._sync, 2)
        sources.tell(REPLICA_SETS, lambda body, gone: self._work.add((namespace_of(body), name_of(body))))
        sources.tell(PODS, self._hint)

    def start(self) -> None:
        self._work.start()

    def close(self) -> None:
        self._work.close()

    def _hint(self, pod: Raw, gone: bool) -> None:
        owner = owner_of(pod)
        if owner is not None and owner["kind"] == "ReplicaSet":
            self._work.add((namespace_of(pod), owner["name"]))

    def _sync(self, key: Key) -> None:
        one = self.client.find(REPLICA_SETS, *key)
        if one is None:
            return
        pods = self._pods(one)
        refused = None
        if "deletionTimestamp" not in one["metadata"]:
            refused = self._adjust(one, pods)
        self._tell(one, self._pods(one), refused)
        if refused is not None:
            self._work.add(key, AGAIN_AFTER_REFUSAL_S)

    def _pods(self, one: Raw) -> list[Raw]:
        """Those that count: not ended and not being ended."""
        selector = ",".join(
            f"{key}={value}" for key, value in (one["spec"]["selector"].get("matchLabels") or {}).items()
        )
        found = self.client.list(PODS, namespace_of(one), selector)["items"]
        uid = one["metadata"]["uid"]
        return [pod for pod in found if (owner_of(pod) or {}).get("uid") == uid and is_active(pod)]

    def _adjust(self, one: Raw, pods: list[Raw]) -> Answered | None:
        """Make or remove pods. A refusal to make one is reported, and tried again later."""
        missing = one["spec"]["replicas"] - len(pods)
        try:
            for _ in range(min(missing, AT_ONCE)):
                self.client.create(PODS, namespace_of(one), pod_of(one))
            for pod in sorted(pods, key=usefulness)[: min(max(0, -missing), AT_ONCE)]:
                self.client.delete(PODS, namespace_of(pod), name_of(pod), by_uid(pod))
        except Answered as answered:
            if answered.code not in (403, 422):
                raise
            return answered
        return None

    def _tell(self, one: Raw, pods: list[Raw], refused: Answered | None) -> None:
        now = datetime.now(UTC)
        steady_s = int(one["spec"].get("minReadySeconds", 0))
        ready = [pod for pod in pods if is_ready(pod)]
        waits = [left for pod in ready if (left := steady_in_s(pod, steady_s, now)) > 0]
        status: Raw = {
            "replicas": len(pods), "fullyLabeledReplicas": len(pods), "readyReplicas": len(ready),
            "availableReplicas": len(ready) - len(waits), "observedGeneration": one["metadata"]["generation"],
        }  # fmt: skip
        if refused is not None:
            status["conditions"] = [failure(one, refused, now)]
        if essence(one.get("status") or {}) != essence(status):
            self.client.update(REPLICA_SETS, namespace_of(one), {**one, "status": status}, "status")
        if waits:
            self._work.add((namespace_of(one), name_of(one)), min(waits))
        if len(pods) != one["spec"]["replicas"] and refused is None:
            self._work.add((namespace_of(one), name_of(one)))


def is_active(pod: Raw) -> bool:
    ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return not ended and "deletionTimestamp" not in pod["metadata"]


def pod_of(one: Raw) -> Raw:
    template = one["spec"]["template"]
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name_of(one), "uid": one["metadata"]["uid"]}
    owner |= {"controller": True, "blockOwnerDeletion": True}
    metadata: Raw = {"generateName": f"{name_of(one)}-", "ownerReferences": [owner]}
    for field in ("labels", "annotations"):
        if template["metadata"].get(field):
            metadata[field] = template["metadata"][field]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def usefulness(pod: Raw) -> tuple[Any, ...]:
    """What goes first sorts first: without a node, not ready, youngest."""
    age = pod["metadata"]["creationTimestamp"]
    return bool(pod["spec"].get("nodeName")), is_ready(pod), tuple(-ord(letter) for letter in age)


def by_uid(pod: Mapping[str, Any]) -> Raw:
    return {"preconditions": {"uid": pod["metadata"]["uid"]}}


def steady_in_s(pod: Raw, steady_s: int, now: datetime) -> float:
    """How long the pod has to stay ready before it counts as available."""
    found = condition(pod, "Ready")
    if not steady_s or found is None:
        return 0.0
    since = datetime.fromisoformat(found["lastTransitionTime"])
    return steady_s - (now - since).total_seconds()


def failure(one: Raw, refused: Answered, now: datetime) -> Raw:
    before = condition(one, "ReplicaFailure")
    since = before["lastTransitionTime"] if before else now.strftime("%Y-%m-%dT%H:%M:%SZ")
    told = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "lastTransitionTime": since}
    # The pod's name is another one every time; with it the status would never come to rest.
    return {**told, "message": before["message"] if before else refused.message}
