"""A cluster in memory, as far as the bridge sees it: objects with generations, finalizers and merge patches."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

from controller.adapters.kube.errors import Exists, Missing
from controller.adapters.kube.kinds import Raw
from controller.adapters.kube.resources.objects import (
    FINALIZER,
    ApplicationObject,
    DeploymentSeen,
    Place,
    ReleaseObject,
    release_object,
)
from controller.ports import Conflict

SPEC: Raw = {
    "environment": "production",
    "target": {"kubernetes": {"deployment": "shop", "service": "shop"}},
    "router": {"gatewayApi": {"httpRoute": "shop"}},
    "canary": {"steps": [5, 25, 50]},
    "metrics": {"prometheus": "http://prometheus:9090", "preset": "generic"},
}
SHOP = ("web", "shop")


def spec(deployment: str = "shop", trigger: str = "", **more: Any) -> Raw:
    made = deepcopy(SPEC)
    made["target"]["kubernetes"] = {"deployment": deployment, "service": deployment}
    made["router"] = {"gatewayApi": {"httpRoute": deployment}}
    return made | ({"trigger": trigger} if trigger else {}) | more


def merged(before: Raw, patch: Raw) -> Raw:
    """A JSON merge patch."""
    after = dict(before)
    for name, value in patch.items():
        if value is None:
            after.pop(name, None)
        else:
            after[name] = merged(after.get(name, {}), value) if isinstance(value, dict) else value
    return after


class MemoryCluster:
    """See needs.Cluster. ``writes`` are all writes, in order; ``is_fresh`` and its like are set by the test."""

    def __init__(self) -> None:
        self.objects: dict[Place, ApplicationObject] = {}
        self.mirror: dict[Place, ReleaseObject] = {}
        self.deployments: dict[Place, DeploymentSeen] = {}
        self.writes: list[tuple[str, str, Any]] = []
        self.is_fresh = self.is_mirrored = self.is_guarded = True
        self.stale: set[str] = set()
        self._touched: set[Place] = set()
        self._rolled: set[Place] = set()
        self._uids = itertools.count(1)

    # what people do

    def put(self, place: Place = SHOP, document: Raw | None = None) -> ApplicationObject:
        """Create the object, or change its spec."""
        found = self.objects.get(place)
        wanted = SPEC if document is None else document
        if found is None:
            found = ApplicationObject(*place, uid=f"uid-{next(self._uids)}", generation=1, spec=wanted)
        elif found.spec != wanted:
            found = replace(found, spec=wanted, generation=found.generation + 1)
        return self._keep(found)

    def delete(self, place: Place = SHOP, abandoned: bool = False) -> None:
        self._keep(replace(self.objects[place], deleting=True, abandoned=abandoned))

    def edit_release(self, name: str, namespace: str = "web", **changes: Any) -> None:
        before = self.mirror[namespace, name]
        after = self.mirror[namespace, name] = replace(before, **changes)
        self._touched |= {(namespace, one.application) for one in (before, after) if one.application}

    def roll(self, place: Place = SHOP, **changes: Any) -> None:
        """Change the Deployment."""
        found = self.deployments.get(place, DeploymentSeen(0, paused=False, settled=True))
        self.deployments[place] = replace(found, **{"generation": found.generation + 1, **changes})
        self._rolled.add(place)

    def _keep(self, wanted: ApplicationObject) -> ApplicationObject:
        self._touched.add(wanted.place)
        if wanted.deleting and not wanted.finalizers:
            self.objects.pop(wanted.place)
        else:
            self.objects[wanted.place] = wanted
        return wanted

    # what the bridge sees and does

    def fresh(self, namespace: str) -> bool:
        return self.is_fresh and namespace not in self.stale

    def mirrors(self, namespace: str) -> bool:
        return self.is_mirrored

    def covers(self, namespace: str) -> bool:
        return namespace != "elsewhere"

    def hints(self) -> frozenset[Place]:
        taken, self._touched = frozenset(self._touched), set()
        return taken

    def applications(self) -> Mapping[Place, ApplicationObject]:
        return dict(self.objects)

    def release(self, namespace: str, name: str) -> ReleaseObject | None:
        return self.mirror.get((namespace, name))

    def releases_of(self, place: Place) -> Sequence[ReleaseObject]:
        return [one for one in self.mirror.values() if (one.namespace, one.application) == place]

    def mirrored(self) -> frozenset[Place]:
        return frozenset((one.namespace, one.application) for one in self.mirror.values() if one.application)

    def deployment(self, namespace: str, name: str) -> DeploymentSeen | None:
        return self.deployments.get((namespace, name)) if self.is_guarded else None

    def guards(self, namespace: str) -> bool:
        return self.is_guarded

    def deployment_hints(self) -> frozenset[Place]:
        taken, self._rolled = frozenset(self._rolled), set()
        return taken

    def show(self, seen: ApplicationObject, patch: Raw) -> None:
        self.writes.append(("show", seen.name, patch))
        found = self.objects.get(seen.place)
        if found is None:
            raise Missing("gone")
        self._keep(replace(found, status=merged(found.status, patch)))

    def hold(self, seen: ApplicationObject) -> None:
        self.writes.append(("hold", seen.name, None))
        self._keep(replace(self.objects[seen.place], finalizers=(*seen.finalizers, FINALIZER)))

    def let_go(self, seen: ApplicationObject) -> None:
        self.writes.append(("let_go", seen.name, None))
        found = self.objects[seen.place]
        self._keep(replace(found, finalizers=tuple(one for one in found.finalizers if one != FINALIZER)))

    def create_release(self, namespace: str, body: Raw, status: Raw) -> None:
        self.writes.append(("create_release", body["metadata"]["name"], status))
        if (namespace, body["metadata"]["name"]) in self.mirror:
            raise Exists("it is there already")
        made = release_object({**body, "metadata": {**body["metadata"], "namespace": namespace}})
        self.mirror[namespace, made.name] = replace(made, uid=f"uid-{next(self._uids)}", status=status)
        self._touched.add((namespace, made.application))

    def correct_release(self, seen: ReleaseObject, patch: Raw | None, status: Raw | None) -> None:
        self.writes.append(("correct_release", seen.name, (patch, status)))
        meta = (patch or {}).get("metadata", {})
        owners = tuple(meta.get("ownerReferences", seen.owners) or ())
        self.mirror[seen.namespace, seen.name] = replace(
            seen,
            labels=merged(seen.labels, meta.get("labels", {})),
            owners=owners,
            spec=merged(seen.spec, (patch or {}).get("spec", {})),
            status=merged(seen.status, status or {}),
        )
        self._touched.add((seen.namespace, seen.application))

    def remove_release(self, seen: ReleaseObject) -> None:
        self.writes.append(("remove_release", seen.name, None))
        self.mirror.pop((seen.namespace, seen.name), None)

    def unpaused(self, namespace: str, name: str) -> str | None:
        found = self.deployments[namespace, name]
        return str(found.generation) if found.settled and not found.paused else None

    def pause(self, namespace: str, name: str, version: str) -> None:
        self.writes.append(("pause", name, version))
        if version != str(self.deployments[namespace, name].generation):
            raise Conflict("it has changed")
        self.roll((namespace, name), paused=True)
