"""SQL is read just far enough: harmless shapes are few, and everything else is unreadable."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gates.grading.schedule import runs_per_year, times_as_often
from gates.grading.statements import STATEMENTS_MAX, Shape, shapes

ONE: list[tuple[str, Shape]] = [
    ("SELECT id FROM orders WHERE id = 7", Shape.READ),
    ("SELECT id FROM orders LIMIT 10", Shape.READ),
    ("SELECT 1", Shape.READ),
    ("SELECT lower(name) FROM a WHERE b = 'it''s; DROP TABLE x'", Shape.READ),
    ("EXPLAIN SELECT * FROM orders", Shape.READ),
    ("EXPLAIN ANALYZE DELETE FROM orders", Shape.UNREADABLE),
    ("SELECT * FROM orders", Shape.WIDE_READ),
    ("SELECT * FROM orders WHERE true", Shape.WIDE_READ),
    ("SELECT id FROM a WHERE id = 7 FOR UPDATE", Shape.LOCKING_READ),
    ("SELECT id FROM a WHERE id = 7 FOR SHARE", Shape.LOCKING_READ),
    ("SELECT * INTO copy FROM orders", Shape.UNREADABLE),
    ("SELECT dangerous(1)", Shape.UNREADABLE),
    ('SELECT "quoted"(1)', Shape.UNREADABLE),
    ("WITH a AS (SELECT 1) SELECT * FROM a WHERE b = 1", Shape.READ),
    ("WITH a AS (INSERT INTO b VALUES (1) RETURNING *) SELECT * FROM a", Shape.UNREADABLE),
    ("BEGIN", Shape.SESSION),
    ("SET LOCAL lock_timeout = '2s'", Shape.SESSION),
    ("SET ROLE admin", Shape.UNREADABLE),
    ("UPDATE a SET b = 1 WHERE id = 7", Shape.SCOPED),
    ("DELETE FROM a WHERE id IN (1, 2)", Shape.SCOPED),
    ("UPDATE a SET b = 1 WHERE id = id", Shape.UNSCOPED),
    ("UPDATE a SET b = 1 WHERE 'x' = 'x'", Shape.UNSCOPED),
    ("DELETE FROM a WHERE NOT false", Shape.UNSCOPED),
    ("DELETE FROM a --where id = 7", Shape.UNREADABLE),
    ("DELETE FROM a -- where id = 7", Shape.UNSCOPED),
    ("DELETE FROM a WHERE id IN (SELECT id FROM b)", Shape.UNREADABLE),
    ("INSERT INTO a (b) VALUES (1)", Shape.INSERT),
    ("INSERT INTO a SELECT * FROM b", Shape.UNREADABLE),
    ("INSERT INTO a (b) VALUES (1) ON CONFLICT (b) DO UPDATE SET c = 1", Shape.UNREADABLE),
    ("ALTER TABLE a ADD COLUMN b int NULL", Shape.ADDITIVE),
    ("ALTER TABLE a ADD COLUMN b text DEFAULT 'drop'", Shape.ADDITIVE),
    ("CREATE TABLE a (b int, dropped bool)", Shape.ADDITIVE),
    ("CREATE UNIQUE INDEX CONCURRENTLY i ON a (b)", Shape.ADDITIVE),
    ("CREATE UNIQUE INDEX i ON a (b)", Shape.PLAIN_INDEX),
    ("CREATE TABLE a AS SELECT * FROM b", Shape.UNREADABLE),
    ("CREATE OR REPLACE FUNCTION f() RETURNS int", Shape.UNREADABLE),
    ("ALTER TABLE a ADD COLUMN b int, DROP COLUMN c", Shape.DESTRUCTIVE),
    ("ALTER TABLE a RENAME TO b", Shape.DESTRUCTIVE),
    ("ALTER TABLE a ALTER COLUMN b TYPE bigint", Shape.DESTRUCTIVE),
    ("ALTER TABLE a MODIFY b bigint", Shape.DESTRUCTIVE),
    ("ALTER TYPE mood RENAME VALUE 'a' TO 'b'", Shape.DESTRUCTIVE),
    ("ALTER SYSTEM SET x = 1", Shape.UNREADABLE),
    ("DROP INDEX CONCURRENTLY i", Shape.DESTRUCTIVE),
    ("TRUNCATE a", Shape.DESTRUCTIVE),
    ("GRANT ALL ON a TO b", Shape.ACCESS),
    ("VACUUM FULL a", Shape.UNREADABLE),
    ("DO $$ BEGIN END $$", Shape.UNREADABLE),
    ("COPY a FROM PROGRAM 'sh'", Shape.UNREADABLE),
    ("dr/**/op table a", Shape.UNREADABLE),
    ("DROP/**/TABLE a", Shape.DESTRUCTIVE),
    ("/*!50000 DROP TABLE a */", Shape.UNREADABLE),
    ("SELECT 'open", Shape.UNREADABLE),
    ("SELECT 'a\\'; DROP TABLE b; -- '", Shape.UNREADABLE),
    ("DRОP TABLE a", Shape.UNREADABLE),  # the O is another letter
    ("", Shape.UNREADABLE),
    (";;", Shape.UNREADABLE),
]


@pytest.mark.requirement("LRP-11")
@pytest.mark.parametrize(("text", "shape"), ONE)
def test_a_statement_is_read_as(text: str, shape: Shape) -> None:
    assert shapes(text) == (shape,)


def test_each_statement_of_a_script_is_read_by_itself() -> None:
    text = "BEGIN; UPDATE a SET b = 'x;y' WHERE id = 7; DROP TABLE c; COMMIT;"
    assert shapes(text) == (Shape.SESSION, Shape.SCOPED, Shape.DESTRUCTIVE, Shape.SESSION)


def test_a_script_too_long_to_read_is_unreadable() -> None:
    assert len(shapes("SELECT 1;" * STATEMENTS_MAX)) == STATEMENTS_MAX
    assert shapes("SELECT 1;" * (STATEMENTS_MAX + 1)) == (Shape.UNREADABLE,)


HARMLESS = {Shape.READ, Shape.SESSION, Shape.WIDE_READ}
WORDS = [
    "select",
    "drop table a",
    "'",
    "--",
    "-- ",
    "/*",
    "*/",
    ";",
    "1",
    "from a",
    "where",
    "or",
    "\\",
    '"',
    "\n",
    "`",
]


@settings(max_examples=500)
@given(st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join), st.text(max_size=20))
def test_a_drop_that_stands_before_anything_is_never_harmless(tail: str, noise: str) -> None:
    for text in (f"DROP TABLE a; {tail}", f"DROP TABLE a; {noise}"):
        assert not set(shapes(text)) <= HARMLESS


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("0 3 * * *", 365),
        ("0 * * * *", 8760),
        ("*/5 * * * *", 105_120),
        ("0 3 * * 0", 365 / 7),
        ("0 9-17 * * 1-5", 9 * 365 * 5 / 7),
        ("0 0 1 * *", 365 / 31),
        ("@daily", 365),
        ("61 * * * *", None),
        ("every day", None),
        ("*/0 * * * *", None),
        ("* * * *", None),
    ],
)
def test_how_often_a_schedule_runs(text: str, runs: float | None) -> None:
    found = runs_per_year(text)
    assert found == pytest.approx(runs) if runs is not None else found is None


def test_a_schedule_nobody_can_read_counts_as_endlessly_more_often() -> None:
    assert times_as_often("0 3 * * 0", "*/5 * * * *") == pytest.approx(2016)
    assert times_as_often("0 3 * * *", "0 4 * * *") == 1
    assert times_as_often("0 3 * * *", "H 4 * * *") == float("inf")
