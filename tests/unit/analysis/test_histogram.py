"""Latency from buckets: which edges are chosen, and how many of stable's requests count as slower than a time."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.histogram import (
    CHOOSE_AFTER_REQUESTS,
    OpenBlock,
    choose_edges,
    fresh_histogram,
    is_known,
    rebinned,
    slower,
    with_closed_block,
    with_open_block,
)
from analysis.state import HistogramState
from tests.benchmarks.analysis.traces import EDGES

KNOWN = (10.0, 40.0, 200.0, 500.0, 150.0, 60.0, 30.0, 8.0, 1.0, 0.5, 0.4, 0.1)


def histogram(*known: float, bounds: tuple[float, ...] = EDGES[:-1], known_s: float = 300.0) -> HistogramState:
    none = (0.0,) * len(known)
    return HistogramState(bounds, none, none, known, known_s)


def test_the_edges_are_the_bounds_nearest_to_the_wanted_quantiles_and_the_limit() -> None:
    assert choose_edges(histogram(*KNOWN), 0.5) == (0.025, 0.1, 0.5)
    assert choose_edges(histogram(*KNOWN), 2.5) == (0.025, 0.1, 0.5, 2.5)


def test_without_a_bound_at_the_limit_the_next_one_below_stands_for_it() -> None:
    assert choose_edges(histogram(*KNOWN), 0.7) == choose_edges(histogram(*KNOWN), 0.5)


def test_a_bound_that_almost_nothing_or_almost_everything_exceeds_is_no_edge() -> None:
    assert choose_edges(histogram(2.0, 9_998.0, 0.0, bounds=(0.1, 1.0)), 0.1) == (0.1,)
    assert choose_edges(histogram(0.0, 0.0, 0.0, bounds=(0.1, 1.0)), 1.0) == ()


def opened(stable: tuple[float, ...], known: tuple[float, ...], bounds: tuple[float, ...]) -> OpenBlock:
    return OpenBlock(HistogramState(bounds, (0.0,) * len(stable), stable, known))


def test_at_a_bound_the_count_is_exact() -> None:
    block = opened((5.0, 3.0, 2.0), (50.0, 30.0, 20.0), (0.1, 1.0))
    assert [block.stable_slower(bound) for bound in (0.1, 1.0)] == [5.0, 2.0]


def test_inside_a_bucket_a_request_counts_with_the_geometric_weight_of_what_was_known() -> None:
    block = opened((0.0, 8.0, 2.0), (0.0, 75.0, 25.0), (0.1, 1.0))
    halfway = math.sqrt(0.1 * 1.0)
    expected = (math.sqrt(1.0 * 0.25) - 0.25) / (1.0 - 0.25)
    assert block.stable_slower(halfway) == pytest.approx(2.0 + 8.0 * expected)


@pytest.mark.parametrize(
    ("known", "time_s", "weight"),
    [
        ((10.0, 5.0, 5.0), 0.05, 0.5),  # the lowest bucket is shared out evenly
        ((10.0, 5.0, 5.0), 3.0, 1.0),  # nothing is known of the top one, so all of it is slower
        ((10.0, 5.0, 0.0), 0.5, 1.0),  # nothing was ever above: all of the bucket is slower
        ((10.0, 0.0, 5.0), math.sqrt(0.1), 0.5),  # an empty bucket is shared out by its logarithm
    ],
)
def test_the_ends_of_a_histogram_have_weights_of_their_own(
    known: tuple[float, ...], time_s: float, weight: float
) -> None:
    upto = (0.1, 1.0, math.inf)
    index = next(n for n, bound in enumerate(upto) if bound >= time_s)
    assert opened((0.0, 0.0, 0.0), known, (0.1, 1.0)).weight(index, time_s) == pytest.approx(weight)


COUNTS = st.lists(st.integers(0, 1000).map(float), min_size=12, max_size=12).map(tuple)


@given(COUNTS, COUNTS, st.floats(1e-4, 20), st.floats(1e-4, 20))
def test_never_fewer_requests_are_slower_than_a_shorter_time(
    stable: tuple[float, ...], known: tuple[float, ...], a: float, b: float
) -> None:
    block = opened(stable, known, EDGES[:-1])
    shorter, longer = min(a, b), max(a, b)
    assert block.stable_slower(shorter) >= block.stable_slower(longer) - 1e-9
    assert 0 <= block.stable_slower(a) <= block.stable_total + 1e-9


@given(COUNTS, COUNTS)
def test_a_block_joins_what_is_known_only_when_it_closes_and_nothing_is_lost(
    canary: tuple[float, ...], stable: tuple[float, ...]
) -> None:
    kept = with_open_block(fresh_histogram(EDGES), canary, stable)
    assert sum(kept.known) == 0
    closed = with_closed_block(kept, 5.0)
    assert (closed.known, sum(closed.stable), sum(closed.canary)) == (stable, 0, 0)
    faded = with_closed_block(with_open_block(closed, canary, (0.0,) * 12), 300.0)
    assert faded.known == pytest.approx([count / 2 for count in stable])


def test_more_bounds_keep_every_request_where_it_was() -> None:
    kept = histogram(3.0, 2.0, 1.0, bounds=(0.1, 1.0))
    wider = rebinned(kept, (0.1, 0.3, 1.0, math.inf))
    assert (wider.bounds, wider.known) == ((0.1, 0.3, 1.0), (3.0, 0.0, 2.0, 1.0))
    assert rebinned(kept, (0.1, 1.0, math.inf)) is kept


def test_stable_is_known_after_a_minute_or_after_many_requests() -> None:
    assert not is_known(histogram(1.0, 0.0, bounds=(1.0,), known_s=59.0))
    assert is_known(histogram(1.0, 0.0, bounds=(1.0,), known_s=60.0))
    assert is_known(histogram(CHOOSE_AFTER_REQUESTS, 0.0, bounds=(1.0,), known_s=1.0))


def test_requests_above_each_bucket_add_up_from_the_top() -> None:
    assert slower((1.0, 2.0, 3.0, 4.0)) == [9.0, 7.0, 4.0, 0.0]
