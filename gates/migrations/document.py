"""An answer as plain data for JSON, and as the lines a person reads. Both say the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gates.grades import Grade
from gates.migrations.model import Answer, Finding, Lock, StatementReport
from gates.migrations.text import shown

MAX_LINE = 160
"""Letters of a statement in the text form; JSON has all of it."""


def document(answer: Answer) -> dict[str, Any]:
    return {
        "dialect": answer.dialect,
        "grade": answer.grade.value,
        "refused": answer.refused,
        "reasons": [reason(each) for each in answer.worst_first if _counts(each, answer)],
        "statements": [_statement(report) for report in answer.statements],
        "findings": [_finding(each) for each in answer.findings],
        "not_analysed": list(answer.not_analysed),
    }


def reason(finding: Finding) -> str:
    place = "" if finding.statement is None else f"statement {finding.statement + 1}: "
    return f"{place}{finding.grade.value} {finding.rule}: {finding.reason}"


def _counts(finding: Finding, answer: Answer) -> bool:
    """Above G0 everything is a reason; a plan of G0 is told what it consists of."""
    return finding.grade is not Grade.G0 or answer.grade is Grade.G0


def _statement(report: StatementReport) -> dict[str, Any]:
    return {
        "number": report.index + 1,
        "sql": report.text.strip(),
        "kind": report.kind,
        "grade": report.grade.value,
        "lock": report.lock.value,
        "transaction": report.transaction,
        "findings": [_finding(each) for each in report.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "grade": finding.grade.value,
        "object": shown(finding.object),
        "reason": finding.reason,
        "remedy": finding.remedy,
        "lock": finding.lock.value,
        "data_loss": finding.data_loss,
        "refuses": finding.refuses,
    }


def lines(answer: Answer) -> Iterator[str]:
    """The worst first, then every statement with its lock in words."""
    first = answer.worst_first[0] if answer.worst_first else None
    yield f"{answer.grade.value}{', refused' if answer.refused else ''}" + (f": {first.reason}" if first else "")
    lost = [each for each in answer.worst_first if each.data_loss]
    for each in lost:
        yield f"  data loss: {_place(each)}{shown(each.object) or each.rule}: {each.reason}"
    for each in answer.findings:
        yield from _told(each, "  ")
    for report in answer.statements:
        yield f"  {report.index + 1}. {report.grade.value} {_one_line(report.text)}"
        if report.lock is not Lock.NONE:
            yield f"     lock: {report.lock.value}"
        for each in report.findings:
            if each.grade is not Grade.G0 or each.refuses:
                yield from _told(each, "     ")
    for told in answer.not_analysed:
        yield f"  not analysed: {told}"


def _place(finding: Finding) -> str:
    return "" if finding.statement is None else f"statement {finding.statement + 1}, "


def _told(finding: Finding, indent: str) -> Iterator[str]:
    yield f"{indent}{finding.grade.value} {finding.rule}: {finding.reason}"
    if finding.remedy:
        yield f"{indent}   instead: {finding.remedy}"


def _one_line(text: str) -> str:
    """White space as single blanks, and every letter that may pass for another as an escape."""
    line = shown(" ".join(text.split()))
    return line if len(line) <= MAX_LINE else line[: MAX_LINE - 3] + "..."
