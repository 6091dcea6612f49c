"""Gauges: the reference values, bets that follow what is known beforehand, and what they do within the judge."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.betting import (
    BLOCK_LONGEST_S,
    correlation,
    excess,
    gauge_e,
    scale,
    with_block,
    with_value,
)
from analysis.state import GaugeState


def after(values: list[tuple[float, float]], margin: float = 0.2, higher_is_worse: bool = True) -> GaugeState:
    kept = GaugeState("depth")
    for index, (canary, stable) in enumerate(values):
        kept = with_block(with_value(kept, canary, stable), margin, higher_is_worse, 60.0 * index)
    return kept


def test_eight_blocks_of_a_canary_half_as_much_again_equal_the_reference_values() -> None:
    found = [gauge_e(after([(1.5, 1.0)] * blocks).products) for blocks in range(1, 9)]
    expected = [1.55, 2.474167, 4.062375, 6.845335, 11.802166, 20.750401, 37.080494, 67.141667]
    assert found == pytest.approx(expected, abs=5e-7)


@pytest.mark.parametrize(
    ("canary", "stable", "higher", "beyond"),
    [(1.5, 1.0, True, 0.3), (1.1, 1.0, True, -0.1), (0.5, 1.0, False, 0.3), (0.9, 1.0, False, -0.1)],
)
def test_what_lies_beyond_the_margin_is_worse_in_the_direction_that_is_worse(
    canary: float, stable: float, higher: bool, beyond: float
) -> None:
    assert excess(canary, stable, 0.2, higher) == pytest.approx(beyond)


def test_a_canary_like_stable_never_looks_bad_and_is_proven_safe() -> None:
    kept = after([(1.0, 1.0)] * 12)
    assert gauge_e(kept.products) < 0.1
    assert gauge_e(kept.safe_products) > 20


def test_a_block_is_the_mean_of_its_values() -> None:
    kept = with_value(with_value(GaugeState("depth"), 1.0, 3.0), 2.0, 1.0)
    closed = with_block(kept, 0.2, True, 60.0)
    assert list(closed.excesses) == pytest.approx([1.5 - 1.2 * 2.0])
    assert (closed.canary, closed.stable, closed.count) == (0.0, 0.0, 0)


def test_the_scale_comes_from_the_blocks_before_and_is_not_fooled_by_one_step() -> None:
    assert scale((0.1, 0.2), 5.0) == 0.5
    quiet = (0.0, 0.1, 0.0, 0.1, 0.0, 0.1)
    assert scale((*quiet, 9.0), 1.0) == pytest.approx(1.4826 * 0.1 / math.sqrt(2))
    assert scale((0.0,) * 10, 1.0) == 0.02


def chain(chance: Random, memory: float) -> Callable[[], float]:
    level = [0.0]

    def step() -> float:
        level[0] = memory * level[0] + math.sqrt(1 - memory * memory) * chance.gauss(0, 1)
        return level[0]

    return step


def test_a_gauge_that_remembers_gets_longer_blocks_and_one_that_does_not_keeps_them() -> None:
    lengths = {}
    for memory in (0.0, 0.95):
        step = chain(Random(5), memory)
        lengths[memory] = after([(10 + 0.1 * step(), 10.0) for _ in range(40)]).block_s
    assert lengths[0.0] == 60.0
    assert lengths[0.95] > 60.0


def test_blocks_do_not_grow_for_ever() -> None:
    rising = [(1.0 + index / 100, 1.0) for index in range(400)]
    assert after(rising).block_s == BLOCK_LONGEST_S


def test_at_the_margin_the_evidence_crosses_rarely_when_blocks_are_independent() -> None:
    chance, crossed, runs = Random(7), 0, 300
    for _ in range(runs):
        kept, highest = GaugeState("depth"), 0.0
        for index in range(60):
            kept = with_block(with_value(kept, 1.2 + 0.1 * chance.gauss(0, 1), 1.0), 0.2, True, 60.0 * index)
            highest = max(highest, gauge_e(kept.products))
        crossed += highest >= 100
    assert crossed <= 19  # 300 runs at 1 %: more than 19 has a probability below 1e-9


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=40))
def test_whatever_the_values_are_the_evidence_stays_finite_and_positive(values: list[tuple[float, float]]) -> None:
    kept = after(values)
    for products in (kept.products, kept.safe_products):
        assert 0 <= gauge_e(products) < math.inf
    assert all(math.isfinite(one) for one in kept.excesses)


def test_the_correlation_of_neighbours() -> None:
    assert correlation([1.0, -1.0] * 10) < -0.9
    assert correlation([float(n) for n in range(20)]) > 0.8
    assert correlation([3.0] * 5) == 0.0
