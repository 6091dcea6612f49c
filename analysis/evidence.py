"""The statistics: margin e-processes in closed form, as pure functions. It knows requests, not metrics or releases.

Sources and the reasons for each formula are in docs/analysis.md. Everything is in nats (natural logarithms).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from analysis.model import Tally

HARM_GRID = (1.15, 1.4, 1.9, 3.5, 10.0, 40.0)  # alternatives "r times the margin", from slight to drastic
BREAKER_GRID = (3.0, 12.0, 60.0)
SAFE_GRID = (0.15, 0.35, 0.6, 0.8, 0.93, 0.99)  # bets on the canary being good
SHARE_GRID = (0.5, 0.15, 0.02)  # alternatives "this part of the least share"
SHARE_DISPERSION = 6.0  # requests arrive in clusters; evidence on their number is divided by this
MIN_SHARE = 0.3  # of its weight; a canary completing less has lost requests
START_MASS = 0.7  # prior probability that harm is there from the start; the rest is kept for a later onset
RESTART_MEAN_S = 1800.0  # mean time the kept part waits
LOG_FLOOR = -700.0  # below it exp() is zero anyway; keeps the saved state finite
LOG_HARM_MAX = math.log(1e30)
LOG_SAFE_MAX = math.log(1e12)


def bets(n_canary: float, n_stable: float, rho: float, delta: float, r: float) -> tuple[float, float]:
    """The bet on canary badness and the hedge on stable badness, against p_canary <= rho p_stable + delta."""
    if rho == 0:
        return ((r - 1) / (1 - delta * r) if delta * r < 1 else r - 1), 0.0
    if n_stable <= 0:
        return 0.0, 0.0
    bet = n_stable * (r - 1) / (n_canary * rho * r + n_stable)
    return bet, rho * n_canary * bet / (n_stable * (1 + delta * bet))


def log_harm(t: Tally, rho: float, delta: float, r: float) -> float:
    """Log e-value against "within the margin". Expected value of exp() at most 1 whatever stable's rate is."""
    bet, hedge = bets(t.canary_total, t.stable_total, rho, delta, r)
    return t.canary_bad * math.log1p(bet) + t.stable_bad * math.log1p(-hedge) - t.canary_total * math.log1p(delta * bet)


def safe_hedge(t: Tally, rho: float, delta: float, bet: float) -> float:
    if t.stable_total <= 0:
        return 0.0
    return rho * t.canary_total * bet / (t.stable_total * (1 - delta * bet))


def log_safe(t: Tally, rho: float, delta: float, bet: float) -> float:
    """Log e-value against "at least (rho, delta) worse": the mirror of ``log_harm``, for promotion."""
    hedge = safe_hedge(t, rho, delta, bet)
    return (
        t.canary_bad * math.log1p(-bet) + t.stable_bad * math.log1p(hedge) - t.canary_total * math.log1p(-delta * bet)
    )


def log_share(t: Tally, weight_pct: float, part: float) -> float:
    """Log e-value against "the canary completes at least MIN_SHARE of its weight"."""
    least = MIN_SHARE * weight_pct / 100
    lost = math.log((1 - part * least) / (1 - least))
    return (t.canary_total * math.log(part) + t.stable_total * lost) / SHARE_DISPERSION


def tempered(log_e: float, cap: float, phi: float = 1.0) -> float:
    """Evidence of one block, divided by the index of dispersion and bounded: no single burst decides."""
    return min(log_e / phi, cap)


def block_cap(alpha_m: float) -> float:
    """Half of the evidence needed: at least two blocks must agree."""
    return 0.5 * math.log(1 / alpha_m)


@dataclass(frozen=True, slots=True)
class Onset:
    """A mixture over the grid and over the time harm began. ``logs`` is empty before the first block."""

    logs: tuple[float, ...] = ()
    cash: float = 1.0

    def after(self, gained: Sequence[float], stake: float) -> Onset:
        """``stake`` is the part of the cash put on "harm begins with this block"; it must not depend on the block."""
        before = self.logs or (-math.inf,) * len(gained)
        logs = tuple(
            _clipped(gain + _log_add(log_s, _log(stake)), LOG_HARM_MAX)
            for gain, log_s in zip(gained, before, strict=True)
        )
        return Onset(logs, self.cash - stake)

    @property
    def log_e(self) -> float:
        """Log of the e-process: at most log(1/a) for ever, but with probability a."""
        return _log_add(log_mean(self.logs), _log(self.cash))

    def stake(self, dt_s: float) -> float:
        return START_MASS if not self.logs else (1 - math.exp(-max(0.0, dt_s) / RESTART_MEAN_S)) * self.cash


def added_safe(logs: Sequence[float], gained: Sequence[float]) -> tuple[float, ...]:
    before = logs or (0.0,) * len(gained)
    return tuple(_clipped(a + b, LOG_SAFE_MAX) for a, b in zip(before, gained, strict=True))


def over(grid: Sequence[float], log_e: Callable[[float], float]) -> tuple[float, ...]:
    return tuple(log_e(point) for point in grid)


def log_mean(logs: Sequence[float]) -> float:
    """Log of the mean of exp(); minus infinity for no entries."""
    if not logs:
        return -math.inf
    top = max(logs)
    return top + math.log(math.fsum(math.exp(log - top) for log in logs) / len(logs))


def _log_add(a: float, b: float) -> float:
    top = max(a, b)
    return top if top == -math.inf else top + math.log(math.exp(a - top) + math.exp(b - top))


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


def _clipped(log: float, top: float) -> float:
    return max(LOG_FLOOR, min(top, log))
