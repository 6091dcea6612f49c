"""A stand-in for the garbage collector and the namespace controller: what has lost its owners or its namespace goes."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from tests.kube.cluster.client import Answered, Client, path_of
from tests.kube.cluster.raw import KindLike, Raw, built_in, name_of, namespace_of
from tests.kube.cluster.standins.hints import Sources
from tests.kube.cluster.standins.work import Work

NAMESPACES = built_in("namespaces")
NOT_COLLECTED = frozenset({"events", "nodes", "namespaces", "customresourcedefinitions", "ingressclasses"})
AGAIN_S = 0.1
Place = tuple[str, str, str]
"""Plural, namespace, name."""


@dataclass(slots=True)
class Family:
    """Who is there, and who belongs to whom, by uid."""

    alive: dict[str, Place] = field(default_factory=dict)
    children: dict[str, set[Place]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, place: Place, body: Raw, *, gone: bool) -> set[Place]:
        """The places to look at because of this."""
        uid = body["metadata"]["uid"]
        with self.lock:
            if gone:
                self.alive.pop(uid, None)
                return self.children.pop(uid, set())
            self.alive[uid] = place
            owners = [owner["uid"] for owner in body["metadata"].get("ownerReferences") or []]
            for owner in owners:
                self.children.setdefault(owner, set()).add(place)
            return {place} if owners or held_by(body) else set()

    def knows(self, uid: str) -> bool:
        with self.lock:
            return uid in self.alive

    def of(self, uid: str) -> set[Place]:
        with self.lock:
            return set(self.children.get(uid, set()))


def held_by(body: Raw) -> set[str]:
    """The finalizers that are this one's to remove."""
    held = set(body["metadata"].get("finalizers") or []) & {"orphan", "foregroundDeletion"}
    return held if "deletionTimestamp" in body["metadata"] else set()


class Collector:
    def __init__(self, client: Client, sources: Sources, kinds: Iterable[KindLike]) -> None:
        self.client = client
        self._kinds = {kind.plural: kind for kind in kinds}
        self._family = Family()
        self._work: Work[Place] = Work("collector", self._sync)
        for kind in self._kinds.values():
            if kind.plural not in NOT_COLLECTED:
                sources.tell(kind, partial(self._hint, kind.plural))
        sources.tell(NAMESPACES, self._namespace)

    def start(self) -> None:
        self._work.start()

    def close(self) -> None:
        self._work.close()

    def _hint(self, plural: str, body: Raw, gone: bool) -> None:
        place = plural, namespace_of(body), name_of(body)
        for one in self._family.note(place, body, gone=gone):
            self._work.add(one)

    def _namespace(self, body: Raw, gone: bool) -> None:
        if not gone and "deletionTimestamp" in body["metadata"]:
            self._work.add(("namespaces", "", name_of(body)))

    def _sync(self, place: Place) -> None:
        plural, namespace, name = place
        if plural == "namespaces":
            self._empty(name)
            return
        body = self.client.find(self._kinds[plural], namespace, name)
        if body is None:
            return
        if held_by(body):
            self._release(place, body)
            return
        owners = body["metadata"].get("ownerReferences") or []
        if owners and not any(self._is_there(owner, namespace) for owner in owners):
            options = {"preconditions": {"uid": body["metadata"]["uid"]}, "propagationPolicy": "Background"}
            self._delete(place, options)

    def _is_there(self, owner: Raw, namespace: str) -> bool:
        """Asked of the server, when no watch has told of it: an owner may be younger than its hint."""
        if self._family.knows(owner["uid"]):
            return True
        kind = next((one for one in self._kinds.values() if getattr(one, "kind", "") == owner["kind"]), None)
        if kind is None:
            return True
        found = self.client.find(kind, namespace if kind.namespaced else "", owner["name"])
        return found is not None and found["metadata"]["uid"] == owner["uid"]

    def _release(self, place: Place, body: Raw) -> None:
        """An owner that waits for its dependents, or for them to be let go."""
        uid, held = body["metadata"]["uid"], held_by(body)
        children = self._family.of(uid)
        for child in children:
            if "orphan" in held:
                self._orphan(child, uid)
            else:
                self._delete(child, {"propagationPolicy": "Background"})
        left = [one for one in children if self.client.find(self._kinds[one[0]], one[1], one[2]) is not None]
        if left and "orphan" not in held:
            self._work.add(place, AGAIN_S)
            return
        finalizers = [one for one in body["metadata"]["finalizers"] if one not in held]
        patch = {"metadata": {"uid": uid, "finalizers": finalizers or None}}
        self.client.patch(self._kinds[place[0]], place[1], place[2], patch)

    def _orphan(self, child: Place, uid: str) -> None:
        kind = self._kinds[child[0]]
        body = self.client.find(kind, child[1], child[2])
        if body is None:
            return
        owners = [one for one in body["metadata"].get("ownerReferences") or [] if one["uid"] != uid]
        self.client.patch(kind, child[1], child[2], {"metadata": {"ownerReferences": owners or None}})

    def _delete(self, place: Place, options: Raw) -> None:
        try:
            self.client.delete(self._kinds[place[0]], place[1], place[2], options)
        except Answered as answered:
            if answered.code not in (404, 409):
                raise

    def _empty(self, name: str) -> None:
        """Take everything out of a namespace, then let it go."""
        body = self.client.find(NAMESPACES, "", name)
        if body is None or "deletionTimestamp" not in body["metadata"]:
            return
        left = 0
        for kind in self._kinds.values():
            if kind.namespaced and self.client.list(kind, name, limit=1)["items"]:
                left += 1
                self.client.ask("DELETE", path_of(kind, name))
        if left:
            self._work.add(("namespaces", "", name), AGAIN_S)
            return
        free = {**body, "spec": {**body["spec"], "finalizers": []}}
        self.client.update(NAMESPACES, "", free, "finalize")
