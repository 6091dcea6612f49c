"""The guard's language on its socket: one JSON object per line, checked field by field. It decides nothing."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from controller.core.model import Mark
from controller.guard.model import (
    MAX_ENDPOINTS,
    MAX_LEASE_S,
    MAX_TEXT,
    Address,
    Claim,
    Deny,
    Halt,
    Lower,
    Names,
    Read,
    Renew,
    Request,
    SetEndpoints,
    ShowPool,
    Status,
    Trust,
    Unhalt,
    Write,
)

LINE_BYTES = 64 << 10
"""A full pool of 256 endpoints is 20 KiB; more than this is not for us."""

ID_CHARS = 200
MAX_COUNTER = 2**53
NAME = re.compile(r"[A-Za-z0-9_.:-]{1,120}")
"""HAProxy's own alphabet for names: no semicolon, slash or blank, so a name can never become a second command."""

Body = Mapping[str, Any]


def parse(line: bytes) -> Request:
    """The request in ``line``. Raises Deny with a text that names the field."""
    try:
        body = json.loads(line, parse_constant=_constant)
    except (ValueError, RecursionError):
        _no("the request is not JSON")
    if not isinstance(body, dict) or not isinstance(body.get("op"), str):
        _no("the request is not an object with a field op")
    builder = BUILDERS.get(body["op"])
    if builder is None:
        _no(f"unknown op; there are {', '.join(sorted(BUILDERS))}")
    fields, build = builder
    if unknown := sorted(set(body) - fields - {"op"}):
        _no(f"unknown field {unknown[0][:50]!r}")
    if missing := sorted(fields - OPTIONAL - set(body)):
        _no(f"the field {missing[0]} is missing")
    return build(body)


def _no(text: str) -> NoReturn:
    raise Deny("refused", text)


def _constant(text: str) -> NoReturn:
    raise ValueError(text)


def _names(body: Body) -> Names:
    names = Names(_name(body, "backend"), _name(body, "stable", "stable"), _name(body, "canary", "canary"))
    if names.stable == names.canary:
        _no("stable and canary must be two servers")
    return names


def _name(body: Body, field: str, otherwise: str | None = None) -> str:
    value = body.get(field, otherwise)
    if not isinstance(value, str) or not NAME.fullmatch(value):
        _no(f"{field} must be a name of HAProxy's alphabet")
    return value


def _text(body: Body, field: str) -> str:
    value = body[field]
    if not isinstance(value, str) or not 0 < len(value) <= ID_CHARS:
        _no(f"{field} must be text of 1 to {ID_CHARS} characters")
    return value


def _count(body: Body, field: str, most: int = MAX_COUNTER) -> int:
    value = body[field]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        _no(f"{field} must be a whole number from 0 to {most}")
    return value


def _flag(body: Body, field: str, otherwise: bool | None = None) -> bool:
    value = body.get(field, otherwise)
    if not isinstance(value, bool):
        _no(f"{field} must be true or false")
    return value


def _lease_s(body: Body) -> float:
    value = body["lease_s"]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_LEASE_S:
        _no(f"lease_s must be a number from 0 to {MAX_LEASE_S:g}")
    return float(value)


def encode_mark(mark: Mark) -> dict[str, object]:
    return {"release_id": mark.release_id, "code": mark.code, "text": mark.text, "engagement": mark.engagement}


def decode_mark(item: object) -> Mark:
    """Raises TypeError or KeyError for anything but what ``encode_mark`` made."""
    if not isinstance(item, dict):
        raise TypeError("a mark is not an object")
    texts = (item["code"], item["text"], item["release_id"] or "", item["engagement"] or "")
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a mark's fields are not texts")
    return Mark(item["release_id"], item["code"], item["text"], item["engagement"])


def _mark(body: Body, kill: bool) -> Mark:
    try:
        mark = decode_mark(body["mark"])
    except (KeyError, TypeError):
        _no("mark must be an object with release_id, code, text and engagement")
    if kill and not mark.engagement:
        _no("a halt's mark must carry an engagement id")
    if len(mark.engagement or "") > ID_CHARS or len(mark.release_id or "") > ID_CHARS:
        _no(f"the ids of a mark must have at most {ID_CHARS} characters")
    return Mark(mark.release_id, mark.code[:MAX_TEXT], mark.text[:MAX_TEXT], mark.engagement)


def _engagements(body: Body) -> frozenset[str]:
    items = body["engagements"]
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        _no("engagements must be a list of ids")
    return frozenset(items)


def _endpoints(body: Body) -> tuple[Address, ...]:
    items = body["endpoints"]
    if not isinstance(items, list) or len(items) > MAX_ENDPOINTS:
        _no(f"endpoints must be a list of at most {MAX_ENDPOINTS} objects")
    addresses = tuple(_address(item) for item in items)
    if len({(address.host, address.port) for address in addresses}) < len(addresses):
        _no("an endpoint is listed twice")
    return addresses


def _address(item: object) -> Address:
    if not isinstance(item, dict) or set(item) - {"host", "port", "drain"} or "port" not in item:
        _no("an endpoint must be an object with host, port and drain")
    host, port = item.get("host"), _count(item, "port", 65_535)
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            host = socket.inet_ntop(family, socket.inet_pton(family, str(host)))
        except (OSError, ValueError):
            continue
        return Address(host, port, _flag(item, "drain", False)) if port else _no("an endpoint's port must not be 0")
    return _no("an endpoint's host must be an IP address: HAProxy's socket resolves no names")


ROUTE = frozenset({"backend", "stable", "canary"})
OPTIONAL = frozenset({"stable", "canary"})
BUILDERS: Mapping[str, tuple[frozenset[str], Callable[[Body], Request]]] = {
    "read": (ROUTE, lambda b: Read(_names(b))),
    "claim": (ROUTE | {"epoch"}, lambda b: Claim(_names(b), _count(b, "epoch"))),
    "write": (
        ROUTE | {"weight_pct", "release_id", "epoch", "revision", "lease_s"},
        lambda b: Write(
            _names(b),
            _count(b, "weight_pct", 100),
            _text(b, "release_id"),
            _count(b, "epoch"),
            _count(b, "revision"),
            _lease_s(b),
        ),
    ),
    "renew": (
        ROUTE | {"release_id", "epoch", "lease_s"},
        lambda b: Renew(_names(b), _text(b, "release_id"), _count(b, "epoch"), _lease_s(b)),
    ),
    "lower": (ROUTE | {"mark", "epoch"}, lambda b: Lower(_names(b), _mark(b, False), _count(b, "epoch"))),
    "halt": (ROUTE | {"mark", "revert"}, lambda b: Halt(_names(b), _mark(b, True), _flag(b, "revert"))),
    "unhalt": (
        ROUTE | {"engagements", "epoch"},
        lambda b: Unhalt(_names(b), _engagements(b), _count(b, "epoch")),
    ),
    "endpoints": (
        frozenset({"pool", "endpoints", "epoch", "backend"}),
        lambda b: SetEndpoints(_name(b, "pool"), _endpoints(b), _count(b, "epoch"), _name(b, "backend")),
    ),
    "slots": (frozenset({"pool"}), lambda b: ShowPool(_name(b, "pool"))),
    "status": (frozenset(), lambda _: Status()),
    "ping": (frozenset(), lambda _: Status()),
    "trust": (frozenset(), lambda _: Trust()),
}


def encode_line(body: Mapping[str, object]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode() + b"\n"
