"""What the rules of migrations say of locks, rewrites and functions, measured on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gates.migrations.functions import DRAWS_ONLY, STEADY, TYPES
from gates.migrations.model import Lock
from tests.contract.postgres_stage import Server, programs, running
from tests.unit.migrations.stage import graded

pytestmark = [pytest.mark.real, pytest.mark.timeout(60)]

SETUP = """
CREATE ROLE reader;
CREATE TABLE owner (id bigint PRIMARY KEY);
CREATE TABLE parcel (id int PRIMARY KEY, a int, b varchar(20), o bigint, t timestamptz,
CONSTRAINT named CHECK (a < 900),
  CONSTRAINT late CHECK (a < 800) NOT VALID);
INSERT INTO parcel SELECT n, n % 50, 'x', NULL, now() FROM generate_series(1, 200) n;
CREATE UNIQUE INDEX parcel_id2 ON parcel (id);
CREATE INDEX parcel_a ON parcel (a);
CREATE SEQUENCE s;
CREATE DOMAIN age AS int CHECK (VALUE > 0);
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER old_trigger BEFORE INSERT ON parcel FOR EACH ROW EXECUTE FUNCTION f();
"""

CHEAP = (
    "ALTER TABLE parcel ADD COLUMN n text",
    "ALTER TABLE parcel ADD COLUMN n int NOT NULL DEFAULT 0",
    "ALTER TABLE parcel ADD COLUMN n timestamptz DEFAULT now()",
    "ALTER TABLE parcel ADD COLUMN n text DEFAULT md5('x')",
    "ALTER TABLE parcel ADD COLUMN n bigint REFERENCES owner (id)",
    "ALTER TABLE parcel ALTER COLUMN a SET DEFAULT 5",
    "ALTER TABLE parcel ALTER COLUMN a DROP DEFAULT",
    "ALTER TABLE parcel ALTER COLUMN a DROP NOT NULL",
    "ALTER TABLE parcel ALTER COLUMN a SET STATISTICS 100",
    "ALTER TABLE parcel ALTER COLUMN b SET STORAGE EXTERNAL",
    "ALTER TABLE parcel ADD CONSTRAINT c CHECK (a >= 0) NOT VALID",
    "ALTER TABLE parcel ADD CONSTRAINT c FOREIGN KEY (o) REFERENCES owner (id) NOT VALID",
    "ALTER TABLE parcel ADD CONSTRAINT c UNIQUE USING INDEX parcel_id2",
    "ALTER TABLE parcel RENAME COLUMN a TO z",
    "ALTER TABLE parcel RENAME TO package",
    "ALTER TABLE parcel RENAME CONSTRAINT named TO other",
    "ALTER TABLE parcel DROP CONSTRAINT named",
    "ALTER TABLE parcel DROP COLUMN b",
    "ALTER TABLE parcel SET (fillfactor = 80)",
    "ALTER TABLE parcel REPLICA IDENTITY FULL",
    "ALTER TABLE parcel OWNER TO reader",
    "ALTER TABLE parcel ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE parcel DISABLE TRIGGER old_trigger",
    "COMMENT ON TABLE parcel IS 'x'",
    "CREATE TRIGGER new_trigger BEFORE INSERT ON parcel FOR EACH ROW EXECUTE FUNCTION f()",
    "DROP TRIGGER old_trigger ON parcel",
    "DROP TABLE parcel",
    "ANALYZE parcel",
)
READING = (
    "ALTER TABLE parcel ADD COLUMN n int DEFAULT 1 CHECK (n > 0)",
    "ALTER TABLE parcel ALTER COLUMN a SET NOT NULL",
    "ALTER TABLE parcel ADD CONSTRAINT c CHECK (a >= 0)",
)
ONLINE = ("ALTER TABLE parcel VALIDATE CONSTRAINT late",)
BUILDING = (
    "CREATE INDEX n ON parcel (o)",
    "ALTER TABLE parcel ADD CONSTRAINT c UNIQUE (id, a)",
    "ALTER TABLE parcel ADD COLUMN n int UNIQUE",
)
REWRITING = (
    "ALTER TABLE parcel ADD COLUMN n float8 DEFAULT random()",
    "ALTER TABLE parcel ADD COLUMN n uuid DEFAULT gen_random_uuid()",
    "ALTER TABLE parcel ADD COLUMN n bigserial",
    "ALTER TABLE parcel ADD COLUMN n int GENERATED ALWAYS AS IDENTITY",
    "ALTER TABLE parcel ADD COLUMN n int GENERATED ALWAYS AS (a * 2) STORED",
    "ALTER TABLE parcel ADD COLUMN n age",
    "ALTER TABLE parcel ALTER COLUMN a TYPE bigint",
    "ALTER TABLE parcel ALTER COLUMN b TYPE varchar(5)",
    "ALTER TABLE parcel SET UNLOGGED",
    "TRUNCATE parcel",
)
MODES = {
    "AccessShareLock": Lock.ACCESS_SHARE,
    "RowShareLock": Lock.ROW_EXCLUSIVE,
    "RowExclusiveLock": Lock.ROW_EXCLUSIVE,
    "ShareUpdateExclusiveLock": Lock.SHARE_UPDATE_EXCLUSIVE,
    "ShareLock": Lock.SHARE,
    "ShareRowExclusiveLock": Lock.SHARE_ROW_EXCLUSIVE,
    "ExclusiveLock": Lock.EXCLUSIVE,
    "AccessExclusiveLock": Lock.ACCESS_EXCLUSIVE,
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    folder = programs()
    if folder is None:
        pytest.skip("left out: rules of migrations on a real PostgreSQL (needs initdb, postgres and psql)")
    with running(folder) as started:
        started.sql(SETUP)
        yield started


def measured(server: Server, sql: str) -> tuple[Lock, bool, str]:
    """The strongest lock on parcel, whether its rows are in another file, and what the server said of its work."""
    told = server.sql(
        "SELECT oid AS t, relfilenode AS f FROM pg_class WHERE relname = 'parcel' \\gset\n"
        f"BEGIN; SET LOCAL client_min_messages = debug1;\n{sql};\nSET LOCAL client_min_messages = warning;\n"
        "SELECT DISTINCT mode FROM pg_locks WHERE relation = :t AND pid = pg_backend_pid();\n"
        "SELECT 'moved' FROM pg_class WHERE oid = :t AND relfilenode <> :f;\nROLLBACK;\n"
    )
    modes = [MODES[line] for line in told.out if line in MODES]
    assert modes, told
    return max(modes, key=tuple(Lock).index), "moved" in told.out, told.err


@pytest.mark.parametrize("sql", [*CHEAP, *READING, *ONLINE, *BUILDING, *REWRITING])
def test_the_lock_is_the_one_that_the_rules_tell(server: Server, sql: str) -> None:
    (report,) = graded(sql).statements
    assert measured(server, sql)[0] is report.lock


@pytest.mark.parametrize("sql", CHEAP)
def test_what_is_called_brief_rewrites_and_reads_nothing(server: Server, sql: str) -> None:
    _, moved, said = measured(server, sql)
    assert not moved
    assert "rewriting table" not in said
    assert "verifying table" not in said


@pytest.mark.parametrize("sql", READING)
def test_what_is_said_to_read_the_whole_table_does(server: Server, sql: str) -> None:
    assert 'verifying table "parcel"' in measured(server, sql)[2]


@pytest.mark.parametrize("sql", BUILDING)
def test_what_is_said_to_build_an_index_does(server: Server, sql: str) -> None:
    assert "building index" in measured(server, sql)[2]


@pytest.mark.parametrize("sql", REWRITING)
def test_what_is_said_to_rewrite_the_table_does(server: Server, sql: str) -> None:
    assert measured(server, sql)[1]


def test_set_not_null_reads_nothing_once_a_check_proves_it(server: Server) -> None:
    proof = "ALTER TABLE parcel ADD CONSTRAINT p CHECK (a IS NOT NULL); ALTER TABLE parcel ALTER a SET NOT NULL"
    assert "are sufficient to prove" in measured(server, proof)[2]


@pytest.mark.parametrize(
    "sql", ["CREATE INDEX CONCURRENTLY n ON parcel (o)", "DROP INDEX CONCURRENTLY parcel_a", "VACUUM parcel"]
)
def test_what_is_said_to_stand_alone_is_refused_inside_a_transaction(server: Server, sql: str) -> None:
    with pytest.raises(AssertionError, match="cannot run inside a transaction block"):
        server.sql(f"BEGIN; {sql}; ROLLBACK;")
    assert graded(f"BEGIN; {sql}; COMMIT").refused


def test_no_function_that_counts_as_steady_is_volatile_here(server: Server) -> None:
    told = server.sql(
        "SELECT DISTINCT proname, provolatile = 'v' FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace;"
    ).out
    volatile = {line.split("|")[0] for line in told if line.endswith("|t")}
    known = {line.split("|")[0] for line in told}
    assert STEADY & volatile == set()
    assert len(STEADY & known) > 200
    assert {"random", "gen_random_uuid", "clock_timestamp", "timeofday"} <= volatile & DRAWS_ONLY


def test_no_type_that_counts_as_built_in_is_a_domain_here(server: Server) -> None:
    told = server.sql(
        "SELECT typname FROM pg_type WHERE typtype = 'd' AND typnamespace = 'pg_catalog'::regnamespace;"
    ).out
    assert set(told) & TYPES == set()


def test_a_text_that_is_refused_for_its_quoting_does_drop_a_table_on_a_server_set_so(server: Server) -> None:
    text = r"SELECT '\'' ; DROP TABLE doomed; --';"
    assert graded(text).refused
    told = server.sql(
        "CREATE TABLE doomed (a int);\nSET standard_conforming_strings = off; SET escape_string_warning = off;\n"
        f"{text}\nSELECT to_regclass('doomed') IS NULL;"
    )
    assert told.out[-1] == "t"
