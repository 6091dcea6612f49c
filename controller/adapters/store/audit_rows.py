"""Audit records to rows and back, and the walk over the stored chain. It changes no record and judges none itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import bindparam, func, select

from controller.adapters.store.codec import at_s, at_us, decode_numbers, encode_numbers
from controller.adapters.store.connections import Connections
from controller.adapters.store.errors import Corrupt
from controller.adapters.store.schema import AnyRow, anchor, audit
from controller.core.explain import counted
from gates.audit import GENESIS, ChainCheck, Draft, Record, verify

BATCH = 1_000
"""Records held in memory at once while the chain is verified: about 1 MB."""

_END = select(
    anchor.c.audit_seq,
    anchor.c.audit_hash,
    select(func.max(audit.c.seq)).scalar_subquery().label("newest"),
)
_NEXT = (
    select(audit)
    .where(audit.c.seq > bindparam("after"), audit.c.seq <= bindparam("last"))
    .order_by(audit.c.seq)
    .limit(BATCH)
)
_BEFORE_ALL = -(2**63)


def audit_row(record: Record) -> dict[str, Any]:
    draft = record.draft
    return {
        "seq": record.seq,
        "prev": record.prev,
        "hash": record.hash,
        "at_us": at_us(draft.at_s),
        "type": draft.type,
        "actor": draft.actor,
        "text": draft.text,
        "release_id": draft.release_id,
        "application": draft.application,
        "environment": draft.environment,
        "epoch": draft.epoch,
        "numbers": encode_numbers(draft.numbers),
        "late": draft.late,
    }


def audit_record(row: AnyRow) -> Record:
    """The record of ``row``, whose columns are those of the table in their order. Raises Corrupt."""
    seq, prev, hashed, us, kind, actor, text, release_id, application, environment, epoch, numbers, late = row
    try:
        figures = decode_numbers(numbers)
        time_s = at_s(us)
    except (TypeError, ValueError):
        raise Corrupt("audit", str(seq), "its time or its numbers are not what a record holds") from None
    draft = Draft(kind, time_s, actor, text, release_id, application, environment, epoch, figures, late)
    return Record(seq, prev, draft, hashed)


def verify_chain(connections: Connections) -> ChainCheck:
    """Walk the chain as far as it goes now, batch by batch, and compare its end with the anchor: that shows a cut tail.

    Each batch is a reading of its own, so that a long walk keeps nobody from writing.
    """
    with connections.read() as connection:
        end = connection.execute(_END).one()
    count, head = 0, GENESIS
    for batch in _batches(connections, end.audit_seq):
        step, trouble = _verify_batch(batch, count, head)
        count, head = count + step.records, step.head
        if not step.ok or trouble:
            return ChainCheck(False, count, head, step.trouble or trouble)
    if count < end.audit_seq:
        cut = end.audit_seq - count
        return ChainCheck(
            False, count, head, f"missing at the end: {counted(cut, 'record')} of {end.audit_seq} written"
        )
    if head != end.audit_hash:
        return ChainCheck(False, count, head, f"the chain ends with another record {count} than the one written last")
    if (end.newest or 0) > end.audit_seq:
        return ChainCheck(False, count, head, f"record {end.newest} was added without the store's knowledge")
    return ChainCheck(True, count, head)


def _batches(connections: Connections, last: int) -> Iterator[Sequence[AnyRow]]:
    after = _BEFORE_ALL
    while True:
        with connections.read() as connection:
            rows = connection.execute(_NEXT, {"after": after, "last": last}).all()
        if not rows:
            return
        yield rows
        after = rows[-1].seq


def _verify_batch(rows: Sequence[AnyRow], count: int, head: str) -> tuple[ChainCheck, str]:
    """The check of the readable records at the front of ``rows``, and what is wrong with the first unreadable one."""
    records: list[Record] = []
    trouble = ""
    for row in rows:
        try:
            records.append(audit_record(row))
        except Corrupt:
            trouble = f"record {row.seq} was changed after it was written: it cannot be read any more"
            break
    try:
        return verify(records, first_seq=count + 1, prev=head), trouble
    except (TypeError, ValueError) as error:
        return ChainCheck(False, 0, head, f"a record behind number {count} holds what no record can: {error}"), ""
