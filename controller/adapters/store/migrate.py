"""Brings the schema of a stored database up to this code's. It is run by a person, never by opening the store.

alembic is imported inside the function, because it is heavy and the controller never needs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from controller.adapters.store.connections import Connections
from controller.adapters.store.database import Limits, Password
from controller.adapters.store.location import database, no_password
from controller.adapters.store.opening import mismatch, revision
from controller.adapters.store.schema import REVISIONS

SCRIPTS = Path(__file__).parent / "migrations"


PATIENT = Limits(statement_s=600.0)
"""A person waits for it, and a migration may rewrite a large table."""


@dataclass(frozen=True, slots=True)
class Plan:
    """``found`` is the schema's revision, None for no store yet; ``pending`` is what would be applied, oldest first."""

    name: str
    found: str | None
    pending: tuple[str, ...]


def plan(location: str | Path, limits: Limits = PATIENT, password: Password = no_password) -> Plan:
    """What ``migrate`` would do; nothing is changed. Raises SchemaTooNew, NotAStore, Refused or Unavailable."""
    with _opened(location, limits, password) as (name, connection):
        found = _known(connection)
    return Plan(name, found, _pending(found))


def nothing_yet(path: Path) -> Plan:
    """Where there is no store and none is to be made by looking."""
    return Plan(str(path), None, REVISIONS)


def migrate(location: str | Path, limits: Limits = PATIENT, password: Password = no_password) -> str:
    """Migrate the store at ``location`` to the newest schema in one transaction and return its revision.

    Creates a store that does not exist. Raises SchemaTooNew, NotAStore, Refused or Unavailable, and changes nothing.
    """
    with _opened(location, limits, password) as (_, connection):
        if _pending(_known(connection)):
            _upgrade(connection)
    return REVISIONS[-1]


@contextmanager
def _opened(location: str | Path, limits: Limits, password: Password) -> Iterator[tuple[str, Connection]]:
    where = database(location, limits, password)
    where.create()
    with closing(Connections(where)) as connections, connections.define() as connection:
        where.alone(connection)
        yield where.name, connection


def _known(connection: Connection) -> str | None:
    found = revision(connection)
    if found is not None and found not in REVISIONS:
        raise mismatch(found)
    return found


def _pending(found: str | None) -> tuple[str, ...]:
    return REVISIONS if found is None else REVISIONS[REVISIONS.index(found) + 1 :]


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
