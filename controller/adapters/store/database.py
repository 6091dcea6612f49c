"""What the store needs of a kind of database. Each kind has a module of its own; no other module knows which it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection, Engine

Password = Callable[[], str | None]
"""Asked for every new connection, so that a password may be changed while the store is open."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one store.

    ``busy_s`` is how long a call waits for a connection or another writer before it says so: shorter than any deadline
    of a release. ``readers`` covers the workers and the busy part of the HTTP threads. ``statement_s`` bounds one
    statement on a server, also when the server falls silent. ``max_pages`` (of 2 KiB) bounds an SQLite file; None
    leaves that to the disk.
    """

    busy_s: float = 5.0
    readers: int = 16
    statement_s: float = 5.0
    max_pages: int | None = None


class Database(Protocol):
    """One database of one kind. ``name`` is for people and holds no password."""

    @property
    def name(self) -> str: ...

    @property
    def limits(self) -> Limits: ...

    @property
    def begin(self) -> str:
        """Begins a transaction that writes."""

    @property
    def error(self) -> type[Exception]:
        """What every error of the driver is."""

    @property
    def duplicate_key(self) -> type[Exception]: ...

    def create(self) -> None:
        """Make what must be there before the first connection. Raises Refused."""

    def writer_engine(self) -> Engine:
        """One connection, whose transactions SQLAlchemy begins with ``begin``."""

    def reader_engine(self) -> Engine | None:
        """Connections that cannot write; None where the one connection is all there is."""

    def alone(self, connection: Connection) -> None:
        """Make other processes that lay out tables wait until this transaction ends. Raises PortError when the
        database cannot hold a store."""

    def meaning(self, error: Exception) -> str:
        """What went wrong and what to look at, without the statement or its values."""

    def of_the_world(self, error: Exception) -> bool:
        """Whether the disk, the server or another process is to blame, and not a statement of ours."""

    def overtaken(self, error: Exception) -> bool:
        """Whether the transaction lost against another one, and may be tried again."""

    def refused(self, error: Exception) -> bool:
        """Whether a value is none that the database can hold."""

    def lost(self, error: Exception) -> bool:
        """Whether the connection is of no more use."""

    def undone(self, error: Exception) -> bool:
        """Whether a failed COMMIT surely wrote nothing that counts."""
