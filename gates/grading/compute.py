"""Runs every rule over a step and takes the maximum. Order cannot matter here, and nothing ever lowers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gates.grades import Grade, highest
from gates.grading import rules_general, rules_objects, rules_outside, rules_release, rules_sql
from gates.grading.facts import Facts
from gates.grading.kinds import WORST, Axes, Group
from gates.grading.limits import Limits
from gates.grading.rule import Finding, Rule
from gates.grading.situation import Situation, situation_of

RULES: tuple[Rule, ...] = (
    *rules_general.RULES,
    *rules_release.RULES,
    *rules_sql.RULES,
    *rules_objects.RULES,
    *rules_outside.RULES,
)


@dataclass(frozen=True, slots=True)
class Fired:
    rule: str
    finding: Finding
    lower: str


@dataclass(frozen=True, slots=True)
class Graded:
    """The grade with all that led to it, in the order of the rules."""

    grade: Grade
    axes: Axes
    fired: tuple[Fired, ...]
    situation: Situation


def compute(facts: Facts, limits: Limits, rules: Iterable[Rule] = RULES) -> Graded:
    at = situation_of(facts, limits)
    fired = tuple(Fired(rule.name, found, rule.lower) for rule in rules if (found := rule.look(at)) is not None)
    axes = Axes(
        max((one.finding.axes.reversibility for one in fired), default=0),
        max((one.finding.axes.blast for one in fired), default=0),
        max((one.finding.axes.stakes for one in fired), default=0),
    )
    return Graded(highest(base(axes), *(one.finding.floor for one in fired)), axes, fired, at)


def base(axes: Axes) -> Grade:
    """What the three axes alone demand."""
    three = (axes.reversibility, axes.blast, axes.stakes)
    assert all(0 <= one <= max(WORST.blast, 2) for one in three), three
    if axes.reversibility == 2 and 2 in (axes.blast, axes.stakes):
        return Grade.G3
    if 2 in three or three.count(1) >= 2:
        return Grade.G2
    return Grade.G1 if 1 in three else Grade.G0


def deciding(graded: Graded) -> tuple[Fired, ...]:
    """The rules that the grade rests on. A known kind at its best is no reason that anybody could change."""
    if graded.grade is Grade.G0:
        return ()
    at = graded.situation
    as_known = at.kind.group is not Group.UNKNOWN and at.tier_known
    return tuple(one for one in graded.fired if _decides(one, graded) and not (one.rule == "kind" and as_known))


def _decides(one: Fired, graded: Graded) -> bool:
    own, whole = one.finding.axes, graded.axes
    pairs = (
        (own.reversibility, whole.reversibility),
        (own.blast, whole.blast),
        (own.stakes, whole.stakes),
    )
    part = any(mine and mine == all_ for mine, all_ in pairs)
    return one.finding.floor is graded.grade or (part and base(whole) is graded.grade)
