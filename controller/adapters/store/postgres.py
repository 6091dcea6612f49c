"""All that is special to PostgreSQL: how a connection is set up and what its errors mean. Statements are elsewhere."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import psycopg
from psycopg import conninfo, errors
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool, StaticPool

from controller.adapters.store.database import Limits, Password
from controller.adapters.store.errors import NotAStore
from controller.ports import Refused

CONNECT_S = 3
"""For each address of a host; shorter than two beats of what waits for the store."""

READERS_MAX = 8
"""Of one process: a server has 100 connections in all unless its owner said more."""

SILENT_S = 1.0
"""On top of a statement's own time-out: after that the server is silent, not slow."""

LOCK_SHARE = 0.8
"""Of a statement's time-out: what waits for a lock is told so, and not that it was slow."""

IDLE_IN_TRANSACTION_S = 5.0
"""How long a process that was stopped in the middle of a commit keeps all others from writing."""

BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
"""Every commit takes the anchor's row first and sees what the one before it wrote: nothing stricter is needed."""

OPTIONS = frozenset(
    {"host", "port", "user", "dbname", "sslmode", "sslrootcert", "sslcert", "sslkey", "channel_binding", "gssencmode"}
)
"""What a URL may say. Everything else either is set here or is none of the store's business."""

LOCK_SPACE = 0x1E7E2
"""Interlock's own space among the advisory locks of a database."""

_MEANING = {  # by SQLSTATE; what keeps a connection from being made has none, and says it well itself
    "55P03": "another process holds the lock of the writers: see pg_stat_activity",
    "57014": "a statement took too long and was cancelled: see what the server waits for",
    "25006": "the server takes no writes: it is a standby, or its owner made it read-only; use the primary",
    "25P03": "the server ended a transaction that stood still for too long",
    "53100": "the server's disk is full: make room and try again",
    "53200": "the server is out of memory",
    "57P01": "the server is shutting down",
    "57P02": "the server crashed and recovers",
    "42501": "this user may not do that: it needs to own the store's tables, and to create them at the first start",
    "42P01": "a table of the store is missing: restore it from a backup",
}
_CONNECTION = ("08", "57P")
_OVERTAKEN = {"40001", "40P01"}


class _Bounded(psycopg.Connection[Any]):
    """Gives up waiting for a server that is silent: the server's own time-outs do not run while it is frozen."""

    wait_s: float = 60.0

    def wait(self, gen: Generator[Any, Any, Any], interval: float = 0.1, timeout: float | None = None) -> Any:
        try:
            return super().wait(gen, interval, self.wait_s if timeout is None else timeout)
        except errors._WaitTimeout:
            self.pgconn.finish()
            raise errors.OperationalError(f"the server has not answered within {self.wait_s:g} s") from None


