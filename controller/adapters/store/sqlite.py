"""All that is special to SQLite: how a connection is set up and what its errors mean. The statements are elsewhere."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool, StaticPool

from controller.adapters.store.database import Limits
from controller.ports import Refused

MEMORY = ":memory:"

BEGIN = "BEGIN IMMEDIATE"
"""Takes the write lock at once: a transaction that asks for it later may find that it has read in vain."""

_MEANING = {
    sqlite3.SQLITE_BUSY: "the database is locked by another process: see what else has it open",
    sqlite3.SQLITE_LOCKED: "the database is locked by another process: see what else has it open",
    sqlite3.SQLITE_FULL: "the disk, or the space allowed for the database, is full: make room and try again",
    sqlite3.SQLITE_READONLY: "the database file is read-only for this process: check its owner and permissions",
    sqlite3.SQLITE_CANTOPEN: "the database file cannot be opened: check that its directory exists and may be written",
    sqlite3.SQLITE_PERM: "the database file may not be used by this process: check its owner and permissions",
    sqlite3.SQLITE_IOERR: "the disk reports an error: check the disk, its space and its limits",
    sqlite3.SQLITE_CORRUPT: "the database file is damaged: restore it from a backup",
    sqlite3.SQLITE_NOTADB: "the file is not an SQLite database: check the path",
}


class Sqlite:
    """See database.Database."""

    begin = BEGIN
    error: type[Exception] = sqlite3.Error
    duplicate_key: type[Exception] = sqlite3.IntegrityError

    def __init__(self, path: str, limits: Limits) -> None:
        self._url = URL.create("sqlite", database=path or MEMORY)
        self._limits = limits

    @property
    def name(self) -> str:
        return self._url.database or MEMORY

    @property
    def limits(self) -> Limits:
        return self._limits

    def create(self) -> None:
        """Create the file for its owner only, because it will hold digests of tokens. Nothing when it is there."""
        if self.name == MEMORY:
            return
        try:
            os.close(os.open(self.name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            return
        except OSError as error:
            raise Refused(f"the store {self.name!r} cannot be created: {error.strerror}") from None

    def writer_engine(self) -> Engine:
        return _writer_engine(self._url, self._limits)

    def reader_engine(self) -> Engine | None:
        return None if self.name == MEMORY else _reader_engine(self._url, self._limits)

    def alone(self, connection: Connection) -> None:
        """The transaction holds the write lock already."""

    def meaning(self, error: Exception) -> str:
        return _MEANING.get(_code(error), f"the database says: {_original(error)}")

    def of_the_world(self, error: Exception) -> bool:
        original = _original(error)
        return isinstance(original, (sqlite3.OperationalError, sqlite3.InternalError)) or (
            type(original) is sqlite3.DatabaseError
        )

    def overtaken(self, error: Exception) -> bool:
        """Never: a transaction holds the write lock from its begin."""
        return False

    def refused(self, error: Exception) -> bool:
        """Never: SQLite holds any text."""
        return False

    def lost(self, error: Exception) -> bool:
        """Never: a file has no connection that breaks."""
        return False

    def undone(self, error: Exception) -> bool:
        """When the disk is full the last frame of the log, the one which makes the others valid, was not written. After
        any other error it may have been."""
        return _code(error) in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY}


def _writer_engine(url: URL, limits: Limits) -> Engine:
    """One connection. Its transactions take the write lock at once, so that two never wait for each other in a ring."""
    engine = create_engine(
        url,
        poolclass=StaticPool,
        hide_parameters=True,
        connect_args={"check_same_thread": False, "timeout": limits.busy_s, "isolation_level": None},
    )
    event.listen(engine, "connect", lambda raw, _record: _set_up_writer(raw, limits))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(BEGIN))
    return engine


def _reader_engine(url: URL, limits: Limits) -> Engine:
    """Connections that cannot write. Each statement sees the last commit, and never waits for a writer."""
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=limits.readers,
        max_overflow=0,
        pool_timeout=limits.busy_s,
        hide_parameters=True,
        connect_args={"check_same_thread": False, "timeout": limits.busy_s, "isolation_level": None},
    )
    event.listen(engine, "connect", lambda raw, _record: _set_up(raw, limits, ("PRAGMA query_only=ON",)))
    return engine


def _set_up_writer(raw: Any, limits: Limits) -> None:
    journal = (
        "PRAGMA page_size=2048",  # of a fresh file: a commit touches a dozen pages, and each is logged whole
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",  # a commit that returned survives a power cut
        "PRAGMA fullfsync=ON",  # without it macOS leaves the bytes in the drive's cache
        "PRAGMA journal_size_limit=67108864",  # give space back after one large transaction
    )
    pages = () if limits.max_pages is None else (f"PRAGMA max_page_count={int(limits.max_pages)}",)
    _set_up(raw, limits, journal + pages)


def _set_up(raw: Any, limits: Limits, more: Sequence[str]) -> None:
    common = (
        f"PRAGMA busy_timeout={int(limits.busy_s * 1000)}",
        "PRAGMA foreign_keys=ON",
        "PRAGMA trusted_schema=OFF",
    )
    for pragma in (*common, *more):
        raw.execute(pragma)


def _code(error: Exception) -> int:
    return (getattr(_original(error), "sqlite_errorcode", None) or 0) & 0xFF  # the high bits say where it happened


def _original(error: Exception) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else error
