"""What the evidence of a release rests on, metric by metric, for people and plots: counts of both sides, what would be
allowed, the e-value and what it means. It decides nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass

from analysis import wording
from analysis.figures import Figures, GaugeFigures, MetricFigures
from analysis.state import Tally


@dataclass(frozen=True, slots=True)
class Cause:
    """One metric. ``counts`` are what its evidence rests on, of a latency the requests slower than ``above_s``, where
    stable's are made slower by the margin; a gauge has ``values`` of canary and stable instead. Harm is a share of bad
    requests beyond ``allowed``. What has no ``weight`` decides nothing."""

    metric: str
    text: str
    weight: float
    harm_e: float
    safe_e: float
    counts: Tally | None = None
    allowed: float | None = None
    above_s: float | None = None
    values: tuple[float | None, float | None] | None = None

    @property
    def one_in(self) -> int | None:
        return one_in(self.harm_e)


def one_in(e_value: float) -> int | None:
    """A release within its margins shows so much at most once in this many (Ville); None if nothing speaks for harm."""
    return math.floor(e_value) if math.isfinite(e_value) and e_value >= 2 else None


def causes(shown: Figures) -> tuple[Cause, ...]:
    """The worst first: by their part of the evidence, as it is weighed."""
    found = [_gauge(one) if isinstance(one, GaugeFigures) else _metric(one) for one in shown.all]
    return tuple(sorted(found, key=lambda cause: -cause.weight * cause.harm_e))


def _metric(one: MetricFigures) -> Cause:
    state, edge, margins = one.state, one.edge, one.margins
    counts = Tally(state.canary_total, state.canary_bad, state.stable_total, state.stable_bad)
    if edge is not None:
        counts = edge.seen
    allowed = None
    if counts.stable_total > 0:
        stable = counts.stable_bad / counts.stable_total
        allowed = min(1.0, margins.rollback_ratio * stable + margins.rollback_abs)
    above_s = edge.bound_s if edge is not None else None
    return Cause(one.query.name, _said(one), one.weight, one.harm_e, one.safe_e, counts, allowed, above_s)


def _gauge(one: GaugeFigures) -> Cause:
    values = (one.state.canary_last, one.state.stable_last)
    return Cause(one.query.name, _said(one), one.weight, one.harm_e, one.safe_e, values=values)


def _said(one: MetricFigures | GaugeFigures) -> str:
    number = one_in(one.harm_e)
    odds = (
        f", at most 1 in {number:,} releases within its margins" if number is not None else ", nothing speaks for harm"
    )
    dry = "; only shown, it decides nothing" if one.query.policy.dry_run else ""
    return f"{wording.cause(one)}; evidence of harm {wording.number(one.harm_e)}{odds}{dry}"
