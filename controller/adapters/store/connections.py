"""Connections to the database, one writer and many readers, and the one place where its errors get our names."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import PoolProxiedConnection

from controller.adapters.store.database import Database
from controller.adapters.store.transaction import Statements, Transaction
from controller.ports import Conflict, Refused, Unavailable, Unknown

_CLOSED = "the store is closed"


class Connections:
    """Thread-safe. Writers queue in the process: SQLite would have them poll for its lock instead, and a server would
    have each of them hold a connection only to wait for the anchor's row."""

    def __init__(self, database: Database) -> None:
        self._database, self._error = database, database.error
        self._lock = threading.Lock()
        self._closed = False
        self._writers = database.writer_engine()
        self._readers = database.reader_engine()
        self._statements = Statements(self._writers.dialect, database.duplicate_key)
        self._writer: PoolProxiedConnection | None = None

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """One durable transaction: all of the block happens, or, after any exception, nothing of it."""
        with self._exclusive():
            transaction = self._begin()
            try:
                yield transaction
            except self._error as error:
                if self._database.lost(error):
                    self._drop_writer()
                else:
                    self._undo()
                if self._database.overtaken(error):
                    raise Conflict(f"another writer of the store was faster: {self._meaning(error)}") from error
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
            except (DBAPIError, self._error) as error:
                self._drop_writer()
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
            raise Unavailable(f"no reader of the store became free within {self._busy_s:g} s") from None
        except (DBAPIError, self._error) as error:
            self._raise(error)

    def close(self) -> None:
        """Wait for the running writer, then close every connection. Closing twice is the same as once."""
        with self._lock:
            self._closed = True
            self._drop_writer()
            self._writers.dispose()
            if self._readers is not None:
                self._readers.dispose()

    @property
    def _busy_s(self) -> float:
        return self._database.limits.busy_s

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=self._busy_s):
            raise Unavailable(f"the store is busy: no turn to write within {self._busy_s:g} s")
        try:
            if self._closed:
                raise Unavailable(_CLOSED)
            yield
        finally:
            self._lock.release()

    def _begin(self) -> Transaction:
        """A connection that was lost while nobody used it is replaced at once: its BEGIN did nothing."""
        kept = self._writer is not None
        try:
            return self._begun()
        except (DBAPIError, self._error) as error:
            self._drop_writer()
            if not (kept and self._database.lost(error)):
                self._raise(error)
        try:
            return self._begun()
        except (DBAPIError, self._error) as error:
            self._drop_writer()
            self._raise(error)

    def _begun(self) -> Transaction:
        if self._writer is None:
            self._writer = self._writers.raw_connection()
        cursor = self._writer.cursor()
        cursor.execute(self._database.begin)
        return Transaction(cursor, self._statements)

    def _commit(self) -> None:
        assert self._writer is not None
        try:
            self._writer.commit()
        except self._error as error:
            self._drop_writer()
            text = self._meaning(error)
            if self._database.overtaken(error):
                raise Conflict(f"another writer of the store was faster: {text}") from error
            if self._database.undone(error):
                raise Unavailable(text) from error
            raise Unknown(f"{text}; the last commit may or may not be there, so read before you repeat it") from error
        except BaseException:
            self._drop_writer()
            raise

    def _undo(self) -> None:
        assert self._writer is not None
        try:
            self._writer.rollback()
        except self._error:
            self._drop_writer()  # closing a connection rolls its transaction back

    def _drop_writer(self) -> None:
        """After a failed COMMIT the connection may still hold the transaction: a new one surely does not."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with suppress(DBAPIError, self._error):
                writer.invalidate()

    def _raise(self, error: Exception) -> NoReturn:
        """Unavailable for what the world did, Refused for a value that cannot be stored; anything else is a bug of ours
        and stays what it is."""
        if self._database.refused(error):
            raise Refused(self._meaning(error)) from None
        if not self._database.of_the_world(error):
            raise error
        raise Unavailable(self._meaning(error)) from error

    def _meaning(self, error: Exception) -> str:
        return f"the store {self._database.name}: {self._database.meaning(error)}"
