"""Reads SQL just far enough to tell the few harmless shapes from the rest. What it does not know is unreadable."""

from __future__ import annotations

import itertools
import re
from enum import StrEnum


class Shape(StrEnum):
    SESSION = "changes only its own session"
    READ = "a bounded read"
    WIDE_READ = "a read without bound"
    LOCKING_READ = "a read that locks rows"
    INSERT = "adds given rows"
    SCOPED = "changes rows behind a condition"
    UNSCOPED = "changes every row"
    ADDITIVE = "adds to the schema"
    PLAIN_INDEX = "builds an index while writers wait"
    DESTRUCTIVE = "destroys or breaks what code relies on"
    ACCESS = "changes who may do what"
    UNREADABLE = "cannot be read"


STATEMENTS_MAX = 500
"""Statements of one step; longer scripts are not read and count as unreadable."""

_TOKEN = re.compile(
    r"""(?P<space>\s+|--(?=\s|$)[^\n]*|/\*(?!!)(?:[^*]|\*(?!/))*\*/)
    |(?P<text>'(?:[^'\\]|'')*')
    |(?P<name>"[^"\\]*"|`[^`]*`|[A-Za-z_][\w$]*)
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<mark>::|<>|<=|>=|!=|\|\||-(?!-)|[+*/%(),.;=<>:?$])""",
    re.VERBOSE,
)
_SAFE_CALLS = frozenset(
    {
        *("count", "sum", "min", "max", "avg", "coalesce", "lower", "upper", "length", "date_trunc", "now", "abs"),
        *("round", "cast", "extract", "nullif", "greatest", "least", "in", "values", "exists", "any", "all", "and"),
        *("or", "not", "on", "as", "where", "over", "by", "using", "select", "from", "join", "interval", "between"),
        *("like", "is", "then", "when", "else", "with", "distinct"),
    }
)
"""Words before a parenthesis that call nothing, or something that changes nothing."""
_WRITES = frozenset(
    {
        *("insert", "update", "delete", "merge", "truncate", "drop", "alter", "create", "grant", "revoke", "into"),
        *("call", "do", "copy"),
    }
)
_NAMES = frozenset('abcdefghijklmnopqrstuvwxyz_"`')


def shapes(text: str) -> tuple[Shape, ...]:
    """One shape per statement, in order. Nothing readable in it is one unreadable statement."""
    tokens = _tokens(text)
    if tokens is None:
        return (Shape.UNREADABLE,)
    statements: list[list[str]] = [[]]
    for word in tokens:
        if word == ";":
            statements.append([])
        else:
            statements[-1].append(word)
    found = [shape_of(one) for one in statements if one]
    return tuple(found) if 0 < len(found) <= STATEMENTS_MAX else (Shape.UNREADABLE,)


def _tokens(text: str) -> list[str] | None:
    """Small letters; None when a character fits nowhere, as in an open quote. Texts become a bare quote mark."""
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            return None
        at = match.end()
        if match.lastgroup == "text":
            found.append("'")
        elif match.lastgroup != "space":
            found.append(match.group().lower())
    return found


def shape_of(words: list[str]) -> Shape:
    """Of one statement's tokens."""
    first = words[0]
    if first in ("begin", "commit", "rollback", "start", "show"):
        return Shape.SESSION if len(words) <= 4 else Shape.UNREADABLE
    if first == "set":
        return _set(words)
    if first in ("select", "with", "table", "explain"):
        return _read(words)
    if first in ("update", "delete"):
        return _change(words)
    if first == "insert":
        return _insert(words)
    if first in ("drop", "truncate"):
        return Shape.DESTRUCTIVE
    if first in ("grant", "revoke"):
        return Shape.ACCESS
    return _schema(words) if first in ("alter", "create", "comment") else Shape.UNREADABLE


