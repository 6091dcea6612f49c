"""Which kinds the small API server serves: the built-in ones and those that a CustomResourceDefinition adds."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

from tests.kube.cluster.raw import BUILT_IN, Raw, Resource, name_of
from tests.kube.cluster.small.failures import Cause, no_page, no_resource, required, wrong
from tests.kube.cluster.small.store import Kept


@dataclass(frozen=True, slots=True)
class Served:
    """A kind in one version. ``schema`` is None for the built-in ones, which have rules in code."""

    resource: Resource
    schema: Raw | None = None

    @property
    def kept(self) -> Kept:
        return self.resource.group, self.resource.plural

    @property
    def custom(self) -> bool:
        return self.schema is not None


@dataclass(slots=True)
class Kinds:
    """Looked up by group, version and plural."""

    _served: dict[tuple[str, str, str], Served] = field(
        default_factory=lambda: {(one.group, one.version, one.plural): Served(one) for one in BUILT_IN}
    )

    def find(self, group: str, version: str, plural: str) -> Served:
        found = self._served.get((group, version, plural))
        if found is not None:
            return found
        built_in = {one.group for one in BUILT_IN}
        raise no_resource() if group in built_in else no_page()

    def all(self) -> list[Served]:
        return list(self._served.values())

    def define(self, definition: Raw) -> None:
        """Serve what the definition says, instead of what an earlier form of it said."""
        self.forget(definition)
        self._served |= {
            (one.resource.group, one.resource.version, one.resource.plural): one for one in served_by(definition)
        }

    def forget(self, definition: Raw) -> None:
        group, plural = definition["spec"]["group"], definition["spec"]["names"]["plural"]
        self._served = {key: one for key, one in self._served.items() if (key[0], key[2]) != (group, plural)}


def served_by(definition: Raw) -> list[Served]:
    spec = definition["spec"]
    found = []
    for version in spec["versions"]:
        below = version.get("subresources") or {}
        if not version["served"]:
            continue
        resource = Resource(
            spec["group"], version["name"], spec["names"]["plural"], spec["names"]["kind"],
            namespaced=spec["scope"] == "Namespaced",
            subresources=tuple(name for name in ("status", "scale") if name in below),
            counts=True,
        )  # fmt: skip
        found.append(Served(resource, with_metadata(version["schema"]["openAPIV3Schema"])))
    return found


def with_metadata(schema: Raw) -> Raw:
    """The schema with the fields that every object has; metadata is checked elsewhere."""
    free: Raw = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = copy.deepcopy(schema)
    text: Raw = {"type": "string"}
    schema["properties"] = {**(schema.get("properties") or {}), "apiVersion": text, "kind": text, "metadata": free}
    return schema


def wrong_definition(definition: Raw) -> list[Cause]:
    """What is wrong with a CustomResourceDefinition itself."""
    spec = definition["spec"]
    wanted = f"{spec.get('names', {}).get('plural')}.{spec.get('group')}"
    found = []
    if name_of(definition) != wanted:
        found.append(
            wrong("metadata.name", name_of(definition), f'must be spec.names.plural+"."+spec.group ({wanted})')
        )
    stored = [one for one in spec.get("versions") or [] if one.get("storage")]
    if len(stored) != 1:
        told = "must have exactly one version marked as storage version"
        found.append(wrong("spec.versions", len(stored), told))
    for number, version in enumerate(spec.get("versions") or []):
        if "openAPIV3Schema" not in (version.get("schema") or {}):
            found.append(required(f"spec.versions[{number}].schema.openAPIV3Schema", "schemas are required"))
    return found


def established(definition: Raw, at: str) -> Raw:
    """The definition with the status that the server gives it."""
    names = definition["spec"]["names"]
    told = [("NamesAccepted", "NoConflicts"), ("Established", "InitialNamesAccepted")]
    conditions = [
        {"type": kind, "status": "True", "reason": reason, "message": "", "lastTransitionTime": at}
        for kind, reason in told
    ]
    stored = [one["name"] for one in definition["spec"]["versions"] if one.get("storage")]
    return {**definition, "status": {"conditions": conditions, "acceptedNames": names, "storedVersions": stored}}
