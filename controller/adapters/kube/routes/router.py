"""The Router port on the cluster's own route objects. It orders the calls; what they mean is decided by pure functions.

A stop reads and patches each object and waits for nothing else: no lease, no cache, no other object. A rise comes last:
every object was read and allows it, and its lease is held.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.lists import SharedLists
from controller.adapters.kube.routes.caches import RouteCaches
from controller.adapters.kube.routes.leases import Leases
from controller.adapters.kube.routes.objects import Beside, Get, RouteObjects, Seen, Step
from controller.adapters.kube.routes.record import Record, claimed, halted, lowered, renewed, unhalted, written
from controller.adapters.kube.routes.state import (
    LeaseSeen,
    epoch_of,
    halts_of,
    of_all,
    raise_worst,
    release_of,
    revision_of,
    route_state,
    weight_of,
)
from controller.adapters.kube.routes.told import Told
from controller.adapters.kube.routes.trouble import Rehearsal
from controller.core.model import Application, Mark, RouteState
from controller.core.targets import KubernetesRoute, RouteObject
from controller.ports import Clock, Conflict, PortError, Refused, RouteWrite

Done = TypeVar("Done")
Decide = Callable[[str, Record], Record]
NO_LEASE = LeaseSeen(looked=False)


def wait(seconds: float) -> None:
    threading.Event().wait(seconds)


class KubeRouter:
    """Safe for threads. Without ``caches`` every read asks the cluster."""

    def __init__(
        self, api: KubeApi, clock: Clock, caches: RouteCaches | None = None, wait: Callable[[float], None] = wait
    ) -> None:
        self._objects = RouteObjects(api, clock, wait)
        self._leases = Leases(api, clock)
        self._clock, self._caches = clock, caches
        self._told = Told()
        self._rehearsal = Rehearsal(api, SharedLists(api, clock), self._objects, self._leases)

    def read(self, app: Application, hint: bool = False, lease: bool = True) -> RouteState:
        route = route_of(app)
        if hint and self._caches is not None:
            told = self._told.of(self._caches, app.name, route, self._as_told)
            if not (lease and told.weight_pct):
                return told
        results = self._each(route, lambda one: self._objects.see(route, one, Beside.IF_BUSY))
        return route_state(results, self._lease(app, route, results))

    def _as_told(self, route: KubernetesRoute, get: Get) -> RouteState:
        """By ``get`` alone, and without the lease, which the watches do not know."""
        return route_state(self._each(route, lambda one: self._objects.see(route, one, Beside.IF_BUSY, get)), NO_LEASE)

    def claim(self, app: Application, epoch: int) -> RouteState:
        route = route_of(app)
        self._leases.unremember(app, route)
        step = Step(lambda where, record: claimed(where, record, epoch), _leave)
        return self._done(app, route, lambda _: step)

    def write(self, app: Application, write: RouteWrite) -> RouteState:
        """Nothing is sent before every object was read and allows it."""
        route = route_of(app)
        beside = Beside.YES if write.weight_pct else Beside.IF_BUSY
        seen = of_all(self._each(route, lambda one: self._objects.see(route, one, beside)))
        first = {one.found.one: one for one in seen}
        _check(route, seen, write)

        def step(one: RouteObject) -> Step:
            revision = first[one].known.revision
            decide: Decide = lambda where, record: written(where, record, write, revision)  # noqa: E731
            return Step(decide, lambda after, _: after.weight_pct, take=True, beside=beside, once=True)

        for one in seen:
            self._objects.planned(one, step(one.found.one))
        if write.weight_pct:
            self._leases.hold(app, route, write.release_id, write.epoch, write.lease_s)
        return self._done(app, route, step, first)

    def renew(self, app: Application, release_id: str, epoch: int, lease_s: float) -> None:
        route = route_of(app)
        if self._leases.young(app, route, release_id, epoch, lease_s):
            return
        seen = of_all(self._each(route, lambda one: self._objects.see(route, one, Beside.NO)))
        for one in seen:
            renewed(one.found.where, one.known, release_id, epoch, lease_s)
        if not weight_of(seen):
            return
        left_s = self._leases.left_s(app, route, release_id, epoch)
        if left_s is None or left_s <= 0:
            raise Refused(f"the lease of release {release_id} on {route.label} has run out")
        self._leases.hold(app, route, release_id, epoch, lease_s)

    def lower(self, app: Application, mark: Mark, epoch: int) -> RouteState:
        route = route_of(app)
        decide: Decide = lambda where, record: lowered(where, record, mark, epoch)  # noqa: E731
        return route_state(self._stopped(route, Step(decide, _nothing, beside=Beside.NO, stops=True)), NO_LEASE)

    def halt(self, app: Application, mark: Mark, revert: bool) -> RouteState:
        route = route_of(app)
        decide: Decide = lambda where, record: halted(where, record, mark, revert)  # noqa: E731
        seen = self._stopped(route, Step(decide, _nothing if revert else _leave, beside=Beside.NO, stops=True))
        if not revert:
            seen = [self._held_down(route, one) for one in seen]
        held = self._leases.remembered(app, route) if weight_of(seen) else None
        return route_state(seen, NO_LEASE if held is None else LeaseSeen(held.left_s(self._clock.now_s())))

    def unhalt(self, app: Application, engagements: frozenset[str], epoch: int) -> RouteState:
        route = route_of(app)
        step = Step(lambda where, record: unhalted(where, record, engagements, epoch), _leave)
        return self._done(app, route, lambda _: step)

    def forget(self, app: Application) -> None:
        route = route_of(app)
        raise_worst(self._each(route, lambda one: self._objects.give_back(route, one)))
        self._leases.forget(app, route)
        self._told.forget(app.name)

    def trouble(self, app: Application) -> str | None:
        """What stands against a canary on this route, in words for whoever registered it; None when nothing does.

        It writes nothing: the API server is asked what it would make of the first step. Raises Unavailable.
        """
        return self._rehearsal.trouble(app, route_of(app))

    def _done(
        self,
        app: Application,
        route: KubernetesRoute,
        step: Callable[[RouteObject], Step],
        first: Mapping[RouteObject, Seen] | None = None,
    ) -> RouteState:
        known = first or {}
        seen = of_all(self._each(route, lambda one: self._objects.carry_out(route, one, step(one), known.get(one))))
        return route_state(seen, self._lease(app, route, seen))

    def _stopped(self, route: KubernetesRoute, step: Step) -> list[Seen]:
        return of_all(self._each(route, lambda one: self._objects.carry_out(route, one, step)))

    def _held_down(self, route: KubernetesRoute, seen: Seen) -> Seen:
        """A halt freezes the weight that was written, not a higher one that somebody set by hand. The halt itself is
        latched by now, so that what goes wrong here is only told."""
        if not seen.look.edited:
            return seen
        step = Step(lambda _, record: record, _down_to_it, beside=Beside.YES, stops=True)
        try:
            return self._objects.carry_out(route, seen.found.one, step)
        except PortError as error:
            return replace(seen, look=replace(seen.look, differs=f"{seen.look.differs}; {error}"))

    def _lease(self, app: Application, route: KubernetesRoute, results: Sequence[Seen | PortError]) -> LeaseSeen:
        seen = [one for one in results if isinstance(one, Seen)]
        if not weight_of(seen):
            return NO_LEASE
        try:
            return LeaseSeen(self._leases.left_s(app, route, release_of(seen), epoch_of(seen)))
        except PortError as error:
            return LeaseSeen(looked=False, trouble=f"the lease cannot be read: {error}")

    def _each(self, route: KubernetesRoute, do: Callable[[RouteObject], Done]) -> list[Done | PortError]:
        """Every object, whatever becomes of the others; at once where there are several, since one may be slow."""

        def attempt(one: RouteObject) -> Done | PortError:
            try:
                return do(one)
            except PortError as error:
                return error

        if len(route.objects) == 1:
            return [attempt(route.objects[0])]
        with ThreadPoolExecutor(len(route.objects), thread_name_prefix="route") as threads:
            return list(threads.map(attempt, route.objects))


def route_of(app: Application) -> KubernetesRoute:
    assert isinstance(app.router, KubernetesRoute), "the composition root picks the router by the route"
    return app.router


def _leave(_after: Record, _seen: Seen) -> None:
    return None


def _down_to_it(after: Record, seen: Seen) -> int | None:
    live = seen.look.live_pct
    return after.weight_pct if live is not None and live > after.weight_pct else None


def _nothing(_after: Record, _seen: Seen) -> int:
    return 0


def _check(route: KubernetesRoute, seen: Sequence[Seen], write: RouteWrite) -> None:
    """Every object's own answer, with the halts of all of them: one that lost its annotation forgets none."""
    halts = halts_of(seen)
    for one in seen:
        written(one.found.where, replace(one.known, halts=halts), write, one.known.revision)
    if revision_of(seen) != write.revision:
        raise Conflict(f"{route.label} is at revision {revision_of(seen)}, not {write.revision}: read it again")
