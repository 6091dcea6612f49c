"""Parses without a process of its own, so that hundreds of cases run in a second. Only known texts go through here."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

from controller.adapters.migrations import worker
from controller.adapters.migrations.parsing import find_parser
from gates.migrations.grade import grade_postgresql
from gates.migrations.model import Answer, Parsed, Sliced


@cache
def grammar() -> worker.Grammar:
    return worker.Grammar(str(find_parser().library))


@cache
def parsed(sql: str) -> Parsed:
    try:
        told = cast("list[dict[str, Any]]", worker.sliced(grammar(), sql.encode()))
    except worker.Unparsable as error:
        return Parsed(trouble=str(error))
    statements = tuple(Sliced(each["text"], each["start_byte"], each["tree"]) for each in told)
    return Parsed(statements, moved_by_quoting=worker.moved_by_quoting(grammar(), sql.encode()))


def graded(sql: str) -> Answer:
    return grade_postgresql(sql, parsed(sql))


def rules_of(answer: Answer) -> set[str]:
    return {finding.rule for finding in answer.worst_first}
