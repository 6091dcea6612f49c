"""What a rule is: a name, a look at one step, and what would make it fall silent. Rules only ever raise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gates.grades import Grade
from gates.grading.kinds import HARMLESS, WORST, Axes
from gates.grading.situation import Situation


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule demands: axes and a floor, both at least; ``facts`` are the paths it looked at."""

    because: str
    facts: tuple[str, ...] = ()
    axes: Axes = HARMLESS
    floor: Grade = Grade.G0


@dataclass(frozen=True, slots=True)
class Rule:
    """``lower`` says what would make the rule fall silent; empty where nothing honest would."""

    name: str
    look: Callable[[Situation], Finding | None]
    lower: str = ""


def axes(because: str, *facts: str, r: int = 0, b: int = 0, s: int = 0) -> Finding:
    return Finding(because, facts, Axes(r, b, s))


def worst(because: str, *facts: str) -> Finding:
    return Finding(because, facts, WORST)


def floor(grade: Grade, because: str, *facts: str, r: int = 0) -> Finding:
    return Finding(because, facts, Axes(r), grade)
