"""The circuit breaker's sums: the margin e-process at a huge margin, scrape by scrape, and how long an outage lasts.

Neither tempered nor capped: what it looks for is not a matter of statistics for long. It gives no verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.evidence import BREAKER_GRID, Logs, grown, harm_logs, stake_of
from analysis.model import AnalysisSpec, CounterQuery, JudgeState, LatencyQuery, MetricState, Query
from analysis.state import Tally
from analysis.sums import clamped, fraction
from analysis.tally import Gathered

WAITS_S = 30.0  # for requests of both sides; then what there is counts
SLOW_AFTER_S = 30.0  # caches and pools warm up; until then slowness does not trip
GAP_LONGEST_S = 30.0  # of an outage counted between two samples; a longer gap in the data proves nothing


@dataclass(frozen=True, slots=True)
class Flash:
    """The breaker's part of a metric's state: what waits for its next step, since when, and its evidence."""

    waiting: Tally
    at_s: float
    logs: Logs
    cash: float


def flashed(
    spec: AnalysisSpec, query: Query, flash: Flash, stable_missing: bool, now_s: float, started_at_s: float
) -> Flash:
    """One step, as soon as both sides have requests. Without stable it tests against the absolute margin alone."""
    age_s, t = now_s - flash.at_s, flash.waiting
    both = t.canary_total > 0 and t.stable_total > 0
    if not (both or age_s >= WAITS_S or (stable_missing and t.canary_total > 0)):
        return flash
    if isinstance(query, LatencyQuery) and now_s - started_at_s < SLOW_AFTER_S:
        return Flash(Tally(), now_s, flash.logs, flash.cash)
    rho = spec.breaker.ratio if t.stable_total > 0 else 0.0
    stake = stake_of(bool(flash.logs), flash.cash, age_s)
    gained = harm_logs(clamped(t), rho, absolute(spec, query), BREAKER_GRID)
    return Flash(Tally(), now_s, grown(flash.logs, gained, stake), flash.cash - stake)


def absolute(spec: AnalysisSpec, query: Query) -> float:
    return spec.breaker.errors_abs if isinstance(query, CounterQuery) else spec.breaker.slow_abs


def outage_s(spec: AnalysisSpec, state: JudgeState, before: Mapping[str, MetricState], gathered: Gathered) -> float:
    """Seconds of outage so far, weighted with the bad fraction; zero again when no metric is above its margin."""
    fractions: list[float] = []
    for query, gain in zip(spec.queries, gathered.gains, strict=True):
        t = clamped(gain.tally)
        if t.canary_total <= 0 or query.policy.dry_run:
            continue
        recent = before[query.name].recent if query.name in before else Tally()
        stable = fraction(t.stable_bad, t.stable_total) or fraction(recent.stable_bad, recent.stable_total) or 0.0
        bad = t.canary_bad / t.canary_total
        fractions.append(bad if bad > spec.breaker.ratio * stable + absolute(spec, query) else 0.0)
    if not fractions or gathered.fresh_at_s is None:
        return state.outage_s
    worst = max(fractions)
    since_s = state.started_at_s if state.fresh_at_s is None else state.fresh_at_s
    dt_s = min(GAP_LONGEST_S, max(0.0, gathered.fresh_at_s - since_s))
    return state.outage_s + dt_s * worst if worst > 0 else 0.0
