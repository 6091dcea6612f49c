"""The queries of the store. They change nothing, and one unreadable row never hides the rows beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, select, tuple_

from controller.adapters.store.audit_rows import audit_record
from controller.adapters.store.codec import Codecs
from controller.adapters.store.errors import Corrupt
from controller.adapters.store.schema import (
    AnyRow,
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
from controller.core.model import Phase, Release
from controller.ports import Answered, AuditFilter, OutboxRow, Page, Refused, StoredApplication, Token
from gates.audit import Record
from gates.kill import Engagement, KillState, union

T = TypeVar("T")

MAX_PAGE = 1_000
"""Rows of one page: some 10 MB of releases. Longer listings are read page by page."""

CHUNK = 100
"""Rows fetched at once within a page."""

Held = Callable[[Corrupt], None]

_RELEASE_COLUMNS = (releases.c.id, releases.c.revision, releases.c.format, releases.c.body)
_APPLICATION_COLUMNS = (applications.c.name, applications.c.revision, applications.c.format, applications.c.body)
_EPOCH = select(anchor.c.epoch)
_RELEASE = select(*_RELEASE_COLUMNS).where(releases.c.id == bindparam("key"))
_ACTIVE = (
    select(*_RELEASE_COLUMNS)
    .where(releases.c.application == bindparam("of"), releases.c.ended.is_(False))
    .order_by(releases.c.created_at_s, releases.c.id)
)
_DUE = (
    select(releases.c.id, releases.c.wake_at_s)
    .where(releases.c.ended.is_(False), releases.c.wake_at_s <= bindparam("now"))
    .order_by(releases.c.wake_at_s, releases.c.id)
    .limit(bindparam("most"))
)
_NEXT_WAKE = select(func.min(releases.c.wake_at_s)).where(releases.c.ended.is_(False))
_APPLICATION = select(*_APPLICATION_COLUMNS).where(applications.c.name == bindparam("key"))
_OUTBOX_DUE = (
    select(outbox.c.key, outbox.c.format, outbox.c.body, outbox.c.attempts, outbox.c.due_at_s, outbox.c.created_at_s)
    .where(outbox.c.done.is_(False), outbox.c.due_at_s <= bindparam("now"))
    .order_by(outbox.c.due_at_s, outbox.c.id)
)
_UNRELEASED = select(kills).where(kills.c.id.not_in(select(kill_releases.c.id)))
_TOKENS = select(tokens).order_by(tokens.c.created_at_s, tokens.c.id)
_ANSWERED = select(*(answered.c[field.name] for field in fields(Answered))).where(
    answered.c.key == bindparam("of_key"), answered.c.actor == bindparam("of_actor")
)


def epoch(connection: Connection) -> int:
    return int(connection.execute(_EPOCH).scalar_one())


def release(connection: Connection, codecs: Codecs, release_id: str) -> Release | None:
    row = connection.execute(_RELEASE, {"key": release_id}).first()
    return None if row is None else _release(codecs, row)


def list_releases(
    connection: Connection, codecs: Codecs, held: Held, page: Page, application: str | None, phase: Phase | None
) -> Sequence[Release]:
    order: ColumnElement[Any] = tuple_(releases.c.created_at_s, releases.c.id)
    wanted = select(*_RELEASE_COLUMNS).order_by(releases.c.created_at_s.desc(), releases.c.id.desc())
    if page.after:
        last = connection.execute(select(releases.c.created_at_s).where(releases.c.id == page.after)).scalar()
        if last is None:
            raise Refused(f"the page cannot start after {page.after[:80]!r}: there is no such release")
        wanted = wanted.where(order < tuple_(last, page.after))
    if application is not None:
        wanted = wanted.where(releases.c.application == application)
    if phase is not None:
        wanted = wanted.where(releases.c.phase == phase.value)
    return _readable(connection, wanted, {}, checked_limit(page), lambda row: _release(codecs, row), held)


def active(connection: Connection, codecs: Codecs, application: str) -> Sequence[Release]:
    """Raises Corrupt when one of them cannot be read: half an answer would read as "nothing runs"."""
    return [_release(codecs, row) for row in connection.execute(_ACTIVE, {"of": application})]


def due(connection: Connection, now_s: float, limit: int) -> Sequence[tuple[str, float]]:
    rows = connection.execute(_DUE, {"now": now_s, "most": limit})
    return [(row.id, row.wake_at_s) for row in rows]


def next_wake_s(connection: Connection) -> float | None:
    return connection.execute(_NEXT_WAKE).scalar()


def application(connection: Connection, codecs: Codecs, name: str) -> StoredApplication | None:
    row = connection.execute(_APPLICATION, {"key": name}).first()
    return None if row is None else _application(codecs, row)


def list_applications(connection: Connection, codecs: Codecs, held: Held, page: Page) -> Sequence[StoredApplication]:
    wanted = (
        select(*_APPLICATION_COLUMNS)
        .where(applications.c.deleted.is_(False), applications.c.name > page.after)
        .order_by(applications.c.name)
    )
    return _readable(connection, wanted, {}, checked_limit(page), lambda row: _application(codecs, row), held)


def kill_state(connection: Connection, codecs: Codecs) -> KillState:
    """A kill that cannot be read makes the whole source unreadable, which holds; those beside it still count."""
    released = frozenset(connection.execute(select(kill_releases.c.id)).scalars())
    engaged: list[Engagement] = []
    troubles: list[str] = []
    # What was released is not decoded: its id is enough, and the history only grows.
    for row in connection.execute(_UNRELEASED):
        try:
            engaged.append(codecs.engagement.decode(row.format, row.body, row.id))
        except Corrupt as error:
            troubles.append(str(error))
    return union([KillState(tuple(engaged), released, readable=not troubles, trouble="; ".join(troubles))])


def list_audit(connection: Connection, page: Page, wanted: AuditFilter, newest_first: bool) -> Sequence[Record]:
    seq = audit.c.seq
    rows = select(audit).order_by(seq.desc() if newest_first else seq).limit(checked_limit(page))
    if page.after:
        after = sequence_number(page)
        rows = rows.where(seq < after if newest_first else seq > after)
    for column, value in ((audit.c.release_id, wanted.release_id), (audit.c.application, wanted.application)):
        if value is not None:
            rows = rows.where(column == value)
    if wanted.type is not None:
        rows = rows.where(audit.c.type == wanted.type)
    return [audit_record(row) for row in connection.execute(rows)]


def outbox_due(connection: Connection, codecs: Codecs, held: Held, now_s: float, limit: int) -> Sequence[OutboxRow]:
    def decode(row: AnyRow) -> OutboxRow:
        return OutboxRow(
            codecs.message.decode(row.format, row.body, row.key), row.attempts, row.due_at_s, row.created_at_s
        )

    return _readable(connection, _OUTBOX_DUE, {"now": now_s}, limit, decode, held)


def list_tokens(connection: Connection) -> Sequence[Token]:
    return [Token(**row._mapping) for row in connection.execute(_TOKENS)]


def find_answered(connection: Connection, key: str, actor: str) -> Answered | None:
    row = connection.execute(_ANSWERED, {"of_key": key, "of_actor": actor}).first()
    return None if row is None else Answered(*row)


def checked_limit(page: Page) -> int:
    if not 1 <= page.limit <= MAX_PAGE:
        raise Refused(f"a page has 1 to {MAX_PAGE} rows, not {page.limit}")
    return page.limit


def sequence_number(page: Page) -> int:
    """``page.after`` as a sequence number; 18 digits, because the databases count to 2**63."""
    if not (page.after.isascii() and page.after.isdigit() and len(page.after) <= 18):
        raise Refused(f"an audit page starts after a sequence number, not {page.after[:80]!r}")
    return int(page.after)


def _readable(
    connection: Connection,
    wanted: Select[Any],
    values: Mapping[str, object],
    limit: int,
    decode: Callable[[AnyRow], T],
    held: Held,
) -> Sequence[T]:
    """The first ``limit`` rows that can be read, so that a short page always means the last one."""
    found: list[T] = []
    # Closed where it is left early: on a server the rest of the rows waits there.
    with connection.execute(wanted, values, execution_options={"yield_per": min(limit, CHUNK)}) as rows:
        for row in rows:
            try:
                found.append(decode(row))
            except Corrupt as error:
                held(error)
                continue
            if len(found) == limit:
                break
    return found


def _release(codecs: Codecs, row: AnyRow) -> Release:
    found = codecs.release.decode(row.format, row.body, row.id)
    if (found.id, found.revision) != (row.id, row.revision):
        raise Corrupt("releases", row.id, "its text belongs to another release or revision")
    return found


def _application(codecs: Codecs, row: AnyRow) -> StoredApplication:
    found = codecs.application.decode(row.format, row.body, row.name)
    if (found.app.name, found.revision) != (row.name, row.revision):
        raise Corrupt("applications", row.name, "its text belongs to another application or revision")
    return found
