"""Commands about database migrations: grade-sql. What grades is imported only when it runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from api.cli.command import reflowed
from api.cli.exits import EPILOG
from api.cli.options import AS_JSON, argument, option
from api.cli.output import Output

PANEL = "Grade"


def register(app: typer.Typer) -> None:
    text = reflowed(grade_sql.__doc__ or "")
    app.command("grade-sql", rich_help_panel=PANEL, help=text, epilog=EPILOG)(grade_sql)


def grade_sql(
    files: Annotated[
        list[Path],
        argument("FILE...", "SQL files, Alembic revisions (.py), or .jsonl files with one migration per line."),
    ],
    dialect: Annotated[str, option("--dialect", "NAME", "postgresql or mysql, for SQL files.")] = "postgresql",
    as_json: AS_JSON = False,
) -> None:
    """Grade database migrations from G0 to G3, with reasons and locks, without a database.

    A file is shown for reading, or with --json as one line of JSON. An Alembic revision is rendered to SQL first. Each
    line of a .jsonl file is an object with id, dialect and sql, and is answered by one line of JSON. Ends with 3 if a
    file is G3 and needs a person, and with 4 if one would be refused; a .jsonl file that was graded ends with 0.

    Example: interlock grade-sql migrations/0042_add_priority.sql
    """
    if os.name != "posix":
        Output(as_json).error("migrations are graded on Linux and macOS")
        raise typer.Exit(1)
    from api.cli import sql_files

    raise typer.Exit(int(sql_files.run(files, dialect, Output(as_json))))
