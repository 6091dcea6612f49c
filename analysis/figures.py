"""The figures a verdict rests on, computed from the saved state alone. It decides nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from analysis.betting import gauge_e
from analysis.calibration import learned_of, margins_of
from analysis.evidence import SAFE_GRID, e_value, log_mean
from analysis.model import (
    AnalysisSpec,
    Calibration,
    EdgeState,
    GaugeQuery,
    GaugeState,
    JudgeState,
    LatencyQuery,
    Margins,
    MetricState,
    Query,
)

GUARD_PART = 0.1  # of a metric's weight, for its objective: little, because the margin finds most harm sooner


@dataclass(frozen=True, slots=True)
class MetricFigures:
    """One metric: its part of the evidence of harm, and how far its proof of being safe is.

    ``alone`` says that there is no stable version to compare with. ``edge`` is where a latency is worst.
    """

    state: MetricState
    query: Query
    weight: float
    margin_e: float
    slo_e: float | None
    worse_e: float | None
    safe_e: float
    safe_requests_left: int
    margins: Margins
    alone: bool = False
    edge: EdgeState | None = None

    @property
    def guarded_e(self) -> float | None:
        """Outside the SLO and worse than stable: an incident that hits both versions moves only the first."""
        if self.slo_e is None or self.worse_e is None:
            return None
        return self.slo_e if self.alone else min(self.slo_e, self.worse_e)

    @property
    def harm_e(self) -> float:
        guarded = self.guarded_e
        if guarded is None:
            return self.margin_e
        return guarded if self.alone else (1 - GUARD_PART) * self.margin_e + GUARD_PART * guarded


@dataclass(frozen=True, slots=True)
class GaugeFigures:
    """One gauge: its part of the evidence of harm, and how far its proof of being safe is."""

    state: GaugeState
    query: GaugeQuery
    weight: float
    harm_e: float
    safe_e: float


@dataclass(frozen=True, slots=True)
class Figures:
    """``metrics`` and ``gauges`` are all of the spec's; what only runs dry has the weight 0."""

    metrics: tuple[MetricFigures, ...]
    gauges: tuple[GaugeFigures, ...]
    share_e: float
    share_weight: float
    total_e: float
    needed_e: float
    breaker_e: float
    breaker_needed_e: float
    safe_needed_e: float

    @property
    def all(self) -> tuple[MetricFigures | GaugeFigures, ...]:
        return (*self.metrics, *self.gauges)

    @property
    def critical(self) -> tuple[MetricFigures | GaugeFigures, ...]:
        """What promotion needs the proof of."""
        return tuple([one for one in self.all if one.query.policy.critical and not one.query.policy.dry_run])

    @property
    def safe_e(self) -> float:
        return min([one.safe_e for one in self.critical], default=1.0)

    @property
    def is_proven(self) -> bool:
        """An intersection-union test: every critical metric has its own proof, so none of them pays for the others."""
        return bool(self.critical) and self.safe_e >= self.safe_needed_e


def figures(spec: AnalysisSpec, state: JudgeState) -> Figures:
    """Weighted means of e-processes, which are e-processes under any dependence."""
    known = {metric.metric: metric for metric in state.metrics}
    weights = weights_of(spec)
    alone = state.share.weight_pct is not None and state.share.weight_pct >= 100
    metrics = tuple(
        [
            _metric(
                spec,
                query,
                known.get(query.name) or MetricState(query.name),
                weights[query.name],
                alone,
                learned_of(state),
            )
            for query in spec.queries
        ]
    )
    gauges = _gauges(spec, state, weights)
    share_e, share_weight = e_value(state.share.logs, state.share.cash), weights[TRAFFIC]
    breakers = [
        e_value(one.state.log_breaker, one.state.breaker_cash) for one in metrics if not one.query.policy.dry_run
    ]
    parts = [*[one.weight * one.harm_e for one in metrics], *[one.weight * one.harm_e for one in gauges]]
    return Figures(
        metrics=metrics,
        gauges=gauges,
        share_e=share_e,
        share_weight=share_weight,
        total_e=math.fsum([share_weight * share_e, *parts]),
        needed_e=1 / spec.alpha_evidence,
        breaker_e=math.fsum(breakers) / len(breakers) if breakers else 1.0,
        breaker_needed_e=1 / spec.alpha_breaker,
        safe_needed_e=1 / spec.beta,
    )


TRAFFIC = ""  # the name of no metric: the weight of lost requests


