"""What a migration's grade is made of: locks, findings, statements, the answer. Words and values, no rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gates.grades import Grade, highest

Tree = Mapping[str, Any]
"""One statement of the parser's JSON: a single kind, and its fields."""


class Lock(StrEnum):
    """PostgreSQL's table locks that the rules speak of, weakest first, in the words a reviewer reads."""

    NONE = "no table lock"
    ACCESS_SHARE = "ACCESS SHARE: only waits for a lock that stops reads"
    ROW_EXCLUSIVE = "ROW EXCLUSIVE: other reads and writes go on"
    SHARE_UPDATE_EXCLUSIVE = "SHARE UPDATE EXCLUSIVE: reads and writes go on, other schema changes wait"
    SHARE = "SHARE: writes stop, reads go on"
    SHARE_ROW_EXCLUSIVE = "SHARE ROW EXCLUSIVE: writes stop, reads go on"
    EXCLUSIVE = "EXCLUSIVE: writes stop, reads go on"
    ACCESS_EXCLUSIVE = "ACCESS EXCLUSIVE: reads and writes stop"
    UNKNOWN = "unknown: what it locks cannot be told from the text"


class Phase(StrEnum):
    """Expand adds what the new version needs; contract takes away what the old version may still use."""

    EXPAND = "expand"
    CONTRACT = "contract"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Name:
    """A table, index or other object as written. An empty schema means that search_path decides."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that holds for one action. ``statement`` counts from 0; None is about the plan as a whole."""

    rule: str
    grade: Grade
    reason: str
    remedy: str
    statement: int | None = None
    object: str = ""
    lock: Lock = Lock.NONE
    data_loss: bool = False
    refuses: bool = False


@dataclass(frozen=True, slots=True)
class Sliced:
    """One statement as it would be sent: its own bytes as text, where they lie in the file, and its tree."""

    text: str
    start_byte: int
    tree: Tree


@dataclass(frozen=True, slots=True)
class Parsed:
    """What the parsing process says of a text: statements, or why there are none."""

    statements: tuple[Sliced, ...] = ()
    trouble: str = ""
    moved_by_quoting: bool = False
    """Whether the text reads differently with standard_conforming_strings off."""


@dataclass(frozen=True, slots=True)
class StatementReport:
    index: int
    text: str
    kind: str
    grade: Grade
    lock: Lock
    transaction: int | None
    """Which transaction of the text it belongs to; None when it cannot run inside one."""
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """The grade of a whole text. ``findings`` are those about the plan; each statement has its own."""

    dialect: str
    grade: Grade
    refused: bool
    statements: tuple[StatementReport, ...] = ()
    findings: tuple[Finding, ...] = ()
    not_analysed: tuple[str, ...] = ()

    @property
    def worst_first(self) -> tuple[Finding, ...]:
        """Every finding; refusals first, then by grade, then in the order of the text."""
        everything = [*self.findings, *(each for report in self.statements for each in report.findings)]
        return tuple(sorted(everything, key=lambda each: (not each.refuses, -each.grade.rank)))


def grade_of(findings: tuple[Finding, ...]) -> Grade:
    return highest(*(each.grade for each in findings))
