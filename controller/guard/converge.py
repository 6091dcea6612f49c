"""Compares the record with what HAProxy shows and says which commands make them equal. Pure: it sends nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from controller.core.model import Mark
from controller.guard.core import may_rise
from controller.guard.model import Address, Deny, Names, Pool, Route, Server, Shown, World

RUNNING = 2
"""srv_op_state of a server that takes new requests; 1 is slow start, whose share is not exact."""


@dataclass(frozen=True, slots=True)
class Switch:
    """The two servers of a route as shown, and whether others in the backend take a share too."""

    stable: Server
    canary: Server
    others: bool

    @property
    def raw(self) -> tuple[int, int]:
        return self.stable.weight, self.canary.weight


def switch(names: Names, shown: Shown) -> Switch | None:
    """None when one of the two servers is not there."""
    by_name = {server.name: server for server in shown.servers}
    stable, canary = by_name.pop(names.stable, None), by_name.pop(names.canary, None)
    if stable is None or canary is None:
        return None
    return Switch(stable, canary, any(server.weight > 0 for server in by_name.values()))


def share_pct(seen: Switch) -> int | None:
    """The canary's share of new requests if it is a whole percentage; None when it is not, or nobody serves."""
    stable, canary = _counts(seen.stable), _counts(seen.canary)
    if seen.others or stable is None or canary is None or stable + canary == 0:
        return None
    share, rest = divmod(100 * canary, stable + canary)
    return None if rest else share


def _counts(server: Server) -> int | None:
    if server.weight == 0 or server.maint or server.drain or server.op_state in (0, 3):
        return 0
    return server.weight if server.op_state == RUNNING else None


def differs(route: Route, seen: Switch) -> str:
    """Empty when HAProxy holds the record; else what it holds instead. Health is not a difference, an edit is.

    A canary taken out by hand stays out: putting it back would be a move toward the canary that nobody asked for.
    """
    wrong = []
    if seen.raw != (100 - route.weight_pct, route.weight_pct):
        wrong.append(f"weights {route.names.stable} {seen.raw[0]}, {route.names.canary} {seen.raw[1]}")
    if seen.stable.admin != "ready":
        wrong.append(f"{route.names.stable} is in {seen.stable.admin}")
    return "; ".join(wrong)


def observed(route: Route, shown: Shown) -> Route:
    """The route with what HAProxy showed of it now."""
    seen = switch(route.names, shown)
    if seen is None:
        text = f"backend {route.names.backend} lacks the server {route.names.stable} or {route.names.canary}"
        return unseen(route, text)
    live = share_pct(seen)
    troubles = [f"HAProxy says: {text}" for text in shown.complaints]
    difference = differs(route, seen)
    if difference:
        troubles.append(f"HAProxy shows {difference}")
    if live is None:
        troubles.append("the canary's share is not a whole percentage that HAProxy serves now")
    if seen.canary.admin != "ready":
        troubles.append(f"{route.names.canary} is in {seen.canary.admin}, set by hand; the guard does not undo that")
    return replace(route, live_pct=live, raw=seen.raw, pushed=not difference, trouble="; ".join(troubles)[:500])


def unseen(route: Route, trouble: str) -> Route:
    """The route when HAProxy could not be read: nothing is known of the share. ``pushed`` stays as it was."""
    return replace(route, live_pct=None, raw=None, trouble=trouble[:500])


def judged(route: Route, shown: Shown, world: World) -> Route:
    """The record after a look: a proxy below it is followed down where rising is not allowed, else drift is counted.

    Where rising is not allowed: since this process started nobody has asked for the weight, or a halt holds it.
    The caller pushes the record when the result is not ``pushed``.
    """
    before = observed(route, shown)
    seen = switch(route.names, shown)
    if seen is None:
        return before
    low_pct = _found_below(route, seen)
    if low_pct is not None and (not route.settled or may_rise(route, world)):
        text = f"HAProxy was found below the record ({differs(route, seen)}); the guard does not raise by itself here"
        before = replace(
            route,
            weight_pct=low_pct,
            lease_s=route.lease_s if low_pct else None,
            lease_until_s=route.lease_until_s if low_pct else None,
            lease_saved_s=route.lease_saved_s if low_pct else None,
            mark=Mark(route.release_id, "found_lower", text),
            revision=route.revision + 1,
        )
        before = observed(before, shown)
    elif route.pushed and not before.pushed:
        before = replace(before, drift_count=route.drift_count + 1, drift=differs(route, seen))
    return replace(before, settled=True)


