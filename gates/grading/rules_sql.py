"""Rules for SQL in any step: the shape of each statement, and the evidence that it can be undone."""

from __future__ import annotations

from gates.grades import Grade, highest
from gates.grading.kinds import Group
from gates.grading.rule import Finding, Rule, axes, floor, worst
from gates.grading.situation import Situation
from gates.grading.statements import Shape

_PROOF = (
    "migration.additive",
    "migration.backward_compatible",
    "migration.down_tested",
    "migration.lock_safe",
    "migration.backup_restore_tested",
)
_ROWS = (Shape.SCOPED, Shape.INSERT)


def _has(at: Situation, *shapes: Shape) -> bool:
    return at.changes and any(shape in shapes for shape in at.statements)


def nothing_readable(at: Situation) -> Finding | None:
    silent = at.is_group(Group.SQL) and at.kind.axes_unset and not at.statements
    if not silent and not _has(at, Shape.UNREADABLE):
        return None
    return worst("SQL that cannot be read counts as the worst", "sql")


def access_statement(at: Situation) -> Finding | None:
    return floor(Grade.G3, "changes who may do what in the database", "sql") if _has(at, Shape.ACCESS) else None


def destructive_statement(at: Situation) -> Finding | None:
    if not _has(at, Shape.DESTRUCTIVE):
        return None
    return floor(Grade.G3, "drops, truncates, renames or changes a type: no evidence makes that additive", "sql", r=2)


def every_row(at: Situation) -> Finding | None:
    if not _has(at, Shape.UNSCOPED):
        return None
    return floor(Grade.G3, "changes every row: there is no condition that speaks about a column", "sql", r=2)


def too_many_rows(at: Situation) -> Finding | None:
    rows = at.facts.number("blast.rows")
    if not _has(at, *_ROWS) or rows is None or rows <= at.limits.rows:
        return None
    return floor(Grade.G3, f"changes {rows:g} rows, {at.limits.rows:g} are allowed at once", "blast.rows")


def rows_not_counted(at: Situation) -> Finding | None:
    if not _has(at, Shape.SCOPED) or at.facts.number("blast.rows") is not None:
        return None
    return floor(Grade.G3, "nobody counted the rows it changes", "blast.rows")


def rows_change(at: Situation) -> Finding | None:
    return axes("changes rows", "sql", r=1, b=1, s=1) if _has(at, *_ROWS) else None


def rows_not_recoverable(at: Situation) -> Finding | None:
    needed = ["migration.transactional"] if _has(at, *_ROWS) else []
    needed += ["migration.backup_restore_tested"] if _has(at, Shape.SCOPED) else []
    missing = [path for path in needed if at.facts.flag(path) is not True]
    if not missing:
        return None
    return axes(
        "rows could not be brought back: not in a transaction, or no restored backup", *missing, r=2, s=_severe(at)
    )


def _severe(at: Situation) -> int:
    return 2 if at.production else 1


def locking_read(at: Situation) -> Finding | None:
    return axes("locks rows that others wait for", "sql", b=1, s=1) if _has(at, Shape.LOCKING_READ) else None


def unbounded_read(at: Situation) -> Finding | None:
    replica = at.facts.text("target_role") in ("read_replica", "replica")
    if at.stops or at.sandboxed or replica or Shape.WIDE_READ not in at.statements:
        return None
    return axes("a read without bound on the primary", "sql", "target_role", b=1)


def schema_change(at: Situation) -> Finding | None:
    if not _has(at, Shape.ADDITIVE, Shape.PLAIN_INDEX):
        return None
    return axes("adds to the schema", "sql", r=1, b=2 if at.production else 1, s=1)


def schema_change_unproven(at: Situation) -> Finding | None:
    missing = [path for path in _PROOF if at.facts.flag(path) is not True]
    if not _has(at, Shape.ADDITIVE, Shape.PLAIN_INDEX) or not missing:
        return None
    short = ", ".join(path.removeprefix("migration.") for path in missing)
    return floor(Grade.G3, f"a schema change without proof of: {short}", *missing, r=2)


def blocking_index(at: Situation) -> Finding | None:
    rows, size = at.facts.number("blast.rows"), at.facts.number("blast.table_rows")
    known_small = rows is not None and max(rows, size or 0) <= at.limits.table_rows
    if not _has(at, Shape.PLAIN_INDEX) or known_small:
        return None
    return floor(Grade.G3, "a plain index build blocks writers, and the table is big or not counted", "blast.rows")


def graded_elsewhere(at: Situation) -> Finding | None:
    said = [text.strip().upper() for text in at.facts.texts("sql_grades")]
    if not at.changes or not said:
        return None
    if not set(said) <= set(Grade.__members__):
        return floor(Grade.G3, "a statement has a grade that is none of G0 to G3", "sql_grades")
    return floor(highest(*(Grade(one) for one in said)), "a statement is graded so by itself", "sql_grades")


RULES: tuple[Rule, ...] = (
    Rule("sql-unreadable", nothing_readable, "write plain statements, one kind of thing each"),
    Rule("sql-access", access_statement),
    Rule("sql-destructive", destructive_statement, "expand first, contract later in a plan of its own"),
    Rule("sql-every-row", every_row, "add a condition that names the rows"),
    Rule("sql-too-many-rows", too_many_rows, "change at most 1,000 rows at a time"),
    Rule("sql-rows-not-counted", rows_not_counted, "count the rows in a dry run first"),
    Rule("sql-rows", rows_change),
    Rule(
        "sql-rows-not-recoverable",
        rows_not_recoverable,
        "run it in a transaction, with a backup whose restore was tested",
    ),
    Rule("sql-locking-read", locking_read, "read without FOR UPDATE"),
    Rule("sql-unbounded-read", unbounded_read, "read from a replica, or add a condition or a limit"),
    Rule("sql-schema-change", schema_change),
    Rule(
        "sql-schema-change-unproven",
        schema_change_unproven,
        "prove each: additive, old code still works, undo tested, no long lock, restored backup",
    ),
    Rule("sql-blocking-index", blocking_index, "build the index concurrently"),
    Rule("sql-graded-elsewhere", graded_elsewhere),
)
