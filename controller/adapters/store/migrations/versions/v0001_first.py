"""The first schema: releases, applications, kills, the audit chain, the outbox, tokens and answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WORDS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
NO_RECORD = "sha256:" + "0" * 64


def upgrade() -> None:
    _anchor()
    _releases()
    _applications_and_kills()
    _audit()
    _outbox()
    _doors()


def _text(name: str, nullable: bool = False, primary_key: bool = False) -> sa.Column[str]:
    return sa.Column(name, WORDS, nullable=nullable, primary_key=primary_key)


def _body() -> tuple[sa.Column[int], sa.Column[str]]:
    return sa.Column("format", sa.Integer(), nullable=False), _text("body")


def _anchor() -> None:
    table = op.create_table(
        "anchor",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        _text("holder"),
        sa.Column("led_at_s", sa.Double(), nullable=False),
        sa.Column("audit_seq", sa.BigInteger(), nullable=False),
        _text("audit_hash"),
    )
    first = {"id": 1, "epoch": 0, "holder": "", "led_at_s": 0.0, "audit_seq": 0, "audit_hash": NO_RECORD}
    op.bulk_insert(table, [first])


def _releases() -> None:
    op.create_table(
        "releases",
        _text("id", primary_key=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        _text("application"),
        _text("phase"),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.Column("superseded", sa.Boolean(), nullable=False),
        sa.Column("created_at_s", sa.Double(), nullable=False),
        sa.Column("wake_at_s", sa.Double(), nullable=False),
        *_body(),
    )
    active, running = sa.text("ended IS FALSE AND superseded IS FALSE"), sa.text("ended IS FALSE")
    op.create_index(
        "releases_one_active",
        "releases",
        ["application"],
        unique=True,
        sqlite_where=active,
        postgresql_where=active,
    )
    op.create_index("releases_due", "releases", ["wake_at_s"], sqlite_where=running, postgresql_where=running)
    op.create_index("releases_by_time", "releases", ["created_at_s", "id"])
    op.create_index("releases_by_application", "releases", ["application", "created_at_s", "id"])


def _applications_and_kills() -> None:
    op.create_table(
        "applications",
        _text("name", primary_key=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        *_body(),
    )
    op.create_table("kills", _text("id", primary_key=True), *_body())
    op.create_table("kill_releases", _text("id", primary_key=True))


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", SERIAL, primary_key=True, autoincrement=False),
        _text("prev"),
        _text("hash"),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        _text("type"),
        _text("actor"),
        _text("text"),
        _text("release_id", nullable=True),
        _text("application", nullable=True),
        _text("environment", nullable=True),
        sa.Column("epoch", sa.BigInteger()),
        _text("numbers"),
        sa.Column("late", sa.Boolean(), nullable=False),
    )
    op.create_index("audit_by_release", "audit", ["release_id", "seq"])
    op.create_index("audit_by_application", "audit", ["application", "seq"])
    op.create_index("audit_by_type", "audit", ["type", "seq"])


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", SERIAL, primary_key=True),
        _text("key"),
        sa.Column("created_at_s", sa.Double(), nullable=False),
        sa.Column("due_at_s", sa.Double(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
        _text("error"),
        *_body(),
        sa.UniqueConstraint("key", name="outbox_key"),
    )
    waiting = sa.text("done IS FALSE")
    op.create_index("outbox_due", "outbox", ["due_at_s", "id"], sqlite_where=waiting, postgresql_where=waiting)


def _doors() -> None:
    op.create_table(
        "tokens",
        _text("id", primary_key=True),
        _text("name"),
        _text("role"),
        _text("digest"),
        sa.Column("created_at_s", sa.Double(), nullable=False),
        sa.Column("expires_at_s", sa.Double()),
        sa.Column("revoked_at_s", sa.Double()),
    )
    op.create_table(
        "answered",
        _text("key", primary_key=True),
        _text("actor", primary_key=True),
        _text("request_digest"),
        sa.Column("status", sa.Integer(), nullable=False),
        _text("body"),
        sa.Column("at_s", sa.Double(), nullable=False),
    )
    op.create_index("answered_by_time", "answered", ["at_s"])
