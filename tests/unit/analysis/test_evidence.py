"""The formulas against reference values, and their guarantee by enumeration: expected evidence is at most one."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.evidence import (
    BREAKER_GRID,
    HARM_GRID,
    LOG_FLOOR,
    LOG_HARM_MAX,
    LOG_SAFE_MAX,
    SAFE_GRID,
    SHARE_GRID,
    added_safe,
    bets,
    block_cap,
    e_value,
    grown,
    harm_logs,
    log_harm,
    log_mean,
    log_safe,
    log_share,
    safe_hedge,
    safe_logs,
    stake_of,
    tempered,
)
from analysis.model import Tally


@dataclass
class Mixture:
    """The evidence of one test over blocks of five seconds."""

    logs: tuple[float, ...] = ()
    cash: float = 1.0

    def add(self, gained: Sequence[float]) -> None:
        stake = stake_of(bool(self.logs), self.cash, 5.0)
        self.logs, self.cash = grown(self.logs, gained, stake), self.cash - stake

    @property
    def e(self) -> float:
        return e_value(self.logs, self.cash)


def tally(y_c: float, n_c: float, y_s: float, n_s: float) -> Tally:
    return Tally(n_c, y_c, n_s, y_s)


@pytest.mark.parametrize(
    ("counts", "rho", "delta", "r", "bet", "hedge", "log_e"),
    [
        ((3, 50, 2, 950), 1.0, 0.0, 5.0, 3.1666666667, 0.1666666667, 3.9167059533),
        ((3, 50, 2, 950), 1.2, 0.0002, 10.0, 5.5161290323, 0.3480031707, 4.7122794335),
        ((10, 500, 30, 9500), 1.2, 0.0002, 1.9, 0.8035714286, 0.0507437245, 4.2550435096),
        ((0, 50, 3, 950), 1.2, 0.0002, 3.5, 2.0474137931, 0.1292574161, -0.4356966074),
        ((5, 100, 0, 1900), 1.2, 0.0002, 40.0, 11.0597014925, 0.6969658159, 12.2283974396),
        ((40, 50, 3, 950), 2.0, 0.25, 12.0, 4.8604651163, 0.2309711286, 30.1760336587),
        ((7, 10, 8, 40), 1.05, 0.002, 1.4, 0.2925045704, 0.0767375576, 1.1514906750),
    ],
)
def test_harm_equals_the_reference_values(
    counts: tuple[float, float, float, float],
    rho: float,
    delta: float,
    r: float,
    bet: float,
    hedge: float,
    log_e: float,
) -> None:
    t = tally(*counts)
    assert bets(t.canary_total, t.stable_total, rho, delta, r) == pytest.approx((bet, hedge), abs=5e-11)
    assert log_harm(t, rho, delta, r) == pytest.approx(log_e, abs=5e-11)


@pytest.mark.parametrize(
    ("counts", "bet", "hedge", "log_e"),
    [
        ((0, 600, 0, 11400), 0.99, 0.0785467009, 2.9773750979),
        ((2, 600, 30, 11400), 0.6, 0.0475109539, 1.3626288471),
        ((9, 600, 30, 11400), 0.35, 0.0276800190, -2.0070108316),
    ],
)
def test_safe_equals_the_reference_values(
    counts: tuple[float, float, float, float], bet: float, hedge: float, log_e: float
) -> None:
    t = tally(*counts)
    assert safe_hedge(t, 1.5, 0.005, bet) == pytest.approx(hedge, abs=5e-11)
    assert log_safe(t, 1.5, 0.005, bet) == pytest.approx(log_e, abs=5e-11)


def test_without_an_absolute_margin_it_is_the_conditional_binomial_likelihood_ratio() -> None:
    t, rho, r = tally(3, 50, 2, 950), 1.2, 10.0
    ratio = 3 * math.log(r) + 5 * math.log((50 * rho + 950) / (50 * rho * r + 950))
    assert log_harm(t, rho, 0.0, r) == pytest.approx(ratio, abs=1e-12)
    assert ratio == pytest.approx(4.766232278592, abs=5e-13)


def test_without_a_relative_margin_it_is_the_one_sample_ratio_against_the_objective() -> None:
    value = log_harm(tally(5, 200, 9, 999), 0.0, 0.01, 3.0)
    assert value == pytest.approx(5 * math.log(3) + 195 * math.log((1 - 0.03) / (1 - 0.01)), abs=1e-12)
    assert value == pytest.approx(1.513331475255, abs=5e-13)


def test_the_sequence_with_the_onset_prior_equals_the_reference_values() -> None:
    mixture, seen = Mixture(), []
    for index in range(20):
        mixture.add([log_harm(tally((index + 1) % 2, 50, 3, 950), 1.2, 0.0002, r) for r in HARM_GRID])
        seen.append(mixture.e)
    expected = [1.2204170254, 1.3715288630, 1.5613084316, 4.0801915384]
    assert [seen[index - 1] for index in (1, 5, 10, 20)] == pytest.approx(expected, abs=5e-11)


def test_promotion_without_errors_needs_the_number_of_requests_of_the_rule_of_three() -> None:
    def proof(requests: int) -> float:
        return math.exp(log_mean(safe_logs(tally(0, requests, 0, 10_000), 1.5, 0.005)))

    assert math.log(6 / 0.05) / -math.log1p(-0.99 * 0.005) == pytest.approx(964.8, abs=0.05)
    assert proof(965) >= 20
    assert proof(700) < 20


def binomial(k: int, n: int, p: float) -> float:
    return math.comb(n, k) * p**k * (1 - p) ** (n - k)


def expected(n_c: int, n_s: int, p_c: float, p_s: float, log_e: Callable[[Tally], float]) -> float:
    return math.fsum(
        binomial(y_c, n_c, p_c) * binomial(y_s, n_s, p_s) * math.exp(log_e(tally(y_c, n_c, y_s, n_s)))
        for y_c, y_s in itertools.product(range(n_c + 1), range(n_s + 1))
    )


RATES = [0.0, 0.001, 0.01, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7]
SIZES = [(1, 1), (3, 8), (8, 3), (5, 20), (12, 12)]


@pytest.mark.parametrize(("n_c", "n_s"), SIZES)
@pytest.mark.parametrize(
    ("rho", "delta"), [(1.2, 0.0002), (1.2, 0.02), (2.0, 0.25), (1.0, 0.0), (0.0, 0.01), (0.0, 0.25)]
)
def test_expected_harm_is_at_most_one_whenever_the_canary_is_within_the_margin(
    n_c: int, n_s: int, rho: float, delta: float
) -> None:
    for r, p_s in itertools.product((*HARM_GRID, 3.0, 12.0, 60.0), RATES):
        p_c = min(1.0, rho * p_s + delta)
        if rho == 0:
            p_s = 0.3
        assert expected(n_c, n_s, p_c, p_s, partial(log_harm, rho=rho, delta=delta, r=r)) <= 1 + 1e-9


@pytest.mark.parametrize(("n_c", "n_s"), [*SIZES, (9, 0)])
@pytest.mark.parametrize(("rho", "delta"), [(1.5, 0.005), (1.5, 0.05), (1.0, 0.1)])
def test_expected_safety_is_at_most_one_whenever_the_canary_is_beyond_the_margin(
    n_c: int, n_s: int, rho: float, delta: float
) -> None:
    for bet, p_s in itertools.product(SAFE_GRID, RATES):
        for p_c in (rho * p_s + delta, rho * p_s + delta + 0.1):
            if p_c <= 1:
                assert expected(n_c, n_s, p_c, p_s, partial(log_safe, rho=rho, delta=delta, bet=bet)) <= 1 + 1e-9


def test_the_breaker_against_zero_is_not_zero_when_there_is_no_stable_to_compare_with() -> None:
    assert log_harm(tally(5, 5, 0, 0), 2.0, 0.25, 12.0) == 0.0
    assert log_harm(tally(5, 5, 0, 0), 0.0, 0.25, 12.0) > 5


def test_lost_requests_are_evidence_and_the_fair_share_is_none() -> None:
    assert log_share(tally(0, 0, 0, 5000), 0.03, 0.02, 6) > 20
    assert log_share(tally(0, 500, 0, 4500), 0.03, 0.5, 6) < 0


@pytest.mark.parametrize("part", SHARE_GRID)
def test_expected_lost_requests_are_at_most_one_at_the_least_share(part: float) -> None:
    for share in (0.003, 0.03, 0.15, 0.3):
        mean = math.fsum(
            binomial(n_c, 30, share) * math.exp(log_share(tally(0, n_c, 0, 30 - n_c), share, part, 1.0))
            for n_c in range(31)
        )
        assert mean <= 1 + 1e-9


@given(st.tuples(*[st.integers(0, 1000)] * 4), st.sampled_from([(1.2, 0.0002), (0.0, 0.01), (1.0, 0.0), (2.0, 0.25)]))
def test_a_whole_grid_at_once_is_the_formula_point_by_point(
    counts: tuple[int, int, int, int], margin: tuple[float, float]
) -> None:
    y_c, good_c, y_s, good_s = counts
    t = tally(y_c, y_c + good_c, y_s, y_s + good_s)
    for grid in (HARM_GRID, BREAKER_GRID):
        assert harm_logs(t, *margin, grid) == pytest.approx([log_harm(t, *margin, r) for r in grid], rel=1e-9, abs=1e-9)
    safe = [log_safe(t, 1.5, 0.005, bet) / 2.5 for bet in SAFE_GRID]
    assert safe_logs(t, 1.5, 0.005, 2.5) == pytest.approx(safe, rel=1e-9, abs=1e-9)


COUNT = st.integers(min_value=0, max_value=500)
GRID_POINT = st.sampled_from(HARM_GRID)


@given(COUNT, COUNT, COUNT, COUNT, GRID_POINT)
def test_one_more_canary_failure_is_never_less_evidence(good: int, bad: int, n_s: int, y_s: int, r: float) -> None:
    n_s = max(n_s, y_s)
    less, more = tally(bad, good + bad + 1, y_s, n_s), tally(bad + 1, good + bad + 1, y_s, n_s)
    assert log_harm(more, 1.2, 0.0002, r) >= log_harm(less, 1.2, 0.0002, r)
    assert log_safe(more, 1.5, 0.005, 0.6) <= log_safe(less, 1.5, 0.005, 0.6)


@given(COUNT, COUNT, COUNT, GRID_POINT)
def test_one_more_stable_failure_is_never_more_evidence(n_c: int, y_s: int, n_s: int, r: float) -> None:
    n_s = max(n_s, y_s + 1)
    less, more = tally(0, n_c, y_s, n_s), tally(0, n_c, y_s + 1, n_s)
    assert log_harm(more, 1.2, 0.0002, r) <= log_harm(less, 1.2, 0.0002, r)


@given(COUNT, COUNT, st.integers(min_value=1, max_value=9), GRID_POINT)
def test_splitting_a_stretch_at_the_same_allocation_changes_nothing(y_c: int, y_s: int, parts: int, r: float) -> None:
    n_c, n_s = 600.0, 5400.0
    whole = log_harm(tally(y_c, n_c, y_s, n_s), 1.2, 0.0002, r)
    each = log_harm(tally(y_c / parts, n_c / parts, y_s / parts, n_s / parts), 1.2, 0.0002, r)
    assert each * parts == pytest.approx(whole, abs=1e-8)


def test_a_side_without_requests_adds_nothing() -> None:
    assert log_harm(tally(0, 0, 5, 100), 1.2, 0.0002, 10) == pytest.approx(5 * math.log1p(0), abs=1e-12)
    assert log_harm(tally(5, 100, 0, 0), 1.2, 0.0002, 10) == 0.0


def test_no_single_block_carries_more_than_half_of_what_is_needed() -> None:
    cap = block_cap(0.009)
    assert cap == pytest.approx(0.5 * math.log(1 / 0.009))
    assert tempered([50.0, 1.0], cap) == [cap, 1.0]
    assert tempered([1.0, -8.0], cap, phi=4.0) == [0.25, -2.0]
    mixture = Mixture()
    mixture.add([cap] * 6)
    assert mixture.e < 1 / 0.009


def blocks_until_found(quiet: int) -> int:
    mixture, cap = Mixture(), block_cap(0.009)
    for index in range(10_000):
        t = tally(10 if index >= quiet else 0, 50, 1, 450)
        mixture.add(tempered(harm_logs(t, 1.2, 0.0002), cap))
        if mixture.e >= 1 / 0.009:
            return index + 1 - quiet
    raise AssertionError("never found")


def test_harm_that_begins_late_is_found_about_as_fast_as_early_harm() -> None:
    assert blocks_until_found(0) <= 5
    assert blocks_until_found(2000) <= 9


@given(st.lists(st.lists(st.floats(min_value=-2000, max_value=2000), min_size=3, max_size=3), max_size=20))
def test_sums_stay_finite_whatever_comes(blocks: list[list[float]]) -> None:
    mixture = Mixture()
    safe: tuple[float, ...] = ()
    for block in blocks:
        mixture.add(block)
        safe = added_safe(safe, block)
    assert all(LOG_FLOOR <= log <= LOG_HARM_MAX for log in mixture.logs)
    assert all(LOG_FLOOR <= log <= LOG_SAFE_MAX for log in safe)
    assert 0 <= mixture.cash <= 1
    assert math.isfinite(mixture.e)
