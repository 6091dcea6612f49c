"""The figures a verdict rests on, computed from the saved state alone. It decides nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from analysis.advance import margins_of
from analysis.evidence import SAFE_GRID, Onset, log_mean
from analysis.model import AnalysisSpec, JudgeState, MetricState, Query

SHARE_WEIGHT = 0.10  # of the release's budget for false rollbacks, for lost requests; the metrics share the rest


@dataclass(frozen=True, slots=True)
class MetricFigures:
    """One metric: its part of the evidence of harm, and how far its proof of being safe is."""

    state: MetricState
    query: Query
    weight: float
    margin_e: float
    slo_e: float | None
    worse_e: float | None
    safe_e: float
    safe_requests_left: int

    @property
    def guarded_e(self) -> float | None:
        """Outside the SLO and worse than stable: an incident that hits both versions moves only the first."""
        if self.slo_e is None or self.worse_e is None:
            return None
        return min(self.slo_e, self.worse_e)

    @property
    def harm_e(self) -> float:
        guarded = self.guarded_e
        return self.margin_e if guarded is None else (self.margin_e + guarded) / 2


@dataclass(frozen=True, slots=True)
class Figures:
    metrics: tuple[MetricFigures, ...]
    share_e: float
    total_e: float
    needed_e: float
    breaker_e: float
    breaker_needed_e: float
    safe_needed_e: float

    @property
    def safe_e(self) -> float:
        return min(metric.safe_e for metric in self.metrics)


def figures(spec: AnalysisSpec, state: JudgeState) -> Figures:
    """Weighted means of e-processes, which are e-processes under any dependence."""
    known = {metric.metric: metric for metric in state.metrics}
    weights = _weights(spec)
    metrics = tuple(
        _metric(spec, query, known.get(query.name, MetricState(query.name)), weights[query.name])
        for query in spec.queries
    )
    share_e = math.exp(Onset(state.share.logs, state.share.cash).log_e)
    breakers = [math.exp(Onset(one.state.log_breaker, one.state.breaker_cash).log_e) for one in metrics]
    return Figures(
        metrics=metrics,
        share_e=share_e,
        total_e=math.fsum([SHARE_WEIGHT * share_e, *(one.weight * one.harm_e for one in metrics)]),
        needed_e=1 / spec.alpha_evidence,
        breaker_e=math.fsum(breakers) / len(breakers),
        breaker_needed_e=1 / spec.alpha_breaker,
        safe_needed_e=1 / spec.beta,
    )


def _weights(spec: AnalysisSpec) -> dict[str, float]:
    """Errors and latency get the same part of the budget; within each, metrics get the same."""
    kinds = [queries for queries in (spec.counters, spec.latencies) if queries]
    part = (1 - SHARE_WEIGHT) / len(kinds)
    return {query.name: part / len(queries) for queries in kinds for query in queries}


def _metric(spec: AnalysisSpec, query: Query, state: MetricState, weight: float) -> MetricFigures:
    def grown(logs: tuple[float, ...]) -> float | None:
        return math.exp(Onset(logs, state.cash).log_e) if logs else None

    safe_e = math.exp(log_mean(state.log_safe)) if state.log_safe else 1.0
    return MetricFigures(
        state=state,
        query=query,
        weight=weight,
        margin_e=grown(state.log_harm) or 1.0,
        slo_e=grown(state.log_slo),
        worse_e=grown(state.log_worse),
        safe_e=safe_e,
        safe_requests_left=0 if safe_e >= 1 / spec.beta else _left(spec, query, state),
    )


def _left(spec: AnalysisSpec, query: Query, state: MetricState) -> int:
    """Canary requests still needed for promotion if none of them is bad and stable has no errors: the rule of three."""
    strongest = state.log_safe[-1] if state.log_safe else 0.0
    per_request = -math.log1p(-SAFE_GRID[-1] * margins_of(spec, query).promote_abs)
    return max(1, math.ceil((math.log(len(SAFE_GRID) / spec.beta) - strongest) / per_request))


def numbers(spec: AnalysisSpec, state: JudgeState) -> tuple[tuple[str, float], ...]:
    """Named figures for the record. Their names are stable."""
    return tuple(_numbers(figures(spec, state), state))


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
    for one in shown.metrics:
        name = one.query.name
        yield f"{name}.canary_total", one.state.canary_total
        yield f"{name}.canary_bad", one.state.canary_bad
        yield f"{name}.stable_total", one.state.stable_total
        yield f"{name}.stable_bad", one.state.stable_bad
        yield f"{name}.evidence", one.harm_e
        yield f"{name}.promotion", one.safe_e