def weights_of(spec: AnalysisSpec) -> dict[str, float]:
    """Each metric's part of the budget by name: a kind's part is shared by its metrics. They add up to one."""
    kinds: list[tuple[float, Sequence[Query | GaugeQuery]]] = [
        (spec.errors_weight, spec.counters),
        (spec.latency_weight, spec.latencies),
        (spec.gauges_weight, spec.gauges),
    ]
    given: dict[str, float] = {query.name: 0.0 for _, queries in kinds for query in queries}
    for part, queries in kinds:
        deciding = [query for query in queries if not query.policy.dry_run]
        whole = math.fsum([query.policy.weight for query in deciding])
        given |= {query.name: part * query.policy.weight / whole for query in deciding}
    whole, left = math.fsum(given.values()), 1 - spec.traffic.weight
    shares = {name: left * part / whole if whole > 0 else 0.0 for name, part in given.items()}
    return {TRAFFIC: spec.traffic.weight, **shares}


def _gauges(spec: AnalysisSpec, state: JudgeState, weights: Mapping[str, float]) -> tuple[GaugeFigures, ...]:
    kept = {gauge.metric: gauge for gauge in state.gauges}
    found = []
    for query in spec.gauges:
        gauge = kept.get(query.name) or GaugeState(query.name, block_s=query.block_s)
        safe_e = gauge_e(gauge.safe_products)
        found.append(GaugeFigures(gauge, query, weights[query.name], gauge_e(gauge.products), safe_e))
    return tuple(found)


def _metric(
    spec: AnalysisSpec, query: Query, state: MetricState, weight: float, alone: bool, kept: Calibration | None
) -> MetricFigures:
    def grown(logs: tuple[float, ...]) -> float:
        return e_value(logs, state.cash)

    has_slo, margins = query.slo_bad_fraction is not None, margins_of(spec, kept, query)
    margin_e, safe_logs, worst = grown(state.log_harm), state.log_safe, None
    if isinstance(query, LatencyQuery):
        harms = [grown(edge.log_harm) for edge in state.edges]
        margin_e = math.fsum(harms) / len(harms) if harms else 1.0
        worst = state.edges[harms.index(max(harms))] if harms else None
        safe_logs = min([edge.log_safe for edge in state.edges], key=log_mean, default=())
    safe_e = math.exp(log_mean(safe_logs)) if safe_logs else 1.0
    return MetricFigures(
        state=state,
        query=query,
        weight=weight,
        margin_e=margin_e,
        slo_e=grown(state.log_slo) if has_slo else None,
        worse_e=grown(state.log_worse) if has_slo else None,
        safe_e=safe_e,
        safe_requests_left=0 if safe_e >= 1 / spec.beta else _left(spec, margins, safe_logs),
        margins=margins,
        alone=alone,
        edge=worst,
    )


def _left(spec: AnalysisSpec, margins: Margins, safe_logs: Sequence[float]) -> int:
    """Canary requests still needed for promotion if none of them is bad and stable has no errors: the rule of three."""
    strongest = safe_logs[-1] if safe_logs else 0.0
    per_request = -math.log1p(-SAFE_GRID[-1] * margins.promote_abs)
    return max(1, math.ceil((math.log(len(SAFE_GRID) / spec.beta) - strongest) / per_request))


def numbers(spec: AnalysisSpec, state: JudgeState) -> tuple[tuple[str, float], ...]:
    """Named figures for the record. Their names are stable."""
    return numbers_of(figures(spec, state), state)


def numbers_of(shown: Figures, state: JudgeState) -> tuple[tuple[str, float], ...]:
    return tuple(_numbers(shown, state))


def _numbers(shown: Figures, state: JudgeState) -> Iterator[tuple[str, float]]:
    yield "evidence", shown.total_e
    yield "evidence_needed", shown.needed_e
    yield "breaker", shown.breaker_e
    yield "breaker_needed", shown.breaker_needed_e
    yield "outage_s", state.outage_s
    yield "promotion", shown.safe_e
    yield "promotion_needed", shown.safe_needed_e
    yield "step_canary_requests", state.step_canary_total
    yield "requests_lost", shown.share_e
    for gauge in shown.gauges:
        yield f"{gauge.query.name}.evidence", gauge.harm_e
        yield f"{gauge.query.name}.promotion", gauge.safe_e
    for one in shown.metrics:
        name = one.query.name
        yield f"{name}.canary_total", one.state.canary_total
        yield f"{name}.canary_bad", one.state.canary_bad
        yield f"{name}.stable_total", one.state.stable_total
        yield f"{name}.stable_bad", one.state.stable_bad
        yield f"{name}.evidence", one.harm_e
        yield f"{name}.promotion", one.safe_e
