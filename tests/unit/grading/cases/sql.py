"""Queries, changes of rows and changes of the schema."""

from __future__ import annotations

from typing import Any

from tests.unit.grading.cases.build import STAGING, Case, case

PROVEN = {
    "additive": True,
    "backward_compatible": True,
    "down_tested": True,
    "lock_safe": True,
    "backup_restore_tested": True,
}
SAFE = {"transactional": True, "backup_restore_tested": True}


def rows(
    name: str, grade: str, sql: str, count: int | None = 3, env: dict[str, Any] | None = None, **safe: Any
) -> Case:
    blast = {} if count is None else {"rows": count}
    return case(name, grade, "sql.exec", env, sql=[sql], blast=blast, migration=SAFE | safe)


def schema(name: str, grade: str, sql: str, env: dict[str, Any] | None = None, **proof: Any) -> Case:
    return case(name, grade, "sql.migrate", env, sql=sql, migration=PROVEN | proof)


CASES = (
    case("a question to the replica", "G0", "sql.query", sql=["SELECT * FROM orders"], target_role="read_replica"),
    case("a bounded question to the primary", "G0", "sql.query", sql=["SELECT id FROM orders WHERE id = 7"]),
    case("an unbounded question to the primary", "G1", "sql.query", sql=["SELECT * FROM orders"]),
    case("rows locked", "G2", "sql.query", sql=["SELECT id FROM orders WHERE id = 7 FOR UPDATE"]),
    case(
        "a question that writes", "G3", "sql.query", sql=["WITH x AS (DELETE FROM orders RETURNING *) SELECT * FROM x"]
    ),
    case("a question that calls what it likes", "G3", "sql.query", sql=["SELECT pg_terminate_backend(7)"]),
    case("nothing to run", "G3", "sql.exec", STAGING),
    rows("one row", "G2", "UPDATE price SET amount = 10 WHERE id = 7"),
    rows("one row without a transaction", "G3", "UPDATE price SET amount = 10 WHERE id = 7", transactional=False),
    rows("one row without a tested backup", "G3", "DELETE FROM price WHERE id = 7", backup_restore_tested=False),
    rows("given rows", "G2", "INSERT INTO price (id, amount) VALUES (7, 10)", None),
    rows("rows nobody counted", "G3", "DELETE FROM price WHERE id > 7", None),
    rows("the last allowed number of rows", "G2", "DELETE FROM price WHERE id > 7", 1000),
    rows("one row too many", "G3", "DELETE FROM price WHERE id > 7", 1001),
    rows("every row", "G3", "UPDATE price SET amount = 10"),
    rows("every row behind an empty condition", "G3", "UPDATE price SET amount = 10 WHERE 1 = 1"),
    rows("every row behind a hidden or", "G3", "DELETE FROM price WHERE id = 7 OR 2 = 2"),
    rows("one row in staging", "G2", "DELETE FROM price WHERE id = 7", env=STAGING),
    schema("a column with every proof", "G2", "ALTER TABLE price ADD COLUMN note text NULL"),
    schema(
        "a column whose undo was not tested", "G3", "ALTER TABLE price ADD COLUMN note text NULL", down_tested=False
    ),
    schema("an index built beside the writers", "G2", "CREATE INDEX CONCURRENTLY i ON orders (day)"),
    case(
        "a plain index on a big table",
        "G3",
        "sql.migrate",
        sql=["CREATE INDEX i ON orders (day)"],
        migration=PROVEN,
        blast={"rows": 80_000_000},
    ),
    schema("a table dropped, with every proof", "G3", "DROP TABLE legacy"),
    schema("a column dropped among added ones", "G3", "ALTER TABLE price ADD COLUMN a int, DROP COLUMN b"),
    schema("a column renamed", "G3", "ALTER TABLE price RENAME COLUMN a TO b"),
    schema("a type changed", "G3", "ALTER TABLE price ALTER COLUMN a TYPE bigint"),
    schema("a word torn by a comment", "G3", "DR/**/OP TABLE price"),
    schema("a comment that the server runs", "G3", "SELECT 1 /*!50000 ; DROP TABLE price */"),
    schema("a harmless statement before a drop", "G3", "SELECT id FROM price WHERE id = 7; DROP TABLE price"),
    schema("rights granted", "G3", "GRANT ALL ON price TO app"),
    schema("a table in staging", "G2", "CREATE TABLE note (id bigint)", STAGING),
    case("a throw-away database", "G0", "sql.migrate", {"tier": "dev"}, sql=["DROP TABLE price"], sandboxed=True),
    case(
        "a statement that was graded by itself",
        "G3",
        "sql.migrate",
        sql_grades=["G1", "G3"],
        sql=["ALTER TABLE price ADD COLUMN note text NULL"],
        migration=PROVEN,
    ),
)
