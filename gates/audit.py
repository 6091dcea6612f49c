"""The audit record as a value: drafts, the hash chain, and its verification. It stores nothing and reads no clock."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from gates.canonical import Json, canonical

GENESIS = "sha256:" + "0" * 64
VERSION = 1

RecordType = Literal[
    "requested", "phase", "weight", "reason", "drift", "intent", "bypass", "superseded",
    "kill_engaged", "kill_released", "kill_self_test",
    "application_registered", "application_changed", "application_deleted", "application_abandoned", "template_changed",
    "token_created", "token_rotated", "token_revoked", "denied",
    "epoch_raised", "message_given_up", "taken_over",
    "approval_requested", "approved", "approval_denied", "approval_expired", "approval_escalated",
    "approval_withdrawn", "approval_superseded", "approval_killed", "run_stopped",
    "approval_reserved", "approval_executing", "approval_result", "approval_stale",
    "break_glass_opened", "break_glass_reviewed",
]  # fmt: skip
TYPES: tuple[str, ...] = get_args(RecordType)
"""Every type of record there is, so that a listing can tell a typing error from "there is none"."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a writer knows of a record. ``seq``, ``prev`` and ``hash`` are given by the store, in its transaction.

    ``numbers`` are the figures the decision rests on; ``late`` marks an effect that could not be recorded beforehand.
    """

    type: str
    at_s: float
    actor: str
    text: str
    release_id: str | None = None
    application: str | None = None
    environment: str | None = None
    epoch: int | None = None
    numbers: Mapping[str, Json] = field(default_factory=dict)
    late: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """A chained record. ``hash`` covers every other field, with ``prev`` the hash of the record before."""

    seq: int
    prev: str
    draft: Draft
    hash: str


def body(seq: int, prev: str, draft: Draft) -> dict[str, Any]:
    """The hashed object. Times are whole microseconds, so that every store gives the same bytes back."""
    return {
        "v": VERSION,
        "seq": seq,
        "prev": prev,
        "type": draft.type,
        "at_us": round(draft.at_s * 1e6),
        "actor": draft.actor,
        "text": draft.text,
        "release_id": draft.release_id,
        "application": draft.application,
        "environment": draft.environment,
        "epoch": draft.epoch,
        "numbers": dict(draft.numbers),
        "late": draft.late,
    }


def link(seq: int, prev: str, draft: Draft) -> Record:
    """Chain ``draft`` behind ``prev``: SHA-256 over a zero byte and the canonical JSON of the record."""
    assert seq >= 1, seq
    assert prev.startswith("sha256:"), prev
    hashed = hashlib.sha256(b"\x00" + canonical(body(seq, prev, draft))).hexdigest()
    return Record(seq, prev, draft, "sha256:" + hashed)


@dataclass(frozen=True, slots=True)
class ChainCheck:
    """``ok`` with the number of records and the head, or where and how the chain breaks."""

    ok: bool
    records: int
    head: str
    trouble: str = ""


def verify(records: Iterable[Record], first_seq: int = 1, prev: str = GENESIS) -> ChainCheck:
    """Walk the chain from ``first_seq``. Catches an edit, a gap, a reordering and a duplicate, but not a cut tail."""
    count, expected = 0, first_seq
    for record in records:
        if record.seq != expected:
            return ChainCheck(False, count, prev, f"record {expected} is missing: found {record.seq} in its place")
        if record.prev != prev:
            return ChainCheck(False, count, prev, f"record {record.seq} does not follow the record before it")
        if link(record.seq, record.prev, record.draft).hash != record.hash:
            return ChainCheck(False, count, prev, f"record {record.seq} was changed after it was written")
        count, expected, prev = count + 1, expected + 1, record.hash
    return ChainCheck(True, count, prev)
