"""How clustered bad requests are: the index of dispersion phi by which evidence is divided. It judges nothing.

Two estimates, both over blocks and forgetting with a half-life. ``phi_s`` compares stable with itself from block to
block (a von Neumann ratio). ``phi_c`` is the variance of the canary's count given the totals of both versions and of
two neighbouring blocks, a hypergeometric count: neither a regression nor an incident of both versions moves it. The
first is only the prior of the second. Whatever block i uses was known before block i, else evidence would not be valid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from analysis.state import Dispersion, Tally

HALF_LIFE_S = 1200.0
PRIOR = 1.1  # of phi_s: nearly independent requests
PRIOR_WEIGHT = 5.0  # blocks that the prior of phi_s counts for
STABLE_WEIGHT = 4.0  # blocks that phi_s counts for in phi_c
LEAST, MOST = 1.0, 25.0
PODS_MIN = 3  # of stable, to compare them with one another


def phi_stable(kept: Dispersion) -> float:
    """From stable alone: squared deviations over what independent requests would give.

    From pod to pod (a Pearson statistic) where pods are told apart, else from block to block.
    """
    if kept.pod_expected > 0:
        return (PRIOR_WEIGHT * PRIOR + kept.pod_squares) / (PRIOR_WEIGHT + kept.pod_expected)
    return (PRIOR_WEIGHT * PRIOR + kept.stable_squares) / (PRIOR_WEIGHT + kept.stable_expected)


def phi_of(kept: Dispersion) -> float:
    """What the next block's evidence is divided by."""
    prior = phi_stable(kept)
    found = (STABLE_WEIGHT * prior + kept.canary_squares) / (STABLE_WEIGHT + kept.canary_expected)
    return min(MOST, max(LEAST, found))


def with_pods(kept: Dispersion, pods: Sequence[tuple[float, float]]) -> Dispersion:
    """What stable's pods did in one pass, requests and bad ones each. It counts once the open block is closed."""
    total, bad = math.fsum([n for n, _ in pods]), math.fsum([y for _, y in pods])
    if len(pods) < PODS_MIN or not 0 < bad < total:
        return kept
    rate = bad / total
    squares = math.fsum([(y - n * rate) ** 2 for n, y in pods])
    expected = rate * (1 - rate) * math.fsum([n * (1 - n / total) for n, _ in pods])
    return _opened(kept, kept.open_squares + squares, kept.open_expected + expected)


def _opened(kept: Dispersion, squares: float, expected: float) -> Dispersion:
    """``kept`` with another open block. Written out, because ``dataclasses.replace`` takes five times as long."""
    return Dispersion(
        kept.stable_squares,
        kept.stable_expected,
        kept.canary_squares,
        kept.canary_expected,
        kept.size_sum,
        kept.size_count,
        kept.block,
        kept.pod_squares,
        kept.pod_expected,
        squares,
        expected,
    )


def with_block(kept: Dispersion, block: Tally, dt_s: float) -> Dispersion:
    """The estimate after ``block``. Sums fade before the new term is added."""
    fade = math.exp2(-max(0.0, dt_s) / HALF_LIFE_S)
    pod_squares = kept.pod_squares * fade + kept.open_squares
    pod_expected = kept.pod_expected * fade + kept.open_expected
    if block.stable_total <= 0:
        return replace(kept, pod_squares=pod_squares, pod_expected=pod_expected, open_squares=0.0, open_expected=0.0)
    size_sum = kept.size_sum * fade + block.stable_total
    size_count = kept.size_count * fade + 1.0
    before = kept.block
    stable_squares, stable_expected = kept.stable_squares * fade, kept.stable_expected * fade
    canary_squares, canary_expected = kept.canary_squares * fade, kept.canary_expected * fade
    if before is not None:
        squares, expected = _stable_step(before, block, size_sum / size_count)
        stable_squares += squares
        stable_expected += expected
        squares, expected = _canary_step(before, block)
        canary_squares += squares
        canary_expected += expected
    return Dispersion(
        stable_squares,
        stable_expected,
        canary_squares,
        canary_expected,
        size_sum,
        size_count,
        block,
        pod_squares,
        pod_expected,
    )


def _stable_step(a: Tally, b: Tally, size: float) -> tuple[float, float]:
    """Squared difference of two blocks' rates over its variance, and its weight: the bad requests expected in one."""
    n_a, n_b = a.stable_total, b.stable_total
    step = b.stable_bad / n_b - a.stable_bad / n_a
    return step * step * size / (1 / n_b + 1 / n_a), (a.stable_bad + b.stable_bad) / (n_a + n_b) * size


def _canary_step(a: Tally, b: Tally) -> tuple[float, float]:
    """The canary's bad requests in the later block against the share that fits both versions' totals."""
    bad = a.canary_bad + b.canary_bad
    if bad <= 0:
        return 0.0, 0.0
    m_a, m_b = a.canary_bad + a.stable_bad, b.canary_bad + b.stable_bad
    g_a = m_a * a.canary_total / (a.canary_total + a.stable_total)
    g_b = m_b * b.canary_total / (b.canary_total + b.stable_total)
    if g_a + g_b <= 0:
        return 0.0, 0.0
    share = g_b / (g_a + g_b)
    step = b.canary_bad - bad * share
    return step * step, bad * share * (1 - share) * (1 - bad / (m_a + m_b))
