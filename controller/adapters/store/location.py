"""Which database a location names: a path, ``:memory:``, ``sqlite:///path`` or ``postgresql://``. It opens none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from controller.adapters.store.database import Database, Limits, Password
from controller.adapters.store.sqlite import MEMORY, Sqlite
from controller.ports import Refused

if TYPE_CHECKING:
    from controller.adapters.store.postgres import Postgres
    from controller.adapters.store.turn import Turn

POSTGRES = ("postgresql://", "postgres://")
KINDS = "use sqlite:///path, a path, or postgresql://USER@HOST:PORT/DATABASE"


def no_password() -> None:
    """For a server that asks for none, or takes a certificate."""


def database(location: str | Path, limits: Limits | None = None, password: Password = no_password) -> Database:
    """Raises Refused for anything else, and repeats no location that may hold a password."""
    text, limits = str(location), limits or Limits()
    if text.startswith(POSTGRES):
        return _postgres(text, limits, password)
    if "://" not in text:
        return Sqlite(text, limits)
    try:
        url = make_url(text)
    except ArgumentError:
        raise Refused(f"the store's URL cannot be read: {KINDS}") from None
    if url.drivername not in {"sqlite", "sqlite+pysqlite"} or url.query:
        raise Refused(f"the store cannot be kept in {url.drivername!r}: {KINDS}")
    return Sqlite(url.database or MEMORY, limits)


def turn_on(url: str, password: Password) -> Turn:
    """The turn of a controller on a server's store, not taken yet. Raises Refused."""
    where = _postgres(url, Limits(), password)
    from controller.adapters.store.turn import Turn

    return Turn(where)


def _postgres(url: str, limits: Limits, password: Password) -> Postgres:
    """Imported only when it is used: its driver is an extra of the package."""
    try:
        from controller.adapters.store.postgres import Postgres
    except ImportError as error:
        raise Refused(f"PostgreSQL needs another package: pip install 'interlock[postgres]' ({error})") from None
    return Postgres(url, limits, password)
