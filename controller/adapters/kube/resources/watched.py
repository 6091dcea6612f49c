"""The objects of the bridge as watches keep them, and its writes: the only module of the bridge that calls the API
server. It decides nothing and repeats nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.errors import Missing
from controller.adapters.kube.kinds import APPLICATION, DEPLOYMENT, RELEASE, Kind, Raw
from controller.adapters.kube.resources.objects import (
    FINALIZER,
    ApplicationObject,
    DeploymentSeen,
    Place,
    ReleaseObject,
    application_object,
    deployment_seen,
    release_object,
)
from controller.adapters.kube.watching import Cache, Pace, Scope
from controller.ports import Clock

Kept = TypeVar("Kept")
Namespaces = Sequence[str | None]
"""Each is watched by itself, as a Role of one namespace demands; None is all of them."""


Caches = dict[str | None, Cache[Kept]]
"""By the namespace that each of them watches."""
USUAL = Pace()


class _Hints:
    """Places to look at, gathered by the watches' threads and taken by ours."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: set[Place] = set()

    def add(self, *places: Place) -> None:
        with self._lock:
            self._places.update(places)

    def take(self) -> frozenset[Place]:
        with self._lock:
            taken, self._places = frozenset(self._places), set()
        return taken


class WatchedCluster:
    """See needs.Cluster."""

    def __init__(
        self,
        api: KubeApi,
        clock: Clock,
        namespaces: Namespaces = (None,),
        log: Callable[..., None] = lambda *_args, **_fields: None,
        pace: Pace = USUAL,
    ) -> None:
        assert namespaces, "nothing to watch"
        self._api, self._clock, self._namespaces, self._log, self._pace = api, clock, namespaces, log, pace
        self._touched, self._deployments_touched = _Hints(), _Hints()
        self._lock = threading.Lock()
        self._labelled: dict[Place, Place] = {}
        self._mirrored: dict[Place, set[str]] = {}
        self._applications = self._caches(APPLICATION, application_object, lambda *place: self._touched.add(place))
        self._releases = self._caches(RELEASE, release_object, self._release_changed)
        self._deployments: Caches[DeploymentSeen] = {}
        self._stopped = False

    def _caches(
        self, kind: Kind, project: Callable[[Raw], Kept], on_change: Callable[[str, str], None]
    ) -> Caches[Kept]:
        return {
            namespace: Cache(self._api, self._clock, Scope(kind, namespace), project, on_change, self._pace, self._log)
            for namespace in self._namespaces
        }

    def start(self) -> None:
        for applications in self._applications.values():
            applications.start()
        for releases in self._releases.values():
            releases.start()

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            stops = [cache.stop for cache in self._applications.values()]
            stops += [cache.stop for cache in self._releases.values()]
            stops += [cache.stop for cache in self._deployments.values()]
        for stop in stops:
            stop()

    def fresh(self, namespace: str) -> bool:
        return _is_fresh(self._applications, namespace)

    def mirrors(self, namespace: str) -> bool:
        return _is_fresh(self._releases, namespace)

    def guards(self, namespace: str) -> bool:
        with self._lock:
            if not self._deployments and not self._stopped:
                self._deployments = self._caches(
                    DEPLOYMENT, deployment_seen, lambda *place: self._deployments_touched.add(place)
                )
                for cache in self._deployments.values():
                    cache.start()
        return _is_fresh(self._deployments, namespace)

    def covers(self, namespace: str) -> bool:
        return _of(self._applications, namespace) is not None

    def hints(self) -> frozenset[Place]:
        return self._touched.take()

    def deployment_hints(self) -> frozenset[Place]:
        return self._deployments_touched.take()

    def applications(self) -> Mapping[Place, ApplicationObject]:
        found: dict[Place, ApplicationObject] = {}
        for cache in self._applications.values():
            found |= cache.all()
        return found

    def release(self, namespace: str, name: str) -> ReleaseObject | None:
        return _kept(self._releases, namespace, name)

    def releases_of(self, place: Place) -> Sequence[ReleaseObject]:
        with self._lock:
            names = sorted(self._mirrored.get(place, ()))
        found = (self.release(place[0], name) for name in names)
        return [one for one in found if one is not None and one.application == place[1]]

    def mirrored(self) -> frozenset[Place]:
        with self._lock:
            return frozenset(self._mirrored)

    def deployment(self, namespace: str, name: str) -> DeploymentSeen | None:
        return _kept(self._deployments, namespace, name)

    def _release_changed(self, namespace: str, name: str) -> None:
        """Both the application it was labelled with and the one it is labelled with now."""
        place, now = (namespace, name), self.release(namespace, name)
        with self._lock:
            before = self._labelled.pop(place, None)
            after = (namespace, now.application) if now is not None and now.application else None
            if before is not None:
                self._mirrored.get(before, set()).discard(name)
                if not self._mirrored.get(before):
                    self._mirrored.pop(before, None)
            if after is not None:
                self._labelled[place] = after
                self._mirrored.setdefault(after, set()).add(name)
        self._touched.add(*(one for one in (before, after) if one is not None))

    def show(self, seen: ApplicationObject, patch: Raw) -> None:
        self._api.patch(APPLICATION, seen.namespace, seen.name, {"status": patch}, subresource="status")

    def hold(self, seen: ApplicationObject) -> None:
        self._finalizers(seen, (*seen.finalizers, FINALIZER))

    def let_go(self, seen: ApplicationObject) -> None:
        with suppress(Missing):
            self._finalizers(seen, tuple(one for one in seen.finalizers if one != FINALIZER))

    def _finalizers(self, seen: ApplicationObject, wanted: tuple[str, ...]) -> None:
        """The list is everybody's: it is replaced only if it is still the one that was seen."""
        if wanted == seen.finalizers:
            return
        same = {"op": "test", "path": "/metadata/uid", "value": seen.uid}
        still = {"op": "test", "path": "/metadata/finalizers", "value": list(seen.finalizers)}
        if not seen.finalizers:
            still = {"op": "test", "path": "/metadata/resourceVersion", "value": seen.version}
        change = {"op": "add", "path": "/metadata/finalizers", "value": list(wanted)}
        self._api.patch(APPLICATION, seen.namespace, seen.name, [same, still, change])

    def create_release(self, namespace: str, body: Raw, status: Raw) -> None:
        self._api.create(RELEASE, namespace, body)
        self._api.patch(RELEASE, namespace, body["metadata"]["name"], {"status": status}, subresource="status")

    def correct_release(self, seen: ReleaseObject, patch: Raw | None, status: Raw | None) -> None:
        if patch:
            self._api.patch(RELEASE, seen.namespace, seen.name, patch)
        if status:
            self._api.patch(RELEASE, seen.namespace, seen.name, {"status": status}, subresource="status")

    def remove_release(self, seen: ReleaseObject) -> None:
        with suppress(Missing):
            self._api.delete(RELEASE, seen.namespace, seen.name, uid=seen.uid)

    def unpaused(self, namespace: str, name: str) -> str | None:
        told = self._api.get(DEPLOYMENT, namespace, name)
        seen = deployment_seen(told)
        return str(told["metadata"]["resourceVersion"]) if seen.settled and not seen.paused else None

    def pause(self, namespace: str, name: str, version: str) -> None:
        still = {"op": "test", "path": "/metadata/resourceVersion", "value": version}
        self._api.patch(DEPLOYMENT, namespace, name, [still, {"op": "add", "path": "/spec/paused", "value": True}])


def _of(caches: Caches[Kept], namespace: str) -> Cache[Kept] | None:
    return caches.get(namespace) or caches.get(None)


def _is_fresh(caches: Caches[Kept], namespace: str) -> bool:
    cache = _of(caches, namespace)
    return cache is not None and cache.fresh()


def _kept(caches: Caches[Kept], namespace: str, name: str) -> Kept | None:
    cache = _of(caches, namespace)
    return cache.get(namespace, name) if cache is not None else None
