"""Every hand-written step gets its grade, whatever the order of the rules, and every rule is needed for one of them."""

from __future__ import annotations

import pytest

from gates.grades import Grade
from gates.grading.answer import answer
from gates.grading.compute import RULES, base, compute
from gates.grading.facts import read
from gates.grading.kinds import KINDS, REGISTRY, Axes
from gates.grading.limits import Limits
from gates.grading.rulebook import Policy
from tests.unit.grading.cases import CASES
from tests.unit.grading.cases.build import Case


@pytest.mark.requirement("LR-01", "LR-02", "LR-12", "LR-16", "LR-18", "SK-14", "SK-20", "LRP-01", "LRP-02", "LRP-09")
@pytest.mark.requirement("LRP-11", "HG-10", "LR-04", "SKP-06", "SK-23", "AH-12", "SK-18", "LRP-03")
@pytest.mark.requirement("AS-06", "LR-21", "SK-15")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_step_gets_its_grade(case: Case) -> None:
    graded = compute(read(case.step), Limits())
    assert graded.grade == case.grade, [(one.rule, one.finding.because) for one in graded.fired]


def test_no_two_cases_have_one_name() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_without_a_rule_some_step_gets_a_lower_grade(rule: object) -> None:
    rest = [one for one in RULES if one is not rule]
    changed = [case for case in CASES if compute(read(case.step), Limits(), rest).grade != case.grade]
    assert changed
    assert all(compute(read(case.step), Limits(), rest).grade.rank < Grade(case.grade).rank for case in changed)


def test_the_order_of_the_rules_changes_no_grade() -> None:
    for case in CASES:
        assert compute(read(case.step), Limits(), reversed(RULES)).grade == case.grade


def test_rules_and_kinds_have_names_of_their_own() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert len(REGISTRY) == len(KINDS)


@pytest.mark.requirement("SK-22", "LR-01")
@pytest.mark.parametrize("case", [case for case in CASES if case.grade != "G0"], ids=lambda case: case.name)
def test_a_grade_above_the_lowest_names_its_reasons(case: Case) -> None:
    given = answer(read(case.step), Policy())
    assert given.reasons
    assert all(len(reason) > 10 for reason in given.reasons)


@pytest.mark.parametrize(
    ("axes", "grade"),
    [
        ((0, 0, 0), "G0"),
        ((1, 0, 0), "G1"),
        ((0, 1, 0), "G1"),
        ((0, 0, 1), "G1"),
        ((1, 1, 0), "G2"),
        ((1, 1, 1), "G2"),
        ((2, 0, 0), "G2"),
        ((2, 1, 1), "G2"),
        ((1, 2, 2), "G2"),
        ((2, 2, 0), "G3"),
        ((2, 0, 2), "G3"),
    ],
)
def test_what_the_three_axes_demand(axes: tuple[int, int, int], grade: str) -> None:
    assert base(Axes(*axes)) == grade


@pytest.mark.requirement("SK-01")
def test_a_stop_is_never_graded_up_whatever_it_comes_with() -> None:
    step = {
        "kind": "killswitch.engage",
        "actor": {"id": "x"},
        "declared_grade": "G3",
        "trifecta": True,
        "files": ["CODEOWNERS"],
        "unread": ["everything"],
        "lockout": True,
        "strange": 1,
    }
    assert compute(read(step), Limits()).grade == "G0"
