"""Figures as sentences for people. It formats; it neither computes nor decides."""

from __future__ import annotations

from analysis.figures import Figures, MetricFigures
from analysis.model import CounterQuery

_HUGE = 1e6  # evidence above it reads better as a power of ten


def compared(one: MetricFigures) -> str:
    """For example: errors: canary 37 of 812 (4.6 %), stable 12 of 15,204 (0.079 %)."""
    kind = "" if isinstance(one.query, CounterQuery) else f" slower than {number(one.query.slow_s)} s"
    t = one.state
    canary, stable = _part(t.canary_bad, t.canary_total), _part(t.stable_bad, t.stable_total)
    return f"{one.query.name}: canary {canary}{kind}, stable {stable}"


def all_compared(shown: Figures) -> str:
    return "; ".join(compared(one) for one in shown.metrics)


def harm(shown: Figures) -> str:
    return f"evidence {number(shown.total_e)} of {number(shown.needed_e)} needed"


def promotion(shown: Figures) -> str:
    """How far the proof for promotion is, for the metric that is furthest from it."""
    last = min(shown.metrics, key=lambda one: one.safe_e)
    done = f"promotion evidence {number(last.safe_e)} of {number(shown.safe_needed_e)} needed ({last.query.name})"
    if last.safe_e >= shown.safe_needed_e:
        return done
    return f"{done}, at most about {last.safe_requests_left:,} more canary requests if all are good"


def number(value: float) -> str:
    """Three digits for small numbers, whole ones from 100 on, a power of ten when huge."""
    if value >= _HUGE:
        return f"{value:.0e}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def percent(value: float) -> str:
    return f"{value:.0f} %" if value >= 10 else f"{value:.2g} %"


def _part(bad: float, total: float) -> str:
    if total <= 0:
        return "no requests"
    return f"{bad:,.0f} of {total:,.0f} ({percent(100 * bad / total)})"
