"""Puts every statement of a plan into its transaction and beside what came before it. It grades nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from gates.migrations.action import Action, Scene, actions_of
from gates.migrations.model import Name, Sliced
from gates.migrations.scene import after, not_null_check
from gates.migrations.tree import kind_of, options

_OPENS = ("TRANS_STMT_BEGIN", "TRANS_STMT_START")


@dataclass(frozen=True, slots=True)
class Step:
    """One statement in its place. ``transaction`` is None when it cannot run inside one."""

    index: int
    sliced: Sliced
    kind: str
    actions: tuple[Action, ...]
    transaction: int | None
    explicit: bool
    """Whether the text itself opened the transaction."""


def stands_alone(action: Action) -> bool:
    """Whether PostgreSQL refuses it inside a transaction."""
    if action.kind in ("IndexStmt", "DropStmt") and action.top.get("concurrent"):
        return True
    if action.kind == "ReindexStmt":
        return "concurrently" in options(action.top.get("params")) or action.form in (
            "REINDEX_OBJECT_SCHEMA",
            "REINDEX_OBJECT_SYSTEM",
            "REINDEX_OBJECT_DATABASE",
        )
    if action.form == "AT_DetachPartition":
        return bool(action.element.get("concurrent"))
    if action.kind == "ClusterStmt":
        return not action.top.get("relation")
    return (action.kind == "VacuumStmt" and action.says("is_vacuumcmd")) or action.kind in _NEVER_INSIDE


_NEVER_INSIDE = frozenset(
    {
        "CreatedbStmt",
        "DropdbStmt",
        "AlterSystemStmt",
        "CreateTableSpaceStmt",
        "DropTableSpaceStmt",
        "CreateSubscriptionStmt",
    }
)


class _Walk:
    """The state of one pass over a plan: what is open, what was made, what was proven."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.number = 0
        self.explicit = False
        self.checks: dict[tuple[Name, str], tuple[str, int]] = {}
        self.validated: dict[tuple[Name, str], int] = {}

    def step(self, index: int, sliced: Sliced) -> Step:
        self._prove()
        actions = tuple(actions_of(sliced.tree, self.scene))
        alone = any(stands_alone(action) for action in actions)
        form = actions[0].form if actions and actions[0].kind == "TransactionStmt" else ""
        if form in _OPENS:
            self._next_transaction(explicit=True)
        place = None if alone else self.number
        step = Step(index, sliced, kind_of(sliced.tree), actions, place, self.explicit)
        if alone and not self.explicit:
            self._next_transaction(explicit=False)
        self.scene = after(self.scene, actions)
        self._note_checks(actions)
        if form and form not in _OPENS:
            self._next_transaction(explicit=False)
        return step

    def _next_transaction(self, explicit: bool) -> None:
        self.number += 1
        self.explicit = explicit

    def _note_checks(self, actions: Iterable[Action]) -> None:
        for action in actions:
            check = not_null_check(action)
            if check is not None:
                table, name, column = check
                self.checks[(table, name)] = (column, self.number)
                if not action.element.get("skip_validation"):
                    self.validated[(table, column)] = self.number
            named = (action.target, str(action.body.get("name", "")))
            if action.form == "AT_ValidateConstraint" and named in self.checks:
                self.validated[(action.target, self.checks[named][0])] = self.number
            elif (
                action.form in ("AT_DropConstraint", "AT_AlterConstraint", "AT_DropColumn")
                or action.kind == "RenameStmt"
            ):
                self.validated.clear()

    def _prove(self) -> None:
        """Only what an earlier transaction validated is proven: in the same one the lock is held all along."""
        proven = frozenset(column for column, number in self.validated.items() if number < self.number)
        self.scene = replace(self.scene, proven_not_null=proven)


def steps_of(statements: tuple[Sliced, ...]) -> tuple[Step, ...]:
    walk = _Walk()
    return tuple(walk.step(index, sliced) for index, sliced in enumerate(statements))
