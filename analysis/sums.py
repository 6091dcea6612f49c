"""Small arithmetic on counts of requests. It knows neither time nor evidence."""

from __future__ import annotations

import math
from dataclasses import replace

from analysis.state import Tally


def added(a: Tally, b: Tally) -> Tally:
    return Tally(
        a.canary_total + b.canary_total,
        a.canary_bad + b.canary_bad,
        a.stable_total + b.stable_total,
        a.stable_bad + b.stable_bad,
    )


def clamped(t: Tally) -> Tally:
    """Bad requests never above all requests, as when the two counters are not of the same scrape."""
    if t.canary_bad <= t.canary_total and t.stable_bad <= t.stable_total:
        return t
    return replace(t, canary_bad=min(t.canary_bad, t.canary_total), stable_bad=min(t.stable_bad, t.stable_total))


def faded(t: Tally, dt_s: float, half_life_s: float) -> Tally:
    keep = math.exp2(-max(0.0, dt_s) / half_life_s)
    return Tally(t.canary_total * keep, t.canary_bad * keep, t.stable_total * keep, t.stable_bad * keep)


def fraction(bad: float, total: float) -> float | None:
    return bad / total if total > 0 else None


def latest(a: float | None, b: float | None) -> float | None:
    return max((time for time in (a, b) if time is not None), default=None)
