"""The index of dispersion: its reference value, what moves it, what must not, and that it is used before it moves."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.dispersion import LEAST, MOST, phi_of, phi_stable, with_block
from analysis.state import Dispersion, Tally
from tests.benchmarks.analysis.chance import binomial, geometric, poisson


def after(*blocks: Tally, dt_s: float = 5.0) -> Dispersion:
    kept = Dispersion()
    for block in blocks:
        kept = with_block(kept, block, dt_s)
    return kept


def stable_only(*bad: float) -> list[Tally]:
    return [Tally(0, 0, 950, count) for count in bad]


def test_stables_own_estimate_equals_the_reference_value() -> None:
    assert phi_stable(after(*stable_only(3, 3, 20, 3, 3, 3))) == pytest.approx(7.9480745484, abs=5e-11)


def test_before_any_block_it_is_the_prior() -> None:
    assert phi_of(Dispersion()) == pytest.approx(1.1)
    assert phi_of(after(Tally(50, 0, 950, 3))) == pytest.approx(1.1)


def independent(chance: Random, ratio: float = 1.0, swing: float = 0.0, blocks: int = 400) -> Dispersion:
    """Blocks of independent requests; ``swing`` makes the rate of both versions wander together."""
    kept, rate = Dispersion(), 0.01
    for _ in range(blocks):
        rate = min(0.05, max(0.002, rate * math.exp(chance.gauss(0, swing))))
        kept = with_block(
            kept, Tally(200, binomial(chance, 200, ratio * rate), 3800, binomial(chance, 3800, rate)), 5.0
        )
    return kept


def test_independent_requests_give_about_one_whatever_the_ratio_and_however_both_swing() -> None:
    for ratio in (1.0, 5.0):
        for swing in (0.0, 0.3):
            assert phi_of(independent(Random(11), ratio, swing)) == pytest.approx(1.0, abs=0.25)


def test_a_swing_of_both_versions_moves_stables_estimate_but_not_the_one_that_is_used() -> None:
    kept = independent(Random(3), swing=0.3)
    assert phi_stable(kept) > 1.5
    assert phi_of(kept) < 1.3


def clustered(chance: Random, total: int, rate: float, size: float) -> int:
    return min(total, sum(geometric(chance, size) for _ in range(poisson(chance, total * rate / size))))


@pytest.mark.parametrize("size", [3.0, 8.0])
def test_failures_in_clusters_are_noticed(size: float) -> None:
    chance, kept = Random(17), Dispersion()
    for _ in range(400):
        kept = with_block(
            kept, Tally(200, clustered(chance, 200, 0.02, size), 3800, clustered(chance, 3800, 0.02, size)), 5.0
        )
    expected = 2 * size - 1  # E[K^2] / E[K] of a geometric cluster
    assert 0.5 * expected < phi_of(kept) < 1.6 * expected


def test_a_block_without_stable_requests_teaches_nothing() -> None:
    kept = after(Tally(50, 1, 950, 3))
    assert with_block(kept, Tally(50, 9, 0, 0), 5.0) == kept


def test_what_lies_long_back_is_forgotten() -> None:
    wild = after(*stable_only(3, 60, 2, 70, 1))
    calm = wild
    for block in stable_only(*[3] * 300):
        calm = with_block(calm, block, 60.0)
    assert phi_stable(wild) > 10
    assert phi_stable(calm) < 1.3


COUNT = st.integers(0, 300)
BLOCK = st.builds(lambda c, good_c, s, good_s: Tally(c + good_c, c, s + good_s, s), COUNT, COUNT, COUNT, COUNT)


@given(st.lists(BLOCK, max_size=30), st.floats(0, 1e6))
def test_it_stays_between_its_bounds_whatever_comes(blocks: list[Tally], dt_s: float) -> None:
    kept = after(*blocks, dt_s=dt_s)
    assert LEAST <= phi_of(kept) <= MOST
    assert kept.canary_expected >= -1e-9
    assert kept.stable_expected >= 0
