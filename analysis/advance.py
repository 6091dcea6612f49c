"""Moves the judge's state on by what was gathered: sums, blocks, evidence, outage time. It gives no verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from analysis.evidence import (
    BREAKER_GRID,
    HARM_GRID,
    SAFE_GRID,
    SHARE_GRID,
    Onset,
    added_safe,
    block_cap,
    log_harm,
    log_safe,
    log_share,
    over,
    tempered,
)
from analysis.model import (
    AnalysisSpec,
    CounterQuery,
    JudgeState,
    LatencyQuery,
    Margins,
    MetricState,
    Query,
    ShareState,
    Tally,
)
from analysis.tally import Gathered, MetricGain

BLOCK_LONGEST_S = 30.0  # a block waits no longer for requests; longer would delay what little there is
BLOCK_CANARY_MIN = 2  # requests: below, a block tells next to nothing about the canary
BLOCK_STABLE_MIN = 8  # requests: below, the hedge on stable is mostly noise
GAP_LONGEST_S = 30.0  # of an outage counted between two samples; a longer gap in the data proves nothing
RECENT_HALF_LIFE_S = 60.0
SLOW_BREAKER_AFTER_S = 30.0  # caches and pools warm up; until then slowness does not trip
SHARE_AFTER_S = 60.0  # the same for the number of requests a new canary completes


def absorb(
    spec: AnalysisSpec, state: JudgeState, gathered: Gathered, now_s: float, weight_pct: float | None
) -> JudgeState:
    """The state after this pass. Whatever decides how a block counts is fixed by what was known before the block."""
    before = {metric.metric: metric for metric in state.metrics}
    gains = {gain.name: gain for gain in gathered.gains}
    warm = now_s - state.started_at_s >= spec.warmup_s
    metrics = tuple(
        _metric(spec, query, before.get(query.name, MetricState(query.name)), gains[query.name], state, now_s)
        for query in spec.queries
    )
    primary = gains[spec.queries[0].name].tally.canary_total
    return replace(
        state,
        marks=gathered.marks,
        metrics=metrics,
        step_canary_total=state.step_canary_total + (primary if warm else 0.0),
        outage_s=_outage_s(spec, state, before, gathered),
        fresh_at_s=_latest(state.fresh_at_s, gathered.fresh_at_s),
        read_at_s=now_s,
        moved_at_s=now_s if primary > 0 else state.moved_at_s,
        share=_share(spec, state, before.get(spec.queries[0].name), gains[spec.queries[0].name], now_s, weight_pct),
    )


def added(a: Tally, b: Tally) -> Tally:
    return Tally(
        a.canary_total + b.canary_total,
        a.canary_bad + b.canary_bad,
        a.stable_total + b.stable_total,
        a.stable_bad + b.stable_bad,
    )


def clamped(t: Tally) -> Tally:
    """Bad requests never above all requests, as when the two counters are not of the same scrape."""
    return replace(t, canary_bad=min(t.canary_bad, t.canary_total), stable_bad=min(t.stable_bad, t.stable_total))


def _metric(
    spec: AnalysisSpec, query: Query, metric: MetricState, gain: MetricGain, state: JudgeState, now_s: float
) -> MetricState:
    gained = gain.tally
    moved = replace(
        metric,
        canary_total=metric.canary_total + gained.canary_total,
        canary_bad=metric.canary_bad + gained.canary_bad,
        stable_total=metric.stable_total + gained.stable_total,
        stable_bad=metric.stable_bad + gained.stable_bad,
        recent=added(_faded(metric.recent, now_s - (state.read_at_s or now_s)), gained),
        flash=added(metric.flash, gained),
        flash_at_s=state.started_at_s if metric.flash_at_s is None else metric.flash_at_s,
    )
    moved = _breaker(spec, query, moved, gain.stable_missing, now_s, state.started_at_s)
    warm_at_s = state.started_at_s + spec.warmup_of(query)
    if now_s < warm_at_s:
        return moved
    block_at_s = warm_at_s if moved.block_at_s is None else moved.block_at_s
    moved = replace(moved, block=added(moved.block, gained), block_at_s=block_at_s)
    if not block_is_full(spec, moved.block, now_s - block_at_s):
        return moved
    closed = _evidence(spec, query, moved, clamped(moved.block), now_s - block_at_s)
    return replace(closed, block=Tally(), block_at_s=now_s)


def block_is_full(spec: AnalysisSpec, block: Tally, age_s: float) -> bool:
    enough = block.canary_total >= BLOCK_CANARY_MIN and block.stable_total >= BLOCK_STABLE_MIN
    return age_s >= spec.block_s and (enough or age_s >= BLOCK_LONGEST_S)


def margins_of(spec: AnalysisSpec, query: Query) -> Margins:
    return spec.errors if isinstance(query, CounterQuery) else spec.latency


def _evidence(spec: AnalysisSpec, query: Query, metric: MetricState, block: Tally, dt_s: float) -> MetricState:
    margins, cap = margins_of(spec, query), block_cap(spec.alpha_evidence)
    stake = Onset(metric.log_harm, metric.cash).stake(dt_s)

    def grown(logs: tuple[float, ...], rho: float, delta: float) -> Onset:
        gained = over(HARM_GRID, lambda r: tempered(log_harm(block, rho, delta, r), cap))
        return Onset(logs, metric.cash).after(gained, stake)

    harm = grown(metric.log_harm, margins.rollback_ratio, margins.rollback_abs)
    slo = query.slo_bad_fraction
    safe = over(SAFE_GRID, lambda bet: log_safe(block, margins.promote_ratio, margins.promote_abs, bet))
    return replace(
        metric,
        log_harm=harm.logs,
        log_slo=() if slo is None else grown(metric.log_slo, 0.0, slo).logs,
        log_worse=() if slo is None else grown(metric.log_worse, 1.0, 0.0).logs,
        log_safe=added_safe(metric.log_safe, safe),
        cash=harm.cash,
    )


def _breaker(
    spec: AnalysisSpec, query: Query, metric: MetricState, stable_missing: bool, now_s: float, started_at_s: float
) -> MetricState:
    """One step of the breaker: neither tempered nor capped, as soon as both sides have requests."""
    assert metric.flash_at_s is not None, "set by the caller"
    age_s = now_s - metric.flash_at_s
    both = metric.flash.canary_total > 0 and metric.flash.stable_total > 0
    if not (both or age_s >= BLOCK_LONGEST_S or (stable_missing and metric.flash.canary_total > 0)):
        return metric
    fresh = replace(metric, flash=Tally(), flash_at_s=now_s)
    if isinstance(query, LatencyQuery) and now_s - started_at_s < SLOW_BREAKER_AFTER_S:
        return fresh
    flash = clamped(metric.flash)
    rho = spec.breaker.ratio if flash.stable_total > 0 else 0.0
    onset = Onset(metric.log_breaker, metric.breaker_cash)
    gained = over(BREAKER_GRID, lambda r: log_harm(flash, rho, breaker_abs(spec, query), r))
    after = onset.after(gained, onset.stake(age_s))
    return replace(fresh, log_breaker=after.logs, breaker_cash=after.cash)


def breaker_abs(spec: AnalysisSpec, query: Query) -> float:
    return spec.breaker.errors_abs if isinstance(query, CounterQuery) else spec.breaker.slow_abs


def _outage_s(spec: AnalysisSpec, state: JudgeState, before: Mapping[str, MetricState], gathered: Gathered) -> float:
    """Seconds of outage so far, weighted with the bad fraction; zero again when no metric is above its margin."""
    fractions: list[float] = []
    for query, gain in zip(spec.queries, gathered.gains, strict=True):
        t = clamped(gain.tally)
        if t.canary_total <= 0:
            continue
        recent = before[query.name].recent if query.name in before else Tally()
        stable = fraction(t.stable_bad, t.stable_total) or fraction(recent.stable_bad, recent.stable_total) or 0.0
        bad = t.canary_bad / t.canary_total
        fractions.append(bad if bad > spec.breaker.ratio * stable + breaker_abs(spec, query) else 0.0)
    if not fractions or gathered.fresh_at_s is None:
        return state.outage_s
    worst = max(fractions)
    since_s = state.started_at_s if state.fresh_at_s is None else state.fresh_at_s
    dt_s = min(GAP_LONGEST_S, max(0.0, gathered.fresh_at_s - since_s))
    return state.outage_s + dt_s * worst if worst > 0 else 0.0


def _share(
    spec: AnalysisSpec,
    state: JudgeState,
    before: MetricState | None,
    gain: MetricGain,
    now_s: float,
    weight_pct: float | None,
) -> ShareState:
    """The number of requests against the weight, for blocks that lie wholly within one weight."""
    share = state.share
    if weight_pct is None or weight_pct != share.weight_pct:
        return replace(share, weight_pct=weight_pct, since_s=now_s)
    if weight_pct <= 0 or before is None or before.block_at_s is None or gain.problems:
        return share
    begun_s = before.block_at_s
    block = added(before.block, gain.tally)
    if begun_s < max(share.since_s, state.started_at_s + SHARE_AFTER_S) or now_s - begun_s < spec.block_s:
        return share
    if not block_is_full(spec, block, now_s - begun_s):
        return share
    cap = block_cap(spec.alpha_evidence)
    onset = Onset(share.logs, share.cash)
    gained = over(SHARE_GRID, lambda part: tempered(log_share(block, weight_pct, part), cap))
    after = onset.after(gained, onset.stake(now_s - begun_s))
    return replace(share, logs=after.logs, cash=after.cash)


def _faded(t: Tally, dt_s: float) -> Tally:
    keep = math.exp2(-max(0.0, dt_s) / RECENT_HALF_LIFE_S)
    return Tally(t.canary_total * keep, t.canary_bad * keep, t.stable_total * keep, t.stable_bad * keep)


def fraction(bad: float, total: float) -> float | None:
    return bad / total if total > 0 else None


def _latest(a: float | None, b: float | None) -> float | None:
    return max((time for time in (a, b) if time is not None), default=None)
