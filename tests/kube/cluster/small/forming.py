"""From what a client sent to an object that may be stored: pure steps, without the store and without a clock."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

from tests.kube.cluster.raw import Raw
from tests.kube.cluster.small import defaults, rules, schema, shapes, typed
from tests.kube.cluster.small.failures import ApiError, Cause, bad_request, invalid, required, wrong
from tests.kube.cluster.small.kinds import Served, wrong_definition
from tests.kube.cluster.small.names import wrong_finalizers, wrong_metadata, wrong_name
from tests.kube.cluster.small.typed import METADATA

OUTSIDE_SPEC = ("metadata", "status", "apiVersion", "kind")
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Without vowels, so that no words come out."""
OTHER_NAMESPACE = "the namespace of the provided object does not match the namespace sent on the request"


def addressed(served: Served, body: Any, namespace: str) -> Raw:
    """The object with its kind checked and its namespace set."""
    resource = served.resource
    if isinstance(body, dict) and not served.custom:
        # What a path says need not be said again.
        body = {"kind": resource.kind, "apiVersion": resource.api_version, **body}
    if not isinstance(body, dict) or not body.get("kind") or not body.get("apiVersion"):
        kind = resource.kind
        raise bad_request(f"the object provided is unrecognized (must be of type {kind}): couldn't get version/kind")
    if (body["apiVersion"], body["kind"]) != (resource.api_version, resource.kind):
        raise bad_request(other_kind(served, body))
    metadata = body.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise bad_request(f"{resource.kind} in version {resource.version} cannot be handled as a {resource.kind}")
    if resource.namespaced:
        if metadata.get("namespace") not in (None, "", namespace):
            raise bad_request(OTHER_NAMESPACE)
        metadata = {**metadata, "namespace": namespace}
    return {**body, "metadata": metadata}


def other_kind(served: Served, body: Raw) -> str:
    resource, version = served.resource, str(body["apiVersion"]).rpartition("/")[2]
    if served.custom and body["apiVersion"] != resource.api_version:
        told = f"the API version in the data ({body['apiVersion']}) does not match"
        return f"{told} the expected API version ({resource.api_version})"
    if served.custom:
        name = str((body.get("metadata") or {}).get("name", ""))
        sent = replace(resource, kind=str(body["kind"]))
        raise invalid(sent, name, [wrong("kind", body["kind"], f"must be {resource.kind}")])
    told = f'{body["kind"]} in version "{version}" cannot be handled as a {resource.kind}'
    return f'{told}: no kind "{body["kind"]}" is registered for version "{body["apiVersion"]}"'


def named(served: Served, body: Raw) -> Raw:
    metadata = body["metadata"]
    if metadata.get("name"):
        return body
    if not metadata.get("generateName"):
        raise invalid(served.resource, "", [required("metadata.name", "name or generateName is required")])
    end = "".join(secrets.choice(ALPHABET) for _ in range(5))
    return {**body, "metadata": {**metadata, "name": f"{metadata['generateName'][:58]}{end}"}}


def formed(served: Served, body: Raw, misread: Any) -> Raw:
    """Typed or pruned, with defaults. ``misread`` makes the refusal of what has the wrong form."""
    plural = served.resource.plural
    told = typed.misread(served.resource.kind, body) if not served.custom else metadata_misread(body)
    if told:
        raise misread(told)
    if served.schema is None:
        body = typed.tidied(plural, shapes.known(plural, body))
        defaults.fill(plural, body)
        return body
    metadata = {key: value for key, value in typed.tidied_metadata(body["metadata"]).items() if key in METADATA}
    below = schema.pruned({key: value for key, value in body.items() if key != "metadata"}, served.schema)
    return {**schema.filled(below, served.schema), "metadata": metadata}


def metadata_misread(body: Raw) -> str | None:
    return typed.misread("", {"metadata": body["metadata"]})


def cannot_handle(served: Served) -> Any:
    kind = served.resource.kind
    version = served.resource.version

    def refusal(told: str) -> ApiError:
        return bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {told}')

    return refusal


def check(served: Served, body: Raw, before: Raw | None) -> None:
    """Refuse with everything that is wrong."""
    causes: list[Cause] = []
    if before is None:
        cause = wrong_name(served.resource.plural, body["metadata"]["name"])
        causes += [cause] if cause else []
    # Kubernetes looks at the metadata of an update twice, and says so.
    causes += wrong_metadata(body["metadata"], before["metadata"] if before else None) * (2 if before else 1)
    causes += wrong_finalizers(body["metadata"]) if not served.custom else []
    if served.schema is not None:
        causes += schema.wrongs(body, served.schema)
    else:
        causes += rules.wrongs(served.resource.plural, body, before)
    if served.resource.plural == "customresourcedefinitions":
        causes += wrong_definition(body)
    if causes:
        raise invalid(served.resource, body["metadata"]["name"], causes)


def spec_of(body: Raw) -> Raw:
    """What counts for the generation."""
    return {key: value for key, value in body.items() if key not in OUTSIDE_SPEC}


def next_generation(served: Served, body: Raw, before: Raw) -> int | None:
    now = before["metadata"].get("generation")
    if now is None:
        return None
    changed = spec_of(body) != spec_of(before)
    if served.resource.plural == "deployments":
        # A Deployment's annotations are part of what its controller has to look at.
        changed |= body["metadata"].get("annotations") != before["metadata"].get("annotations")
    if served.resource.plural == "endpointslices":
        changed |= body["metadata"].get("labels") != before["metadata"].get("labels")
    if served.custom and "status" not in served.resource.subresources:
        changed |= body.get("status") != before.get("status")
    return int(now) + int(changed)
