"""The disposable process that parses one text with PostgreSQL's own grammar, and then ends. It runs as a bare script on
the standard library alone, limits itself before it reads a byte, and answers in JSON."""

from __future__ import annotations

import ctypes
import json
import re
import resource
import sys

MAX_MEMORY_BYTES = 512 * 1024 * 1024
"""A quarter of a mebibyte of SQL needs some 100 MiB of tree."""
MAX_CPU_S = 2
MAX_ANSWER_BYTES = 32 * 1024 * 1024
MAX_NESTING = 600
"""Levels of JSON. Deeper, and those who read the tree may fail; some 290 chained terms fit."""
QUOTES_THE_OLD_WAY = 32
"""Parse as a server with standard_conforming_strings off does."""

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_BRACKET = re.compile(rb"[\[\]{}]")


class _Error(ctypes.Structure):
    _fields_ = (
        ("message", ctypes.c_char_p),
        ("function", ctypes.c_char_p),
        ("file", ctypes.c_char_p),
        ("line", ctypes.c_int),
        ("position", ctypes.c_int),
        ("context", ctypes.c_char_p),
    )


class _Result(ctypes.Structure):
    _fields_ = (("tree", ctypes.c_char_p), ("stderr", ctypes.c_char_p), ("error", ctypes.POINTER(_Error)))


class Unparsable(Exception):
    """The text is why."""


def limit(cpu_s: int = MAX_CPU_S, files: int = 16) -> None:
    """Before anything is read: no more memory, time, files or dumps than a parse needs."""
    for what, most in (
        (resource.RLIMIT_AS, MAX_MEMORY_BYTES),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, MAX_ANSWER_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, files),
    ):
        resource.setrlimit(what, (most, most))


class Grammar:
    def __init__(self, library: str) -> None:
        self._library = ctypes.CDLL(library)
        self._library.pg_query_parse_opts.restype = _Result
        self._library.pg_query_parse_opts.argtypes = [ctypes.c_char_p, ctypes.c_int]
        self._library.pg_query_free_parse_result.argtypes = [_Result]
        self._library.pg_query_free_parse_result.restype = None

    def statements(self, text: bytes, options: int = 0) -> list[dict[str, object]]:
        result = self._library.pg_query_parse_opts(text, options)
        try:
            if result.error:
                raise Unparsable(result.error.contents.message.decode("utf-8", "replace"))
            return _loaded(result.tree)
        finally:
            self._library.pg_query_free_parse_result(result)


def _loaded(tree: bytes) -> list[dict[str, object]]:
    if _nesting(tree) > MAX_NESTING:
        raise Unparsable(f"it is nested deeper than {MAX_NESTING} levels")
    statements = json.loads(tree)["stmts"] if tree else []
    return list(statements)


def _nesting(tree: bytes) -> int:
    """The deepest level of brackets outside strings."""
    depth = deepest = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", tree)):
        depth += 1 if bracket in b"{[" else -1
        deepest = max(deepest, depth)
    return deepest


def sliced(grammar: Grammar, text: bytes) -> list[dict[str, object]]:
    """Every statement as its own bytes and as these parse alone; it must be the same statement as in the whole."""
    found = []
    end = 0
    for statement in grammar.statements(text):
        start = int(str(statement.get("stmt_location", 0)))
        length = int(str(statement.get("stmt_len", 0))) or len(text) - start
        piece = text[start : start + length]
        _only_separators(grammar, text[end:start])
        alone = [statement] if piece == text else grammar.statements(piece)
        if len(alone) != 1 or unplaced(alone[0]["stmt"]) != unplaced(statement["stmt"]):
            raise Unparsable(f"the statement at byte {start} reads differently when it stands alone")
        found.append({"text": piece.decode(), "start_byte": start, "tree": alone[0]["stmt"]})
        end = start + length
    _only_separators(grammar, text[end:])
    return found


def _only_separators(grammar: Grammar, between: bytes) -> None:
    """What is left between two statements holds none itself: white space, comments, semicolons."""
    if between.strip(b" \t\r\n;") and grammar.statements(between):
        raise Unparsable("something between two statements belongs to neither")


def unplaced(node: object) -> object:
    """A tree without the places in the text, which differ when a statement is cut out of it."""
    if isinstance(node, dict):
        return {name: unplaced(value) for name, value in node.items() if not _is_place(name)}
    return [unplaced(each) for each in node] if isinstance(node, list) else node


def _is_place(name: str) -> bool:
    return name in ("location", "stmt_location", "stmt_len", "list_start", "list_end") or name.endswith(
        ("_list_start", "_list_end")
    )


def unquoted(node: object) -> object:
    """A tree without the contents of literals: where each stands and how it is used must stay the same."""
    if isinstance(node, dict):
        return {name: unquoted(value) for name, value in node.items() if name != "sval"}
    return [unquoted(each) for each in node] if isinstance(node, list) else node


def moved_by_quoting(grammar: Grammar, text: bytes) -> bool:
    """Whether a server with standard_conforming_strings off would find other borders between the words."""
    if b"\\" not in text:
        return False
    try:
        other = grammar.statements(text, QUOTES_THE_OLD_WAY)
    except Unparsable:
        return True
    return unquoted(other) != unquoted(grammar.statements(text))


def answer(library: str, text: bytes) -> dict[str, object]:
    sys.setrecursionlimit(10 * MAX_NESTING)
    try:
        grammar = Grammar(library)
        return {"statements": sliced(grammar, text), "moved_by_quoting": moved_by_quoting(grammar, text)}
    except Unparsable as error:
        return {"trouble": str(error)}
    except (RecursionError, MemoryError):
        return {"trouble": "it is too deep or too big to be parsed"}


def main() -> None:
    limit()
    told = answer(sys.argv[1], sys.stdin.buffer.read())
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
