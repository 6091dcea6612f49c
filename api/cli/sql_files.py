"""Grades migration files on this machine: SQL files and Alembic revisions one by one, .jsonl files line by line. It
talks to no controller and no database, and runs no SQL."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.text import Text

from api.cli.exits import Exit
from api.cli.output import Output
from api.cli.words import clean
from controller.adapters.migrations.grading import DIALECTS, grade_alembic, grade_sql
from controller.adapters.migrations.parsing import ParserMissing, PostgresParser, find_parser
from gates.grades import Grade
from gates.migrations.document import document, lines
from gates.migrations.model import Answer
from gates.migrations.text import MAX_BYTES

MAX_LINE_BYTES = 8 * MAX_BYTES
"""A line of a .jsonl file: the largest migration, with room for escapes."""


class BadLine(Exception):
    """The text is what is wrong with one line."""


@dataclass(frozen=True, slots=True)
class Wanted:
    id: Any
    dialect: str
    sql: bytes


def run(files: Sequence[Path], dialect: str, out: Output) -> Exit:
    """Grade every file. The exit code is that of the worst: usage, refused, held, done."""
    if dialect not in DIALECTS:
        out.error(f"unknown dialect {dialect[:40]!r}: use {' or '.join(DIALECTS)}")
        return Exit.USAGE
    try:
        parser = find_parser()
    except ParserMissing as error:
        out.error(str(error))
        return Exit.FAILED
    return worst([_file(path, dialect, parser, out) for path in files])


def worst(codes: Sequence[Exit]) -> Exit:
    order = (Exit.DONE, Exit.HELD, Exit.REFUSED, Exit.USAGE)
    return max(codes, key=order.index, default=Exit.DONE)


def _file(path: Path, dialect: str, parser: PostgresParser, out: Output) -> Exit:
    try:
        if path.suffix == ".jsonl":
            return _batch(path, parser, out)
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        out.error(f"{path} cannot be read: {error.strerror or error}")
        return Exit.USAGE
    if path.suffix == ".py" and dialect != DIALECTS[0]:
        out.error(f"{path} is Python: Alembic revisions are rendered for postgresql only")
        return Exit.USAGE
    answer = grade_alembic(raw, parser) if path.suffix == ".py" else grade_sql(raw, dialect, parser)
    if out.as_json:
        out.event({"file": str(path)} | document(answer))
    else:
        first, *rest = lines(answer)
        out.line(f"{path}: {first}", _STYLES[answer.grade])
        for line in rest:
            out.show(_indented(line))
    return _exit_of(answer)


def _indented(line: str) -> Text:
    """Clean, with the blanks before it, which say what belongs to what."""
    return Text(" " * (len(line) - len(line.lstrip())) + clean(line))


_STYLES = {Grade.G0: "green", Grade.G1: "green", Grade.G2: "yellow", Grade.G3: "bold red"}


def _exit_of(answer: Answer) -> Exit:
    """G3 waits for a person; what is refused would not even be taken."""
    if answer.refused:
        return Exit.REFUSED
    return Exit.HELD if answer.grade is Grade.G3 else Exit.DONE


def _batch(path: Path, parser: PostgresParser, out: Output) -> Exit:
    """One line of JSON in, one line of JSON out. A bad line is told and passed over; the code says so at the end."""
    code = Exit.DONE
    with path.open("rb") as file:
        for number, line in _numbered(iter(lambda: file.readline(MAX_LINE_BYTES + 1), b"")):
            try:
                wanted = read_line(line)
            except BadLine as error:
                out.error(f"{path}, line {number}: {error}")
                code = Exit.USAGE
                continue
            out.event({"id": wanted.id} | document(grade_sql(wanted.sql, wanted.dialect, parser)))
    return code


def _numbered(given: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    return ((number, line) for number, line in enumerate(given, start=1) if line.strip())


def read_line(line: bytes) -> Wanted:
    """One line of a .jsonl file. Raises BadLine with what to do about it."""
    if len(line) > MAX_LINE_BYTES:
        raise BadLine(f"it is longer than {MAX_LINE_BYTES} bytes")
    try:
        told = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadLine(f"it is no JSON: {error}") from error
    if not isinstance(told, dict) or not isinstance(told.get("sql"), str):
        raise BadLine('it must be an object such as {"id": "1", "dialect": "postgresql", "sql": "..."}')
    dialect = told.get("dialect", DIALECTS[0])
    if not isinstance(dialect, str):
        raise BadLine(f"its dialect must be a word: {' or '.join(DIALECTS)}")
    return Wanted(told.get("id"), dialect, told["sql"].encode("utf-8", "surrogatepass"))
