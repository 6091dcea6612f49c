"""Reads the parser's tree: every node with its kind, names, and what is not known. It never recurses, so that no depth
of nesting can end it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gates.migrations.model import Name
from gates.migrations.nodes import fields_of

Body = Mapping[str, Any]
Step = tuple[str, Body | None, str]
"""A kind, its fields unless this step only reports something strange, and that strange thing."""

_SCALAR = (str, int, float, bool, type(None))


def kind_of(node: Mapping[str, Any]) -> str:
    """The kind of a wrapped node; empty for what is none."""
    return next(iter(node)) if len(node) == 1 and next(iter(node))[:1].isupper() else ""


def body_of(node: Any) -> Body:
    """The fields of a wrapped node; nothing for what is none."""
    if not isinstance(node, Mapping):
        return {}
    kind = kind_of(node)
    inner = node[kind] if kind else {}
    return inner if isinstance(inner, Mapping) else {}


def is_kind(node: Any, kind: str) -> bool:
    return isinstance(node, Mapping) and kind_of(node) == kind


def walk(node: Any, kind: str = "") -> Iterator[tuple[str, Body]]:
    """Every node below and with ``node``: its kind and its fields. ``kind`` is that of an unwrapped ``node``."""
    yield from ((found, body) for found, body, _ in _steps(node, kind) if body is not None)


def unknown(node: Any, kind: str = "") -> tuple[str, ...]:
    """The kinds and fields in a tree that the table of known ones does not have, each once."""
    return tuple(dict.fromkeys(strange for _, _, strange in _steps(node, kind) if strange))


def _steps(node: Any, kind: str) -> Iterator[Step]:
    waiting: list[tuple[Any, str]] = [(node, kind)]
    while waiting:
        here, known_as = waiting.pop()
        if isinstance(here, Sequence) and not isinstance(here, str):
            waiting.extend((part, known_as) for part in reversed(here))
        elif isinstance(here, Mapping):
            yield from _at(here, known_as, waiting)
        elif not isinstance(here, _SCALAR):
            yield "", None, type(here).__name__


def _at(here: Mapping[str, Any], known_as: str, waiting: list[tuple[Any, str]]) -> Iterator[Step]:
    kind, body = (known_as, here) if known_as else (kind_of(here), body_of(here))
    if not kind:
        if here:
            yield "", None, "a node without a kind"
        return
    fields = fields_of(kind)
    yield kind, body, "" if fields is not None else kind
    for name, value in reversed(list(body.items())):
        inner = "" if fields is None else fields.get(name)
        if inner is None:
            yield kind, None, f"{kind}.{name}"
        if not isinstance(value, str | int | float | bool | None):
            waiting.append((value, inner or _guess(value)))


def _guess(value: Any) -> str:
    """Below what is not known, an unwrapped node still is looked through, under a name that is in no table."""
    unwrapped = isinstance(value, Mapping) and value and not kind_of(value)
    return "an unknown node" if unwrapped else ""


def relation(body: Any) -> Name:
    """The name in a RangeVar."""
    fields = body if isinstance(body, Mapping) else {}
    return Name(str(fields.get("schemaname", "")), str(fields.get("relname", "")))


def words(nodes: Any) -> tuple[str, ...]:
    """The strings of a list of String nodes, as in the names of functions and types."""
    parts = nodes if isinstance(nodes, Sequence) and not isinstance(nodes, str) else ()
    return tuple(str(body_of(part).get("sval", "")) for part in parts)


def dotted(node: Any) -> Name:
    """A name written as a List of Strings, as a TypeName, or as one String."""
    if is_kind(node, "String"):
        return Name("", str(body_of(node).get("sval", "")))
    fields = body_of(node)
    parts = words(fields.get("items") or fields.get("names") or fields.get("objname"))
    return Name(".".join(parts[:-1]), parts[-1]) if parts else Name("", "")


def options(nodes: Any) -> dict[str, Any]:
    """DefElems by name, each with its value; True where it has none."""
    found: dict[str, Any] = {}
    for node in nodes or ():
        fields = body_of(node)
        found[str(fields.get("defname", ""))] = fields.get("arg", True)
    return found
