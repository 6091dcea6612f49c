"""The table of moves: what is legal, what is not, and that an end can be reached from everywhere."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.model import Phase, Reason
from controller.core.moves import ENDED, MOVES
from controller.core.scene import to
from gates.moves import IllegalMove
from tests.unit.core.build import T0, a_release

LEGAL = {
    ("pending", "preparing"),
    ("pending", "promoting"),
    ("pending", "failed"),
    ("preparing", "progressing"),
    ("preparing", "rolling_back"),
    ("preparing", "halted"),
    ("progressing", "paused"),
    ("progressing", "promoting"),
    ("progressing", "rolling_back"),
    ("progressing", "halted"),
    ("paused", "progressing"),
    ("paused", "promoting"),
    ("paused", "rolling_back"),
    ("paused", "halted"),
    ("promoting", "succeeded"),
    ("promoting", "rolling_back"),
    ("promoting", "halted"),
    ("rolling_back", "rolled_back"),
    ("rolling_back", "failed"),
    ("halted", "pending"),
    ("halted", "rolling_back"),
}


@pytest.mark.parametrize(("before", "after"), list(product(Phase, Phase)))
def test_every_pair_of_phases_is_legal_or_illegal_as_written_down(before: Phase, after: Phase) -> None:
    release = a_release(before)
    if (before.value, after.value) in LEGAL:
        moved = to(release, after, Reason("moved", "moved"), T0 + 5)
        assert (moved.phase, moved.entered_at_s, moved.reason.code) == (after, T0 + 5, "moved")
        return
    with pytest.raises(IllegalMove):
        to(release, after, Reason("moved", "moved"), T0 + 5)
    assert release == a_release(before)


def test_the_ends_are_succeeded_rolled_back_and_failed() -> None:
    assert {Phase.SUCCEEDED, Phase.ROLLED_BACK, Phase.FAILED} == ENDED


def test_a_phase_never_follows_itself() -> None:
    assert not [phase for phase in Phase if MOVES.legal(phase, phase)]


@given(st.sampled_from(sorted(Phase)), st.lists(st.integers(0, 100), max_size=30))
def test_wherever_legal_moves_lead_an_end_can_still_be_reached(start: Phase, choices: list[int]) -> None:
    here = start
    for choice in choices:
        following = [after for before, after in MOVES.edges() if before is here]
        if not following:
            break
        here = following[choice % len(following)]
    assert reachable(here) & ENDED


@pytest.mark.parametrize("phase", sorted(set(Phase) - ENDED))
def test_from_every_phase_with_traffic_or_instances_the_way_back_is_at_most_two_moves(phase: Phase) -> None:
    if phase is Phase.PENDING:
        assert MOVES.legal(phase, Phase.FAILED)
        return
    assert phase is Phase.ROLLING_BACK or MOVES.legal(phase, Phase.ROLLING_BACK)


def reachable(start: Phase) -> set[Phase]:
    found, edge = {start}, [start]
    while edge:
        before = edge.pop()
        new = {after for other, after in MOVES.edges() if other is before} - found
        found |= new
        edge += new
    return found
