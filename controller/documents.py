"""YAML or JSON text to plain data, with limits. Refuses what hides mistakes or eats memory: a key given twice, anchors,
deep nesting, big files. It knows no document by name."""

from __future__ import annotations

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


def load_document(text: str | bytes) -> object:
    """Plain data of a YAML text (JSON is one). Raises DocumentError."""
    raw = text.encode() if isinstance(text, str) else text
    if len(raw) > DOCUMENT_BYTES_MAX:
        raise DocumentError(f"the document has {len(raw)} bytes; at most {DOCUMENT_BYTES_MAX} are read")
    try:
        # A subclass of SafeLoader: builds plain data only.
        return yaml.load(raw.decode("utf-8"), Loader=_Loader)  # noqa: S506
    except UnicodeDecodeError:
        raise DocumentError("the document is not UTF-8 text") from None
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise DocumentError(f"{where}not YAML or JSON: {error.problem}") from None
    except yaml.YAMLError as error:
        raise DocumentError(f"not YAML or JSON: {type(error).__name__}") from None
    except ValueError as error:
        if isinstance(error, DocumentError):
            raise
        raise DocumentError(f"a value cannot be read: {str(error)[:200]}") from None
