"""How the guard's answers look on the wire, both ways: the guard encodes them, its client decodes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from controller.core.model import RouteState
from controller.guard.model import Deny, Pool, Route, Server
from controller.guard.wire import decode_mark, encode_mark


def denial(error: Deny) -> dict[str, object]:
    return {"ok": False, "error": error.kind, "text": error.text}


def route_reply(route: Route, now_s: float, wrote_s: float | None) -> dict[str, object]:
    """``wrote_s`` is the monotonic time at which HAProxy had confirmed the weights, for measurements."""
    return {"ok": True, "route": encode_route(route, now_s), "wrote_s": wrote_s}


def encode_route(route: Route, now_s: float) -> dict[str, object]:
    return {
        "backend": route.names.backend,
        "revision": route.revision,
        "epoch": route.epoch,
        "weight_pct": route.weight_pct,
        "live_pct": route.live_pct,
        "release_id": route.release_id,
        "lease_left_s": None if route.lease_until_s is None else max(0.0, route.lease_until_s - now_s),
        "lease_expired": route.lease_expired,
        "halts": [encode_mark(mark) for mark in route.halts],
        "mark": encode_mark(route.mark) if route.mark else None,
        "drift_count": route.drift_count,
        "trouble": route.trouble,
        "raw": route.raw,
        "drift": route.drift,
    }


def decode_route(item: Mapping[str, Any]) -> RouteState:
    """Raises KeyError or TypeError when the other side is not a guard of this version."""
    return RouteState(
        revision=int(item["revision"]),
        epoch=int(item["epoch"]),
        weight_pct=int(item["weight_pct"]),
        live_pct=None if item["live_pct"] is None else int(item["live_pct"]),
        release_id=item["release_id"],
        lease_left_s=None if item["lease_left_s"] is None else float(item["lease_left_s"]),
        lease_expired=item["lease_expired"] is True,
        halts=tuple(decode_mark(mark) for mark in item["halts"]),
        mark=None if item["mark"] is None else decode_mark(item["mark"]),
        drift_count=int(item["drift_count"]),
        trouble=str(item["trouble"]),
    )


def pool_reply(pool: Pool, slots: Sequence[Server]) -> dict[str, object]:
    return {
        "ok": True,
        "pool": pool.name,
        "applied": pool.applied,
        "slots": [
            {
                "slot": slot.name,
                "host": slot.host,
                "port": slot.port,
                "admin": slot.admin,
                "up": slot.op_state in (1, 2) and not slot.maint,
            }
            for slot in slots
        ],
    }


def encode_pool(pool: Pool) -> dict[str, object]:
    return {
        "pool": pool.name,
        "epoch": pool.epoch,
        "endpoints": [f"{address.host}:{address.port}{' drain' * address.drain}" for address in pool.endpoints],
        "applied": pool.applied,
        "drift_count": pool.drift_count,
        "trouble": pool.trouble,
    }
