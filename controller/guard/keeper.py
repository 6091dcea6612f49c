"""Carries out what the core decides: one lock, the record on disk, HAProxy. It makes no policy of its own.

Down: memory, HAProxy, disk, answer. Up: disk, memory, HAProxy, answer. So a crash at any point leaves HAProxy at or
below what the disk or the caller knows, and after a start the guard never raises a weight by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from controller.guard import core, pools
from controller.guard.converge import judged, observed, push_commands, repair_commands, slot_commands, unseen
from controller.guard.model import (
    LOST_ID,
    MAX_POOLS,
    MAX_ROUTES,
    Deny,
    Halt,
    Lower,
    NoBackend,
    Pool,
    ProxyTrouble,
    Request,
    Route,
    RouteRequest,
    Saved,
    Server,
    SetEndpoints,
    ShowPool,
    Status,
    Trust,
    World,
    Write,
)
from controller.guard.reply import denial, encode_pool, encode_route, pool_reply, route_reply


class Keeper:
    """Holds the record of every route and pool. ``handle`` may be called by many threads."""

    def __init__(
        self,
        saved: Saved,
        proxy: pools.Proxy,
        save: Callable[[Saved], None],
        look_around: Callable[[], World],
        log: Callable[..., None],
    ) -> None:
        world = look_around()
        self._lock = threading.Lock()
        self._proxy = proxy
        self._write_record = save
        self._look_around = look_around
        self._log = log
        self._lost = saved.lost
        self._routes = {route.names.backend: core.resumed(route, world) for route in saved.routes}
        self._pools = {pool.name: pool for pool in saved.pools}
        self._unsaved = False
        self._wrote_s: float | None = None

    def handle(self, request: Request) -> dict[str, object]:
        """The answer to one request, as it goes on the wire."""
        with self._lock:
            try:
                return self._answer(request)
            except Deny as no:
                self._log("denied", op=type(request).__name__, error=no.kind, text=no.text)
                return denial(no)

    def tick(self) -> None:
        """One pass of the loop: leases, HALT files, drift, pools, and a record that could not be saved before."""
        for backend in list(self._routes):
            with self._lock:
                self._held_down(backend)
        for backend in list(self._routes):
            with self._lock:
                self._reconciled(self._routes[backend])
        for name in list(self._pools):
            with self._lock:
                self._fill(self._pools[name])
        with self._lock:
            if self._unsaved:
                self._save_late()

    def _answer(self, request: Request) -> dict[str, object]:
        match request:
            case SetEndpoints():
                return self._set_endpoints(request)
            case ShowPool():
                pool = self._pools.get(request.pool) or Pool(request.pool)
                return pool_reply(pool, pools.look(pool, self._proxy))
            case Status():
                return self._status()
            case Trust():
                return self._trust()
            case _:
                self._wrote_s = None
                route = self._route(request)
                return route_reply(route, self._look_around().now_s, self._wrote_s)

    def _route(self, request: RouteRequest) -> Route:
        down = isinstance(request, Lower | Halt)
        before = self._caught_up(self._found(request))
        after = core.accept(before, request, self._look_around())
        moves = isinstance(request, Write | Lower) or (isinstance(request, Halt) and request.revert)
        after = self._carried_out(before, after, push=moves)
        if down:
            self._must_be_saved(after)
        if after.revision != before.revision:
            self._log(type(request).__name__.lower(), **self._shown(after))
        return after if moves else self._reconciled(after)

    def _found(self, request: RouteRequest) -> Route:
        """The route's record. A new one is made when HAProxy has it, and for a halt also when HAProxy is silent."""
        names = request.names
        known = self._routes.get(names.backend)
        if known is not None:
            return known
        if len(self._routes) >= MAX_ROUTES:
            raise Deny("refused", f"the guard keeps at most {MAX_ROUTES} routes")
        route = core.born(names, self._lost)
        try:
            seen = judged(route, self._proxy.look(names.backend), self._look_around())
        except NoBackend as trouble:
            raise Deny("refused", str(trouble)) from trouble
        except ProxyTrouble as trouble:
            if not isinstance(request, Lower | Halt):
                raise Deny("unavailable", f"{names.backend} is not known yet, and {trouble}") from trouble
            seen = unseen(route, str(trouble))
        else:
            if seen.raw is None:
                raise Deny("refused", seen.trouble)
        self._routes[names.backend] = seen
        return seen

    def _held_down(self, backend: str) -> None:
        try:
            self._caught_up(self._routes[backend])
        except Deny as no:
            self._log("unsaved", backend=backend, error=no.kind, text=no.text)

    def _caught_up(self, before: Route) -> Route:
        after = core.overdue(before, self._look_around())
        if after.revision != before.revision:
            self._log("overdue", **self._shown(after))
        return self._carried_out(before, after)

    def _carried_out(self, before: Route, after: Route, push: bool = False) -> Route:
        """Make ``after`` true, in the order the core says. Raises Deny when the disk refuses."""
        backend, first = after.names.backend, core.order(before, after)
        if first is core.Order.RECORD_FIRST:
            self._save_first(after)
        self._routes[backend] = after
        if push or after.weight_pct < before.weight_pct:
            after = self._pushed(after)
        if first is core.Order.PROXY_FIRST:
            self._save_late()
            self._must_be_saved(after)
        return after

    def _must_be_saved(self, route: Route) -> None:
        """Down and held in memory and in HAProxy, but not on disk: that is not an acknowledgement."""
        if self._unsaved:
            self._save_late()
        if self._unsaved:
            text = f"route {route.names.backend} is held in memory, but the guard could not save its record"
            raise Deny("unknown", text)

    def _pushed(self, route: Route) -> Route:
        """Write both weights and read them back. Trouble is noted, and the loop goes on pushing."""
        backend = route.names.backend
        try:
            route = observed(route, self._proxy.push(backend, push_commands(route)))
            self._wrote_s = self._look_around().now_s
        except ProxyTrouble as trouble:
            route = replace(unseen(route, str(trouble)), pushed=False)
            self._log("trouble", backend=backend, text=route.trouble)
        self._routes[backend] = route
        return route

    def _reconciled(self, before: Route) -> Route:
        """Look, follow down or count drift, and push what HAProxy lacks."""
        backend = before.names.backend
        try:
            shown = self._proxy.look(backend)
        except ProxyTrouble as trouble:
            return self._noted(before, unseen(before, str(trouble)))
        after = judged(before, shown, self._look_around())
        if core.recorded(after) != core.recorded(before):
            self._log("drift", backend=backend, seen=after.drift, record_pct=after.weight_pct, found=str(shown))
            self._routes[backend] = after
            self._save_late()
        if commands := repair_commands(after, shown):
            try:
                after = observed(after, self._proxy.push(backend, commands))
            except ProxyTrouble as trouble:
                after = replace(unseen(after, str(trouble)), pushed=False)
        return self._noted(before, after)

    def _noted(self, before: Route, after: Route) -> Route:
        if after.trouble != before.trouble:
            self._log("trouble" if after.trouble else "well", backend=after.names.backend, text=after.trouble)
        self._routes[after.names.backend] = after
        return after

    def _shown(self, route: Route) -> dict[str, object]:
        return encode_route(route, self._look_around().now_s)

    def _set_endpoints(self, request: SetEndpoints) -> dict[str, object]:
        old = self._pools.get(request.pool) or Pool(request.pool)
        core.fence(request.epoch, old.epoch, f"pool {old.name}")
        if request.backend is not None and request.backend in self._routes:
            core.fence(request.epoch, self._routes[request.backend].epoch, f"route {request.backend}")
        if old.name not in self._pools and len(self._pools) >= MAX_POOLS:
            raise Deny("refused", f"the guard keeps at most {MAX_POOLS} pools")
        if (request.epoch, request.endpoints) != (old.epoch, old.endpoints):
            new = replace(old, epoch=request.epoch, endpoints=request.endpoints, applied=False)
            slot_commands(new, pools.look(new, self._proxy))
            self._save_first(new)
            self._pools[old.name] = new
            self._log("endpoints", **encode_pool(new))
        pool, slots = self._fill(self._pools.get(old.name) or old)
        if pool.trouble or not pool.applied:
            why = pool.trouble or "HAProxy does not show it yet"
            raise Deny("unknown", f"pool {pool.name} is recorded but not filled: {why}; the guard goes on trying")
        return pool_reply(pool, slots)

    def _fill(self, before: Pool) -> tuple[Pool, tuple[Server, ...]]:
        after, slots = pools.filled(before, self._proxy)
        if (after.trouble, after.drift_count) != (before.trouble, before.drift_count):
            self._log("pool", **encode_pool(after))
        self._pools[after.name] = after
        return after, slots

    def _status(self) -> dict[str, object]:
        now_s = self._look_around().now_s
        return {
            "ok": True,
            "lost": self._lost,
            "unsaved": self._unsaved,
            "routes": [encode_route(route, now_s) for route in self._routes.values()],
            "pools": [encode_pool(pool) for pool in self._pools.values()],
        }

    def _trust(self) -> dict[str, object]:
        routes = {}
        for backend, route in self._routes.items():
            left = tuple(mark for mark in route.halts if mark.engagement != LOST_ID)
            changed = left != route.halts
            routes[backend] = replace(route, halts=left, revision=route.revision + 1) if changed else route
        self._save_or_deny(Saved(tuple(routes.values()), tuple(self._pools.values()), lost=False))
        self._routes, self._lost = routes, False
        self._log("trusted again")
        return self._status()

    def _save_first(self, change: Route | Pool) -> None:
        routes, all_pools = dict(self._routes), dict(self._pools)
        if isinstance(change, Route):
            routes[change.names.backend] = change
        else:
            all_pools[change.name] = change
        self._save_or_deny(Saved(tuple(routes.values()), tuple(all_pools.values()), self._lost))

    def _save_or_deny(self, saved: Saved) -> None:
        try:
            self._write_record(saved)
        except OSError as error:
            raise Deny("refused", f"the guard could not save its record ({error.strerror}): nothing rises") from error
        self._unsaved = False

    def _save_late(self) -> None:
        try:
            self._write_record(Saved(tuple(self._routes.values()), tuple(self._pools.values()), self._lost))
            self._unsaved = False
        except OSError as error:
            self._unsaved = True
            self._log("unsaved", text=str(error.strerror))
