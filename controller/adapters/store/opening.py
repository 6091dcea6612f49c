"""Decides whether a database may be used by this code, and lays out the tables of a fresh one. It migrates nothing."""

from __future__ import annotations

from sqlalchemy import Connection, insert, inspect, select

from controller.adapters.store.errors import NotAStore, SchemaTooNew, SchemaTooOld
from controller.adapters.store.schema import METADATA, REVISIONS, VERSION_METADATA, alembic_version, anchor
from gates.audit import GENESIS

FIRST_ANCHOR = {"id": 1, "epoch": 0, "holder": "", "led_at_s": 0.0, "audit_seq": 0, "audit_hash": GENESIS}


def prepare(connection: Connection) -> None:
    """Create the tables of an empty database; refuse one whose schema is not this code's."""
    found = revision(connection)
    if found is None:
        METADATA.create_all(connection)
        VERSION_METADATA.create_all(connection)
        connection.execute(insert(alembic_version), {"version_num": REVISIONS[-1]})
        connection.execute(insert(anchor), FIRST_ANCHOR)
        return
    if found != REVISIONS[-1]:
        raise mismatch(found)
    if len(connection.execute(select(anchor.c.id)).all()) != 1:
        raise NotAStore("the store has lost the row that anchors its audit chain: restore it from a backup")


def revision(connection: Connection) -> str | None:
    """The schema's revision; None for an empty database. Raises NotAStore for a database of something else."""
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    if alembic_version.name not in tables:
        raise NotAStore("the database holds tables of something else: give the store a file, or a database, of its own")
    found = connection.execute(select(alembic_version.c.version_num)).scalars().all()
    if len(found) != 1:
        raise NotAStore(f"the database names {len(found)} schema revisions where a store has one")
    return str(found[0])


def mismatch(found: str) -> SchemaTooOld | SchemaTooNew:
    if found in REVISIONS:
        return SchemaTooOld(
            f"the store has schema {found} and this version of Interlock needs {REVISIONS[-1]}: "
            "stop every process that uses the store, make a backup, and migrate it with interlock migrate --apply"
        )
    return SchemaTooNew(
        f"the store has schema {found[:80]!r}, which this version of Interlock (schema {REVISIONS[-1]}) does not know: "
        "use the version that wrote it, or a newer one; nothing was changed"
    )
