"""Grades a parsed PostgreSQL migration: every rule for every action, then the rules about the plan as a whole. A grade
is only ever raised here; what no rule knows is G3."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gates.grades import Grade
from gates.migrations.action import Action
from gates.migrations.expressions import unknown_calls
from gates.migrations.model import Answer, Finding, Lock, Parsed, StatementReport, grade_of
from gates.migrations.names import look_alikes
from gates.migrations.rule import Rule
from gates.migrations.rules import all_rules
from gates.migrations.steps import Step, steps_of
from gates.migrations.text import Unreadable, shown
from gates.migrations.together import PLAN_RULES, Judged, PlanRule, findings_of
from gates.migrations.tree import unknown

NOT_RENDERED = "-- THIS OPERATION CANNOT BE WRITTEN AS SQL"
"""What Django writes in place of an operation it cannot show. It is no remark: it says that the text is not whole."""

_LOCKS = tuple(Lock)


def refused(dialect: str, rule: str, reason: str, remedy: str) -> Answer:
    """The answer for a text that is not even looked into."""
    finding = Finding(rule, Grade.G3, reason, remedy, lock=Lock.UNKNOWN, refuses=True)
    return Answer(dialect, Grade.G3, refused=True, findings=(finding,), not_analysed=("the whole text",))


def refuse_unreadable(dialect: str, trouble: Unreadable) -> Answer:
    return refused(dialect, trouble.rule, trouble.reason, trouble.remedy)


def grade_postgresql(
    text: str, parsed: Parsed, rules: Sequence[Rule] | None = None, plan_rules: Sequence[PlanRule] = PLAN_RULES
) -> Answer:
    """The grade of ``text`` as ``parsed``. Other rules than the real ones are for tests of the rules."""
    if parsed.trouble:
        return refused("postgresql", "text.unparsable", parsed.trouble, "hand in plain SQL that PostgreSQL can parse")
    known = all_rules() if rules is None else rules
    plan = tuple(_judge(step, known) for step in steps_of(parsed.statements))
    together = [finding for rule in plan_rules for finding in findings_of(rule, plan)]
    about_text = tuple(_about_text(text, parsed))
    reports = tuple(
        _report(judged, tuple(each for each in together if each.statement == judged.step.index)) for judged in plan
    )
    of_plan = about_text + tuple(each for each in together if each.statement is None)
    everything = of_plan + tuple(each for report in reports for each in report.findings)
    is_refused = any(each.refuses for each in everything)
    grade = Grade.G3 if is_refused else grade_of(everything)
    return Answer("postgresql", grade, is_refused, reports, of_plan, tuple(_not_analysed(plan)))


def _about_text(text: str, parsed: Parsed) -> Iterator[Finding]:
    if parsed.moved_by_quoting:
        yield Finding(
            "text.quoting", Grade.G3, "with standard_conforming_strings off the server reads other statements in it",
            "write backslashes inside E'' literals", lock=Lock.UNKNOWN, refuses=True,
        )  # fmt: skip
    if any(line.strip() == NOT_RENDERED for line in text.splitlines()):
        yield Finding(
            "text.incomplete", Grade.G3, "it says itself that an operation could not be written as SQL",
            "write that operation as SQL", lock=Lock.UNKNOWN, refuses=True,
        )  # fmt: skip


def _judge(step: Step, rules: Sequence[Rule]) -> Judged:
    findings: list[Finding] = [*_look_alikes(step)]
    phases = set()
    for action in step.actions:
        held = [rule for rule in rules if rule.when(action)]
        phases |= {rule.phase for rule in held}
        findings += [rule.finding(step.index, action) for rule in held]
        if not any(rule.explains for rule in held):
            findings.append(_opaque(step, action))
    if not step.actions:
        findings.append(_strange(step, "the statement does nothing that can be named"))
    if grade_of(tuple(findings)) is not Grade.G3:
        findings += _unknown_parts(step)
    return Judged(step, tuple(dict.fromkeys(findings)), frozenset(phases))


def _unknown_parts(step: Step) -> Iterator[Finding]:
    """Anything in the tree that is on no list. What is G3 anyway has a better reason than this."""
    strange = unknown(step.sliced.tree)
    if strange:
        yield _strange(step, f"it holds what is on no list: {', '.join(strange[:5])}")


def _look_alikes(step: Step) -> Iterator[Finding]:
    names = look_alikes(step.sliced.tree)
    if names:
        told = ", ".join(shown(name) for name in names[:5])
        reason = f"a name may be taken for another one: {told}"
        yield Finding("name.look-alike", Grade.G2, reason, "write names in one script", step.index)


def _strange(step: Step, reason: str) -> Finding:
    return Finding("statement.opaque", Grade.G3, reason, "a form that is on the list", step.index, lock=Lock.UNKNOWN)


def _opaque(step: Step, action: Action) -> Finding:
    form = f" ({action.form})" if action.form else ""
    reason = f"no rule knows this form of {action.kind}{form}, so it may do anything"
    return Finding(
        "statement.unknown",
        Grade.G3,
        reason,
        "a form that is on the list",
        step.index,
        str(action.target),
        Lock.UNKNOWN,
    )


def _report(judged: Judged, together: tuple[Finding, ...]) -> StatementReport:
    step = judged.step
    findings = tuple(sorted(judged.findings + together, key=lambda each: -each.grade.rank))
    lock = max((each.lock for each in findings), key=_LOCKS.index, default=Lock.NONE)
    secret = any(each.rule == "role.password" for each in findings)
    return StatementReport(
        step.index,
        "(not shown: it holds a password)" if secret else step.sliced.text,
        step.kind,
        grade_of(findings),
        lock,
        step.transaction,
        findings,
    )


def _not_analysed(plan: Sequence[Judged]) -> Iterator[str]:
    """What the grade does not rest on, told to the reviewer."""
    if plan:
        yield "sizes, rows, types of existing columns and what depends on them: the text does not tell"
    for judged in plan:
        names = unknown_calls(judged.step.sliced.tree)
        if names:
            yield f"statement {judged.step.index + 1}: the bodies of {', '.join(names[:5])}"
        if judged.step.kind in ("CreateFunctionStmt", "DoStmt"):
            yield f"statement {judged.step.index + 1}: the code in its body"
