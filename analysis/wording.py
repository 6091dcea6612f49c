"""Figures as sentences for people. It formats; it neither computes nor decides."""

from __future__ import annotations

from analysis.figures import Figures, GaugeFigures, MetricFigures
from analysis.model import CounterQuery, GaugeQuery, Margins

_HUGE = 1e6  # evidence above it reads better as a power of ten


def compared(one: MetricFigures | GaugeFigures) -> str:
    """For example: errors: canary 37 of 812 (4.6 %), stable 12 of 15,204 (0.079 %)."""
    if isinstance(one, GaugeFigures):
        values = [one.state.canary_last, one.state.stable_last]
        canary, stable = ("no value" if value is None else number(value) for value in values)
        return f"{one.query.name}: canary {canary}, stable {stable}"
    kind = "" if isinstance(one.query, CounterQuery) else f" slower than {number(one.query.slow_s)} s"
    t = one.state
    canary, stable = _part(t.canary_bad, t.canary_total), _part(t.stable_bad, t.stable_total)
    return f"{one.query.name}: canary {canary}{kind}, stable {stable}"


def all_compared(shown: Figures) -> str:
    return "; ".join([compared(one) for one in shown.all])


def harm(shown: Figures) -> str:
    return f"evidence {number(shown.total_e)} of {number(shown.needed_e)} needed"


def odds(shown: Figures) -> str:
    """What the evidence means: Ville's inequality in words."""
    return f"a release within its margins shows so much at most once in {number(shown.total_e)}"


def cause(one: MetricFigures | GaugeFigures) -> str:
    """The metric that carries the evidence: the counts of both sides, where it shows, what would have been allowed."""
    if isinstance(one, GaugeFigures):
        return f"{compared(one)}; {_gauge_margin(one.query)}"
    margins = one.margins
    if isinstance(one.query, CounterQuery) or one.edge is None:
        return f"{compared(one)}; {_margin(margins)}"
    seen = one.edge.seen
    canary, stable = _part(seen.canary_bad, seen.canary_total), _part(seen.stable_bad, seen.stable_total)
    slower = f"stable's made {percent(100 * margins.rollback_increase)} slower {stable}"
    where = f"above {number(one.edge.bound_s)} s the canary has {canary}, {slower}"
    return f"{compared(one)}; {where}; {_margin(margins)}"


def promotion(shown: Figures) -> str:
    """How far the proof for promotion is, for the metric that is furthest from it."""
    last = min(shown.critical, key=lambda one: one.safe_e, default=None)
    if last is None:
        return "no metric is critical, so there is nothing to prove for a promotion"
    done = f"promotion evidence {number(last.safe_e)} of {number(shown.safe_needed_e)} needed ({last.query.name})"
    if last.safe_e >= shown.safe_needed_e or isinstance(last, GaugeFigures):
        return done
    return f"{done}, at most about {last.safe_requests_left:,} more canary requests if all are good"


def number(value: float) -> str:
    """Three digits for small numbers, whole ones from 100 on, a power of ten when huge."""
    if abs(value) >= _HUGE:
        return f"{value:.0e}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def percent(value: float) -> str:
    return f"{value:.0f} %" if value >= 10 else f"{value:.2g} %"


def _margin(margins: Margins) -> str:
    points = f"{100 * margins.rollback_abs:.3g} points"
    return f"allowed are {margins.rollback_ratio:.3g} times stable's share plus {points}"


def _gauge_margin(query: GaugeQuery) -> str:
    return f"allowed is {percent(100 * query.margin)} {'more' if query.higher_is_worse else 'less'} than stable"


def _part(bad: float, total: float) -> str:
    if total <= 0:
        return "no requests"
    return f"{bad:,.0f} of {total:,.0f} ({percent(100 * bad / total)})"
