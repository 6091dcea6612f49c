"""What an expression calls: nothing, only what PostgreSQL ships and is steady, something drawn anew for every row, or
something whose body nobody has read. Unknown is always the worst."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from gates.migrations.functions import DRAWS_ONLY, OPERATORS, STEADY, TYPES, VOLATILE
from gates.migrations.tree import Body, body_of, walk, words


class Calls(IntEnum):
    """The worst that an expression calls; more is worse."""

    STEADY = 0
    DRAWS = 1
    """Volatile, but moves nothing."""
    SEQUENCE = 2
    UNKNOWN = 3


def calls(node: Any, kind: str = "") -> Calls:
    """The worst call anywhere in ``node``."""
    return max((_call(found, body) for found, body in walk(node, kind)), default=Calls.STEADY)


def unknown_calls(node: Any) -> tuple[str, ...]:
    """Names of the functions and operators in ``node`` that nobody here knows, each once."""
    found = (_named(kind, body) for kind, body in walk(node) if _call(kind, body) is Calls.UNKNOWN)
    return tuple(dict.fromkeys(found))


def _named(kind: str, body: Body) -> str:
    return ".".join(words(body.get({"FuncCall": "funcname", "A_Expr": "name"}.get(kind, "useOp"))))


def _call(kind: str, body: Body) -> Calls:
    if kind == "FuncCall":
        return _function(words(body.get("funcname")))
    if kind == "A_Expr":
        return _operator(words(body.get("name")))
    if kind == "SortBy" and body.get("useOp"):
        return _operator(words(body.get("useOp")))
    if kind == "SubLink" and body.get("operName"):
        return _operator(words(body.get("operName")))
    return Calls.STEADY


def _function(name: tuple[str, ...]) -> Calls:
    if not name or (len(name) > 1 and name[:-1] != ("pg_catalog",)):
        return Calls.UNKNOWN
    if name[-1] in STEADY:
        return Calls.STEADY
    if name[-1] in DRAWS_ONLY:
        return Calls.DRAWS
    return Calls.SEQUENCE if name[-1] in VOLATILE else Calls.UNKNOWN


def _operator(name: tuple[str, ...]) -> Calls:
    """An operator of another schema, or one that PostgreSQL does not ship, is a function somebody wrote."""
    if len(name) > 1 and name[:-1] != ("pg_catalog",):
        return Calls.UNKNOWN
    built_in = OPERATORS | {"BETWEEN", "NOT BETWEEN", "BETWEEN SYMMETRIC", "NOT BETWEEN SYMMETRIC"}
    return Calls.STEADY if name and name[-1] in built_in else Calls.UNKNOWN


def has_foreign_cast(node: Any) -> bool:
    """Whether a cast goes to a type that PostgreSQL does not ship: its input function is somebody's code."""
    return any(not is_built_in(body.get("typeName")) for kind, body in walk(node) if kind == "TypeCast")


def is_built_in(type_name: Any) -> bool:
    name = words((type_name or {}).get("names"))
    return bool(name) and name[-1] in TYPES and name[:-1] in ((), ("pg_catalog",))


def is_constant_true(node: Any) -> bool:
    """WHERE TRUE, WHERE 1 = 1 and the like: a condition that names no column decides about no row."""
    return not any(kind in ("ColumnRef", "SubLink") for kind, _ in walk(node))


def column_of(node: Any) -> str:
    """The column that a plain reference names; empty for anything else."""
    parts = words(body_of(node).get("fields"))
    return parts[-1] if parts else ""
