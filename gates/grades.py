"""The four grades of a step, in order. It says what they are called and how they compare, not how one is found."""

from __future__ import annotations

from enum import StrEnum


class Grade(StrEnum):
    """G0 passes at once, G1 is logged, G2 is guarded by automation, G3 needs a person."""

    G0 = "G0"
    G1 = "G1"
    G2 = "G2"
    G3 = "G3"

    @property
    def rank(self) -> int:
        return _ORDER.index(self)


_ORDER = (Grade.G0, Grade.G1, Grade.G2, Grade.G3)


def highest(*grades: Grade) -> Grade:
    """Grades are only ever combined this way: no fact lowers what another fact demands."""
    return max(grades, key=lambda grade: grade.rank, default=Grade.G0)
