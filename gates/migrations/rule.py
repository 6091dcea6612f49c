"""The shape of a rule, and the small conditions that rules are put together from. No rule stands here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gates.grades import Grade
from gates.migrations.action import Action
from gates.migrations.model import Finding, Lock, Phase

When = Callable[[Action], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """One reason for one grade. Every rule that holds counts, and the highest grade wins.

    A rule that ``explains`` knows the statement it speaks of. One that does not only raises: an action that no
    explaining rule knows is opaque.
    """

    id: str
    grade: Grade
    when: When
    reason: str
    remedy: str = ""
    lock: Lock = Lock.NONE
    phase: Phase = Phase.NEITHER
    data_loss: bool = False
    refuses: bool = False
    explains: bool = True

    def finding(self, statement: int, action: Action) -> Finding:
        return Finding(
            self.id,
            self.grade,
            self.reason,
            self.remedy,
            statement,
            str(action.target),
            self.lock,
            self.data_loss,
            self.refuses,
        )


def a(kind: str, *forms: str) -> When:
    """An action of this kind, and of one of these forms if any are named."""
    return lambda action: action.kind == kind and (not forms or action.form in forms)


def both(*conditions: When) -> When:
    return lambda action: all(condition(action) for condition in conditions)


def either(*conditions: When) -> When:
    return lambda action: any(condition(action) for condition in conditions)


def no(condition: When) -> When:
    return lambda action: not condition(action)


def flag(name: str) -> When:
    return lambda action: action.says(name)


def fresh(action: Action) -> bool:
    return action.fresh


def old(action: Action) -> bool:
    return not action.fresh


def of_object(*object_types: str) -> When:
    """An ALTER TABLE statement that is about this kind of object: ALTER INDEX and ALTER VIEW parse as one too."""
    return lambda action: str(action.top.get("objtype", "")) in object_types


def cascades(action: Action) -> bool:
    return str(action.body.get("behavior", "")) == "DROP_CASCADE"
