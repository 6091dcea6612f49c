"""Facts about the columns, constraints and types that an action names, for the rules of several pages."""

from __future__ import annotations

from typing import Any

from gates.migrations.action import Action
from gates.migrations.expressions import Calls, calls, column_of, is_built_in
from gates.migrations.functions import EXTENSION_TYPES, SERIAL_TYPES
from gates.migrations.model import Name
from gates.migrations.rule import When
from gates.migrations.tree import Body, body_of, is_kind, words

NARROW_TYPES = frozenset({"int2", "smallint", "float4", "real", "date", "time", "timetz"})
"""Types into which a wider one may be cut without an error, or that cannot hold what was there."""


def inline(column: Body) -> dict[str, Body]:
    """The constraints written at a column, by their kind."""
    return {str(body_of(each).get("contype", "")): body_of(each) for each in column.get("constraints", ())}


def has_inline(*kinds: str) -> When:
    return lambda action: bool(set(kinds) & set(inline(action.element)))


def default_of(column: Body) -> Any:
    """The expression of a column's DEFAULT; None without one, and for DEFAULT NULL."""
    expression = inline(column).get("CONSTR_DEFAULT", {}).get("raw_expr")
    return None if body_of(expression).get("isnull") else expression


def default_calls(*worst: Calls) -> When:
    return lambda action: calls(default_of(action.element)) in worst


def type_words(column: Body) -> tuple[str, ...]:
    return words((column.get("typeName") or {}).get("names"))


def type_is(*names: str) -> When:
    return lambda action: bool(type_words(action.element)) and type_words(action.element)[-1] in names


def type_may_be_a_domain(action: Action) -> bool:
    """Not a type of PostgreSQL, not of a well-known extension, and not an enum or composite of this same plan."""
    names = type_words(action.element)
    if not names or is_built_in(action.element.get("typeName")) or names[-1] in EXTENSION_TYPES | SERIAL_TYPES:
        return False
    return not action.scene.has("type", Name(".".join(names[:-1]), names[-1]))


def is_plain_cast(action: Action) -> bool:
    """USING that only names the column, or casts it to the very type it gets, without a length that cuts it short."""
    using = action.element.get("raw_default")
    if using is None:
        return True
    column = str(action.body.get("name", ""))
    if is_kind(using, "ColumnRef"):
        return column_of(using) == column
    cast = body_of(using)
    target, wanted = cast.get("typeName") or {}, action.element.get("typeName") or {}
    same = words(target.get("names")) == words(wanted.get("names")) and not target.get("typmods")
    return is_kind(using, "TypeCast") and column_of(cast.get("arg")) == column and same


def constraint_is(*kinds: str) -> When:
    return lambda action: str(action.element.get("contype", "")) in kinds


def unvalidated(action: Action) -> bool:
    """NOT VALID."""
    return bool(action.element.get("skip_validation"))


def uses_index(action: Action) -> bool:
    return bool(action.element.get("indexname"))


def check_calls_unknown(action: Action) -> bool:
    return calls(action.element.get("raw_expr")) is Calls.UNKNOWN


def proven_not_null(action: Action) -> bool:
    return (action.target, str(action.body.get("name", ""))) in action.scene.proven_not_null
