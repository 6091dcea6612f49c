"""Brings a pool's server slots to its recorded endpoints, one look and one push at a time. It records nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from controller.guard.converge import slot_commands
from controller.guard.model import Deny, NoBackend, Pool, ProxyTrouble, Server, Shown


class Proxy(Protocol):
    def look(self, backend: str) -> Shown: ...

    def push(self, backend: str, commands: tuple[str, ...]) -> Shown: ...


def look(pool: Pool, proxy: Proxy) -> tuple[Server, ...]:
    """The slots as HAProxy shows them. Raises Deny."""
    try:
        return proxy.look(pool.name).servers
    except NoBackend as trouble:
        raise Deny("refused", str(trouble)) from trouble
    except ProxyTrouble as trouble:
        raise Deny("unavailable", str(trouble)) from trouble


def filled(pool: Pool, proxy: Proxy) -> tuple[Pool, tuple[Server, ...]]:
    """The pool after one pass, and its slots. Trouble is noted in the pool; the next pass goes on."""
    try:
        shown = proxy.look(pool.name)
        if pool.applied and not placed(pool, shown.servers):
            pool = replace(pool, drift_count=pool.drift_count + 1)
        if commands := slot_commands(pool, shown.servers):
            shown = proxy.push(pool.name, commands)
    except (ProxyTrouble, Deny) as trouble:
        return replace(pool, trouble=str(trouble)[:500]), ()
    complaints = "; ".join(f"HAProxy says: {text}" for text in shown.complaints)
    return replace(pool, applied=placed(pool, shown.servers), trouble=complaints[:500]), shown.servers


def placed(pool: Pool, slots: Sequence[Server]) -> bool:
    """Every endpoint has a slot in the state asked for, and no other slot takes new requests."""
    wanted = {(address.host, address.port): "drain" if address.drain else "ready" for address in pool.endpoints}
    held = {(slot.host, slot.port): slot.admin for slot in slots if not slot.maint}
    serving = {(slot.host, slot.port) for slot in slots if slot.admin == "ready"}
    return all(held.get(key) == state for key, state in wanted.items()) and serving <= set(wanted)