def _found_below(route: Route, seen: Switch) -> int | None:
    """The whole percentage at or under what the weights in HAProxy give, if that is below the record."""
    stable, canary = seen.raw
    if route.weight_pct == 0 or 100 * canary >= route.weight_pct * (stable + canary) > 0:
        return None
    return 100 * canary // (stable + canary) if stable + canary else 0


def push_commands(route: Route) -> tuple[str, ...]:
    """Both weights, so ordered that the share is never above the higher of old and new: a falling canary goes first.

    Which way it goes is judged by the weight last seen; unknown counts as falling.
    """
    names, weight = route.names, route.weight_pct
    stable = f"set weight {names.backend}/{names.stable} {100 - weight}"
    canary = f"set weight {names.backend}/{names.canary} {weight}"
    rising = route.raw is not None and weight > route.raw[1]
    return (stable, canary) if rising else (canary, stable)


def repair_commands(route: Route, shown: Shown) -> tuple[str, ...]:
    """What brings HAProxy back to the record after a look; empty when it holds it."""
    seen = switch(route.names, shown)
    if seen is None or not differs(route, seen):
        return ()
    ready = (
        () if seen.stable.admin == "ready" else (f"set server {route.names.backend}/{route.names.stable} state ready",)
    )
    return (*push_commands(route), *ready)


def slot_commands(pool: Pool, slots: Sequence[Server]) -> tuple[str, ...]:
    """The commands that bring the pool's slots nearer to its endpoints; empty when they are there.

    An address keeps its slot. New ones are put in before old ones go. What is not wanted is drained in one pass and
    put in maintenance in the next. Raises Deny when there are fewer slots than endpoints.
    """
    if len(pool.endpoints) > len(slots):
        raise Deny("refused", f"pool {pool.name} has {len(slots)} server slots, {len(pool.endpoints)} are needed")
    kept, waiting = _keep(pool.endpoints, slots)
    left = [slot for slot in slots if slot.name not in kept]
    left.sort(key=lambda slot: ("maint", "drain", "ready").index(slot.admin))
    commands: list[str] = []
    for address, slot in zip(waiting, left, strict=False):
        name = f"set server {pool.name}/{slot.name}"
        if not slot.maint:
            commands.append(f"{name} state maint")
        commands += [f"{name} addr {address.host} port {address.port}", f"{name} state {_state(address)}"]
    for slot in slots:
        wanted = kept.get(slot.name)
        if wanted is not None and slot.admin != _state(wanted):
            commands.append(f"set server {pool.name}/{slot.name} state {_state(wanted)}")
    for slot in left[len(waiting) :]:
        if not slot.maint:
            commands.append(f"set server {pool.name}/{slot.name} state {'maint' if slot.drain else 'drain'}")
    return tuple(commands)


def _keep(wanted: Sequence[Address], slots: Sequence[Server]) -> tuple[dict[str, Address], list[Address]]:
    """Which endpoint stays in which slot, and which endpoints have none yet. Slots in use win over parked ones."""
    by_address: dict[tuple[str, int], str] = {}
    for slot in sorted(slots, key=lambda slot: slot.maint):
        by_address.setdefault((slot.host, slot.port), slot.name)
    kept: dict[str, Address] = {}
    waiting: list[Address] = []
    for address in wanted:
        slot_name = by_address.get((address.host, address.port))
        if slot_name is None:
            waiting.append(address)
        else:
            kept[slot_name] = address
    return kept, waiting


def _state(address: Address) -> str:
    return "drain" if address.drain else "ready"
