"""The statistics: margin e-processes in closed form, as pure functions. It knows requests, not metrics or releases.

Sources and the reasons for each formula are in docs/analysis.md. Everything is in nats (natural logarithms). The loops
over the grids are written out: they are most of what a pass costs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from analysis.state import Tally

HARM_GRID = (1.15, 1.4, 1.9, 3.5, 10.0, 40.0)  # alternatives "r times the margin", from slight to drastic
BREAKER_GRID = (3.0, 12.0, 60.0)
SAFE_GRID = (0.15, 0.35, 0.6, 0.8, 0.93, 0.99)  # bets on the canary being good
SHARE_GRID = (0.5, 0.15, 0.02)  # alternatives "this part of the least share"
START_MASS = 0.7  # prior probability that harm is there from the start; the rest is kept for a later onset
RESTART_MEAN_S = 1800.0  # mean time the kept part waits
CAP = 0.5  # of the needed logarithm that one block may carry: at least two blocks must agree
LOG_FLOOR = -700.0  # below it exp() is zero anyway; keeps the saved state finite
LOG_HARM_MAX = math.log(1e30)
LOG_SAFE_MAX = math.log(1e12)
NOTHING, NONE = (-math.inf,) * 16, (0.0,) * 16  # logs before the first block, for a grid of any length


def bets(n_canary: float, n_stable: float, rho: float, delta: float, r: float) -> tuple[float, float]:
    """The bet on canary badness and the hedge on stable badness, against p_canary <= rho p_stable + delta."""
    if rho == 0:
        return ((r - 1) / (1 - delta * r) if delta * r < 1 else r - 1), 0.0
    if n_stable <= 0:
        return 0.0, 0.0
    bet = n_stable * (r - 1) / (n_canary * rho * r + n_stable)
    return bet, rho * n_canary * bet / (n_stable * (1 + delta * bet))


def log_harm(t: Tally, rho: float, delta: float, r: float) -> float:
    """Log e-value against "within the margin" (the margin e-process): at most 1 on average, whatever stable's rate is.

    ``delta`` 0 makes it the conditional binomial likelihood ratio, ``rho`` 0 Wald's one-sample ratio.
    """
    bet, hedge = bets(t.canary_total, t.stable_total, rho, delta, r)
    return t.canary_bad * math.log1p(bet) + t.stable_bad * math.log1p(-hedge) - t.canary_total * math.log1p(delta * bet)


def harm_logs(t: Tally, rho: float, delta: float, grid: tuple[float, ...] = HARM_GRID) -> list[float]:
    """``log_harm`` over a grid of alternatives."""
    y_c, y_s = t.canary_bad, t.stable_bad
    if rho == 0:
        n_c = t.canary_total
        return [y_c * bad - n_c * any_ for bad, any_ in _absolute_bets(delta, grid)]
    if t.stable_total <= 0:
        return [0.0] * len(grid)
    terms = _harm_terms(t.canary_total, t.stable_total, rho, delta, grid)
    return [always + y_c * bad + y_s * hedged for always, bad, hedged in terms]


Terms = tuple[tuple[float, float, float], ...]
"""For each point of a grid: what the block adds in any case, per bad request of the canary, and per one of stable."""


@lru_cache(maxsize=64)
def _harm_terms(n_c: float, n_s: float, rho: float, delta: float, grid: tuple[float, ...]) -> Terms:
    """They depend on the numbers of requests alone, which all edges of a latency share."""
    log1p, slope, found = math.log1p, n_c * rho, []
    for r in grid:
        bet = n_s * (r - 1) / (slope * r + n_s)
        any_ = log1p(delta * bet)
        found.append((-n_c * any_, log1p(bet), log1p(-slope * bet / (n_s * (1 + delta * bet)))))
    return tuple(found)


@lru_cache(maxsize=256)
def _absolute_bets(delta: float, grid: tuple[float, ...]) -> tuple[tuple[float, float], ...]:
    """What a bad request adds, and what any request takes, when the test is against an absolute level."""
    found = [bets(1.0, 0.0, 0.0, delta, r)[0] for r in grid]
    return tuple([(math.log1p(bet), math.log1p(delta * bet)) for bet in found])


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


def safe_logs(t: Tally, rho: float, delta: float, phi: float = 1.0) -> list[float]:
    """``log_safe`` over the grid of bets, divided by the dispersion."""
    y_c, y_s = t.canary_bad, t.stable_bad
    terms = _safe_terms(t.canary_total, t.stable_total, rho, delta)
    return [(always + y_c * bad + y_s * hedged) / phi for always, bad, hedged in terms]


@lru_cache(maxsize=64)
def _safe_terms(n_c: float, n_s: float, rho: float, delta: float) -> Terms:
    log1p, slope = math.log1p, rho * n_c / n_s if n_s > 0 else 0.0
    return tuple(
        [(-n_c * log1p(-delta * bet), log1p(-bet), log1p(slope * bet / (1 - delta * bet))) for bet in SAFE_GRID]
    )


def log_share(t: Tally, least: float, part: float, dispersion: float) -> float:
    """Log e-value against "at least ``least`` of all requests complete on the canary"."""
    lost = math.log((1 - part * least) / (1 - least))
    return (t.canary_total * math.log(part) + t.stable_total * lost) / dispersion


def tempered(logs: Sequence[float], cap: float, phi: float = 1.0) -> list[float]:
    """Evidence of one block, divided by the index of dispersion and bounded: no single burst decides."""
    most = cap * phi
    return [cap if log > most else log / phi for log in logs]


def block_cap(alpha_m: float, cap: float = CAP) -> float:
    return cap * math.log(1 / alpha_m)


Logs = tuple[float, ...]


def grown(logs: Logs, gained: Sequence[float], stake: float) -> Logs:
    """One block more of a mixture over the grid and over the time harm began (a restart mixture).

    ``S <- e (S + stake)`` for each point; empty logs are no evidence yet. ``stake`` is the part of the cash put on
    "harm begins with this block"; it must not depend on the block.
    """
    exp, log = math.exp, math.log
    if not logs:
        logs = NOTHING[: len(gained)]
    if stake <= 0 and min(logs) < LOG_FLOOR:
        return (LOG_FLOOR,) * len(logs)  # nothing was ever staked
    found = [gain + log(exp(log_s) + stake) for gain, log_s in zip(gained, logs, strict=True)]
    if min(found) < LOG_FLOOR or max(found) > LOG_HARM_MAX:
        found = [min(max(one, LOG_FLOOR), LOG_HARM_MAX) for one in found]
    return tuple(found)


def stake_of(begun: bool, cash: float, dt_s: float) -> float:
    """What the next block of ``dt_s`` seconds is given of the cash: most of it at the start, then a steady trickle."""
    return (1 - math.exp(-max(0.0, dt_s) / RESTART_MEAN_S) if begun else START_MASS) * cash


def e_value(logs: Logs, cash: float) -> float:
    """The e-process: it ever reaches 1/a with probability at most a (Ville's inequality)."""
    return math.fsum(map(math.exp, logs)) / len(logs) + cash if logs else cash


def added_safe(logs: Logs, gained: Sequence[float]) -> Logs:
    """The promotion's evidence after one block more. It has no onset: it is against harm throughout."""
    found = []
    for gain, before in zip(gained, logs or NONE[: len(gained)], strict=True):
        log = before + gain
        found.append(LOG_FLOOR if log < LOG_FLOOR else LOG_SAFE_MAX if log > LOG_SAFE_MAX else log)
    return tuple(found)


def log_mean(logs: Sequence[float]) -> float:
    """Log of the mean of exp(); minus infinity for no entries."""
    if not logs:
        return -math.inf
    top = max(logs)
    return top + math.log(math.fsum([math.exp(log - top) for log in logs]) / len(logs))
