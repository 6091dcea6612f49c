"""Turns a graded text into the statements of a plan, in groups of the plan's own; refuses what must not become one, and
says how a mixed text is split. It runs nothing and believes no BEGIN of the text."""

from __future__ import annotations

from collections.abc import Sequence

from gates.canonical import digest
from gates.migrations.model import Answer, Lock, Parsed, Phase, StatementReport
from gates.migrations.plan import Crash, PlannedStatement
from gates.migrations.rules import all_rules
from gates.migrations.together import PLAN_RULES

MAX_STATEMENTS = 200
"""A plan is read by a person, and every statement of it is shown to them."""


class PlanRefused(Exception):
    """This text may not become a plan. ``reasons`` are all of them, in words; ``split`` is what to propose instead."""

    def __init__(self, reasons: Sequence[str], split: tuple[str, str] | None = None) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = tuple(reasons)
        self.split = split


def planned(answer: Answer, parsed: Parsed) -> tuple[PlannedStatement, ...]:
    """The statements that will run, without the text's own BEGIN and COMMIT. Raises PlanRefused."""
    reasons = [each.reason for each in answer.worst_first if each.refuses]
    if answer.refused or answer.dialect != "postgresql":
        told = tuple(dict.fromkeys(reasons)) or (f"plans for {answer.dialect} are not supported",)
        raise PlanRefused(told, split_of(answer))
    kept = [report for report in answer.statements if report.kind != "TransactionStmt"]
    if len(kept) > MAX_STATEMENTS:
        raise PlanRefused([f"it has {len(kept)} statements, {MAX_STATEMENTS} are allowed: split it"])
    numbers = _renumbered(kept)
    return tuple(_statement(report, parsed.statements[report.index].text, numbers[report.index]) for report in kept)


def _statement(report: StatementReport, text: str, group: int | None) -> PlannedStatement:
    named = sorted({each.object for each in report.findings if each.object})
    return PlannedStatement(
        sql=text.encode(),
        kind=report.kind,
        group=group,
        grade=report.grade,
        lock=report.lock.value,
        objects=tuple(named),
        crash=Crash.PROBE if group is None else Crash.ROLLED_BACK,
    )


def _renumbered(kept: Sequence[StatementReport]) -> dict[int, int | None]:
    """Groups from 0, in order, without holes: how the text wrote its transactions must not show in the digest."""
    groups = list(dict.fromkeys(each.transaction for each in kept if each.transaction is not None))
    return {each.index: None if each.transaction is None else groups.index(each.transaction) for each in kept}


def phase_of(answer: Answer) -> Phase:
    """Contract if anything is taken away; a mixed plan is refused before this is asked."""
    phases = {phase for report in answer.statements for phase in _phases(report)}
    return next((each for each in (Phase.CONTRACT, Phase.EXPAND) if each in phases), Phase.NEITHER)


def _phases(report: StatementReport) -> set[Phase]:
    by_rule = {rule.id: rule.phase for rule in all_rules()}
    return {by_rule[each.rule] for each in report.findings if each.rule in by_rule}


def split_of(answer: Answer) -> tuple[str, str] | None:
    """Two texts for a mixed one: what comes before the release, and what takes away after it; None if it is not."""
    if not any(each.rule == "plan.mixed" for each in answer.worst_first):
        return None
    real = [each for each in answer.statements if each.kind != "TransactionStmt"]
    later = [each for each in real if Phase.CONTRACT in _phases(each)]
    before = [each for each in real if each not in later]
    return _joined(before), _joined(later)


def _joined(reports: Sequence[StatementReport]) -> str:
    return "".join(_ended(each.text.strip()) for each in reports)


def _ended(text: str) -> str:
    """With its semicolon; on a line of its own where the text ends in a comment."""
    return f"{text}\n;\n" if "--" in text.rpartition("\n")[2] else f"{text};\n"


def rules_digest() -> str:
    """Of every rule's name, grade and words. A plan that was graded by others is graded again before it runs."""
    single = [[rule.id, rule.grade.value, rule.reason, rule.lock.value, rule.refuses] for rule in all_rules()]
    together = [[rule.id, rule.grade.value, rule.reason, Lock.NONE.value, rule.refuses] for rule in PLAN_RULES]
    return digest([*single, *together])
