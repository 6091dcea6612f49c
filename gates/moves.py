"""A table of legal moves between the states of one machine. It knows no machine by name and decides nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Generic, TypeVar

State = TypeVar("State", bound=StrEnum)


class IllegalMove(AssertionError):
    """A bug of ours: the code asked for a move that the machine's table does not hold. Never caught as trouble."""


class Moves(Generic[State]):
    """Which state may follow which. A state that maps to the empty set is an end state."""

    def __init__(self, table: Mapping[State, frozenset[State]]) -> None:
        missing = {after for befores in table.values() for after in befores} - set(table)
        assert not missing, f"states without a row: {sorted(missing)}"
        self._table = dict(table)

    def legal(self, before: State, after: State) -> bool:
        return after in self._table[before]

    def require(self, before: State, after: State) -> State:
        """Return ``after``, or raise IllegalMove and change nothing."""
        if not self.legal(before, after):
            raise IllegalMove(f"no move from {before} to {after}")
        return after

    @property
    def ends(self) -> frozenset[State]:
        return frozenset(state for state, afters in self._table.items() if not afters)

    def edges(self) -> Iterator[tuple[State, State]]:
        """Every legal move, in the table's order; the diagrams in the docs are drawn from it."""
        for before, afters in self._table.items():
            for after in self._table:
                if after in afters:
                    yield before, after
