"""YAML or JSON text to plain data, with limits. Refuses what hides mistakes or eats memory: a key given twice, anchors,
deep nesting, big files. It knows no document by name."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

DOCUMENT_BYTES_MAX = 65_536
"""An application document is some 2 KB; more than 64 KB is not one."""
DEPTH_MAX = 20
"""Real documents nest six deep; without a bound the parser would recurse until the process dies."""


class DocumentError(ValueError):
    """The text is not a usable document. The message says where and what to do."""


class _Loader(yaml.SafeLoader):
    """The safe loader without aliases, duplicate keys and deep nesting."""

    depth = 0

    def compose_node(self, parent: yaml.nodes.Node | None, index: Any) -> yaml.nodes.Node | None:
        if self.check_event(yaml.events.AliasEvent):
            raise DocumentError("an alias (*name) is used: write the value out")
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise DocumentError(f"nested deeper than {DEPTH_MAX} levels")
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: yaml.nodes.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                raise DocumentError(f"line {key.start_mark.line + 1}: {name[:80]!r} is given twice")
            seen.add(name)
        return super().construct_mapping(node, deep)


# YAML 1.1 takes 1e-3 for a text, JSON and people take it for a number.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def load_document(text: str | bytes) -> object:
    """Plain data of a YAML or JSON text. Raises DocumentError."""
    raw = text.encode() if isinstance(text, str) else text
    if len(raw) > DOCUMENT_BYTES_MAX:
        raise DocumentError(f"the document has {len(raw)} bytes; at most {DOCUMENT_BYTES_MAX} are read")
    try:
        decoded = raw.decode("utf-8")
        return _from_json(decoded) if decoded.lstrip().startswith("{") else _from_yaml(decoded)
    except UnicodeDecodeError:
        raise DocumentError("the document is not UTF-8 text") from None
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise DocumentError(f"{where}not YAML or JSON: {error.problem}") from None
    except yaml.YAMLError as error:
        raise DocumentError(f"not YAML or JSON: {type(error).__name__}") from None
    except DocumentError:
        raise
    except ValueError as error:
        raise DocumentError(f"a value cannot be read: {str(error)[:200]}") from None


def _from_yaml(text: str) -> object:
    # A subclass of SafeLoader: builds plain data only.
    return yaml.load(text, Loader=_Loader)  # noqa: S506


def _from_json(text: str) -> object:
    """JSON's escapes are not quite YAML's. What only looks like JSON may still be YAML, as in {name: shop}."""
    try:
        return json.loads(text, object_pairs_hook=_distinct)
    except (json.JSONDecodeError, RecursionError):
        return _from_yaml(text)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise DocumentError(f"{name[:80]!r} is given twice")
        found[name] = value
    return found
