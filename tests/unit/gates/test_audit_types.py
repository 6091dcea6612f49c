"""The list of record types is the list of what is written: no type is missing, and none is there for nothing."""

from __future__ import annotations

import ast

from gates.audit import TYPES
from tests.tree import PRODUCT, python, tree_of

WRITERS = {"Draft", "_Note", "_draft"}
"""What makes a record: the type is its first text."""


def texts(tree: ast.AST) -> set[str]:
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def written() -> set[str]:
    """The first text given to each call that makes a record."""
    found: set[str] = set()
    for path in python(*PRODUCT):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in WRITERS:
                first = next((a.value for a in node.args if isinstance(a, ast.Constant)), None)
                if isinstance(first, str):
                    found.add(first)
    return found


def test_every_type_that_is_written_is_on_the_list() -> None:
    assert written() - set(TYPES) == set()
    assert len(written()) > 10


def test_every_type_on_the_list_is_written_somewhere() -> None:
    product = set().union(*(texts(tree_of(path)) for path in python(*PRODUCT) if path != "gates/audit.py"))
    assert set(TYPES) - product == set()
