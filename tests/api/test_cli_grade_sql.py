"""`interlock grade-sql`: files and lines in, grades and exit codes out, and clear words for bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from api.cli.exits import Exit
from api.cli.main import build


def run(*arguments: object) -> Result:
    return CliRunner().invoke(build(), ["grade-sql", *map(str, arguments)])


def written(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("sql", "code", "told"),
    [
        ("ALTER TABLE parcel ADD COLUMN note text;", Exit.DONE, "G0"),
        ("CREATE INDEX i ON parcel (a);", Exit.DONE, "instead: CREATE INDEX CONCURRENTLY"),
        ("DROP TABLE parcel;", Exit.HELD, "\n  data loss: statement 1, parcel"),
        ("DROP TABLE parcel;", Exit.HELD, "\n     lock: ACCESS EXCLUSIVE: reads and writes stop\n"),
        ("BEGIN; DROP TABLE parcel;", Exit.REFUSED, "G3, refused"),
        ("create tabel x ();", Exit.REFUSED, "syntax error"),
    ],
)
def test_a_sql_file_is_told_with_its_worst_reason(tmp_path: Path, sql: str, code: Exit, told: str) -> None:
    result = run(written(tmp_path, "0001.sql", sql))
    assert result.exit_code == code, result.output
    assert told in result.stdout


def test_json_says_the_same_with_locks_in_words(tmp_path: Path) -> None:
    result = run(written(tmp_path, "0001.sql", "DROP TABLE parcel"), "--json")
    (line,) = result.stdout.splitlines()
    told = json.loads(line)
    assert (told["grade"], told["refused"], told["statements"][0]["grade"]) == ("G3", False, "G3")
    assert told["statements"][0]["lock"].startswith("ACCESS EXCLUSIVE")
    assert told["reasons"][0].startswith("statement 1: G3 table.drop: the table's rows are lost")
    assert told["statements"][0]["findings"][0]["data_loss"] is True


def test_a_file_of_lines_is_answered_line_by_line(tmp_path: Path) -> None:
    lines = [
        {"id": "a", "dialect": "postgresql", "sql": "DROP TABLE parcel"},
        {"id": "b", "dialect": "mysql", "sql": "CREATE TABLE a (b int)"},
        {"id": 3, "sql": "ALTER TABLE p ADD COLUMN b int"},
        {"id": "d", "dialect": "postgresql", "sql": "SELECT '\ud800'"},
        {"id": "e", "dialect": "oracle", "sql": "SELECT 1"},
    ]
    result = run(written(tmp_path, "all.jsonl", "\n\n".join(json.dumps(line) for line in lines)))
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(each["id"], each["grade"], each["refused"]) for each in told] == [
        ("a", "G3", False),
        ("b", "G0", False),
        (3, "G0", False),
        ("d", "G3", True),
        ("e", "G3", True),
    ]
    assert result.exit_code == Exit.DONE


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "line 2: it is no JSON"),
        ("[" * 100_000, "line 2: it is no JSON"),
        ("[]", 'an object such as {"id"'),
        ('{"id": "x", "sql": 5}', 'an object such as {"id"'),
        ('{"id": "x", "sql": "SELECT 1", "dialect": 1}', "postgresql or mysql"),
    ],
)
def test_a_bad_line_is_told_and_the_others_are_graded(tmp_path: Path, line: str, told: str) -> None:
    good = '{"id": "a", "sql": "SELECT 1"}'
    result = run(written(tmp_path, "all.jsonl", f"{good}\n{line}\n{good}\n"))
    assert result.exit_code == Exit.USAGE
    assert told in result.stderr
    assert len(result.stdout.splitlines()) == 2


def test_the_worst_file_decides_the_exit_code(tmp_path: Path) -> None:
    fine, held = written(tmp_path, "a.sql", "SELECT 1"), written(tmp_path, "b.sql", "DROP TABLE t")
    assert run(fine, held).exit_code == Exit.HELD
    assert run(fine, tmp_path / "none.sql").exit_code == Exit.USAGE
    assert "cannot be read" in run(tmp_path / "none.sql").stderr
    assert run(tmp_path).exit_code == Exit.USAGE


def test_an_unknown_dialect_is_a_usage_error(tmp_path: Path) -> None:
    result = run(written(tmp_path, "a.sql", "SELECT 1"), "--dialect", "oracle")
    assert (result.exit_code, "postgresql or mysql" in result.stderr) == (Exit.USAGE, True)


def test_a_huge_file_is_refused_without_being_read_whole(tmp_path: Path) -> None:
    result = run(written(tmp_path, "a.sql", b"-- x\n" * 1_000_000))
    assert result.exit_code == Exit.REFUSED
    assert "262144 are allowed" in result.stdout


@pytest.mark.real
@pytest.mark.timeout(60)
def test_an_alembic_revision_is_rendered_and_graded(tmp_path: Path) -> None:
    text = "from alembic import op\n\n\ndef upgrade():\n    op.drop_table('parcel')\n"
    result = run(written(tmp_path, "ab12.py", text))
    assert result.exit_code == Exit.HELD, result.output
    assert "DROP TABLE parcel" in result.stdout
    assert run(written(tmp_path, "ab12.py", text), "--dialect", "mysql").exit_code == Exit.USAGE
