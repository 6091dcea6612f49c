"""The helper behind every machine's table of moves."""

from __future__ import annotations

from enum import StrEnum

import pytest

from gates.moves import IllegalMove, Moves


class Door(StrEnum):
    OPEN = "open"
    SHUT = "shut"
    GONE = "gone"


DOORS = Moves({Door.OPEN: frozenset({Door.SHUT, Door.GONE}), Door.SHUT: frozenset({Door.OPEN}), Door.GONE: frozenset()})


def test_a_legal_move_is_returned() -> None:
    assert DOORS.require(Door.OPEN, Door.SHUT) is Door.SHUT


@pytest.mark.parametrize(("before", "after"), [(Door.SHUT, Door.GONE), (Door.OPEN, Door.OPEN), (Door.GONE, Door.OPEN)])
def test_an_illegal_move_is_a_bug_and_says_which(before: Door, after: Door) -> None:
    assert not DOORS.legal(before, after)
    with pytest.raises(IllegalMove, match=f"no move from {before} to {after}"):
        DOORS.require(before, after)


def test_an_illegal_move_cannot_be_mistaken_for_trouble_of_the_world() -> None:
    assert issubclass(IllegalMove, AssertionError)


def test_states_without_a_way_out_are_the_ends() -> None:
    assert DOORS.ends == {Door.GONE}


def test_the_edges_come_in_the_order_of_the_table() -> None:
    assert list(DOORS.edges()) == [(Door.OPEN, Door.SHUT), (Door.OPEN, Door.GONE), (Door.SHUT, Door.OPEN)]


def test_a_state_without_a_row_is_refused_when_the_table_is_built() -> None:
    with pytest.raises(AssertionError, match="without a row"):
        Moves({Door.OPEN: frozenset({Door.SHUT})})


def test_a_table_does_not_change_with_the_mapping_it_was_built_from() -> None:
    rows = {Door.OPEN: frozenset({Door.GONE}), Door.GONE: frozenset[Door]()}
    moves = Moves(rows)
    rows[Door.GONE] = frozenset({Door.OPEN})
    assert not moves.legal(Door.GONE, Door.OPEN)
