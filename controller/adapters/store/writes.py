"""The statements of a commit, in their order, inside a transaction that someone else opens and ends.

Every refusal is raised before anything outside the transaction could notice: all of a commit happens, or nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from controller.adapters.store import sqlite
from controller.adapters.store.audit_rows import audit_row
from controller.adapters.store.codec import Codecs, settled
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
from controller.core.model import Release
from controller.core.moves import ENDED
from controller.ports import Answered, Commit, Conflict, Fenced, Message, StoredApplication, Token
from gates.audit import Draft, Record, link
from gates.kill import Engagement

DUE_AT_ONCE_S = 0.0
"""A new message is due whatever the clock says, so that a clock set back delays no page."""

# Built once: SQLAlchemy finds the compiled text of a statement it has seen before.
_LOCK_ANCHOR = select(anchor.c.epoch, anchor.c.audit_seq, anchor.c.audit_hash).with_for_update()
_MOVE_ANCHOR = update(anchor).values(audit_seq=bindparam("seq"), audit_hash=bindparam("hash"))
_LEAD = update(anchor).values(epoch=bindparam("to"), holder=bindparam("by"), led_at_s=bindparam("at"))
_SWAP_RELEASE = (
    update(releases)
    .where(releases.c.id == bindparam("key"), releases.c.revision == bindparam("seen"))
    .values({name: bindparam(name) for name in releases.c.keys() if name not in {"id", "created_at_s"}})  # noqa: SIM118
)
_SWAP_APPLICATION = (
    update(applications)
    .where(applications.c.name == bindparam("key"), applications.c.revision == bindparam("seen"))
    .values({name: bindparam(name) for name in ("revision", "deleted", "format", "body")})
)
_INSERT_RELEASE = insert(releases)
_INSERT_APPLICATION = insert(applications)
_INSERT_RECORD = insert(audit)
_INSERT_KILL = insert(kills)
_INSERT_ANSWERED = insert(answered)
_INSERT_MESSAGE = sqlite.insert_new(outbox)
_INSERT_KILL_RELEASE = sqlite.insert_new(kill_releases)
_UPSERT_TOKEN = sqlite.upsert(tokens)


def apply(connection: Connection, codecs: Codecs, commit: Commit) -> tuple[Record, ...]:
    """All of ``commit`` on ``connection``. Raises Fenced or Conflict; the caller then rolls back."""
    epoch, seq, head = connection.execute(_LOCK_ANCHOR).one()
    if commit.epoch is not None and commit.epoch != epoch:
        raise Fenced(f"epoch {commit.epoch} is over: the store is led in epoch {epoch}")
    if commit.release is not None:
        _swap_release(connection, codecs, commit.release)
    if commit.create is not None:
        _create_release(connection, codecs, commit.create)
    if commit.application is not None:
        _put_application(connection, codecs, commit.application)
    if commit.engage is not None:
        _engage(connection, codecs, commit.engage)
    if commit.release_kill is not None:
        connection.execute(_INSERT_KILL_RELEASE, {"id": commit.release_kill})
    if commit.messages:
        _send(connection, codecs, commit.messages, commit_time_s(commit))
    if commit.tokens:
        connection.execute(_UPSERT_TOKEN, [_token_row(token) for token in commit.tokens])
    if commit.answered is not None:
        _answer(connection, commit.answered)
    return _chain(connection, commit.records, seq, head) if commit.records else ()


def lead(connection: Connection, holder: str, now_s: float) -> int:
    epoch = connection.execute(_LOCK_ANCHOR).one().epoch + 1
    connection.execute(_LEAD, {"to": epoch, "by": holder, "at": now_s})
    return int(epoch)


def commit_time_s(commit: Commit) -> float:
    """When ``commit`` was made, as its own parts say; 0 when none says it. Decides only when a message is pruned."""
    times = [draft.at_s for draft in commit.records]
    if commit.engage is not None:
        times.append(commit.engage.at_s)
    if commit.answered is not None:
        times.append(commit.answered.at_s)
    return max(times, default=0.0)


def _swap_release(connection: Connection, codecs: Codecs, release: Release) -> None:
    row = _release_row(codecs, release)
    row["key"], row["seen"] = row.pop("id"), release.revision
    del row["created_at_s"]
    try:
        changed = connection.execute(_SWAP_RELEASE, row).rowcount
    except IntegrityError:
        raise _second_active(release) from None
    if changed != 1:
        raise Conflict(f"release {release.id} is no longer at revision {release.revision}: read it again")


def _create_release(connection: Connection, codecs: Codecs, release: Release) -> None:
    assert release.revision == 0, f"a new release has revision 0, not {release.revision}"
    try:
        connection.execute(_INSERT_RELEASE, _release_row(codecs, release))
    except IntegrityError:
        taken = connection.execute(select(releases.c.id).where(releases.c.id == release.id)).first()
        if taken is not None:
            raise Conflict(f"a release {release.id} exists already") from None
        raise _second_active(release) from None


def _second_active(release: Release) -> Conflict:
    return Conflict(f"application {release.app.name} has an active release already: let it end, or abort it")


def _release_row(codecs: Codecs, release: Release) -> dict[str, Any]:
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


def _put_application(connection: Connection, codecs: Codecs, application: StoredApplication) -> None:
    stored = replace(application, revision=application.revision + 1)
    name = stored.app.name
    row = {
        "revision": stored.revision,
        "deleted": stored.deleted,
        "format": FORMAT,
        "body": codecs.application.encode(stored, name),
    }
    if application.revision > 0:
        swap = row | {"key": name, "seen": application.revision}
        if connection.execute(_SWAP_APPLICATION, swap).rowcount != 1:
            raise Conflict(f"application {name} is no longer at revision {application.revision}: read it again")
        return
    try:
        connection.execute(_INSERT_APPLICATION, row | {"name": name})
    except IntegrityError:
        raise Conflict(f"application {name} exists already: read it and change that") from None


def _engage(connection: Connection, codecs: Codecs, engagement: Engagement) -> None:
    released = select(kill_releases.c.id).where(kill_releases.c.id == engagement.id)
    if connection.execute(released).first() is not None:
        raise Conflict(f"kill {engagement.id} was released already: engage under a new id")
    body = codecs.engagement.encode(engagement, engagement.id)
    try:
        connection.execute(_INSERT_KILL, {"id": engagement.id, "format": FORMAT, "body": body})
    except IntegrityError:
        raise Conflict(f"kill {engagement.id} is engaged already") from None


def _send(connection: Connection, codecs: Codecs, messages: Sequence[Message], created_at_s: float) -> None:
    """A key that is there already is the same message: its receiver would drop it, so it is left as it is."""
    connection.execute(
        _INSERT_MESSAGE,
        [
            {
                "key": message.key,
                "created_at_s": created_at_s,
                "due_at_s": DUE_AT_ONCE_S,
                "attempts": 0,
                "done": False,
                "error": "",
                "format": FORMAT,
                "body": codecs.message.encode(message, message.key),
            }
            for message in messages
        ],
    )


def _token_row(token: Token) -> dict[str, Any]:
    return {column.name: getattr(token, column.name) for column in tokens.columns}


def _answer(connection: Connection, answer: Answered) -> None:
    try:
        row = {column.name: getattr(answer, column.name) for column in answered.columns}
        connection.execute(_INSERT_ANSWERED, row)
    except IntegrityError:
        raise Conflict("a request with this Idempotency-Key was answered meanwhile: its answer stands") from None


def _chain(connection: Connection, drafts: Sequence[Draft], seq: int, head: str) -> tuple[Record, ...]:
    records: list[Record] = []
    for draft in drafts:
        seq += 1
        record = link(seq, head, settled(draft))
        head = record.hash
        records.append(record)
    connection.execute(_INSERT_RECORD, [audit_row(record) for record in records])
    connection.execute(_MOVE_ANCHOR, {"seq": seq, "hash": head})
    return tuple(records)
