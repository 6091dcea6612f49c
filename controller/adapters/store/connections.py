"""Connections to the database, one writer and many readers, and the one place where its errors get our names."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from sqlalchemy import Connection
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import PoolProxiedConnection

from controller.adapters.store import sqlite
from controller.adapters.store.transaction import Statements, Transaction
from controller.ports import Unavailable, Unknown

_CLOSED = "the store is closed"


class Connections:
    """Thread-safe. Writers queue in the process, because SQLite would have them poll for its lock instead."""

    def __init__(self, url: URL, limits: sqlite.Limits) -> None:
        self._limits = limits
        self._name = url.database or sqlite.MEMORY
        self._lock = threading.Lock()
        self._closed = False
        self._writers = sqlite.writer_engine(url, limits)
        self._readers = None if sqlite.in_memory(url) else sqlite.reader_engine(url, limits)
        self._statements = Statements(self._writers.dialect)
        self._writer: PoolProxiedConnection | None = None

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """One durable transaction: all of the block happens, or, after any exception, nothing of it."""
        with self._exclusive():
            transaction = self._begin()
            try:
                yield transaction
            except sqlite.Error as error:
                self._undo()
                self._raise(error)
            except BaseException:
                self._undo()
                raise
            self._commit()

    @contextmanager
    def define(self) -> Iterator[Connection]:
        """Like ``write``, with SQLAlchemy's own connection, for the statements that make and change tables."""
        with self._exclusive():
            try:
                with self._writers.begin() as connection:
                    yield connection
            except (DBAPIError, sqlite.Error) as error:
                self._raise(error)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading only."""
        if self._readers is None:  # a database in memory lives in its one connection
            with self.define() as connection:
                yield connection
            return
        if self._closed:
            raise Unavailable(_CLOSED)
        try:
            with self._readers.connect() as connection:
                yield connection
        except PoolTimeout:
            raise Unavailable(f"no reader of the store became free within {self._limits.busy_s:g} s") from None
        except (DBAPIError, sqlite.Error) as error:
            self._raise(error)

    def close(self) -> None:
        """Wait for the running writer, then close every connection. Closing twice is the same as once."""
        with self._lock:
            self._closed = True
            self._drop_writer()
            self._writers.dispose()
            if self._readers is not None:
                self._readers.dispose()

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=self._limits.busy_s):
            raise Unavailable(f"the store is busy: no turn to write within {self._limits.busy_s:g} s")
        try:
            if self._closed:
                raise Unavailable(_CLOSED)
            yield
        finally:
            self._lock.release()

    def _begin(self) -> Transaction:
        try:
            if self._writer is None:
                self._writer = self._writers.raw_connection()
            cursor = self._writer.cursor()
            cursor.execute(sqlite.BEGIN)
        except (DBAPIError, sqlite.Error) as error:
            self._drop_writer()
            self._raise(error)
        return Transaction(cursor, self._statements)

    def _commit(self) -> None:
        assert self._writer is not None
        try:
            self._writer.commit()
        except sqlite.Error as error:
            self._drop_writer()
            text = f"the store {self._name}: {sqlite.meaning(error)}"
            if sqlite.undone(error):
                raise Unavailable(text) from error
            raise Unknown(f"{text}; the last commit may or may not be there, so read before you repeat it") from error
        except BaseException:
            self._drop_writer()
            raise

    def _undo(self) -> None:
        assert self._writer is not None
        try:
            self._writer.rollback()
        except sqlite.Error:
            self._drop_writer()  # closing a connection rolls its transaction back

    def _drop_writer(self) -> None:
        """After a failed COMMIT the connection may still hold the transaction: a new one surely does not."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with suppress(DBAPIError, sqlite.Error):
                writer.invalidate()

    def _raise(self, error: DBAPIError | sqlite.Error) -> NoReturn:
        """Unavailable for what the world did; anything else is a bug of ours and stays what it is."""
        if sqlite.of_the_world(error):
            raise Unavailable(f"the store {self._name}: {sqlite.meaning(error)}") from error
        raise error
