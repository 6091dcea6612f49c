"""The store on an SQL database: the port's methods, each one transaction. It decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Delete, bindparam, delete, select, tuple_, update

from controller.adapters.store import opening, reads, writes
from controller.adapters.store.audit_rows import verify_chain
from controller.adapters.store.codec import Codecs, keepable
from controller.adapters.store.connections import Connections
from controller.adapters.store.database import Limits, Password
from controller.adapters.store.errors import Corrupt
from controller.adapters.store.location import database, no_password
from controller.adapters.store.schema import answered, outbox
from controller.core.model import Phase, Release
from controller.ports import Answered, AuditFilter, Commit, OutboxRow, Page, StoredApplication, Token
from gates.audit import ChainCheck, Record
from gates.kill import Engagement, KillState

EVERY_RECORD = AuditFilter()

MAX_DUE = 1_000
"""Rows handed out by one sweep; the rest are still due at the next."""

MAX_ERROR_CHARS = 500
"""Of a delivery's error: enough to see what happened, too little to fill the disk by failing."""

PRUNE_ROWS = 1_000
"""Deleted in one transaction, so that pruning never keeps a rollback waiting for more than some milliseconds."""

_DONE = update(outbox).where(outbox.c.key == bindparam("of")).values(done=True)
_FAILED = (
    update(outbox)
    .where(outbox.c.key == bindparam("of"), outbox.c.done.is_(False))
    .values(attempts=outbox.c.attempts + 1, due_at_s=bindparam("retry"), error=bindparam("why"))
)
_OLD_ANSWERS = (
    select(answered.c.key, answered.c.actor)
    .where(answered.c.at_s < bindparam("before"))
    .order_by(answered.c.at_s)
    .limit(PRUNE_ROWS)
)
_FORGET_ANSWERS = delete(answered).where(tuple_(answered.c.key, answered.c.actor).in_(_OLD_ANSWERS))
_OLD_MESSAGES = (
    select(outbox.c.id).where(outbox.c.done.is_(True), outbox.c.created_at_s < bindparam("before")).limit(PRUNE_ROWS)
)
_FORGET_MESSAGES = delete(outbox).where(outbox.c.id.in_(_OLD_MESSAGES))


class _Rehearsed(Exception):
    """Ends a transaction that is meant to leave nothing behind."""


def _unreported(_: Corrupt) -> None:
    """For callers that list without a log; asking for the row itself still raises."""


class SqlStore:
    """See controller.ports.Store. Thread-safe; the writers of a process take turns, as do those of several.

    ``held`` is told of each unreadable row that a listing leaves out. Asking for that row itself raises Corrupt.
    """

    def __init__(self, connections: Connections, held: reads.Held = _unreported) -> None:
        self._connections = connections
        self._codecs = Codecs()
        self._held = held

    @classmethod
    def open(
        cls,
        location: str | Path,
        limits: Limits | None = None,
        held: reads.Held = _unreported,
        password: Password = no_password,
    ) -> SqlStore:
        """Open the store at a path, ``sqlite:///path``, ``:memory:`` or ``postgresql://``; an empty one is laid out.

        Raises SchemaTooOld, SchemaTooNew, NotAStore, Refused or Unavailable.
        """
        where = database(location, limits, password)
        where.create()
        connections = Connections(where)
        try:
            with connections.define() as connection:
                where.alone(connection)
                opening.prepare(connection)
        except BaseException:
            connections.close()
            raise
        return cls(connections, held)

    def commit(self, commit: Commit) -> tuple[Record, ...]:
        made = writes.rows(self._codecs, commit)
        with self._connections.write() as transaction:
            return writes.apply(transaction, commit, made)

    def lead(self, holder: str, at_s: float, min_epoch: int = 0) -> int:
        """``min_epoch`` lifts a new or restored store above the epochs that the routes hold already."""
        with self._connections.write() as transaction:
            return writes.lead(transaction, holder, at_s, min_epoch)

    def epoch(self) -> int:
        with self._connections.read() as connection:
            return reads.epoch(connection)

    def release(self, release_id: str) -> Release | None:
        with self._connections.read() as connection:
            return reads.release(connection, self._codecs, release_id)

    def releases(self, page: Page, application: str | None = None, phase: Phase | None = None) -> Sequence[Release]:
        with self._connections.read() as connection:
            return reads.list_releases(connection, self._codecs, self._held, page, application, phase)

    def active(self, application: str) -> Sequence[Release]:
        with self._connections.read() as connection:
            return reads.active(connection, self._codecs, application)

    def due(self, now_s: float, limit: int) -> Sequence[tuple[str, float]]:
        with self._connections.read() as connection:
            return reads.due(connection, now_s, min(limit, MAX_DUE))

    def next_wake_s(self) -> float | None:
        with self._connections.read() as connection:
            return reads.next_wake_s(connection)

    def application(self, name: str) -> StoredApplication | None:
        with self._connections.read() as connection:
            return reads.application(connection, self._codecs, name)

    def applications(self, page: Page) -> Sequence[StoredApplication]:
        with self._connections.read() as connection:
            return reads.list_applications(connection, self._codecs, self._held, page)

    def rehearse_kill(self, engagement: Engagement) -> None:
        row = writes.kill_row(self._codecs, engagement)
        with suppress(_Rehearsed), self._connections.write() as transaction:
            writes.rehearse_kill(transaction, row)
            raise _Rehearsed

    def kills(self) -> KillState:
        with self._connections.read() as connection:
            return reads.kill_state(connection, self._codecs)

    def audit(self, page: Page, wanted: AuditFilter = EVERY_RECORD, newest_first: bool = False) -> Sequence[Record]:
        with self._connections.read() as connection:
            return reads.list_audit(connection, page, wanted, newest_first)

    def verify_audit(self) -> ChainCheck:
        return verify_chain(self._connections)

    def outbox_due(self, now_s: float, limit: int) -> Sequence[OutboxRow]:
        with self._connections.read() as connection:
            return reads.outbox_due(connection, self._codecs, self._held, now_s, min(limit, MAX_DUE))

    def outbox_done(self, key: str) -> None:
        """Doing it twice is the same as once; so is a key that was pruned meanwhile."""
        with self._connections.write() as transaction:
            transaction.run(_DONE, {"of": key})

    def outbox_failed(self, key: str, retry_at_s: float, error: str) -> None:
        """A message that was delivered meanwhile stays delivered."""
        with self._connections.write() as transaction:
            transaction.run(_FAILED, {"of": key, "retry": retry_at_s, "why": keepable(error[:MAX_ERROR_CHARS])})

    def tokens(self) -> Sequence[Token]:
        with self._connections.read() as connection:
            return reads.list_tokens(connection)

    def answered(self, key: str, actor: str) -> Answered | None:
        with self._connections.read() as connection:
            return reads.find_answered(connection, key, actor)

    def prune(self, before_s: float) -> int:
        return self._forget(_FORGET_ANSWERS, before_s) + self._forget(_FORGET_MESSAGES, before_s)

    def close(self) -> None:
        self._connections.close()

    def _forget(self, statement: Delete, before_s: float) -> int:
        pruned = 0
        while True:
            with self._connections.write() as transaction:
                deleted = transaction.run(statement, {"before": before_s})
            pruned += deleted
            if deleted < PRUNE_ROWS:
                return pruned
