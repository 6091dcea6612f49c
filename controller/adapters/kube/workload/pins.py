"""ConfigMaps and Secrets that a pod template reads, and the copies that keep them still for a canary. Pure.

Stable goes on reading the originals: its template is the user's own, and is never made to name a copy.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from controller.adapters.kube.kinds import CONFIG_MAP, SECRET, Kind, Raw
from controller.adapters.kube.workload.names import COPY_OF, copy_name, our_labels

TOKEN_TYPE = "kubernetes.io/service-account-token"  # noqa: S105  the name of a kind of Secret
"""Filled in by the cluster for one account: a copy of it would not be one."""

KINDS: Mapping[str, Kind] = {one.name: one for one in (CONFIG_MAP, SECRET)}


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """What a template reads, by kind and name. ``needed``: a pod does not start without it."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Source:
        kind, _, name = text.partition("/")
        return cls(kind, name)


def sources(template: Raw, secrets: bool) -> tuple[Source, ...]:
    """What the template reads, each once."""
    found = {Source(kind, holder[key]) for kind, holder, key in _places(template) if holder.get(key)}
    return tuple(sorted(one for one in found if secrets or one.kind != SECRET.name))


def redirected(template: Raw, copies: Mapping[Source, str]) -> Raw:
    """The template that reads the copies instead."""
    changed: Raw = copy.deepcopy(template)
    for kind, holder, key in _places(changed):
        source = Source(kind, str(holder.get(key)))
        if source in copies:
            holder[key] = copies[source]
    return changed


def may_copy(raw: Raw) -> bool:
    return raw.get("type") != TOKEN_TYPE


def name_for(source: Source, raw: Raw, application: str) -> str:
    """Of the copy: by its content, and by the application, so that no other one takes it away."""
    content = {key: raw.get(key) for key in ("data", "binaryData", "type")}
    text = json.dumps([application, source.kind, content], sort_keys=True)
    return copy_name(source.name, hashlib.sha256(text.encode()).hexdigest())


def copied(source: Source, raw: Raw, name: str, application: str, owner: Raw) -> Raw:
    """The copy as it is created: nobody can edit it, and it goes with the canary's Deployment."""
    kind = KINDS[source.kind]
    metadata: Raw = {
        "name": name,
        "labels": our_labels(application),
        "annotations": {COPY_OF: source.name},
        "ownerReferences": [owner],
    }
    content = {key: raw[key] for key in ("data", "binaryData", "type") if raw.get(key)}
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, "immutable": True, **content}


def _places(template: Raw) -> Iterator[tuple[str, Raw, str]]:
    """Everywhere a template names a ConfigMap or a Secret that its containers read: what, in which object, under which
    key."""
    spec = template.get("spec") or {}
    for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
        for source in container.get("envFrom") or []:
            yield from _named(source, "configMapRef", "secretRef")
        for variable in container.get("env") or []:
            yield from _named(variable.get("valueFrom") or {}, "configMapKeyRef", "secretKeyRef")
    for volume in spec.get("volumes") or []:
        yield from _named(volume, "configMap", "")
        if isinstance(volume.get("secret"), dict):
            yield SECRET.name, volume["secret"], "secretName"
        for source in (volume.get("projected") or {}).get("sources") or []:
            yield from _named(source, "configMap", "secret")


def _named(holder: Raw, config_map: str, secret: str) -> Iterator[tuple[str, Raw, str]]:
    for kind, key in ((CONFIG_MAP.name, config_map), (SECRET.name, secret)):
        if key and isinstance(holder.get(key), dict):
            yield kind, holder[key], "name"
