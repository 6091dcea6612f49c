"""Connections to the database, one writer and many readers, and the one place where its errors get our names."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from sqlalchemy import Connection, RootTransaction
from sqlalchemy.engine import URL
from sqlalchemy.exc import DatabaseError, DBAPIError, InternalError, OperationalError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from controller.adapters.store import sqlite
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
        self._writer: Connection | None = None

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One durable transaction: all of the block happens, or, after any exception, nothing of it."""
        with self._exclusive():
            transaction, connection = self._begin()
            try:
                yield connection
            except DBAPIError as error:
                self._undo(transaction)
                self._raise(error)
            except BaseException:
                self._undo(transaction)
                raise
            self._commit(transaction)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading only."""
        if self._readers is None:  # a database in memory lives in its one connection
            with self.write() as connection:
                yield connection
            return
        if self._closed:
            raise Unavailable(_CLOSED)
        try:
            with self._readers.connect() as connection:
                yield connection
        except PoolTimeout:
            raise Unavailable(f"no reader of the store became free within {self._limits.busy_s:g} s") from None
        except DBAPIError as error:
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

    def _begin(self) -> tuple[RootTransaction, Connection]:
        try:
            if self._writer is None:
                self._writer = self._writers.connect()
            return self._writer.begin(), self._writer
        except DBAPIError as error:
            self._drop_writer()
            self._raise(error)

    def _commit(self, transaction: RootTransaction) -> None:
        try:
            transaction.commit()
        except DBAPIError as error:
            self._drop_writer()
            text = f"the store {self._name}: {sqlite.meaning(error)}"
            if sqlite.undone(error):
                raise Unavailable(text) from error
            raise Unknown(f"{text}; the last commit may or may not be there, so read before you repeat it") from error
        except BaseException:
            self._drop_writer()
            raise

    def _undo(self, transaction: RootTransaction) -> None:
        try:
            transaction.rollback()
        except (DBAPIError, PendingRollbackError):
            self._drop_writer()  # closing a connection rolls its transaction back

    def _drop_writer(self) -> None:
        """After a failed COMMIT the connection may still hold the transaction: a new one surely does not."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with suppress(DBAPIError):
                writer.invalidate()
                writer.close()

    def _raise(self, error: DBAPIError) -> NoReturn:
        """Unavailable for what the world did; anything else is a bug of ours and stays what it is."""
        if isinstance(error, (OperationalError, InternalError)) or type(error) is DatabaseError:
            raise Unavailable(f"the store {self._name}: {sqlite.meaning(error)}") from error
        raise error
