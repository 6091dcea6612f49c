"""Evidence on a latency, edge by edge: the margin e-process on requests above a bound against stable's, made slower."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

from analysis.dispersion import phi_of, with_block, with_pods
from analysis.evidence import added_safe, grown, harm_logs, safe_logs, tempered
from analysis.histogram import OpenBlock, choose_edges
from analysis.model import Margins
from analysis.pods import PodGain
from analysis.state import EdgeState, HistogramState, Tally
from analysis.sums import added


def fresh_edges(kept: HistogramState, slow_s: float) -> tuple[EdgeState, ...]:
    """Chosen once, from what stable showed before."""
    return tuple([EdgeState(bound) for bound in choose_edges(kept, slow_s)])


def edge_evidence(
    edge: EdgeState, block: OpenBlock, margins: Margins, stake: float, cap: float, dt_s: float | None
) -> EdgeState:
    """One block more of ``dt_s`` seconds; None: one that teaches nothing about clustering.

    A weight in [0, 1] per request keeps the evidence valid, because ``a**x`` is convex.
    """
    harm, safe = edge_tallies(edge.bound_s, block, margins)
    phi = phi_of(edge.dispersion)
    gained = tempered(harm_logs(harm, margins.rollback_ratio, margins.rollback_abs), cap, phi)
    return EdgeState(
        edge.bound_s,
        grown(edge.log_harm, gained, stake),
        added_safe(edge.log_safe, safe_logs(safe, margins.promote_ratio, margins.promote_abs, phi)),
        edge.dispersion if dt_s is None else with_block(edge.dispersion, harm, dt_s),
        added(edge.seen, harm),
    )


def edge_tallies(bound_s: float, block: OpenBlock, margins: Margins) -> tuple[Tally, Tally]:
    """The open block at one edge: stable's side for the rollback margin, and for the promote margin."""
    slow = block.canary_slower(bound_s)
    harm = block.stable_slower(bound_s / (1 + margins.rollback_increase))
    safe = block.stable_slower(bound_s / (1 + margins.promote_increase))
    totals = block.canary_total, block.stable_total
    return Tally(totals[0], slow, totals[1], harm), Tally(totals[0], slow, totals[1], safe)


def edge_with_pods(edge: EdgeState, upto: Sequence[float], pods: Sequence[PodGain]) -> EdgeState:
    """How much stable's pods differ at this edge within one pass."""
    index = bisect_left(upto, edge.bound_s) + 1
    counts = [(pod.total, math.fsum(pod.counts[index:])) for pod in pods]
    return EdgeState(edge.bound_s, edge.log_harm, edge.log_safe, with_pods(edge.dispersion, counts), edge.seen)
