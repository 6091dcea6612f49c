"""Reads and writes of objects as the API defines them: preconditions, generations, finalizers, dry runs."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.kube.cluster.raw import Raw, name_of
from tests.kube.cluster.small import patching
from tests.kube.cluster.small.admission import check_create
from tests.kube.cluster.small.failures import (
    ApiError,
    already_exists,
    bad_request,
    broken_patch,
    conflict,
    invalid,
    not_found,
    without_version,
    wrong,
)
from tests.kube.cluster.small.forming import (
    OTHER_NAMESPACE,
    addressed,
    cannot_handle,
    check,
    formed,
    named,
    next_generation,
)
from tests.kube.cluster.small.kinds import Kinds, Served, established
from tests.kube.cluster.small.rules import RIGID
from tests.kube.cluster.small.store import Store

DEFINITIONS = "customresourcedefinitions"
REVISIONS = "controllerrevisions"
NOT_UNCONDITIONAL = frozenset({"leases"})
"""Built-in kinds whose PUT must say which version it replaces; custom ones all must."""
ANNOTATED_BY_STATUS = frozenset({"deployments", "replicasets"})
"""Kinds whose status door lets annotations in as well."""


@dataclass(frozen=True, slots=True)
class Where:
    """The object that a request is about."""

    served: Served
    namespace: str
    name: str
    subresource: str = ""
    dry_run: bool = False


@dataclass(slots=True)
class Objects:
    """``clock`` tells the time of day; every write happens in one turn of the store."""

    store: Store
    kinds: Kinds
    clock: Callable[[], datetime]
    rigid: set[str] = field(default_factory=set)

    def get(self, at: Where) -> Raw:
        found = self.store.find(at.served.kept, (at.namespace, at.name))
        if found is None:
            raise not_found(at.served.resource, at.name)
        return found

    def create(self, at: Where, sent: Any, text: bytes = b"") -> Raw:
        served = at.served
        body = named(served, addressed(served, sent, at.namespace))
        if body["metadata"].get("resourceVersion"):
            raise ApiError(500, "", "resourceVersion should not be set on objects to be created")
        body["metadata"] |= {"uid": str(uuid.uuid4()), "creationTimestamp": self.now()}
        for own in ("generation", "deletionTimestamp", "deletionGracePeriodSeconds"):
            body["metadata"].pop(own, None)
        if "status" in served.resource.subresources:
            body.pop("status", None)
        body = formed(served, body, cannot_handle(served))
        if served.resource.counts:
            body["metadata"]["generation"] = 1
        if served.resource.plural == DEFINITIONS:
            body = established(body, self.now())
        check(served, body, None)
        with self.store.turn:
            check_create(self.store, served.resource, body)
            if self.store.find(served.kept, (at.namespace, name_of(body))) is not None:
                raise already_exists(served.resource, name_of(body))
            if served.resource.plural == REVISIONS and is_rigid(body.get("data"), text):
                self.rigid.add(body["metadata"]["uid"])
            return self._stored(at, body)

    def update(self, at: Where, sent: Any) -> Raw:
        with self.store.turn:
            before = self.get(at)
            body = addressed(at.served, sent, at.namespace)
            version = body["metadata"].get("resourceVersion")
            if not version and (at.served.custom or at.served.resource.plural in NOT_UNCONDITIONAL):
                raise without_version(at.served.resource, at.name)
            return self._replaced(at, before, body, cannot_handle(at.served))

    def patch(self, at: Where, content_type: str, text: bytes) -> Raw:
        with self.store.turn:
            before = self.get(at)
            body = patching.patched(before, content_type, text)
            if not isinstance(body, dict) or not isinstance(body.get("metadata"), dict):
                raise broken_patch("the patched object has no metadata")
            if body["metadata"].get("namespace", "") != at.namespace:
                raise bad_request(OTHER_NAMESPACE)
            return self._replaced(at, before, body, broken_patch)

    def _replaced(self, at: Where, before: Raw, body: Raw, misread: Any) -> Raw:
        """One object in place of another: what may not change is refused or put back."""
        served, old = at.served, before["metadata"]
        if body["metadata"].get("name") != at.name:
            told = f"the name of the object ({body['metadata'].get('name')}) does not match the name on the URL"
            raise bad_request(f"{told} ({at.name})")
        self._check_version(at, before, body)
        body = body | {"apiVersion": served.resource.api_version, "kind": served.resource.kind}
        body = formed(served, self._of_subresource(at, before, body), misread)
        kept = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")
        if body["metadata"].get("uid", old["uid"]) != old["uid"]:
            told = "field is immutable"
            raise invalid(served.resource, at.name, [wrong("metadata.uid", body["metadata"]["uid"], told)])
        body["metadata"] |= {field: old[field] for field in (*kept, "resourceVersion") if field in old}
        check(served, body, before)
        if old["uid"] in self.rigid:
            raise invalid(served.resource, at.name, [RIGID])
        generation = next_generation(served, body, before) if not at.subresource else None
        if generation is not None:
            body["metadata"]["generation"] = generation
        return self._gone(at, body) or (before if body == before else self._stored(at, body))

    def _check_version(self, at: Where, before: Raw, body: Raw) -> None:
        version = body["metadata"].get("resourceVersion")
        if not version:
            return
        if not str(version).isdigit():
            raise ApiError(500, "", f'strconv.ParseUint: parsing "{version}": invalid syntax')
        if version != before["metadata"]["resourceVersion"]:
            raise conflict(at.served.resource, at.name)

    def _of_subresource(self, at: Where, before: Raw, body: Raw) -> Raw:
        """Status and the rest are written through different doors."""
        if at.subresource == "status":
            after = {**before, "status": body.get("status") or {}}
            if at.served.resource.plural in ANNOTATED_BY_STATUS:
                annotations = {"annotations": body["metadata"].get("annotations")}
                after["metadata"] = {**before["metadata"], **annotations}
            return after
        if "status" not in at.served.resource.subresources or at.served.resource.plural == DEFINITIONS:
            return body
        kept = {key: value for key, value in body.items() if key != "status"}
        return kept | ({"status": before["status"]} if "status" in before else {})

    def _gone(self, at: Where, body: Raw) -> Raw | None:
        """A marked object without finalizers goes, unless a kubelet still has to stop it."""
        metadata = body["metadata"]
        waits = metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds", 0) > 0
        if at.served.resource.plural == "namespaces":
            waits = waits or body["spec"].get("finalizers")
        if "deletionTimestamp" not in metadata or waits:
            return None
        return body if at.dry_run else self._removed(at, body)

    def delete(self, at: Where, options: Raw) -> tuple[Raw, bool]:
        """The object as it is now, and whether it is gone."""
        with self.store.turn:
            body = self.get(at)
            check_preconditions(at, body, options.get("preconditions") or {})
            grace_s = self._grace_s(at, body, options)
            body = propagated(body, options.get("propagationPolicy"))
            held = bool(body["metadata"].get("finalizers"))
            if at.served.resource.plural == "namespaces":
                held = held or bool(body["spec"].get("finalizers"))
            if grace_s == 0 and not held:
                if at.served.resource.plural == "pods":
                    body = self._with_marks(at, body, 0)
                return (body if at.dry_run else self._removed(at, body)), True
            return self._marked(at, body, grace_s), False

    def _grace_s(self, at: Where, body: Raw, options: Raw) -> int:
        """Only a pod that a node may be running is given time."""
        if at.served.resource.plural != "pods" or not body["spec"].get("nodeName"):
            return 0
        if body["status"].get("phase") in ("Succeeded", "Failed"):
            return 0
        asked = options.get("gracePeriodSeconds")
        return int(body["spec"]["terminationGracePeriodSeconds"] if asked is None else asked)

    def _marked(self, at: Where, body: Raw, grace_s: int) -> Raw:
        metadata = body["metadata"]
        if "deletionTimestamp" in metadata and metadata.get("deletionGracePeriodSeconds", 0) <= grace_s:
            return body
        return self._stored(at, self._with_marks(at, body, grace_s))

    def _with_marks(self, at: Where, body: Raw, grace_s: int) -> Raw:
        metadata = body["metadata"]
        marks: Raw = {"deletionTimestamp": stamp(self.clock() + timedelta(seconds=grace_s))}
        if at.served.resource.plural != "namespaces":
            marks["deletionGracePeriodSeconds"] = grace_s
        if "generation" in metadata and "deletionTimestamp" not in metadata:
            marks["generation"] = metadata["generation"] + 1
        body = {**body, "metadata": {**metadata, **marks}}
        if at.served.resource.plural == "namespaces":
            body["status"] = {**body["status"], "phase": "Terminating"}
        return body

    def _stored(self, at: Where, body: Raw) -> Raw:
        if at.dry_run:
            return body
        if at.served.resource.plural == DEFINITIONS:
            self.kinds.define(body)
        return self.store.put(at.served.kept, body)

    def _removed(self, at: Where, body: Raw) -> Raw:
        if at.served.resource.plural == DEFINITIONS:
            self.kinds.forget(body)
            group, plural = body["spec"]["group"], body["spec"]["names"]["plural"]
            for one in self.store.all((group, plural)):
                self.store.remove((group, plural), one)
        return self.store.remove(at.served.kept, body)

    def now(self) -> str:
        return stamp(self.clock())


def propagated(body: Raw, policy: str | None) -> Raw:
    """What is to become of dependents is written down as a finalizer, for the garbage collector."""
    finalizer = {"Orphan": "orphan", "Foreground": "foregroundDeletion"}.get(policy or "")
    finalizers = body["metadata"].get("finalizers") or []
    if finalizer is None or finalizer in finalizers:
        return body
    return {**body, "metadata": {**body["metadata"], "finalizers": [*finalizers, finalizer]}}


def is_rigid(data: Any, text: bytes) -> bool:
    """Whether the data of a ControllerRevision were sent in another form than the server would write them.

    They are kept and compared byte for byte: then every later change of the object, even of a label, is refused."""
    written = json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()
    return written not in text or any(sign in written for sign in (b"<", b">", b"&"))


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def check_preconditions(at: Where, body: Raw, wanted: Raw) -> None:
    metadata, resource = body["metadata"], at.served.resource
    if wanted.get("uid") not in (None, metadata["uid"]):
        told = f"the UID in the precondition ({wanted['uid']}) does not match the UID in record ({metadata['uid']})"
        told += ". The object might have been deleted and then recreated"
        raise conflict(resource, at.name, told, kind=resource.kind)
    if wanted.get("resourceVersion") not in (None, metadata["resourceVersion"]):
        told = f"the ResourceVersion in the precondition ({wanted['resourceVersion']}) does not match the "
        told += f"ResourceVersion in record ({metadata['resourceVersion']}). The object might have been modified"
        raise conflict(resource, at.name, told, kind=resource.kind)
