"""Rules about rows: reading, adding, changing and losing them. A statement that changes rows anywhere inside counts."""

from __future__ import annotations

from typing import Any

from gates.grades import Grade
from gates.migrations.action import Action
from gates.migrations.expressions import Calls, calls, column_of, has_foreign_cast, is_constant_true
from gates.migrations.model import Lock
from gates.migrations.rule import Rule, a, both, either, fresh, no, old
from gates.migrations.tree import Body, body_of, kind_of, walk

_RE = Lock.ROW_EXCLUSIVE
_CHANGES = frozenset({"InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"})
_ROWS = either(a("InsertStmt"), a("UpdateStmt"), a("DeleteStmt"), a("SelectStmt"), a("CreateTableAsStmt"))
_INSERT, _SELECT = a("InsertStmt"), a("SelectStmt")
_ALTERS = either(a("UpdateStmt"), a("DeleteStmt"))
STAMPS = {
    "alembic_version": frozenset({"version_num"}),
    "django_migrations": frozenset({"app", "name", "applied"}),
}
"""The tables in which migration frameworks keep what was applied, and their columns."""


def _changes_inside(action: Action) -> bool:
    """A statement that changes rows below another one: in WITH, in the source of an INSERT, in a view."""
    return sum(kind in _CHANGES for kind, _ in walk(action.top, action.kind)) > int(action.kind in _CHANGES)


def _overwrites(action: Action) -> bool:
    return (action.top.get("onConflictClause") or {}).get("action") == "ONCONFLICT_UPDATE"


def _calls_more_than_steady(action: Action) -> bool:
    return calls(action.top, action.kind) is not Calls.STEADY or has_foreign_cast({action.kind: action.top})


def _calls_unknown(action: Action) -> bool:
    return calls(action.top, action.kind) is Calls.UNKNOWN


def _locks_rows(action: Action) -> bool:
    return any(kind == "LockingClause" for kind, _ in walk(action.top, action.kind))


def _selects_into(action: Action) -> bool:
    return any("intoClause" in body for kind, body in walk(action.top, action.kind) if kind == "SelectStmt")


def _every_row(action: Action) -> bool:
    where = action.top.get("whereClause")
    return where is None or is_constant_true(where)


def _is_stamp(action: Action) -> bool:
    """The exact statement by which Alembic or Django notes a migration, with nothing but constants."""
    columns = STAMPS.get(action.target.name)
    return columns is not None and set(action.top) <= _STAMP_FIELDS[action.kind] and _only_constants(action, columns)


_STAMP_FIELDS = {
    "InsertStmt": {"relation", "cols", "selectStmt", "returningClause", "override"},
    "UpdateStmt": {"relation", "targetList", "whereClause"},
    "DeleteStmt": {"relation", "whereClause"},
}
_STAMP_KINDS = frozenset(
    {"InsertStmt", "UpdateStmt", "DeleteStmt", "SelectStmt", "RangeVar", "ResTarget", "List", "A_Const", "String",
     "Integer", "A_Expr", "ColumnRef", "ReturningClause", "TypeCast", "TypeName"}
)  # fmt: skip


def _only_constants(action: Action, columns: frozenset[str]) -> bool:
    tree = list(walk(action.top, action.kind))
    named = {column_of({"ColumnRef": body}) for kind, body in tree if kind == "ColumnRef"}
    written = {str(body.get("name")) for kind, body in tree if kind == "ResTarget" and "name" in body}
    selected = [body for kind, body in tree if kind == "SelectStmt" and "valuesLists" not in body]
    whole = action.kind == "InsertStmt" or not _every_row(action)
    return whole and not selected and {kind for kind, _ in tree} <= _STAMP_KINDS and named | written <= columns


def _fills_new_column(action: Action) -> bool:
    """UPDATE t SET new = ... WHERE new IS NULL, of columns that this same plan added and of nothing else."""
    names = {str(body_of(each).get("name", "")) for each in action.top.get("targetList", ())}
    new = all((action.target, name) in action.scene.added_columns for name in names)
    return action.kind == "UpdateStmt" and bool(names) and new and _is_null_test(action.top.get("whereClause"), names)


def _is_null_test(where: Any, columns: set[str]) -> bool:
    if kind_of(where or {}) != "NullTest":
        return False
    test: Body = body_of(where)
    return test.get("nulltesttype") == "IS_NULL" and column_of(test.get("arg")) in columns


RULES = (
    Rule("rows.stamp", Grade.G0, both(either(_INSERT, _ALTERS), _is_stamp),
         "notes in the framework's table that the migration was applied", lock=_RE),
    Rule("rows.insert-own", Grade.G0, both(_INSERT, fresh), "rows of a table that this same plan created", lock=_RE),
    Rule("rows.insert", Grade.G1, both(_INSERT, old, no(_is_stamp)), "new rows beside old ones", lock=_RE),
    Rule("rows.insert-overwriting", Grade.G3, both(_INSERT, old, _overwrites),
         "DO UPDATE overwrites old rows, and what they held is lost", "DO NOTHING", _RE, data_loss=True,
         explains=False),
    Rule("rows.change-own", Grade.G0, both(_ALTERS, fresh), "rows of a table that this same plan created", lock=_RE),
    Rule("rows.backfill", Grade.G2, both(_ALTERS, old, _fills_new_column),
         "fills a column that this same plan added, in one long statement", "the built-in step that fills in batches",
         _RE),
    Rule("rows.change", Grade.G3,
         both(_ALTERS, old, no(_fills_new_column), no(_is_stamp), no(_every_row)),
         "what the rows held is lost", "keep a copy of the rows in the same transaction, and bound their number", _RE,
         data_loss=True),
    Rule("rows.change-all", Grade.G3, both(_ALTERS, old, _every_row),
         "every row of the table is changed or deleted", "name the rows; work in batches", _RE, data_loss=True),
    Rule("rows.change-inside", Grade.G3, both(either(_ROWS, a("ViewStmt")), _changes_inside),
         "a statement inside it changes rows", "write it as a statement of its own", _RE, data_loss=True,
         explains=False),
    Rule("rows.merge", Grade.G3, a("MergeStmt"), "it may insert, change and delete rows at once", "single statements",
         _RE,
         data_loss=True),
    Rule("rows.calling", Grade.G3, both(_ROWS, _calls_unknown),
         "it calls a function or operator whose body nobody has read, and which may do anything",
         "use built-in functions", Lock.UNKNOWN, explains=False),
    Rule("rows.select", Grade.G0, both(_SELECT, no(_selects_into)), "only reads", lock=Lock.ACCESS_SHARE),
    Rule("rows.select-calling", Grade.G3, both(_SELECT, _calls_more_than_steady),
         "a read that calls something volatile, or casts to a type that is not PostgreSQL's, may have effects",
         "leave it out; verification queries have a place of their own", Lock.UNKNOWN, explains=False),
    Rule("rows.select-into", Grade.G1, both(_SELECT, _selects_into),
         "copies rows into a new table under one long snapshot",
         "create the table and insert in batches", Lock.ACCESS_SHARE),
    Rule("rows.select-locking", Grade.G2, both(_ROWS, _locks_rows), "locks rows until the transaction ends",
         "leave it out",
         Lock.ROW_EXCLUSIVE, explains=False),
    Rule("rows.copy", Grade.G3, a("CopyStmt"),
         "it moves rows or files past every check, or runs a program on the server",
         "INSERT in batches", _RE, data_loss=True),
    Rule("rows.explain", Grade.G3, a("ExplainStmt"), "EXPLAIN may run what it explains", "leave it out", Lock.UNKNOWN),
)  # fmt: skip