def _set(words: list[str]) -> Shape:
    named = {"lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "search_path"}
    return Shape.SESSION if named & set(words[1:3]) else Shape.UNREADABLE


def _calls_only_known(words: list[str]) -> bool:
    called = {name for name, mark in itertools.pairwise(words) if mark == "(" and name[0] in _NAMES}
    return called <= _SAFE_CALLS


def _read(words: list[str]) -> Shape:
    if words[0] == "explain":
        return Shape.UNREADABLE if "analyze" in words or _WRITES & set(words) else Shape.READ
    if _WRITES & set(words) or not _calls_only_known(words):
        if _lock(words) and _calls_only_known(words):
            return Shape.LOCKING_READ
        return Shape.UNREADABLE
    if "share" in words and "for" in words:
        return Shape.LOCKING_READ
    return Shape.READ if "limit" in words or _has_condition(words) or "from" not in words else Shape.WIDE_READ


def _lock(words: list[str]) -> bool:
    """``FOR UPDATE`` and nothing else that writes."""
    return (
        words[0] == "select"
        and (_WRITES & set(words)) == {"update"}
        and words.count("update") == 1
        and words[words.index("update") - 1] in ("for", "key")
    )


def _has_condition(words: list[str]) -> bool:
    """A WHERE that speaks about a column; ``WHERE 1 = 1`` does not, and ``OR`` with a constant undoes it."""
    if words.count("where") != 1:
        return False
    parts: list[list[str]] = [[]]
    for word in words[words.index("where") + 1 :]:
        if word in ("returning", "order", "limit", "group"):
            break
        if word == "or":
            parts.append([])
        else:
            parts[-1].append(word)
    constants = {"true", "false", "null", "not", "and", "is", "in", "like", "between"}
    return all(_speaks_of_a_column([w for w in part if w not in constants]) for part in parts)


def _speaks_of_a_column(part: list[str]) -> bool:
    names = [word for word in part if word[0] in _NAMES]
    same = len(part) == 3 and part[1] == "=" and part[0] == part[2]
    return bool(names) and not same


def _change(words: list[str]) -> Shape:
    inner = _WRITES & set(words[1:])
    if inner or "select" in words or "with" in words or not _calls_only_known(words):
        return Shape.UNREADABLE
    return Shape.SCOPED if _has_condition(words) else Shape.UNSCOPED


def _insert(words: list[str]) -> Shape:
    inner = (_WRITES & set(words[1:])) - {"into"}
    if inner or "select" in words or "with" in words or "values" not in words:
        return Shape.UNREADABLE
    head = words[: words.index("values")]
    return Shape.INSERT if _calls_only_known(words[len(head) :]) else Shape.UNREADABLE


def _schema(words: list[str]) -> Shape:
    said = " ".join(words)
    if words[0] == "comment":
        return Shape.ADDITIVE
    if words[0] == "create":
        plain = re.match(r"create (unique )?index\b|create (unlogged )?table\b", said)
        if not plain or " as " in said or "replace" in words:
            return Shape.UNREADABLE
        return Shape.PLAIN_INDEX if "index" in words[1:3] and "concurrently" not in words else Shape.ADDITIVE
    if words[1:2] != ["table"]:
        return Shape.DESTRUCTIVE if {"drop", "rename", "type"} & set(words) else Shape.UNREADABLE
    return _alter_table(words)


def _alter_table(words: list[str]) -> Shape:
    """Only ADD COLUMN, and constraints that are not checked yet, are additive; each clause by itself."""
    depth, clauses = 0, [list[str]()]
    for word in words[2:]:
        depth += {"(": 1, ")": -1}.get(word, 0)
        if word == "," and depth == 0:
            clauses.append([])
        else:
            clauses[-1].append(word)
    told = {_clause(" ".join(clause)) for clause in clauses}
    for worst in (Shape.DESTRUCTIVE, Shape.UNREADABLE):
        if worst in told:
            return worst
    return Shape.ADDITIVE


def _clause(said: str) -> Shape:
    if re.search(r"\b(drop|rename|type|modify|change|truncate|disable|detach)\b", said.split(" default ")[0]):
        return Shape.DESTRUCTIVE
    added = re.search(r"\badd\b", said)
    return Shape.ADDITIVE if added else Shape.UNREADABLE
