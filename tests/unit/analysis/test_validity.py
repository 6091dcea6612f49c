"""Evidence on simulated nulls: it is an e-process. Seeds are fixed, and the bounds are exact binomial ones.

A bound is the smallest count that the nominal rate exceeds with a probability below one in a billion, so a failure is a
mistake in the statistics and never bad luck.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from random import Random

import pytest

from analysis.dispersion import phi_of, with_block
from analysis.evidence import (
    SHARE_GRID,
    added_safe,
    block_cap,
    e_value,
    grown,
    harm_logs,
    log_mean,
    log_share,
    safe_logs,
    stake_of,
    tempered,
)
from analysis.state import Dispersion, Tally
from tests.benchmarks.analysis.chance import binomial, wandering

RUNS = 250
BLOCKS = 150
NOMINAL = 0.01
RHO, DELTA = 1.2, 0.0002

Draw = Callable[[Random, int, float], int]
"""Bad requests among so many, at a rate."""


def most(runs: int, rate: float, luck: float = 1e-9) -> int:
    """The largest count that is still believable."""
    above = 1.0
    for count in range(runs + 1):
        above -= math.comb(runs, count) * rate**count * (1 - rate) ** (runs - count)
        if above < luck:
            return count
    raise AssertionError("unreachable: all of the runs")


def test_the_bound_is_the_binomial_one() -> None:
    assert most(250, 0.01) == 17
    assert most(100, 0.0) == 0


def bursts(size: int) -> Draw:
    return lambda chance, n, p: size * binomial(chance, max(1, n // size), p)


def highest(chance: Random, rates: Sequence[float], share: float, draw: Draw, phi: float | None) -> float:
    """The highest evidence that a canary exactly at its margin ever reaches. ``phi`` None: estimated, with the cap."""
    logs: tuple[float, ...] = ()
    cash, top, kept = 1.0, 0.0, Dispersion()
    n_c, n_s = round(1000 * share), round(1000 * (1 - share))
    for p in rates:
        t = Tally(n_c, draw(chance, n_c, min(1.0, RHO * p + DELTA)), n_s, draw(chance, n_s, p))
        divisor = phi_of(kept) if phi is None else phi
        cap = block_cap(NOMINAL) if phi is None else math.inf
        stake = stake_of(bool(logs), cash, 5.0)
        logs, cash = grown(logs, tempered(harm_logs(t, RHO, DELTA), cap, divisor), stake), cash - stake
        kept = with_block(kept, t, 5.0)
        top = max(top, e_value(logs, cash))
    return top


def crossings(
    seed: int, swing: float = 0.0, share: float = 0.05, draw: Draw = binomial, phi: float | None = 1.0
) -> int:
    chance, crossed = Random(seed), 0
    for _ in range(RUNS):
        walk = wandering(chance, BLOCKS, swing, 20)
        rates = [min(0.3, 0.003 * math.exp(x)) for x in walk]
        crossed += highest(chance, rates, share, draw, phi) >= 1 / NOMINAL
    return crossed


@pytest.mark.parametrize(
    ("swing", "share"), [(0.0, 0.05), (1.2, 0.05), (0.0, 0.5)], ids=["steady", "swings of both versions", "half"]
)
def test_a_canary_at_its_margin_is_rarely_accused_however_often_one_looks(swing: float, share: float) -> None:
    assert crossings(11, swing=swing, share=share) <= most(RUNS, NOMINAL)


def test_bursts_are_harmless_when_evidence_is_divided_by_their_size_and_ruinous_when_not() -> None:
    assert crossings(13, draw=bursts(4), phi=4.0) <= most(RUNS, NOMINAL)
    assert crossings(13, draw=bursts(4), phi=1.0) > 20 * NOMINAL * RUNS


def test_with_the_estimated_dispersion_and_the_cap_bursts_are_harmless_as_well() -> None:
    assert crossings(17, draw=bursts(4), phi=None) <= most(RUNS, NOMINAL)


def test_a_canary_at_the_promote_margin_is_rarely_promoted() -> None:
    chance, promoted, beta = Random(19), 0, 0.05
    for _ in range(RUNS):
        logs: tuple[float, ...] = ()
        top = 0.0
        for _ in range(BLOCKS):
            t = Tally(50, binomial(chance, 50, 1.5 * 0.003 + 0.005), 950, binomial(chance, 950, 0.003))
            logs = added_safe(logs, safe_logs(t, 1.5, 0.005))
            top = max(top, log_mean(logs))
        promoted += top >= math.log(1 / beta)
    assert promoted <= most(RUNS, beta)


def test_lost_requests_are_not_seen_where_none_are_lost() -> None:
    chance, crossed = Random(23), 0
    for _ in range(RUNS):
        logs: tuple[float, ...] = ()
        cash, top = 1.0, 0.0
        for _ in range(BLOCKS):
            n_c = 3 * binomial(chance, 100, 0.3 * 0.05)  # arrivals in threes, at exactly the least share
            t = Tally(n_c, 0, 300 - n_c, 0)
            stake = stake_of(bool(logs), cash, 5.0)
            gained = [log_share(t, 0.3 * 0.05, part, 6.0) for part in SHARE_GRID]
            logs, cash = grown(logs, gained, stake), cash - stake
            top = max(top, e_value(logs, cash))
        crossed += top >= 1 / NOMINAL
    assert crossed <= most(RUNS, NOMINAL)
