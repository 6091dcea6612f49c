"""Requests that wait for a person: their rows, their compare-and-swap, and their queries. It decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from controller.adapters.store import sqlite
from controller.adapters.store.codec import Codec
from controller.adapters.store.errors import Corrupt
from controller.adapters.store.schema import FORMAT, AnyRow, requests
from controller.adapters.store.transaction import Transaction
from controller.ports import Conflict
from gates.approvals.model import Request
from gates.approvals.moves import ENDS

_NEVER_CHANGES = {"id", "run", "opened_at_s"}
_COLUMNS = (requests.c.id, requests.c.revision, requests.c.format, requests.c.body)
_NEW = sqlite.insert_new(requests)
_SWAP = (
    update(requests)
    .where(requests.c.id == bindparam("key"), requests.c.revision == bindparam("seen"))
    .values({column.name: bindparam(column.name) for column in requests.c if column.name not in _NEVER_CHANGES})
)
_REQUEST = select(*_COLUMNS).where(requests.c.id == bindparam("key"))
_OPEN = select(*_COLUMNS).where(requests.c.ended.is_(False)).order_by(requests.c.opened_at_s, requests.c.id)
_OF_RUN = select(*_COLUMNS).where(requests.c.run == bindparam("of")).order_by(requests.c.id)


def request_row(codec: Codec[Request], request: Request) -> Mapping[str, Any]:
    assert request.revision >= 1, "a draft is not stored"
    return {
        "id": request.id,
        "revision": request.revision,
        "run": request.run,
        "ended": request.state in ENDS,
        "opened_at_s": request.opened_at_s,
        "format": FORMAT,
        "body": codec.encode(request, request.id),
    }


def put_request(transaction: Transaction, row: Mapping[str, Any]) -> None:
    """Of two that decide at the same instant, one is stored and the other is told to look again."""
    seen = row["revision"] - 1
    if seen == 0:
        if transaction.run(_NEW, row) != 1:
            raise Conflict(f"a request {row['id']} exists already")
    elif transaction.run(_SWAP, {**row, "key": row["id"], "seen": seen}) != 1:
        raise Conflict(f"request {row['id']} is no longer at revision {seen}: read it again")


def request(connection: Connection, codec: Codec[Request], request_id: str) -> Request | None:
    row = connection.execute(_REQUEST, {"key": request_id}).first()
    return None if row is None else _decoded(codec, row)


def open_requests(connection: Connection, codec: Codec[Request]) -> Sequence[Request]:
    """Raises Corrupt when one of them cannot be read: a kill must reach every one."""
    return [_decoded(codec, row) for row in connection.execute(_OPEN)]


def requests_of(connection: Connection, codec: Codec[Request], run: str) -> Sequence[Request]:
    return [_decoded(codec, row) for row in connection.execute(_OF_RUN, {"of": run})]


def _decoded(codec: Codec[Request], row: AnyRow) -> Request:
    found = codec.decode(row.format, row.body, row.id)
    if (found.id, found.revision) != (row.id, row.revision):
        raise Corrupt("requests", row.id, "its text belongs to another request or revision")
    return found
