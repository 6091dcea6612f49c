"""From the bytes of a migration to its grade: checks the bytes, has them parsed elsewhere, and applies the rules. It
reads no file and decides nothing itself."""

from __future__ import annotations

from controller.adapters.migrations.parsing import PostgresParser
from controller.adapters.migrations.rendering import render_alembic
from gates.migrations.grade import grade_postgresql, refuse_unreadable, refused
from gates.migrations.model import Answer
from gates.migrations.mysql import grade_mysql
from gates.migrations.text import Unreadable, read_text

DIALECTS = ("postgresql", "mysql")
_OTHER_NAMES = {"postgres": "postgresql", "pg": "postgresql", "mariadb": "mysql"}


def grade_sql(raw: bytes, dialect: str, parser: PostgresParser) -> Answer:
    """The grade of one migration. Whatever goes wrong is an answer of G3 that says so."""
    dialect = _OTHER_NAMES.get(dialect.lower(), dialect.lower())
    if dialect not in DIALECTS:
        remedy = f"use one of {', '.join(DIALECTS)}"
        return refused(dialect, "text.dialect", f"no rule knows the dialect {dialect[:40]!r}", remedy)
    text = read_text(raw)
    if isinstance(text, Unreadable):
        return refuse_unreadable(dialect, text)
    return grade_mysql(text) if dialect == "mysql" else grade_postgresql(text, parser.parse(text))


def grade_alembic(raw: bytes, parser: PostgresParser) -> Answer:
    """The grade of the SQL that one Alembic revision renders to; G3 where that does not tell what it does."""
    source = read_text(raw)
    if isinstance(source, Unreadable):
        return refuse_unreadable("postgresql", source)
    rendered = render_alembic(raw)
    if rendered.opaque:
        remedy = "plain operations with constants in upgrade, or the SQL itself"
        return refused("postgresql", "source.opaque", rendered.opaque, remedy)
    return grade_sql(rendered.sql.encode(), "postgresql", parser)
