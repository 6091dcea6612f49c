"""Plants a bug in one function of the gates, in this process, and takes it out again. No file is changed."""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

from gates.approvals.model import State
from gates.approvals.moves import MOVES


@dataclass(frozen=True, slots=True)
class Mutant:
    """``patches`` are functions with (old, new) snippets; ``moves`` are added to the table of legal moves."""

    name: str
    invariant: str
    patches: tuple[tuple[FunctionType, tuple[tuple[str, str], ...]], ...]
    moves: Mapping[State, frozenset[State]] = field(default_factory=dict)


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """With every patch in place, wherever the function was imported to or listed."""
    table = MOVES._table
    before = dict(table)
    undo: list[tuple[dict[str, Any], str, Any]] = []
    try:
        for function, snippets in mutant.patches:
            _replace(function, _patched(mutant, function, snippets), undo)
        for state, more in mutant.moves.items():
            table[state] = table[state] | more
        yield
    finally:
        for namespace, name, value in reversed(undo):
            namespace[name] = value
        table.update(before)


def _patched(mutant: Mutant, function: FunctionType, snippets: tuple[tuple[str, str], ...]) -> FunctionType:
    source = textwrap.dedent(inspect.getsource(function))
    for old, new in snippets:
        assert source.count(old) == 1, f"{mutant.name} is stale: {old!r} occurs {source.count(old)} times"
        source = source.replace(old, new)
    made: dict[str, Any] = {}
    exec(compile("from __future__ import annotations\n" + source, "<mutant>", "exec"), made)
    planted_code = made[function.__name__].__code__
    mutated = FunctionType(planted_code, function.__globals__, function.__name__, function.__defaults__)
    mutated.__kwdefaults__ = function.__kwdefaults__
    return mutated


def _replace(old: FunctionType, new: FunctionType, undo: list[tuple[dict[str, Any], str, Any]]) -> None:
    for name, module in list(sys.modules.items()):
        if not name.startswith(("gates.", "tests.unit.approvals")):
            continue
        namespace = vars(module)
        for key, value in list(namespace.items()):
            if value is old:
                undo.append((namespace, key, value))
                namespace[key] = new
            elif isinstance(value, (tuple, frozenset)) and old in value:
                undo.append((namespace, key, value))
                namespace[key] = type(value)(new if one is old else one for one in value)