class Postgres:
    """See database.Database."""

    begin = BEGIN
    error: type[Exception] = psycopg.Error
    duplicate_key: type[Exception] = errors.UniqueViolation

    def __init__(self, url: str, limits: Limits, password: Password) -> None:
        self._where, self._limits, self._password = parse(url), limits, password

    @property
    def name(self) -> str:
        where = self._where
        return f"postgresql://{where.get('host', 'localhost')}:{where.get('port', 5432)}/{where['dbname']}"

    @property
    def limits(self) -> Limits:
        return self._limits

    def create(self) -> None:
        """The database is made by whoever runs the server."""

    def writer_engine(self) -> Engine:
        engine = self._engine(poolclass=StaticPool)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(BEGIN))
        return engine

    def reader_engine(self) -> Engine:
        readers = min(self._limits.readers, READERS_MAX)
        return self._engine(
            read_only=True,
            poolclass=QueuePool,
            pool_size=readers,
            max_overflow=0,
            pool_timeout=self._limits.busy_s,
        )

    def alone(self, connection: Connection) -> None:
        connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK_SPACE}, 0)"))
        encoding = connection.execute(text("SHOW server_encoding")).scalar()
        if encoding != "UTF8":
            raise NotAStore(f"the database has the encoding {encoding}: create one with ENCODING 'UTF8'")

    def meaning(self, error: Exception) -> str:
        original = _original(error)
        state = _state(original)
        if state in _MEANING:
            return _MEANING[state]
        if isinstance(original, errors.DataError):
            return "a text holds a character that the database cannot keep"
        if state is not None and isinstance(original, psycopg.Error):
            return f"the server says: {original.diag.message_primary} ({state})"
        return " ".join(str(original).split())[:300]

    def of_the_world(self, error: Exception) -> bool:
        original = _original(error)
        kinds = (errors.OperationalError, errors.InternalError, errors.InsufficientPrivilege, errors.UndefinedTable)
        return isinstance(original, kinds)

    def overtaken(self, error: Exception) -> bool:
        return _state(_original(error)) in _OVERTAKEN

    def refused(self, error: Exception) -> bool:
        return isinstance(_original(error), errors.DataError)

    def lost(self, error: Exception) -> bool:
        """Without a state the driver itself has lost the server. A server that takes no writes is another one by the
        next connection, where several hosts are named."""
        original, state = _original(error), _state(_original(error))
        if state is None:
            return isinstance(original, errors.OperationalError)
        return state.startswith(_CONNECTION) or state in {"25006", "25P03"}

    def undone(self, error: Exception) -> bool:
        """What the server itself says of a COMMIT comes before it; when it is going away, it may have come after."""
        state = _state(_original(error))
        return state is not None and not state.startswith((*_CONNECTION, "40003", "XX", "58"))

    def connect(self, read_only: bool = False) -> psycopg.Connection[Any]:
        """A new connection, set up and outside any transaction. Raises psycopg.Error."""
        limits = self._limits
        made = _Bounded.connect(
            **self._where,
            password=self._password(),
            connect_timeout=CONNECT_S,
            client_encoding="utf8",
            application_name="interlock",
            target_session_attrs="any" if read_only else "read-write",
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
            tcp_user_timeout=int(limits.statement_s * 1000),
            autocommit=True,
        )
        try:
            made.wait_s = limits.statement_s + SILENT_S
            made.execute(_settings(limits, read_only))
            made.autocommit = not read_only
        except BaseException:
            made.close()
            raise
        return made

    def _engine(self, read_only: bool = False, **pool: Any) -> Engine:
        return create_engine(
            "postgresql+psycopg://",
            creator=lambda: self.connect(read_only),
            hide_parameters=True,
            use_native_hstore=False,
            **pool,
        )


def parse(url: str) -> dict[str, Any]:
    """What ``url`` says of where the server is. Raises Refused, without repeating it: it may hold a password."""
    use = "use postgresql://USER@HOST:PORT/DATABASE"
    try:
        where = conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        raise Refused(f"the store's URL cannot be read: {use}") from None
    if "password" in where:
        raise Refused("the store's URL holds a password, which others can read: put it into storePasswordFile")
    unknown = sorted(set(where) - OPTIONS)
    if unknown:
        raise Refused(f"the store's URL says {', '.join(unknown)[:80]}, which cannot be chosen")
    missing = [name for name in ("user", "dbname") if not where.get(name)]
    if missing:
        raise Refused(f"the store's URL does not name its {' and '.join(missing)}: {use}")
    return where


def _settings(limits: Limits, read_only: bool) -> str:
    """Sent in one go. The server's own keepalives end a session, and the lock that it holds, when its host is gone."""
    settings = {
        "statement_timeout": int(limits.statement_s * 1000),
        "lock_timeout": int(min(limits.busy_s, LOCK_SHARE * limits.statement_s) * 1000),
        "idle_in_transaction_session_timeout": int(IDLE_IN_TRANSACTION_S * 1000),
        "default_transaction_read_only": "on" if read_only else "off",
        "tcp_keepalives_idle": 10,
        "tcp_keepalives_interval": 5,
        "tcp_keepalives_count": 3,
    }
    durable = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
    return ";".join([*(f"SET {name} = {value}" for name, value in settings.items()), durable])


def _state(error: BaseException | None) -> str | None:
    return error.sqlstate if isinstance(error, psycopg.Error) else None


def _original(error: Exception) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else error
