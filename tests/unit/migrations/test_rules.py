"""Every rule: cases in which it holds, and the proof that each one counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from gates.grades import Grade
from gates.migrations.grade import grade_postgresql
from gates.migrations.rule import Rule
from gates.migrations.rules import all_rules
from gates.migrations.together import PLAN_RULES, PlanRule
from tests.unit.migrations.cases import CASES, Case
from tests.unit.migrations.stage import graded, parsed, rules_of

ONLY_TELLS = {
    "if-exists": "it raises nothing; it tells the reviewer",
    "plan.default-taken-back": "dropping a default alone is G2 already; this says why it is certain",
}
"""Rules that add a reason and change no grade by themselves."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sql[:70])
def test_a_case_has_its_grade_and_exactly_its_reasons(case: Case) -> None:
    answer = graded(case.sql)
    assert (answer.grade.value, rules_of(answer)) == (case.grade, case.wanted)


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.id)
def test_some_case_dies_when_a_rule_is_broken(rule: Rule) -> None:
    """Broken: taken out, so that nothing knows the statement; or thinking that everything is harmless."""
    others = [each for each in all_rules() if each.id != rule.id]
    harmless = [*others, replace(rule, grade=Grade.G0, refuses=False)]
    killed = changed(rule.id, others, PLAN_RULES) or changed(rule.id, harmless, PLAN_RULES)
    assert rule.id in ONLY_TELLS or killed or second_line(rule.id, harmless)


def second_line(rule: str, rules: Sequence[Rule]) -> bool:
    """Whether the list of known nodes stops, without the rule, a case that the rule is for."""
    answers = [grade_postgresql(case.sql, parsed(case.sql), rules) for case in CASES if rule in case.wanted]
    return any("statement.opaque" in rules_of(answer) for answer in answers)


@pytest.mark.parametrize("rule", PLAN_RULES, ids=lambda rule: rule.id)
def test_some_case_dies_when_a_rule_about_the_plan_is_taken_out(rule: PlanRule) -> None:
    left = [each for each in PLAN_RULES if each.id != rule.id]
    assert rule.id in ONLY_TELLS or changed(rule.id, all_rules(), left)


def changed(rule: str, rules: Sequence[Rule], plan_rules: Sequence[PlanRule]) -> list[str]:
    """The cases of a rule that these rules grade otherwise."""
    concerned = [case for case in CASES if rule in case.wanted]
    return [case.sql for case in concerned if outcome(case.sql, rules, plan_rules) != outcome(case.sql)]


def outcome(
    sql: str, rules: Sequence[Rule] | None = None, plan_rules: Sequence[PlanRule] = PLAN_RULES
) -> tuple[Grade, bool]:
    answer = grade_postgresql(sql, parsed(sql), rules, plan_rules)
    return answer.grade, answer.refused


def test_every_rule_has_a_name_of_its_own_and_a_reason() -> None:
    rules = all_rules()
    assert len({each.id for each in rules} | {each.id for each in PLAN_RULES}) == len(rules) + len(PLAN_RULES)
    assert [each.id for each in rules if len(each.reason.split()) < 2] == []


def test_what_only_tells_is_still_told() -> None:
    told = {rule for case in CASES for rule in rules_of(graded(case.sql))}
    assert set(ONLY_TELLS) <= told
