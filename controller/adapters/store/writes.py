"""The statements of a commit, in their order, inside a transaction that someone else opens and ends.

Any refusal leaves it to the caller to roll back: all of a commit happens, or nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from controller.adapters.store.audit_rows import audit_row
from controller.adapters.store.codec import Codecs, settled
from controller.adapters.store.inserts import insert_new, upsert
from controller.adapters.store.schema import (
    FORMAT,
    anchor,
    answered,
    applications,
    audit,
    kill_releases,
    kills,
    outbox,
    releases,
    tokens,
)
from controller.adapters.store.transaction import DuplicateKey, Transaction
from controller.core.model import Release
from controller.core.moves import ENDED
from controller.ports import Answered, Commit, Conflict, Fenced, Message, Refused, StoredApplication, Token, Unavailable
from gates.audit import Draft, Record, link
from gates.kill import Engagement

RowValues = Mapping[str, Any]

DUE_AT_ONCE_S = 0.0
"""A new message is due whatever the clock says, so that a clock set back delays no page."""

EPOCH_LEAP_MAX = 1_000_000
"""An epoch is a start of a controller: a million are decades of restarts, a larger leap is a slip of the finger."""

_NEVER_CHANGES = {"id", "application", "created_at_s"}

_LOCK_ANCHOR = select(anchor.c.epoch, anchor.c.audit_seq, anchor.c.audit_hash).with_for_update()
_MOVE_ANCHOR = update(anchor).values(audit_seq=bindparam("seq"), audit_hash=bindparam("hash"))
_LEAD = update(anchor).values(epoch=bindparam("to"), holder=bindparam("by"), led_at_s=bindparam("at"))
_SWAP_RELEASE = (
    update(releases)
    .where(releases.c.id == bindparam("key"), releases.c.revision == bindparam("seen"))
    .values({column.name: bindparam(column.name) for column in releases.c if column.name not in _NEVER_CHANGES})
)
_SWAP_APPLICATION = (
    update(applications)
    .where(applications.c.name == bindparam("key"), applications.c.revision == bindparam("seen"))
    .values({column.name: bindparam(column.name) for column in applications.c if column.name != "name"})
)
_NEW_RELEASE = insert_new(releases)
_NEW_APPLICATION = insert_new(applications)
_NEW_KILL = insert_new(kills)
_NEW_KILL_RELEASE = insert_new(kill_releases)
_NEW_MESSAGE = insert_new(outbox).values(
    {column.name: bindparam(column.name) for column in outbox.c if column.name != "id"}
)
_NEW_ANSWER = insert_new(answered)
_RECORD = insert(audit)
_PUT_TOKEN = upsert(tokens)
_RELEASE_EXISTS = select(releases.c.id).where(releases.c.id == bindparam("key"))
_KILL_TEXT = select(kills.c.body).where(kills.c.id == bindparam("key"))
_KILL_WAS_RELEASED = select(kill_releases.c.id).where(kill_releases.c.id == bindparam("key"))


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a commit, made before the transaction begins, so that nobody waits for the making of JSON."""

    swapped: RowValues | None
    created: RowValues | None
    application: RowValues | None
    kill: RowValues | None
    messages: Sequence[RowValues]
    drafts: Sequence[Draft]


def rows(codecs: Codecs, commit: Commit) -> Rows:
    created_at_s = commit_time_s(commit)
    assert commit.create is None or commit.create.revision == 0, "a new release has revision 0"
    return Rows(
        swapped=_release_row(codecs, commit.release) if commit.release else None,
        created=_release_row(codecs, commit.create) if commit.create else None,
        application=_application_row(codecs, commit.application) if commit.application else None,
        kill=kill_row(codecs, commit.engage) if commit.engage else None,
        messages=[_message_row(codecs, message, created_at_s) for message in commit.messages],
        drafts=[settled(draft) for draft in commit.records],
    )


def apply(transaction: Transaction, commit: Commit, made: Rows) -> tuple[Record, ...]:
    """All of ``commit``, whose rows are ``made``. Raises Fenced or Conflict."""
    epoch, seq, head = _anchor(transaction)
    if commit.epoch is not None and commit.epoch != epoch:
        raise Fenced(f"epoch {commit.epoch} is over: the store is led in epoch {epoch}")
    if made.swapped is not None:
        _swap_release(transaction, made.swapped)
    if made.created is not None:
        _create_release(transaction, made.created)
    if made.application is not None:
        _put_application(transaction, made.application)
    if made.kill is not None:
        _engage(transaction, made.kill)
    if commit.release_kill is not None:
        transaction.run(_NEW_KILL_RELEASE, {"id": commit.release_kill})
    if made.messages:
        # A key that is there already is the same message: its receiver would drop it, so it is left as it is.
        transaction.run_each(_NEW_MESSAGE, made.messages)
    if commit.tokens:
        transaction.run_each(_PUT_TOKEN, [_token_row(token) for token in commit.tokens])
    if commit.answered is not None:
        _answer(transaction, commit.answered)
    return _chain(transaction, made.drafts, seq, head) if made.drafts else ()


