"""The digest of exactly what is approved. Nothing that the executor uses or a person saw is outside it."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, fields
from typing import Any

from gates.approvals.model import Content, Context, Item, Origin
from gates.canonical import digest

SCHEMA = 1
LEAF, NODE = b"\x00", b"\x01"
"""What a hash of the tree begins with, so that no inner node can be shown as an item."""


def pin(request_id: str, content: Content, context: Context, origin: Origin, expires_at_s: float) -> str:
    """The digest of a request. The id is in it, so that an approval of one request is none of its twin."""
    return digest(
        {
            "schema": SCHEMA,
            "request": request_id,
            "content": document(content),
            "context": document(context),
            "origin": document(origin),
            "expires_at_us": round(expires_at_s * 1e6),
        }
    )


def content_digest(content: Content) -> str:
    """The digest of the content alone: what is about to be sent is compared with what was approved by this."""
    return digest(document(content))


def document(value: Content | Context | Origin | Item) -> dict[str, Any]:
    """Every field by its name. A field that is added later is pinned without anybody thinking of it."""
    named = asdict(value)
    assert set(named) == {field.name for field in fields(value)}
    return named


def root(leaves: tuple[str, ...]) -> str:
    """The Merkle root over ``leaves`` in their order: what is approved when several contents are approved at once."""
    assert leaves, "a tree of nothing has no root"
    level = [hashlib.sha256(LEAF + leaf.encode()).digest() for leaf in leaves]
    while len(level) > 1:
        pairs = [level[at : at + 2] for at in range(0, len(level), 2)]
        level = [hashlib.sha256(NODE + b"".join(pair)).digest() if len(pair) == 2 else pair[0] for pair in pairs]
    return "sha256:" + level[0].hex()
