"""What speaks against ending a release without proof, and what is known of the canary instead. It is asked only where
the application allows such an end, and gives no verdict."""

from __future__ import annotations

import math

from analysis import wording
from analysis.betting import excess
from analysis.dispersion import phi_of
from analysis.figures import Figures, GaugeFigures, MetricFigures
from analysis.model import CounterQuery, JudgeState, Margins, Tally
from analysis.state import MetricState

NO_EVIDENCE = 1.0  # an e-value above it says that the data fit harm better than health
EXACT = 1e-9  # of an e-value
HALVINGS = 50  # of an interval: more than a float can show


def doubt(state: JudgeState, shown: Figures) -> str | None:
    """The first thing that speaks for harm, however little; None when nothing does.

    Every metric that may decide counts, critical or not: its evidence must be at most 1, and what was counted so far
    within its rollback margin.
    """
    if state.outage_s > 0 or shown.breaker_e > NO_EVIDENCE + EXACT:
        return "the canary had an outage a moment ago, or has something of one"
    if shown.share_e > NO_EVIDENCE + EXACT:
        return f"requests may be lost: evidence {wording.number(shown.share_e)}"
    for one in shown.all:
        if one.query.policy.dry_run:
            continue
        if one.harm_e > NO_EVIDENCE + EXACT:
            return f"{one.query.name} has some evidence of harm, {wording.number(one.harm_e)}; {wording.compared(one)}"
        if not (_gauge_inside(one) if isinstance(one, GaugeFigures) else _inside(one)):
            return f"{one.query.name} is not within its margin, or not known well enough: {wording.cause(one)}"
    return None


def known_instead(shown: Figures, beta: float) -> str:
    """The counts of both sides, and up to where the canary's share of bad requests may lie all the same."""
    said = []
    for one in shown.all:
        said.append(wording.compared(one))
        if isinstance(one, MetricFigures):
            bound = at_most(one.state, beta)
            said[-1] += f", the canary's share at most {wording.percent(100 * bound)} (error {beta:g})"
    return "; ".join(said)


def at_most(counted: MetricState, beta: float) -> float:
    """The canary's share of bad requests is at most this, but for a probability of ``beta`` (Chernoff's bound, at the
    dispersion as estimated): the largest u with n KL(bad / n, u) / phi <= log(1 / beta)."""
    n, bad = counted.canary_total, min(counted.canary_bad, counted.canary_total)
    if n <= 0:
        return 1.0
    seen, most = bad / n, phi_of(counted.dispersion) * math.log(1 / beta) / n
    low, high = seen, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if _kl(seen, middle) <= most:
            low = middle
        else:
            high = middle
    return high


def _kl(seen: float, share: float) -> float:
    """How far a share is from the one seen: the Kullback-Leibler divergence of two coins."""
    if share >= 1:
        return math.inf if seen < 1 else 0.0
    bad = seen * math.log(seen / share) if seen > 0 else 0.0
    good = (1 - seen) * math.log((1 - seen) / (1 - share)) if seen < 1 else 0.0
    return bad + good


def _inside(one: MetricFigures) -> bool:
    state = one.state
    if isinstance(one.query, CounterQuery):
        seen = [Tally(state.canary_total, state.canary_bad, state.stable_total, state.stable_bad)]
    else:
        seen = [edge.seen for edge in state.edges]
    return bool(seen) and all(_within(tally, one.margins) for tally in seen)


def _within(t: Tally, margins: Margins) -> bool:
    if t.canary_total <= 0 or t.stable_total <= 0:
        return False
    allowed = margins.rollback_ratio * t.stable_bad / t.stable_total + margins.rollback_abs
    return t.canary_bad / t.canary_total <= allowed


def _gauge_inside(one: GaugeFigures) -> bool:
    canary, stable = one.state.canary_last, one.state.stable_last
    if canary is None or stable is None:
        return False
    return excess(canary, stable, one.query.margin, one.query.higher_is_worse) <= 0
