"""The fixed seeds of every run: each must keep every oracle, and together they must meet what they are there for."""

from __future__ import annotations

import re

import pytest

from tests.sim.run import run
from tests.sim.scenario import draw

SEEDS = 300
BATCH = 20
"""Seeds of one test, so that each takes a second or two."""


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_every_oracle_holds(first: int) -> None:
    failed = [result for seed in range(first, first + BATCH) if (result := run(draw(seed))).failed]
    told = "; ".join(f"seed {result.scenario.seed}: {result.oracle}: {result.text}" for result in failed)
    assert not failed, f"{told} -- replay with: python -m tests.sim --seed {failed[0].scenario.seed} --shrink"


MET = (
    "'to_phase': 'succeeded', 'code': 'promoted'",
    "'to_phase': 'succeeded', 'code': 'installed'",
    "'to_phase': 'rolled_back', 'code': 'aborted'",
    "'to_phase': 'rolled_back', 'code': 'superseded'",
    "'to_phase': 'rolled_back', 'code': 'breaker'",
    "'to_phase': 'rolled_back', 'code': 'worse_than_stable'",
    "'to_phase': 'rolled_back', 'code': 'no_data'",
    "'to_phase': 'rolled_back', 'code': 'canary_gone'",
    "'to_phase': 'failed', 'code': 'prepare_deadline'",
    "'to_phase': 'halted', 'code': 'killed'",
    "'to_phase': 'halted', 'code': 'stable_short'",
    "'to_phase': 'pending', 'code': 'kill_released'",
    "'to_phase': 'paused', 'code': 'inconclusive'",
    "'to_phase': 'promoting', 'code': 'bypass'",
    "'authority': 'bypass'",
    "lease_expired",
    "router.write Conflict",
    "router.write Fenced",
    "router.lower Fenced",
    "router.claim Fenced",
    "store.commit Fenced",
    "store.commit Conflict",
    "KILL fleet revert",
    "KILL environment:production halt",
    "KILL application:shop revert",
    "KILL release:shop-1",
    "HELD shop HTTPRoute sim/shop carries the epoch",
    "freeze",
    "crash_after",
    "lost",
    "drift",
)
"""What has to happen somewhere in the first seeds. Where one stops happening, the simulation has gone blind to it."""


def test_the_seeds_meet_what_they_are_there_for() -> None:
    wanted = set(MET)
    for seed in range(SEEDS):
        text = "\n".join(run(draw(seed)).trace)
        wanted -= {mark for mark in wanted if re.search(re.escape(mark), text)}
        if not wanted:
            break
    assert wanted == set()
