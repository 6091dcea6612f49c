"""Makes a failing run small: takes faults and events away for as long as the same oracle still fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from tests.sim.run import Result, run, without
from tests.sim.scenario import Scenario

RUNS_MAX = 250
"""Runs spent on one failure; a run takes some 50 ms."""

Item = TypeVar("Item")


def shrink(first: Result) -> Result:
    """The smallest failing run that was found, first without faults, then without events."""
    budget = [RUNS_MAX]
    scenario = first.scenario
    faults = _fewer(sorted(first.played.items()), lambda kept: _still(scenario, dict(kept), first, budget), budget)

    def fails_with(kept: Sequence[int]) -> bool:
        dropped = frozenset(range(len(scenario.events))) - frozenset(kept)
        return _still(without(scenario, dropped), dict(faults), first, budget)

    kept = _fewer(list(range(len(scenario.events))), fails_with, budget)
    return run(without(scenario, frozenset(range(len(scenario.events))) - frozenset(kept)), dict(faults))


def _still(scenario: Scenario, faults: dict[int, object], first: Result, budget: list[int]) -> bool:
    budget[0] -= 1
    return run(scenario, faults).oracle == first.oracle  # type: ignore[arg-type]


def _fewer(items: Sequence[Item], fails: Callable[[Sequence[Item]], bool], budget: list[int]) -> list[Item]:
    """Halves, then quarters, down to single ones."""
    kept, size = list(items), max(1, len(items) // 2)
    while kept and budget[0] > 0:
        at = 0
        while at < len(kept) and budget[0] > 0:
            rest = kept[:at] + kept[at + size :]
            if fails(rest):
                kept = rest
            else:
                at += size
        if size == 1:
            return kept
        size = max(1, size // 2)
    return kept
