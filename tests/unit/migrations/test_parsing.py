"""The disposable process: it parses, and whatever a text does to it is told as trouble in this one."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.adapters.migrations import worker
from controller.adapters.migrations.grading import grade_sql
from controller.adapters.migrations.parsing import PostgresParser, find_parser
from gates.grades import Grade
from tests.unit.migrations.stage import parsed

PARSER = find_parser()


def test_the_process_answers_as_the_grammar_does_here() -> None:
    sql = "ALTER TABLE p ADD b int; /* x */ DROP TABLE q -- end"
    assert PARSER.parse(sql) == parsed(sql)
    assert [each.text.strip() for each in parsed(sql).statements] == ["ALTER TABLE p ADD b int", "DROP TABLE q -- end"]


def test_the_grammar_is_never_loaded_into_this_process_by_grading() -> None:
    code = (
        "import sys; from controller.adapters.migrations.grading import grade_sql;"
        "from controller.adapters.migrations.parsing import find_parser;"
        "print(grade_sql(b'DROP TABLE t', 'postgresql', find_parser()).grade);"
        "assert not {'postgast', 'google.protobuf'} & set(sys.modules);"
        "assert 'libpg_query' not in open('/proc/self/maps').read()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert (ended.stdout, ended.stderr) == ("G3\n", "")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "+".join(["1"] * 64_000),
        "SELECT " + "||".join(["'a'"] * 20_000),
        "SELECT " + "(" * 20_000 + "1" + ")" * 20_000,
        "SELECT " + "(SELECT " * 400 + "1" + ")" * 400,
        "SELECT " + "CASE WHEN a THEN " * 5_000 + "1" + " END" * 5_000,
        "SELECT " + "- " * 100_000 + "1",
    ],
    ids=["sums", "texts", "brackets", "selects", "cases", "signs"],
)
def test_what_is_too_deep_is_refused_and_harms_nothing(sql: str) -> None:
    answer = grade_sql(sql.encode(), "postgresql", PARSER)
    assert (answer.grade, answer.refused) == (Grade.G3, True)


def test_what_is_long_but_flat_is_graded() -> None:
    rows = ",".join(["(1, 'abc')"] * 5_000)
    assert grade_sql(f"INSERT INTO p VALUES {rows}".encode(), "postgresql", PARSER).grade is Grade.G1


@given(raw=st.binary(max_size=60))
@settings(max_examples=25, deadline=None)
def test_no_bytes_crash_the_parent_and_nothing_unparsable_is_below_g3(raw: bytes) -> None:
    answer = grade_sql(raw, "postgresql", PARSER)
    assert answer.grade is Grade.G3 or not parsed(raw.decode()).trouble


def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, timeout_s: float = 5.0) -> PostgresParser:
    """A worker that behaves badly in the real one's place."""
    script = tmp_path / "worker.py"
    script.write_text(body)
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(worker, "__file__", str(script))
    return PostgresParser(Path("/none"), timeout_s)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("import os; os.kill(os.getpid(), 11)", "signal 11"),
        ("raise SystemExit(3)", "status 3"),
        ("print('no json')", "cannot be read"),
        ("print('[]')", "cannot be read"),
        ("print('{\"statements\": [{}]}')", "cannot be read"),
        ("print('[' * 100000)", "cannot be read"),
        ('import sys; sys.stdin.read(); print(\'{"trouble": "syntax"}\')', "syntax"),
    ],
)
def test_a_worker_that_fails_is_trouble_and_g3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, told: str
) -> None:
    parser = fake(tmp_path, monkeypatch, body)
    assert told in parser.parse("SELECT 1").trouble
    assert grade_sql(b"SELECT 1", "postgresql", parser).refused


def test_a_worker_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = tmp_path / "pid"
    body = f"import os, threading; open({str(pid)!r}, 'w').write(str(os.getpid())); threading.Event().wait()"
    parser = fake(tmp_path, monkeypatch, body, timeout_s=0.8)
    began = time.perf_counter()
    assert "did not end" in parser.parse("SELECT 1").trouble
    assert time.perf_counter() - began < 8
    assert not Path(f"/proc/{pid.read_text()}").exists()


@pytest.mark.parametrize(
    ("act", "told"),
    [
        ("x = bytearray(2 * worker.MAX_MEMORY_BYTES)", "status 1"),
        ("while True: pass", "signal"),
        ("import sys; sys.stdout.buffer.write(b'x' * (2 * worker.MAX_ANSWER_BYTES)); sys.stdout.flush()", "status"),
    ],
    ids=["memory", "processor", "answer"],
)
def test_the_limits_hold_whatever_runs_under_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str, told: str
) -> None:
    folder = str(Path(worker.__file__).parent)
    body = f"import sys; sys.path.insert(0, {folder!r}); import worker; worker.limit(cpu_s=1)\n{act}\n"
    assert told in fake(tmp_path, monkeypatch, body, timeout_s=40.0).parse("SELECT 1").trouble


def test_a_library_that_is_not_there_is_trouble() -> None:
    assert PostgresParser(Path("/none/libpg_query.so")).parse("SELECT 1").trouble


def test_the_process_sees_nothing_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_TOKEN", "hush")
    told = (
        "import json, os, sys; print(json.dumps({'trouble': str(sorted(os.environ)) + os.getcwd() + str(sys.flags)}))"
    )
    seen = fake(tmp_path, monkeypatch, told).parse("SELECT 1").trouble
    assert "INTERLOCK_TOKEN" not in seen
    assert "isolated=1" in seen
    assert "no_site=1" in seen


def test_many_may_parse_at_once() -> None:
    grades: list[Grade] = []
    run = lambda: grades.append(grade_sql(b"DROP TABLE t", "postgresql", PARSER).grade)  # noqa: E731
    threads = [threading.Thread(target=run) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(timeout=20)
    assert grades == [Grade.G3] * 4


@pytest.mark.parametrize("dialect", ["oracle", "", "sqlite"])
def test_an_unknown_dialect_is_refused(dialect: str) -> None:
    assert grade_sql(b"SELECT 1", dialect, PARSER).refused


def test_a_plan_of_twenty_statements_costs_less_than_a_tenth_of_a_second_of_processor_time() -> None:
    """Of this process and the parsing one together; the clock would tell of the machine's other work."""
    tables = [f"ALTER TABLE t{n} ADD COLUMN c int DEFAULT 0;" for n in range(10)]
    indexes = [f"CREATE INDEX CONCURRENTLY i{n} ON t{n} (lower(b)) WHERE c > {n};" for n in range(10)]
    plan = "\n".join(tables + indexes).encode()
    spent_s = []
    for _ in range(3):
        before = os.times()
        assert grade_sql(plan, "postgresql", PARSER).grade is Grade.G1
        spent_s.append(sum(os.times()[:4]) - sum(before[:4]))
    assert min(spent_s) < 0.1
