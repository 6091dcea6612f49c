"""The tables of the store and the revisions its schema went through. It runs no statement.

Releases and applications are one JSON text each; a column stands beside it only where a query needs one.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

REVISIONS = ("0001",)
"""Every revision of the schema, oldest first; the last one is what this code reads and writes."""

FORMAT = 1
"""Version of the JSON texts. A row with another one is not guessed at: it is reported as unreadable."""

AnyRow: TypeAlias = Row[*tuple[Any, ...]]

METADATA = MetaData()

Serial = BigInteger().with_variant(Integer(), "sqlite")  # SQLite counts rows by itself only in an INTEGER key

Words = Text().with_variant(Text(collation="C"), "postgresql")
"""In the order of their bytes, as in SQLite: another one would change, and spoil indexes, with the server's system."""

anchor = Table(
    "anchor",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
    Column("holder", Words, nullable=False),
    Column("led_at_s", Double, nullable=False),
    Column("audit_seq", BigInteger, nullable=False),
    Column("audit_hash", Words, nullable=False),
)
"""One row, read first by every commit: who leads, and where the audit chain ends."""

VERSION_METADATA = MetaData()
"""Apart from the rest, because alembic creates and keeps this table itself."""

alembic_version = Table(
    "alembic_version",
    VERSION_METADATA,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)

releases = Table(
    "releases",
    METADATA,
    Column("id", Words, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("application", Words, nullable=False),
    Column("phase", Words, nullable=False),
    Column("ended", Boolean, nullable=False),
    Column("superseded", Boolean, nullable=False),
    Column("created_at_s", Double, nullable=False),
    Column("wake_at_s", Double, nullable=False),
    Column("format", Integer, nullable=False),
    Column("body", Words, nullable=False),
)
_ACTIVE = text("ended IS FALSE AND superseded IS FALSE")
_RUNNING = text("ended IS FALSE")
Index(
    "releases_one_active",
    releases.c.application,
    unique=True,
    sqlite_where=_ACTIVE,
    postgresql_where=_ACTIVE,
)
Index("releases_due", releases.c.wake_at_s, sqlite_where=_RUNNING, postgresql_where=_RUNNING)
Index("releases_by_time", releases.c.created_at_s, releases.c.id)
Index("releases_by_application", releases.c.application, releases.c.created_at_s, releases.c.id)

applications = Table(
    "applications",
    METADATA,
    Column("name", Words, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("format", Integer, nullable=False),
    Column("body", Words, nullable=False),
)

kills = Table(
    "kills",
    METADATA,
    Column("id", Words, primary_key=True),
    Column("format", Integer, nullable=False),
    Column("body", Words, nullable=False),
)

kill_releases = Table("kill_releases", METADATA, Column("id", Words, primary_key=True))
"""Apart from ``kills``, because a kill that was engaged at another source is released here too."""

audit = Table(
    "audit",
    METADATA,
    Column("seq", Serial, primary_key=True, autoincrement=False),
    Column("prev", Words, nullable=False),
    Column("hash", Words, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("type", Words, nullable=False),
    Column("actor", Words, nullable=False),
    Column("text", Words, nullable=False),
    Column("release_id", Words),
    Column("application", Words),
    Column("environment", Words),
    Column("epoch", BigInteger),
    Column("numbers", Words, nullable=False),
    Column("late", Boolean, nullable=False),
)
Index("audit_by_release", audit.c.release_id, audit.c.seq)
Index("audit_by_application", audit.c.application, audit.c.seq)
Index("audit_by_type", audit.c.type, audit.c.seq)

outbox = Table(
    "outbox",
    METADATA,
    Column("id", Serial, primary_key=True),
    Column("key", Words, nullable=False),
    Column("created_at_s", Double, nullable=False),
    Column("due_at_s", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("done", Boolean, nullable=False),
    Column("error", Words, nullable=False),
    Column("format", Integer, nullable=False),
    Column("body", Words, nullable=False),
    UniqueConstraint("key", name="outbox_key"),
)
_WAITING = text("done IS FALSE")
Index("outbox_due", outbox.c.due_at_s, outbox.c.id, sqlite_where=_WAITING, postgresql_where=_WAITING)

tokens = Table(
    "tokens",
    METADATA,
    Column("id", Words, primary_key=True),
    Column("name", Words, nullable=False),
    Column("role", Words, nullable=False),
    Column("digest", Words, nullable=False),
    Column("created_at_s", Double, nullable=False),
    Column("expires_at_s", Double),
    Column("revoked_at_s", Double),
)

answered = Table(
    "answered",
    METADATA,
    Column("key", Words, primary_key=True),
    Column("actor", Words, primary_key=True),
    Column("request_digest", Words, nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", Words, nullable=False),
    Column("at_s", Double, nullable=False),
)
Index("answered_by_time", answered.c.at_s)
