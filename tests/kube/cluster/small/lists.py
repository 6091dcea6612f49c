"""Lists: selectors, pages that show one version, and the answer 410 to a page whose version is forgotten."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from tests.kube.cluster.raw import Raw, name_of, namespace_of
from tests.kube.cluster.small.failures import TOO_OLD_TO_CONTINUE, ApiError, bad_request, expired
from tests.kube.cluster.small.kinds import Served
from tests.kube.cluster.small.labels import Matches, by_fields, by_labels
from tests.kube.cluster.small.store import Place, Store

TOO_OLD = "The resourceVersion for the provided list is too old."


@dataclass(frozen=True, slots=True)
class Query:
    """What a list or a watch asks for."""

    labels: str = ""
    fields: str = ""
    limit: int = 0
    token: str = ""
    version: str = ""
    match: str = ""

    def matches(self, served: Served) -> Matches:
        labelled, fielded = by_labels(self.labels), by_fields(served.resource.plural, self.fields)
        return lambda body: labelled(body) and fielded(body)


def listed(store: Store, served: Served, namespace: str, query: Query) -> Raw:
    """The list object as it is sent."""
    matches = query.matches(served)
    with store.turn:
        version, start = page_start(store, query)
        found = [one for one in store.at(served.kept, version, namespace) if place_of(one) > start and matches(one)]
    page = found[: query.limit] if query.limit else found
    metadata: Raw = {"resourceVersion": str(version)}
    if len(page) < len(found):
        metadata["continue"] = token_of(version, place_of(page[-1]))
        if not query.labels and not query.fields:
            metadata["remainingItemCount"] = len(found) - len(page)
    elif served.custom:
        metadata["continue"] = ""
    resource = served.resource
    kind = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version}
    return {**kind, "metadata": metadata, "items": [item(served, one) for one in page]}


def place_of(body: Raw) -> Place:
    return namespace_of(body), name_of(body)


def item(served: Served, body: Raw) -> Raw:
    """Items of built-in lists do not say of which kind they are."""
    if served.custom:
        return shown(served, body)
    return {key: value for key, value in body.items() if key not in ("kind", "apiVersion")}


def shown(served: Served, body: Raw) -> Raw:
    """In the version that was asked for."""
    return {"kind": served.resource.kind, **body, "apiVersion": served.resource.api_version}


def page_start(store: Store, query: Query) -> tuple[int, Place]:
    if query.token:
        version, start = read_token(query.token)
        if version == -1:
            return store.version, start
        if version < store.compacted:
            raise expired(TOO_OLD_TO_CONTINUE, {"continue": token_of(-1, start)})
        return version, start
    wanted = listed_number(query.version)
    if wanted > store.version:
        raise too_large(wanted, store.version)
    if query.match == "Exact":
        if wanted < store.compacted:
            raise expired(TOO_OLD)
        return wanted, ("", "")
    return store.version, ("", "")


def too_large(wanted: int, current: int) -> ApiError:
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    told = f"Timeout: Too large resource version: {wanted}, current: {current}"
    return ApiError(504, "Timeout", told, {"causes": causes, "retryAfterSeconds": 1})


def listed_number(version: str) -> int:
    try:
        return number(version)
    except ApiError as broken:
        raise bad_request(f"invalid resource version: {broken.message}") from None


def number(version: str) -> int:
    if not version:
        return 0
    if not version.isdigit():
        told = f'resourceVersion: Invalid value: "{version}": strconv.ParseUint: parsing "{version}": invalid syntax'
        raise ApiError(500, "", told)
    return int(version)


def token_of(version: int, start: Place) -> str:
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": f"{start[0]}/{start[1]}\0"})
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_token(token: str) -> tuple[int, Place]:
    try:
        read = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, _, name = str(read["start"]).rstrip("\0").partition("/")
        return int(read["rv"]), (namespace, name)
    except (ValueError, KeyError, TypeError) as broken:
        raise bad_request(f"invalid continue token: continue key is not valid: {broken}") from None
