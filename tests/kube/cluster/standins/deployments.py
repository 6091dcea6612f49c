"""A stand-in for the Deployment controller: ReplicaSets, revisions, rolling updates, pausing and status."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.kube.cluster.client import Answered, Client
from tests.kube.cluster.raw import Raw, built_in, condition, name_of, namespace_of, owner_of
from tests.kube.cluster.standins.hints import Sources
from tests.kube.cluster.standins.progress import late_in_s, same_status, status_of
from tests.kube.cluster.standins.rollout import (
    HASH,
    MOST,
    REVISION,
    bare,
    bounds_of,
    grown,
    hash_of,
    revision_of,
    scaled,
    shrunk,
    size,
)
from tests.kube.cluster.standins.work import Work

DEPLOYMENTS, REPLICA_SETS, PODS = built_in("deployments"), built_in("replicasets"), built_in("pods")
DESIRED = "deployment.kubernetes.io/desired-replicas"
NOT_COPIED = (REVISION, DESIRED, MOST, "kubectl.kubernetes.io/last-applied-configuration")
Key = tuple[str, str]


class Deployments:
    def __init__(self, client: Client, sources: Sources) -> None:
        self.client = client
        self._work: Work[Key] = Work("deployments", self._sync, 2)
        sources.tell(DEPLOYMENTS, lambda body, gone: self._work.add((namespace_of(body), name_of(body))))
        sources.tell(REPLICA_SETS, self._hint)

    def start(self) -> None:
        self._work.start()

    def close(self) -> None:
        self._work.close()

    def _hint(self, replica_set: Raw, gone: bool) -> None:
        owner = owner_of(replica_set)
        if owner is not None and owner["kind"] == "Deployment":
            self._work.add((namespace_of(replica_set), owner["name"]))

    def _sync(self, key: Key) -> None:
        deployment = self.client.find(DEPLOYMENTS, *key)
        if deployment is None or "deletionTimestamp" in deployment["metadata"]:
            return
        owned = self._owned(deployment)
        new = next(
            (one for one in owned if bare(one["spec"]["template"]) == bare(deployment["spec"]["template"])), None
        )
        old = [one for one in owned if one is not new]
        active = [one for one in owned if size(one) > 0]
        if deployment["spec"].get("paused") or self._was_scaled(deployment, active):
            self._scale(deployment, new, old, active)
        elif deployment["spec"]["strategy"]["type"] == "Recreate":
            new = self._recreate(deployment, new, old)
        else:
            new = self._roll(deployment, new, old)
        self._tidy(deployment, new, old)
        self._tell(deployment, new)

    def _owned(self, deployment: Raw) -> list[Raw]:
        found = self.client.list(REPLICA_SETS, namespace_of(deployment))["items"]
        uid = deployment["metadata"]["uid"]
        return [one for one in found if (owner_of(one) or {}).get("uid") == uid]

    def _was_scaled(self, deployment: Raw, active: list[Raw]) -> bool:
        wanted = str(deployment["spec"]["replicas"])
        noted = [(one["metadata"].get("annotations") or {}).get(DESIRED) for one in active]
        return any(one not in (None, wanted) for one in noted)

    def _scale(self, deployment: Raw, new: Raw | None, old: list[Raw], active: list[Raw]) -> None:
        """Scaling goes on while paused, and before anything else in the middle of a roll."""
        newest = new or max(old, key=revision_of, default=None)
        chosen = active or ([newest] if newest else [])
        complete = new is not None and size(new) == deployment["spec"]["replicas"]
        if complete and not deployment["spec"].get("paused"):
            chosen = [one for one in chosen if one is new]
        sizes = scaled(chosen, bounds_of(deployment))
        for one in chosen:
            self._resize(deployment, one, sizes.get(name_of(one), size(one)))

    def _roll(self, deployment: Raw, new: Raw | None, old: list[Raw]) -> Raw:
        bounds = bounds_of(deployment)
        new = new or self._made(deployment, old, 0)
        self._number(deployment, new, old)
        wanted = grown(new, old, bounds)
        if wanted != size(new) or noted(deployment) != noted_on(new):
            self._resize(deployment, new, wanted)
            return new
        for one in old:
            target = shrunk(new, old, bounds).get(name_of(one))
            if target is not None:
                self._resize(deployment, one, target)
        return new

    def _recreate(self, deployment: Raw, new: Raw | None, old: list[Raw]) -> Raw | None:
        """All of the old have to be gone before the first of the new comes."""
        for one in old:
            if size(one):
                self._resize(deployment, one, 0)
        uids = {one["metadata"]["uid"] for one in old}
        pods = self.client.list(PODS, namespace_of(deployment))["items"]
        if any((owner_of(pod) or {}).get("uid") in uids for pod in pods):
            self._work.add((namespace_of(deployment), name_of(deployment)), 0.05)
            return new
        new = new or self._made(deployment, old, deployment["spec"]["replicas"])
        self._number(deployment, new, old)
        if size(new) != deployment["spec"]["replicas"]:
            self._resize(deployment, new, deployment["spec"]["replicas"])
        return new

    def _made(self, deployment: Raw, old: list[Raw], replicas: int) -> Raw:
        """The ReplicaSet of the Deployment's template."""
        template = bare(deployment["spec"]["template"])
        hashed = hash_of(template)
        template["metadata"]["labels"][HASH] = hashed
        selector = deployment["spec"]["selector"]
        labels = {**(selector.get("matchLabels") or {}), HASH: hashed}
        owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name_of(deployment), "controller": True}
        owner |= {"uid": deployment["metadata"]["uid"], "blockOwnerDeletion": True}
        spec = {"replicas": replicas, "selector": {**selector, "matchLabels": labels}, "template": template}
        if deployment["spec"].get("minReadySeconds"):
            spec["minReadySeconds"] = deployment["spec"]["minReadySeconds"]
        revision = max(map(revision_of, old), default=0) + 1
        metadata = {
            "name": f"{name_of(deployment)}-{hashed}", "labels": template["metadata"]["labels"],
            "annotations": {**copied(deployment), **noted(deployment), REVISION: str(revision)},
            "ownerReferences": [owner],
        }  # fmt: skip
        body = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": spec}
        return self.client.create(REPLICA_SETS, namespace_of(deployment), body)

    def _number(self, deployment: Raw, new: Raw, old: list[Raw]) -> None:
        """An older template that is wanted again becomes the newest revision."""
        newest = max(map(revision_of, old), default=0)
        revision = revision_of(new) if revision_of(new) > newest else newest + 1
        if revision != revision_of(new):
            self._annotate(REPLICA_SETS, new, {REVISION: str(revision)})
        if revision_of(deployment) != revision:
            # By the door of the status, through which annotations may come without a new generation.
            self._annotate(DEPLOYMENTS, deployment, {REVISION: str(revision)}, "status")

    def _annotate(self, kind: Any, body: Raw, annotations: dict[str, str], subresource: str = "") -> None:
        patch = {"metadata": {"annotations": annotations}}
        body.update(self.client.patch(kind, namespace_of(body), name_of(body), patch, subresource))

    def _resize(self, deployment: Raw, one: Raw, replicas: int) -> None:
        if replicas == size(one) and noted(deployment) == noted_on(one):
            return
        metadata = {"resourceVersion": one["metadata"]["resourceVersion"], "annotations": noted(deployment)}
        patch = {"metadata": metadata, "spec": {"replicas": replicas}}
        one.update(self.client.patch(REPLICA_SETS, namespace_of(one), name_of(one), patch))

    def _tidy(self, deployment: Raw, new: Raw | None, old: list[Raw]) -> None:
        """Only so many empty ReplicaSets are kept for a way back."""
        empty = [one for one in old if not size(one) and not (one.get("status") or {}).get("replicas")]
        spare = len(empty) - deployment["spec"]["revisionHistoryLimit"]
        if new is None or spare <= 0:
            return
        for one in sorted(empty, key=revision_of)[:spare]:
            self.client.delete(REPLICA_SETS, namespace_of(one), name_of(one))

    def _tell(self, deployment: Raw, new: Raw | None) -> None:
        owned = self._owned(deployment)
        new = next((one for one in owned if new is not None and name_of(one) == name_of(new)), None)
        now = datetime.now(UTC)
        status = status_of(deployment, new, [one for one in owned if one is not new], now)
        place = namespace_of(deployment), name_of(deployment)
        if not same_status(deployment.get("status") or {}, status):
            version = {"resourceVersion": deployment["metadata"]["resourceVersion"]}
            body = {**deployment, "metadata": {**deployment["metadata"], **version}, "status": status}
            try:
                deployment = self.client.update(DEPLOYMENTS, place[0], body, "status")
            except Answered as answered:
                if answered.code != 409:
                    raise
                self._work.add(place)
                return
        found = condition(deployment, "Progressing")
        if found is not None and found["reason"] == "ReplicaSetUpdated":
            self._work.add(place, max(0.05, late_in_s(deployment, found, now)))


def copied(deployment: Raw) -> dict[str, str]:
    annotations: dict[str, str] = deployment["metadata"].get("annotations") or {}
    return {key: value for key, value in annotations.items() if key not in NOT_COPIED}


def noted(deployment: Raw) -> dict[str, str]:
    """What a ReplicaSet is told of the Deployment's size, so that a later scaling is noticed."""
    bounds = bounds_of(deployment)
    return {DESIRED: str(bounds.wanted), MOST: str(bounds.most if bounds.wanted else 0)}


def noted_on(replica_set: Raw) -> dict[str, str]:
    annotations = replica_set["metadata"].get("annotations") or {}
    return {key: annotations.get(key, "") for key in (DESIRED, MOST)}
