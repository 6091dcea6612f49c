"""Moves the judge's state on by what was gathered: sums, blocks, evidence, outage time. It gives no verdict.

Whatever decides how a block counts (dispersion, edges, weights) is fixed by what was known before the block: used
first, updated afterwards. Before a metric's warm-up is over, blocks only teach what stable is like.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from analysis import breaker, histogram
from analysis.blocks import is_full, length_s
from analysis.calibration import factor_of, learned_of, margins_of
from analysis.dispersion import phi_of, with_block
from analysis.dispersion import with_pods as compared
from analysis.edges import edge_evidence, edge_with_pods, fresh_edges
from analysis.evidence import Logs, added_safe, block_cap, grown, harm_logs, safe_logs, stake_of, tempered
from analysis.gauges import with_gauges
from analysis.model import AnalysisSpec, JudgeState, LatencyQuery, MetricState, Query, Readings
from analysis.pods import with_pods
from analysis.share import with_share
from analysis.state import Dispersion, EdgeState, HistogramState, Tally
from analysis.sums import added, clamped, faded, latest
from analysis.tally import Gathered, MetricGain, gather

RECENT_HALF_LIFE_S = 60.0
LEARNING_STEPS_MAX = 2_000  # of one history; more samples than that teach nothing new


@dataclass(frozen=True, slots=True)
class _Pass:
    """The state before this pass, its time, and whether both roles stand: while stable is being replaced, its ups and
    downs are the new version's and teach nothing about clustering."""

    state: JudgeState
    now_s: float
    stands: bool


def absorb(
    spec: AnalysisSpec,
    state: JudgeState,
    readings: Readings,
    gathered: Gathered,
    now_s: float,
    weight_pct: float | None,
) -> JudgeState:
    """The state after this pass."""
    before = {metric.metric: metric for metric in state.metrics}
    state = replace(state, interval_s=gathered.interval_s)
    warm, stands = now_s - state.started_at_s >= spec.warmup_s, weight_pct is not None
    metrics = tuple(
        [
            _metric(spec, query, before.get(query.name) or MetricState(query.name), gain, _Pass(state, now_s, stands))
            for query, gain in zip(spec.queries, gathered.gains, strict=True)
        ]
    )
    first = gathered.gains[0]
    completed = first.tally.canary_total
    return replace(
        state,
        marks=gathered.marks,
        metrics=metrics,
        step_canary_total=state.step_canary_total + (completed if warm else 0.0),
        outage_s=breaker.outage_s(spec, state, before, gathered),
        fresh_at_s=latest(state.fresh_at_s, gathered.fresh_at_s),
        read_at_s=now_s,
        moved_at_s=now_s if completed > 0 else state.moved_at_s,
        pods=() if gathered.shares_pods else with_pods(state, metrics, gathered.gains, now_s),
        gauges=with_gauges(spec, state, readings, now_s) if spec.gauges else (),
        share=with_share(spec, state, before.get(spec.queries[0].name), first, now_s, weight_pct),
    )


def learned(spec: AnalysisSpec, state: JudgeState, readings: Readings) -> JudgeState:
    """What the samples from before the release teach about stable: its latencies and how its failures cluster."""
    past = replace(state, started_at_s=-math.inf)
    times = sorted({p.at_s for item in readings.items for one in item.series for p in one.points})
    times = [time for time in times if time <= state.started_at_s][-LEARNING_STEPS_MAX:]
    if len(times) < 2:
        return state
    until_s = times[0]
    for time in times:
        if time - until_s < length_s(spec, past) and time != times[-1]:
            continue
        gathered = gather(spec, past, readings, time)
        past = _taught(spec, replace(past, interval_s=gathered.interval_s), gathered, time - until_s)
        until_s = time
    return replace(past, started_at_s=state.started_at_s)


def _taught(spec: AnalysisSpec, past: JudgeState, gathered: Gathered, dt_s: float) -> JudgeState:
    before = {metric.metric: metric for metric in past.metrics}
    metrics = []
    for query, gain in zip(spec.queries, gathered.gains, strict=True):
        metric = before.get(query.name) or MetricState(query.name)
        kept = _Kept(metric.dispersion, _opened(metric.histogram, gain), gain.tally)
        kept.close_as_lesson(dt_s)
        metrics.append(replace(metric, dispersion=kept.dispersion, histogram=kept.histogram))
    return replace(past, metrics=tuple(metrics), marks=gathered.marks)


def _metric(spec: AnalysisSpec, query: Query, metric: MetricState, gain: MetricGain, at: _Pass) -> MetricState:
    gained, start_s, now_s = gain.tally, at.state.started_at_s, at.now_s
    waiting = breaker.Flash(
        added(metric.flash, gained),
        start_s if metric.flash_at_s is None else metric.flash_at_s,
        metric.log_breaker,
        metric.breaker_cash,
    )
    flash = breaker.flashed(spec, query, waiting, gain.stable_missing, now_s, start_s)
    closed = _block(spec, query, metric, gain, at)
    return MetricState(
        metric=metric.metric,
        canary_total=metric.canary_total + gained.canary_total,
        canary_bad=metric.canary_bad + gained.canary_bad,
        stable_total=metric.stable_total + gained.stable_total,
        stable_bad=metric.stable_bad + gained.stable_bad,
        log_harm=closed.log_harm,
        log_safe=closed.log_safe,
        log_breaker=flash.logs,
        log_slo=closed.log_slo,
        log_worse=closed.log_worse,
        cash=closed.cash,
        breaker_cash=flash.cash,
        block=closed.kept.block,
        block_at_s=closed.at_s,
        flash=flash.waiting,
        flash_at_s=flash.at_s,
        recent=added(faded(metric.recent, now_s - (at.state.read_at_s or now_s), RECENT_HALF_LIFE_S), gained),
        dispersion=closed.kept.dispersion,
        histogram=closed.kept.histogram,
        edges=closed.edges,
    )


