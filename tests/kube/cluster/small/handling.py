"""From an address to what is done: paths and verbs of the API, permission, and the answer's code and body."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.kube.cluster.raw import Raw
from tests.kube.cluster.small import discovery, lists, subresources
from tests.kube.cluster.small.access import Access, Attempt, Identity
from tests.kube.cluster.small.failures import (
    ApiError,
    Cause,
    bad_request,
    details_of,
    no_method,
    no_page,
    no_resource,
    not_found,
    unsupported_media,
)
from tests.kube.cluster.small.kinds import Kinds
from tests.kube.cluster.small.objects import Objects, Where
from tests.kube.cluster.small.patching import merged, patched
from tests.kube.cluster.small.watches import Wanted

NAMED_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
LISTED_VERBS = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
TRUE = ("true", "1")


@dataclass(frozen=True, slots=True)
class Request:
    """A request that has been understood. ``at`` and ``attempt`` are None for a document of discovery."""

    path: str
    query: Mapping[str, str]
    content_type: str
    body: bytes
    at: Where | None = None
    attempt: Attempt | None = None
    watch: Wanted | None = None


@dataclass(slots=True)
class Handling:
    """``bookmark_every_s`` is a minute in Kubernetes."""

    kinds: Kinds
    objects: Objects
    access: Access
    bookmark_every_s: float = 60.0
    bugs: list[str] = field(default_factory=list)

    def allow(self, who: Identity, request: Request) -> None:
        assert request.attempt is not None
        self.access.check(who, request.attempt)

    def carry_out(self, who: Identity, request: Request) -> tuple[int, Raw]:
        if request.at is None or request.attempt is None:
            found = discovery.document(self.kinds, request.path)
            if found is None:
                return self._review(who, request)
            return 200, found
        self.allow(who, request)
        at, verb = request.at, request.attempt.verb
        if at.subresource in ("binding", "token", "scale"):
            return self._below(at, verb, request)
        match verb:
            case "list":
                return 200, lists.listed(self.objects.store, at.served, at.namespace, query_of(request.query))
            case "deletecollection":
                return 200, self._emptied(at, request)
            case "create":
                code, body = 201, self.objects.create(at, json_of(request.body), request.body)
            case "delete":
                return 200, self._deleted(at, request)
            case "patch":
                code, body = 200, self._patched(at, request)
            case "update":
                code, body = 200, self.objects.update(at, json_of(request.body))
            case _:
                code, body = 200, self.objects.get(at)
        return code, lists.shown(at.served, body)

    def _review(self, who: Identity, request: Request) -> tuple[int, Raw]:
        """Whether the one who asks may do something: SelfSubjectAccessReview."""
        if request.path != "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews":
            raise no_page()
        body = json_of(request.body)
        asked = (body.get("spec") or {}).get("resourceAttributes") or {}
        resource = self._resource(asked)
        attempt = Attempt(
            asked.get("verb", ""), resource, asked.get("subresource", ""), asked.get("namespace", ""),
            asked.get("name", ""),
        )  # fmt: skip
        return 201, {**body, "status": {"allowed": self.access.allows(who, attempt)}}

    def _resource(self, asked: Raw) -> Any:
        wanted = (asked.get("group", ""), asked.get("resource", ""))
        found = [one.resource for one in self.kinds.all() if one.kept == wanted]
        if not found:
            raise bad_request("no such resource")
        return found[0]

    def _patched(self, at: Where, request: Request) -> Raw:
        kind = request.content_type.split(";")[0]
        if kind not in ("application/merge-patch+json", "application/json-patch+json") and not at.served.custom:
            raise unsupported_media("415: Unsupported Media Type", {})
        return self.objects.patch(at, request.content_type, request.body)

    def _deleted(self, at: Where, request: Request) -> Raw:
        options = json_of(request.body)
        grace = request.query.get("gracePeriodSeconds")
        options |= {"gracePeriodSeconds": int(grace)} if grace else {}
        dry = at.dry_run or bool(options.get("dryRun"))
        body, gone = self.objects.delete(replace(at, dry_run=dry), options)
        if not gone or at.served.resource.plural in ("services", "pods", "namespaces"):
            return lists.shown(at.served, body)
        details = details_of(at.served.resource, at.name) | {"uid": body["metadata"]["uid"]}
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}

    def _emptied(self, at: Where, request: Request) -> Raw:
        found = lists.listed(self.objects.store, at.served, at.namespace, query_of(request.query))
        options = json_of(request.body)
        grace = request.query.get("gracePeriodSeconds")
        options |= {"gracePeriodSeconds": int(grace)} if grace else {}
        for one in found["items"]:
            metadata = one["metadata"]
            place = replace(at, namespace=metadata.get("namespace", ""), name=metadata["name"])
            self.objects.delete(place, options)
        return found

    def _below(self, at: Where, verb: str, request: Request) -> tuple[int, Raw]:
        if at.subresource == "binding" and verb == "create":
            return 201, subresources.bound(self.objects, at, json_of(request.body))
        if at.subresource == "token" and verb == "create":
            return 201, subresources.token(self.objects, self.access, at)
        if at.subresource == "scale" and verb == "get":
            return 200, subresources.scale_of(self.objects.get(at))
        if at.subresource == "scale" and verb == "update":
            return 200, subresources.scaled(self.objects, at, lambda scale: merged(scale, json_of(request.body)))
        if at.subresource == "scale" and verb == "patch":
            return 200, subresources.scaled(
                self.objects, at, lambda scale: patched(scale, request.content_type, request.body)
            )
        raise no_method()


def json_of(body: bytes) -> Raw:
    try:
        read = json.loads(body or b"{}")
    except ValueError as broken:
        raise bad_request(f"couldn't get version/kind; json parse error: {broken}") from None
    if not isinstance(read, dict):
        raise bad_request("couldn't get version/kind; json parse error: it is no object")
    return read


def query_of(query: Mapping[str, str]) -> lists.Query:
    try:
        limit = int(query.get("limit") or 0)
    except ValueError as broken:
        raise bad_request(f'strconv.ParseInt: parsing "{query["limit"]}": invalid syntax') from broken
    return lists.Query(
        query.get("labelSelector", ""), query.get("fieldSelector", ""), limit, query.get("continue", ""),
        query.get("resourceVersion", ""), query.get("resourceVersionMatch", ""),
    )  # fmt: skip


def asked_for(handling: Handling, method: str, path: str, query: str, content_type: str, body: bytes) -> Request:
    """Understand a request, or refuse it as one for nothing that is served."""
    asked = {key: values[-1] for key, values in urllib.parse.parse_qs(query, keep_blank_values=True).items()}
    parts = [urllib.parse.unquote(part) for part in path.strip("/").split("/")]
    request = Request(path, asked, content_type, body)
    if parts[:1] == ["api"] and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return request
    if (group, rest) == ("authorization.k8s.io", ["selfsubjectaccessreviews"]):
        return request
    namespace, rest = (rest[1], rest[2:]) if rest[0] == "namespaces" and is_inside(rest) else ("", rest)
    plural, name, subresource = [*rest, "", ""][:3]
    served = handling.kinds.find(group, version, plural)
    if len(rest) > 3 or (subresource and subresource not in served.resource.subresources):
        raise not_found(served.resource, name) if served.custom else no_resource()
    if served.resource.namespaced and name and not namespace:
        raise no_resource()
    verb = verb_of(method, name, subresource, asked)
    dry = dry_run(asked.get("dryRun"), verb)
    at = Where(served, namespace, name, "" if subresource == "finalize" else subresource, dry)
    # What is done to one namespace is done in it, as far as permissions go.
    inside = name if plural == "namespaces" else namespace
    attempt = Attempt(verb, served.resource, subresource, inside, name)
    watch = watch_of(handling, at, asked) if verb == "watch" else None
    return replace(request, at=at, attempt=attempt, watch=watch)


def is_inside(rest: list[str]) -> bool:
    """Whether a path names something in a namespace, and not a namespace or a subresource of one."""
    return len(rest) > 2 and rest[2] not in ("status", "finalize")


def verb_of(method: str, name: str, subresource: str, asked: Mapping[str, str]) -> str:
    if method == "GET" and not name and asked.get("watch") in TRUE:
        return "watch"
    verbs = NAMED_VERBS if name else LISTED_VERBS
    if method not in verbs or (method == "POST" and name and subresource not in ("binding", "token")):
        raise no_method()
    return verbs[method]


def dry_run(asked: str | None, verb: str) -> bool:
    if asked in (None, ""):
        return False
    if asked != "All":
        kind = f"{verb.capitalize()}Options"
        told = f'Unsupported value: []string{{"{asked}"}}: supported values: "All"'
        cause = Cause("dryRun", told, "FieldValueNotSupported")
        details = {
            "group": "meta.k8s.io",
            "kind": kind,
            "causes": [{"reason": cause.reason, "message": told, "field": "dryRun"}],
        }
        raise ApiError(422, "Invalid", f'{kind}.meta.k8s.io "" is invalid: dryRun: {told}', details)
    return True


def watch_of(handling: Handling, at: Where, asked: Mapping[str, str]) -> Wanted:
    query = query_of(asked)
    lists.number(query.version)
    query.matches(at.served)
    bookmarks = asked.get("allowWatchBookmarks") in TRUE
    timeout_s = float(asked.get("timeoutSeconds") or 0)
    return Wanted(at.served, at.namespace, query, bookmarks, timeout_s, handling.bookmark_every_s)
