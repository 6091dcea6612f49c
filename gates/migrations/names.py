"""Finds names that may pass for others: letters of several scripts, or of one that looks like Latin."""

from __future__ import annotations

from collections.abc import Iterator

from gates.migrations.model import Tree
from gates.migrations.text import is_plain_name
from gates.migrations.tree import walk

_FIELDS = frozenset(
    {"relname", "schemaname", "catalogname", "colname", "conname", "idxname", "name", "subname", "newname", "aliasname",
     "ctename", "indexname", "rolename", "trigname", "policy_name", "extname", "pubname", "defname",
     "portalname", "savepoint_name", "priv_name"}
)  # fmt: skip


def look_alikes(tree: Tree) -> tuple[str, ...]:
    """Every such name in the statement, once."""
    return tuple(dict.fromkeys(name for name in _names(tree) if not name.isascii() and not is_plain_name(name)))


def _names(tree: Tree) -> Iterator[str]:
    data: set[int] = set()
    for kind, body in walk(tree):
        if kind == "A_Const":
            data.add(id(body.get("sval")))
        elif kind == "DefElem":
            data |= (
                {id(inner) for inner in (body.get("arg") or {}).values()}
                if isinstance(body.get("arg"), dict)
                else set()
            )
        if kind == "String" and id(body) not in data:
            yield str(body.get("sval", ""))
        yield from (str(body[name]) for name in _FIELDS & body.keys() if isinstance(body[name], str))
