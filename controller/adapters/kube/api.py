"""Reads and writes of single objects and lists in the cluster, as raw dictionaries. It remembers nothing and repeats
nothing: whoever calls decides what a failure means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from controller.adapters.kube.errors import Call, Gone, Missing
from controller.adapters.kube.kinds import Kind, Raw
from controller.adapters.kube.streams import EventStream
from controller.adapters.kube.transport import Request, Transport
from controller.ports import Refused, Unavailable

PAGE_OBJECTS = 250
"""Objects in one page of a list: some MiB at most, so that a whole namespace is never in memory at once."""

PAGES_MAX = 400
"""100,000 objects of one kind: more than one controller can watch over."""

RESTARTS_MAX = 3
"""How often a list may start again because the server dropped the version it was being read at."""

STREAM_SLACK_S = 5.0
"""How long after its asked-for end a stream may still be silent before its connection counts as dead."""

FIELD_MANAGER = "interlock"
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"


JsonPatch = list[Raw]
"""Steps of a JSON Patch: {"op", "path", "value"}."""


@dataclass(frozen=True, slots=True)
class Listed:
    """Objects and the version of the whole collection they were read at: where a watch goes on from."""

    items: list[Raw]
    resource_version: str


class KubeApi:
    """One shared client. Safe from any number of threads. Every call raises a PortError of ``errors``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self, kind: Kind, namespace: str | None, name: str) -> Raw:
        call = Call("get", kind, namespace, name)
        return self._transport.ask(call, Request("GET", kind.path(namespace, name)))

    def list(
        self, kind: Kind, namespace: str | None, selector: str = "", fields: str = "", limit: int = PAGE_OBJECTS
    ) -> Listed:
        """Everything that matches. ``limit`` is the size of a page, not of the answer."""
        for _ in range(RESTARTS_MAX):
            items: list[Raw] = []
            version = ""
            try:
                for page in self.pages(kind, namespace, selector, fields, limit):
                    items += page.items
                    version = page.resource_version
            except Gone:
                continue
            return Listed(items, version)
        raise Unavailable(f"list {kind.resource}: the server dropped the list {RESTARTS_MAX} times while it was read")

    def pages(
        self, kind: Kind, namespace: str | None, selector: str = "", fields: str = "", limit: int = PAGE_OBJECTS
    ) -> Iterator[Listed]:
        """Page by page, for those who keep a projection only. Raises Gone when it has to start again."""
        call = Call("list", kind, namespace)
        query = {"limit": str(limit)} | _chosen(selector, fields)
        for _ in range(PAGES_MAX):
            answer = self._transport.ask(call, Request("GET", kind.collection(namespace), query))
            meta, items = answer.get("metadata"), answer.get("items")
            if not isinstance(meta, dict) or not isinstance(items or [], list):
                raise Unavailable(f"{call}: the answer is no list")
            yield Listed([item for item in items or [] if isinstance(item, dict)], str(meta.get("resourceVersion", "")))
            follow = meta.get("continue")
            if not follow:
                return
            query["continue"] = str(follow)
        raise Refused(f"{call}: more than {PAGES_MAX * limit} objects; name a namespace or a narrower selector")

    def create(self, kind: Kind, namespace: str | None, body: Raw, dry_run: bool = False) -> Raw:
        """``body`` may leave out its apiVersion and kind."""
        whole = {"apiVersion": kind.api_version, "kind": kind.name} | body
        name = str(body.get("metadata", {}).get("name", ""))
        call = Call("create", kind, namespace, name, writes=not dry_run)
        return self._transport.ask(call, Request("POST", kind.collection(namespace), _written(dry_run), whole))

    def patch(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        patch: Raw | JsonPatch,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Raw:
        """A dict is a merge patch (None deletes a field), a list is a JSON Patch. A failed ``test`` is a Conflict."""
        listed = isinstance(patch, list)
        tests = listed and any(step.get("op") == "test" for step in patch if isinstance(step, dict))
        resource = f"{kind.plural}/{subresource}" if subresource else ""
        call = Call("patch", kind, namespace, name, writes=not dry_run, tests=tests, resource=resource)
        path = kind.path(namespace, name, subresource)
        content_type = JSON_PATCH if listed else MERGE_PATCH
        return self._transport.ask(call, Request("PATCH", path, _written(dry_run), patch, content_type))

    def delete(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        """What the object owns goes after it. With ``uid`` or ``resource_version`` only that very object or state."""
        conditions = {"uid": uid, "resourceVersion": resource_version}
        body: Raw = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if given := {key: value for key, value in conditions.items() if value is not None}:
            body["preconditions"] = given
        call = Call("delete", kind, namespace, name, writes=True)
        self._transport.ask(call, Request("DELETE", kind.path(namespace, name), body=body))

    def stream(
        self, kind: Kind, namespace: str | None, resource_version: str, timeout_s: float, selector: str = ""
    ) -> EventStream:
        """Changes after ``resource_version``, with bookmarks; ends by itself after ``timeout_s``. Close it."""
        call = Call("watch", kind, namespace)
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(max(1, round(timeout_s))),
        }
        request = Request("GET", kind.collection(namespace), query | _chosen(selector, ""))
        return EventStream(call, self._transport.open(call, request, timeout_s + STREAM_SLACK_S))

    def supports(self, kind: Kind) -> bool:
        """Whether the cluster serves the kind in this version. It asks every time."""
        call = Call("get", kind, None)
        try:
            answer = self._transport.ask(call, Request("GET", kind.root))
        except Missing:
            return False
        served = answer.get("resources")
        return isinstance(served, list) and any(
            isinstance(one, dict) and one.get("name") == kind.plural for one in served
        )

    def version(self) -> str:
        call = Call("get", Kind("", "v1", "version", "Version", namespaced=False))
        return str(self._transport.ask(call, Request("GET", "/version")).get("gitVersion", "unknown"))

    def close(self) -> None:
        self._transport.close()


def _chosen(selector: str, fields: str) -> dict[str, str]:
    asked: dict[str, Any] = {"labelSelector": selector, "fieldSelector": fields}
    return {key: value for key, value in asked.items() if value}


def _written(dry_run: bool) -> dict[str, str]:
    return {"fieldManager": FIELD_MANAGER} | ({"dryRun": "All"} if dry_run else {})
