"""A seed is one story: the same in every process, whatever the hash seed, and small when it fails."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from gates.kill import Engagement
from tests.sim.mutants.hook import ROOT
from tests.sim.oracles import Oracles
from tests.sim.run import Result, run
from tests.sim.scenario import draw
from tests.sim.shrink import shrink

SEEDS = (0, 3, 7, 11, 20, 42)
DIGESTS = "from tests.sim.run import run; from tests.sim.scenario import draw; import sys; " + (
    "print(*(run(draw(int(seed))).digest for seed in sys.argv[1:]))"
)


def test_a_seed_gives_the_same_trace_twice() -> None:
    assert [run(draw(seed)).digest for seed in SEEDS] == [run(draw(seed)).digest for seed in SEEDS]


def test_another_seed_gives_another_trace() -> None:
    assert len({run(draw(seed)).digest for seed in SEEDS}) == len(SEEDS)


def test_the_trace_does_not_depend_on_the_order_of_sets() -> None:
    told = set()
    for hash_seed in ("0", "1", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", DIGESTS, *map(str, SEEDS)],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        told.add(done.stdout)
    assert len(told) == 1


def test_a_replay_of_the_faults_that_were_played_is_the_same_story() -> None:
    first = run(draw(3))
    assert len(first.played) > 0
    assert run(first.scenario, first.played).digest == first.digest


def _failing_at_a_kill(monkeypatch: pytest.MonkeyPatch) -> Result:
    def engaged(self: Oracles, engagement: Engagement) -> None:
        self.fail("planted", "a kill was effective")

    monkeypatch.setattr(Oracles, "engaged", engaged)
    return next(result for seed in range(100) if (result := run(draw(seed))).failed)


def test_a_failure_is_shrunk_to_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    first = _failing_at_a_kill(monkeypatch)
    small = shrink(first)
    assert small.oracle == "planted"
    assert len(small.played) == 0
    assert [event.kind for event in small.scenario.events] == ["kill"]
    assert len(first.scenario.events) > 1


def test_an_assertion_of_the_product_counts_as_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def boom(*_args: object) -> None:
        raise AssertionError("planted")

    monkeypatch.setattr("controller.reconcile.decide", boom)
    result = run(replace(draw(0), sql=False))
    assert result.oracle == "assertion"
    assert "planted" in result.text
