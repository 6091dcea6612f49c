"""The figures a verdict rests on, computed from the saved state alone. It decides nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analysis.evidence import SAFE_GRID, e_value, log_mean
from analysis.model import AnalysisSpec, JudgeState, LatencyQuery, MetricState, Query

GUARD_PART = 0.2  # of a metric's weight, for its objective: little, because the margin finds most harm sooner


@dataclass(frozen=True, slots=True)
class MetricFigures:
    """One metric: its part of the evidence of harm, and how far its proof of being safe is.

    ``alone`` says that there is no stable version to compare with. ``edge_s`` is where a latency is worst.
    """

    state: MetricState
    query: Query
    weight: float
    margin_e: float
    slo_e: float | None
    worse_e: float | None
    safe_e: float
    safe_requests_left: int
    alone: bool = False
    edge_s: float | None = None

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
class Figures:
    metrics: tuple[MetricFigures, ...]
    share_e: float
    share_weight: float
    total_e: float
    needed_e: float
    breaker_e: float
    breaker_needed_e: float
    safe_needed_e: float

    @property
    def safe_e(self) -> float:
        return min([metric.safe_e for metric in self.metrics])


def figures(spec: AnalysisSpec, state: JudgeState) -> Figures:
    """Weighted means of e-processes, which are e-processes under any dependence."""
    known = {metric.metric: metric for metric in state.metrics}
    weights = weights_of(spec)
    alone = state.share.weight_pct is not None and state.share.weight_pct >= 100
    metrics = tuple(
        [
            _metric(spec, query, known.get(query.name) or MetricState(query.name), weights[query.name], alone)
            for query in spec.queries
        ]
    )
    share_e, share_weight = e_value(state.share.logs, state.share.cash), weights[TRAFFIC]
    breakers = [e_value(one.state.log_breaker, one.state.breaker_cash) for one in metrics]
    return Figures(
        metrics=metrics,
        share_e=share_e,
        share_weight=share_weight,
        total_e=math.fsum([share_weight * share_e, *[one.weight * one.harm_e for one in metrics]]),
        needed_e=1 / spec.alpha_evidence,
        breaker_e=math.fsum(breakers) / len(breakers),
        breaker_needed_e=1 / spec.alpha_breaker,
        safe_needed_e=1 / spec.beta,
    )


TRAFFIC = ""  # the name of no metric: the weight of lost requests


def weights_of(spec: AnalysisSpec) -> dict[str, float]:
    """Each metric's part of the budget by name: a kind's part is shared by its metrics. They add up to one."""
    parts: list[tuple[float, Sequence[Query]]] = [
        (spec.errors_weight, spec.counters),
        (spec.latency_weight, spec.latencies),
    ]
    given = {query.name: part / len(queries) for part, queries in parts for query in queries}
    whole = math.fsum(given.values())
    left = 1 - spec.traffic.weight
    return {TRAFFIC: spec.traffic.weight, **{name: left * part / whole for name, part in given.items()}}


def _metric(spec: AnalysisSpec, query: Query, state: MetricState, weight: float, alone: bool) -> MetricFigures:
    def grown(logs: tuple[float, ...]) -> float:
        return e_value(logs, state.cash)

    has_slo = query.slo_bad_fraction is not None
    margin_e, safe_logs, edge_s = grown(state.log_harm), state.log_safe, None
    if isinstance(query, LatencyQuery):
        harms = [grown(edge.log_harm) for edge in state.edges]
        margin_e = math.fsum(harms) / len(harms) if harms else 1.0
        edge_s = state.edges[harms.index(max(harms))].bound_s if harms else None
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
        safe_requests_left=0 if safe_e >= 1 / spec.beta else _left(spec, query, safe_logs),
        alone=alone,
        edge_s=edge_s,
    )


def _left(spec: AnalysisSpec, query: Query, safe_logs: Sequence[float]) -> int:
    """Canary requests still needed for promotion if none of them is bad and stable has no errors: the rule of three."""
    strongest = safe_logs[-1] if safe_logs else 0.0
    per_request = -math.log1p(-SAFE_GRID[-1] * spec.margins_of(query).promote_abs)
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
    for one in shown.metrics:
        name = one.query.name
        yield f"{name}.canary_total", one.state.canary_total
        yield f"{name}.canary_bad", one.state.canary_bad
        yield f"{name}.stable_total", one.state.stable_total
        yield f"{name}.stable_bad", one.state.stable_bad
        yield f"{name}.evidence", one.harm_e
        yield f"{name}.promotion", one.safe_e
