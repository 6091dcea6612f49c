"""Random draws that the standard library lacks: counts, noise with memory, clusters. Exact and seeded."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from random import Random

SMALL = 12.0  # expected count below which walking up the distribution is quicker than splitting it


def binomial(chance: Random, n: int, p: float) -> int:
    """Successes of ``n`` trials. Large cases are split at a drawn order statistic (Ahrens and Dieter, 1974)."""
    found = 0
    while n > 0 and p > 0:
        if p >= 1:
            return found + n
        if p > 0.5:
            return found + n - binomial(chance, n, 1 - p)
        if n * p < SMALL:
            return found + _walk_binomial(chance, n, p)
        middle = 1 + n // 2
        split = chance.betavariate(middle, n + 1 - middle)
        if split >= p:
            n, p = middle - 1, p / split
        else:
            found, n, p = found + middle, n - middle, (p - split) / (1 - split)
    return found


def _walk_binomial(chance: Random, n: int, p: float) -> int:
    left, term, odds, count = chance.random(), (1 - p) ** n, p / (1 - p), 0
    while left > term and count < n:
        left -= term
        count += 1
        term *= odds * (n - count + 1) / count
    return count


def poisson(chance: Random, mean: float) -> int:
    """Large means are reduced by a gamma draw first (Ahrens and Dieter, 1974)."""
    found = 0
    while mean > SMALL:
        stop = int(mean * 7 / 8)
        reached = chance.gammavariate(stop, 1.0)
        if reached > mean:
            return found + binomial(chance, stop - 1, mean / reached)
        found, mean = found + stop, mean - reached
    left, term, count = chance.random(), math.exp(-mean), 0
    while left > term and count < 1000:
        left -= term
        count += 1
        term *= mean / count
    return found + count


def geometric(chance: Random, mean: float) -> int:
    """A cluster's size, at least 1."""
    return 1 if mean <= 1 else 1 + int(math.log(1 - chance.random()) / math.log(1 - 1 / mean))


def multinomial(chance: Random, n: int, cumulative: Sequence[float]) -> list[int]:
    """``n`` draws over cells whose cumulative probabilities are given; the last one is 1."""
    counts = [0] * len(cumulative)
    if n <= 60:
        draw = chance.random
        for _ in range(n):
            counts[bisect_left(cumulative, draw())] += 1
        return counts
    below = 0.0
    for cell, upto in enumerate(cumulative):
        counts[cell] = binomial(chance, n, min(1.0, (upto - below) / (1 - below))) if below < 1 else 0
        n, below = n - counts[cell], upto
    return counts


def wandering(chance: Random, length: int, sigma: float, memory_s: float) -> list[float]:
    """A stationary autoregressive walk, one value a second: factors ``exp(x)`` that drift."""
    if sigma <= 0:
        return [0.0] * length
    keep = math.exp(-1 / memory_s)
    kick = sigma * math.sqrt(1 - keep * keep)
    value, gauss, values = chance.gauss(0, sigma), chance.gauss, []
    for _ in range(length):
        value = keep * value + kick * gauss(0, 1)
        values.append(value)
    return values
