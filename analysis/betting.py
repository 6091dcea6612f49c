"""Gauges: evidence by betting on the sign of what lies beyond the margin. It knows numbers, not metrics or releases.

Per block d = sign (x_c - (1 + sign margin) x_s), scaled and clipped to [-1, 1]; E is the mean over bets of the product
of 1 + lambda g (Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting, 2024). Valid when the
expected g is at most zero whatever came before, which autocorrelation breaks: then blocks grow until it is gone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import median

from analysis.evidence import LOG_FLOOR, LOG_HARM_MAX, Logs, log_mean
from analysis.state import GaugeState

BETS = (0.25, 0.5, 0.9)
KEPT = 60  # blocks that the scale is taken from
SCALED_FROM = 4  # blocks; before, the scale is a tenth of stable's value
FIRST_SCALE, LEAST_SCALE = 0.10, 0.02  # of stable's value
NORMAL = 1.4826 / math.sqrt(2)  # median of absolute steps to one standard deviation
CORRELATION_MOST = 0.2  # of neighbouring blocks; above, they are made twice as long
CORRELATION_FROM = 12  # blocks, to see a correlation at all
BLOCK_LONGEST_S = 960.0  # longer blocks would decide nothing within a release
PROMOTE_TIMES = 2.0  # the promote margin is this many rollback margins


def excess(canary: float, stable: float, margin: float, higher_is_worse: bool) -> float:
    """How far the canary is beyond the margin, in the gauge's own unit."""
    sign = 1.0 if higher_is_worse else -1.0
    return sign * (canary - (1 + sign * margin) * stable)


def scale(excesses: Sequence[float], stable: float) -> float:
    """From blocks before this one; robust, because a regression is a single step."""
    least = LEAST_SCALE * abs(stable)
    if len(excesses) < SCALED_FROM:
        return max(FIRST_SCALE * abs(stable), least)
    return max(NORMAL * median([abs(b - a) for a, b in pairwise(excesses)]), least)


def bet_on(products: Logs, g: float) -> Logs:
    before = products or (0.0,) * len(BETS)
    found = [log + math.log1p(bet * g) for log, bet in zip(before, BETS, strict=True)]
    return tuple([max(LOG_FLOOR, min(LOG_HARM_MAX, log)) for log in found])


def gauge_e(products: Logs) -> float:
    return math.exp(log_mean(products)) if products else 1.0


def correlation(values: Sequence[float]) -> float:
    """Of each value with the next."""
    mean = math.fsum(values) / len(values)
    apart = [value - mean for value in values]
    spread = math.fsum([x * x for x in apart])
    return math.fsum([a * b for a, b in pairwise(apart)]) / spread if spread > 0 else 0.0


def with_value(kept: GaugeState, canary: float, stable: float) -> GaugeState:
    return replace(
        kept,
        canary=kept.canary + canary,
        stable=kept.stable + stable,
        count=kept.count + 1,
        canary_last=canary,
        stable_last=stable,
    )


def with_block(kept: GaugeState, margin: float, higher_is_worse: bool, now_s: float) -> GaugeState:
    """Close the open block: bet first, then learn from it."""
    canary, stable = kept.canary / kept.count, kept.stable / kept.count
    width = 2 * scale(kept.excesses, stable)
    beyond = excess(canary, stable, margin, higher_is_worse)
    within = -excess(canary, stable, PROMOTE_TIMES * margin, higher_is_worse)
    excesses = (*kept.excesses, beyond)[-KEPT:]
    longer = kept.block_s < BLOCK_LONGEST_S and len(excesses) >= CORRELATION_FROM
    if longer and correlation(excesses) > CORRELATION_MOST:
        # Blocks of the new length say nothing about those of the old one, so the scale is learned anew.
        excesses, block_s = (), kept.block_s * 2
    else:
        block_s = kept.block_s
    return replace(
        kept,
        canary=0.0,
        stable=0.0,
        count=0,
        block_at_s=now_s,
        block_s=block_s,
        excesses=excesses,
        products=bet_on(kept.products, _clipped(beyond, width)),
        safe_products=bet_on(kept.safe_products, _clipped(within, width)),
    )


def _clipped(value: float, width: float) -> float:
    if width <= 0:
        return math.copysign(1.0, value) if value else 0.0
    return max(-1.0, min(1.0, value / width))