@dataclass(slots=True)
class _Kept:
    """What is known of stable, and the open block. A working copy within one pass."""

    dispersion: Dispersion
    histogram: HistogramState | None
    block: Tally

    def close_as_lesson(self, dt_s: float) -> None:
        """A block that is no evidence: what stable did is learned, what the canary did is forgotten."""
        block = clamped(self.block)
        self._close(Tally(stable_total=block.stable_total, stable_bad=block.stable_bad), dt_s)

    def close_as_evidence(self, dt_s: float, stands: bool) -> None:
        self._close(clamped(self.block) if stands else Tally(), dt_s)

    def _close(self, block: Tally, dt_s: float) -> None:
        self.dispersion = with_block(self.dispersion, block, dt_s)
        self.histogram = histogram.with_closed_block(self.histogram, dt_s) if self.histogram else None
        self.block = Tally()


@dataclass(slots=True)
class _Closed:
    """A metric's evidence. A working copy within one pass."""

    kept: _Kept
    at_s: float
    cash: float
    log_harm: Logs
    log_safe: Logs
    log_slo: Logs
    log_worse: Logs
    edges: tuple[EdgeState, ...]


def _block(spec: AnalysisSpec, query: Query, metric: MetricState, gain: MetricGain, at: _Pass) -> _Closed:
    """Add to the open block, and close it when it is full: as a lesson until the warm-up is over, then as evidence."""
    state, now_s = at.state, at.now_s
    begun_s = state.started_at_s if metric.block_at_s is None else metric.block_at_s
    kept = _Kept(metric.dispersion, metric.histogram, metric.block)
    warm_at_s = state.started_at_s + spec.warmup_of(query)
    if begun_s < warm_at_s <= now_s:
        kept.close_as_lesson(warm_at_s - begun_s)
        begun_s = warm_at_s
    kept.histogram, kept.block = _opened(kept.histogram, gain), added(kept.block, gain.tally)
    edges = metric.edges
    if gain.stable_pods and at.stands:
        kept.dispersion = compared(kept.dispersion, [(pod.total, pod.bad) for pod in gain.stable_pods])
        edges = tuple([edge_with_pods(edge, gain.upto, gain.stable_pods) for edge in edges])
    after = _Closed(
        kept,
        begun_s,
        metric.cash,
        metric.log_harm,
        metric.log_safe,
        metric.log_slo,
        metric.log_worse,
        edges,
    )
    age_s = now_s - begun_s
    if not is_full(spec, state, kept.block, age_s):
        return after
    after.at_s = now_s
    if now_s < warm_at_s or (isinstance(query, LatencyQuery) and not _has_edges(metric.edges, kept.histogram)):
        kept.close_as_lesson(age_s)
    else:
        _gain_evidence(spec, query, after, age_s, at)
        kept.close_as_evidence(age_s, at.stands)
    return after


def _opened(kept: HistogramState | None, gain: MetricGain) -> HistogramState | None:
    """The open block's buckets with this pass's requests."""
    if not gain.upto:
        return kept
    known = kept or histogram.fresh_histogram(gain.upto)
    return histogram.with_open_block(histogram.rebinned(known, gain.upto), gain.canary, gain.stable)


def _has_edges(edges: tuple[EdgeState, ...], kept: HistogramState | None) -> bool:
    return bool(edges) or (kept is not None and histogram.is_known(kept))


def _gain_evidence(spec: AnalysisSpec, query: Query, after: _Closed, dt_s: float, at: _Pass) -> None:
    """The open block as evidence, at what was known before it."""
    kept, slo, calibration = after.kept, query.slo_bad_fraction, learned_of(at.state)
    margins, factor = margins_of(spec, calibration, query), factor_of(spec, calibration, query)
    block, cap, phi = clamped(kept.block), block_cap(spec.alpha_evidence), phi_of(kept.dispersion)
    is_latency = isinstance(query, LatencyQuery)
    stake = stake_of(bool(after.edges if is_latency else after.log_harm), after.cash, dt_s)

    def more(logs: Logs, rho: float, delta: float, of: Tally = block) -> Logs:
        return grown(logs, tempered(harm_logs(of, rho, delta), cap, phi), stake)

    worse, times_worse = block, factor
    if isinstance(query, LatencyQuery):
        assert kept.histogram is not None, "a latency has evidence only once its buckets are known"
        counted = histogram.OpenBlock(kept.histogram)
        edges = after.edges or fresh_edges(kept.histogram, query.slow_s)
        after.edges = tuple(
            [edge_evidence(edge, counted, margins, stake, cap, dt_s if at.stands else None) for edge in edges]
        )
    else:
        after.log_harm = more(after.log_harm, margins.rollback_ratio, margins.rollback_abs)
        safe = safe_logs(block, margins.promote_ratio, margins.promote_abs, phi)
        after.log_safe = added_safe(after.log_safe, safe)
    if slo is not None:
        after.log_slo = more(after.log_slo, 0.0, slo)
        after.log_worse = more(after.log_worse, times_worse, 0.0, worse)
    after.cash -= stake