def lead(transaction: Transaction, holder: str, now_s: float, min_epoch: int = 0) -> int:
    """Raises Refused for a leap that no number of starts explains: routes would refuse every lower epoch for ever."""
    following = _anchor(transaction)[0] + 1
    if min_epoch > following + EPOCH_LEAP_MAX:
        text = f"epoch {min_epoch} is more than {EPOCH_LEAP_MAX} above this store's {following - 1}"
        raise Refused(f"{text}: use the number that the log or /readyz names")
    epoch = max(following, min_epoch)
    transaction.run(_LEAD, {"to": epoch, "by": holder, "at": now_s})
    return epoch


def commit_time_s(commit: Commit) -> float:
    """When ``commit`` was made, as its own parts say; 0 when none says it. Decides only when a message is pruned."""
    times = [draft.at_s for draft in commit.records]
    if commit.engage is not None:
        times.append(commit.engage.at_s)
    if commit.answered is not None:
        times.append(commit.answered.at_s)
    return max(times, default=0.0)


def _anchor(transaction: Transaction) -> tuple[int, int, str]:
    epoch, seq, head = transaction.rows(_LOCK_ANCHOR, {})[0]
    return epoch, seq, head


def _swap_release(transaction: Transaction, row: RowValues) -> None:
    seen = row["revision"] - 1
    try:
        changed = transaction.run(_SWAP_RELEASE, {**row, "key": row["id"], "seen": seen})
    except DuplicateKey:
        raise _second_active(row) from None
    if changed != 1:
        raise Conflict(f"release {row['id']} is no longer at revision {seen}: read it again")


def _create_release(transaction: Transaction, row: RowValues) -> None:
    if transaction.run(_NEW_RELEASE, row) == 1:
        return
    if transaction.rows(_RELEASE_EXISTS, {"key": row["id"]}):
        raise Conflict(f"a release {row['id']} exists already")
    raise _second_active(row)


def _second_active(row: RowValues) -> Conflict:
    return Conflict(f"application {row['application']} has an active release already: let it end, or abort it")


def _put_application(transaction: Transaction, row: RowValues) -> None:
    name, seen = row["name"], row["revision"] - 1
    if seen == 0:
        if transaction.run(_NEW_APPLICATION, row) != 1:
            raise Conflict(f"application {name} exists already: read it and change that")
    elif transaction.run(_SWAP_APPLICATION, {**row, "key": name, "seen": seen}) != 1:
        raise Conflict(f"application {name} is no longer at revision {seen}: read it again")


def _engage(transaction: Transaction, row: RowValues) -> None:
    if transaction.rows(_KILL_WAS_RELEASED, {"key": row["id"]}):
        raise Conflict(f"kill {row['id']} was released already: engage under a new id")
    if transaction.run(_NEW_KILL, row) != 1:
        raise Conflict(f"kill {row['id']} is engaged already")


def rehearse_kill(transaction: Transaction, row: RowValues) -> None:
    """Engage it and read it back. Raises Unavailable when another text comes back; the caller undoes it."""
    _engage(transaction, row)
    found = [tuple(one) for one in transaction.rows(_KILL_TEXT, {"key": row["id"]})]
    if found != [(row["body"],)]:
        raise Unavailable("the store does not give back the kill that it was given")


def _answer(transaction: Transaction, answer: Answered) -> None:
    row = {column.name: getattr(answer, column.name) for column in answered.columns}
    if transaction.run(_NEW_ANSWER, row) != 1:
        raise Conflict("a request with this Idempotency-Key was answered meanwhile: its answer stands")


def _chain(transaction: Transaction, drafts: Sequence[Draft], seq: int, head: str) -> tuple[Record, ...]:
    records: list[Record] = []
    for draft in drafts:
        record = link(seq + 1, head, draft)
        seq, head = record.seq, record.hash
        records.append(record)
    transaction.run_each(_RECORD, [audit_row(record) for record in records])
    transaction.run(_MOVE_ANCHOR, {"seq": seq, "hash": head})
    return tuple(records)


def _release_row(codecs: Codecs, release: Release) -> RowValues:
    stored = replace(release, revision=release.revision + 1)
    return {
        "id": stored.id,
        "revision": stored.revision,
        "application": stored.app.name,
        "phase": stored.phase.value,
        "ended": stored.phase in ENDED,
        "superseded": stored.superseded_by is not None,
        "created_at_s": stored.created_at_s,
        "wake_at_s": stored.wake_at_s,
        "format": FORMAT,
        "body": codecs.release.encode(stored, stored.id),
    }


def _application_row(codecs: Codecs, application: StoredApplication) -> RowValues:
    stored = replace(application, revision=application.revision + 1)
    return {
        "name": stored.app.name,
        "revision": stored.revision,
        "deleted": stored.deleted,
        "format": FORMAT,
        "body": codecs.application.encode(stored, stored.app.name),
    }


def kill_row(codecs: Codecs, engagement: Engagement) -> RowValues:
    return {
        "id": engagement.id,
        "format": FORMAT,
        "body": codecs.engagement.encode(engagement, engagement.id),
    }


def _message_row(codecs: Codecs, message: Message, created_at_s: float) -> RowValues:
    return {
        "key": message.key,
        "created_at_s": created_at_s,
        "due_at_s": DUE_AT_ONCE_S,
        "attempts": 0,
        "done": False,
        "error": "",
        "format": FORMAT,
        "body": codecs.message.encode(message, message.key),
    }


def _token_row(token: Token) -> RowValues:
    return {column.name: getattr(token, column.name) for column in tokens.columns}
