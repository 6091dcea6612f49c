"""The ten invariants of an approval, in a world where everything happens in any order, and the bugs they must catch."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from gates.approvals import ask, decide, ends, recheck, steps
from gates.approvals.model import State
from tests.unit.approvals.catalogue import MUTANTS
from tests.unit.approvals.machine import EVENTS, Pick, Requests, play
from tests.unit.approvals.mutants import Mutant, planted

SEEDS = 250
SEEDS_MAX = 2_000
"""Worlds that a bug may live through before it counts as not caught; one takes some milliseconds."""
FEW = settings(max_examples=40, stateful_step_count=25, deadline=None, database=None)


class Stateful(RuleBasedStateMachine):
    """The same world, with the events chosen and shrunk by hypothesis."""

    def __init__(self) -> None:
        super().__init__()
        self.requests = Requests(checked=True)

    @rule(event=st.sampled_from(list(EVENTS)), data=st.data())
    def something_happens(self, event: object, data: st.DataObject) -> None:
        assert callable(event)
        event(self.requests, Pick(lambda options: data.draw(st.sampled_from(options))))

    @invariant()
    def it_all_still_holds(self) -> None:
        self.requests.holds()


@pytest.mark.requirement("SK-03", "SK-12", "SK-25", "HG-12", "AH-05", "AH-13", "AH-15", "AS-04", "LRP-08")
def test_every_invariant_holds_in_whatever_order_things_happen() -> None:
    run_state_machine_as_test(Stateful, settings=FEW)


def test_every_invariant_holds_in_worlds_where_requests_often_run() -> None:
    worlds = [play(seed, checked=True) for seed in range(SEEDS)]
    states = {request.state for world in worlds for request in world.store.values()}
    assert states >= set(State) - {State.DRAFT, State.WITHDRAWN}, "these worlds no longer show what can happen"
    assert sum(len(truth.effects) for world in worlds for truth in world.truth.values()) > SEEDS / 10


def search(seeds: int) -> None:
    for seed in range(seeds):
        play(seed, checked=False)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.invariant} {mutant.name}")
def test_a_planted_bug_is_caught_by_its_invariant(mutant: Mutant) -> None:
    with planted(mutant), pytest.raises(AssertionError, match=f"^{mutant.invariant}: "):
        search(SEEDS_MAX)


def test_every_invariant_has_a_mutant() -> None:
    assert {mutant.invariant for mutant in MUTANTS} == {f"I{number}" for number in range(1, 11)}


def test_a_planted_bug_is_taken_out_again() -> None:
    before = (decide.APPROVING, ends.kill, recheck.RECHECKS, ask.ASKING, steps.moved)
    for mutant in MUTANTS:
        with planted(mutant):
            pass
    assert (decide.APPROVING, ends.kill, recheck.RECHECKS, ask.ASKING, steps.moved) == before
