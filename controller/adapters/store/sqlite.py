"""All that is special to SQLite: how a connection is set up, what its errors mean, and its few own statements.

Another database gets a module like this one; the statements in the other modules stay as they are.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Table, create_engine, event
from sqlalchemy.dialects.sqlite import Insert, insert
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import QueuePool, StaticPool

from controller.ports import Refused

MEMORY = ":memory:"

BEGIN = "BEGIN IMMEDIATE"
"""Takes the write lock at once: a transaction that asks for it later may find that it has read in vain."""

Error = sqlite3.Error
DuplicateKey = sqlite3.IntegrityError

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


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one store.

    ``busy_s`` is how long a call waits for a connection or another writer before it says so: shorter than any deadline
    of a release. ``readers`` covers the workers and the busy part of the HTTP threads. ``max_pages`` (of 2 KiB) bounds
    the file; None leaves that to the disk.
    """

    busy_s: float = 5.0
    readers: int = 16
    max_pages: int | None = None


def parse(location: str | Path) -> URL:
    """The URL of ``location``: a path, ``:memory:`` or ``sqlite:///path``. Raises Refused for anything else."""
    text = str(location)
    if "://" not in text:
        return URL.create("sqlite", database=text)
    try:
        url = make_url(text)
    except ArgumentError:
        raise Refused("the store's URL cannot be read: use sqlite:///path or a path") from None
    if url.drivername not in {"sqlite", "sqlite+pysqlite"} or url.query:
        raise Refused(f"the store cannot be kept in {url.drivername!r}: use sqlite:///path or a path")
    return URL.create("sqlite", database=url.database or MEMORY)


def in_memory(url: URL) -> bool:
    return url.database in {None, "", MEMORY}


def create_private(url: URL) -> None:
    """Create the file for its owner only, because it will hold digests of tokens. Nothing when it is there."""
    if in_memory(url):
        return
    assert url.database is not None
    try:
        os.close(os.open(url.database, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise Refused(f"the store {url.database!r} cannot be created: {error.strerror}") from None


def writer_engine(url: URL, limits: Limits) -> Engine:
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


def reader_engine(url: URL, limits: Limits) -> Engine:
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


def meaning(error: DBAPIError | Error) -> str:
    """What went wrong and what to look at, without the statement or its values."""
    return _MEANING.get(_code(error), f"the database says: {_original(error)}")


def of_the_world(error: DBAPIError | Error) -> bool:
    """Whether the disk, the file or another process is to blame, and not a statement of ours."""
    original = _original(error)
    return isinstance(original, (sqlite3.OperationalError, sqlite3.InternalError)) or (
        type(original) is sqlite3.DatabaseError
    )


def undone(error: Error) -> bool:
    """Whether a failed COMMIT surely wrote nothing that counts.

    When the disk is full the last frame of the log, the one which makes the others valid, was not written. After any
    other error it may have been.
    """
    return _code(error) in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY}


def _code(error: DBAPIError | Error) -> int:
    return (getattr(_original(error), "sqlite_errorcode", None) or 0) & 0xFF  # the high bits say where it happened


def _original(error: DBAPIError | Error) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else error


def insert_new(table: Table) -> Insert:
    """Insert and write no row when one with the same key, or the same unique value, is there already."""
    return insert(table).on_conflict_do_nothing()


def upsert(table: Table) -> Insert:
    """Insert; a row whose primary key is there already gets the new values."""
    statement = insert(table)
    keys = [column.name for column in table.primary_key]
    values = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=values)
