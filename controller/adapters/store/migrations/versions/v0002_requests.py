"""Requests that wait for a person."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "requests",
        sa.Column("id", sa.Text(), nullable=False, primary_key=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.Column("opened_at_s", sa.Double(), nullable=False),
        sa.Column("format", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
    )
    still_open = sa.text("ended IS FALSE")
    op.create_index(
        "requests_open", "requests", ["opened_at_s", "id"], sqlite_where=still_open, postgresql_where=still_open
    )
    op.create_index("requests_by_run", "requests", ["run", "id"])
