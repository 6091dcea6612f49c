"""Brings the schema of a stored database up to this code's. It is run by a person, never by opening the store.

alembic is imported inside the function, because it is heavy and the controller never needs it.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from controller.adapters.store import sqlite
from controller.adapters.store.connections import Connections
from controller.adapters.store.opening import mismatch, revision
from controller.adapters.store.schema import REVISIONS

SCRIPTS = Path(__file__).parent / "migrations"


def migrate(location: str | Path, limits: sqlite.Limits | None = None) -> str:
    """Migrate the store at ``location`` to the newest schema in one transaction and return its revision.

    Creates a store that does not exist. Raises SchemaTooNew, NotAStore or Unavailable, and then changes nothing.
    """
    url = sqlite.parse(location)
    sqlite.create_private(url)
    connections = Connections(url, limits or sqlite.Limits())
    try:
        with connections.define() as connection:
            found = revision(connection)
            if found is not None and found not in REVISIONS:
                raise mismatch(found)
            _upgrade(connection)
    finally:
        connections.close()
    return REVISIONS[-1]


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
