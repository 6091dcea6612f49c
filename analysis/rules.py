"""The rules of the judge, in order: the first answer wins, and the order is the whole policy. Pure.

Only FAIL and TRIP roll back, and both need data. Missing or odd data holds and says why: it never passes or fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from analysis import wording
from analysis.figures import Figures, GaugeFigures, MetricFigures
from analysis.model import AnalysisSpec, Judgement, JudgeState
from analysis.pods import one_bad
from analysis.state import Tally
from analysis.sums import fraction
from analysis.tally import Problem

LOW_EVIDENCE = 5.0  # below this evidence of harm a step may advance
INCIDENT_RATIO = 2.0  # stable's bad fraction over its objective that counts as an incident of its own
INCIDENT_REQUESTS_MIN = 20.0  # of stable lately, to call it an incident


@dataclass(frozen=True, slots=True)
class View:
    """What the rules look at."""

    spec: AnalysisSpec
    state: JudgeState
    problems: tuple[Problem, ...]
    figures: Figures
    now_s: float


@dataclass(frozen=True, slots=True)
class Answer:
    judgement: Judgement
    code: str
    text: str


Rule = Callable[[View], "Answer | None"]


def rule_breaker(view: View) -> Answer | None:
    shown, outage_s = view.figures, view.state.outage_s
    if shown.breaker_e < shown.breaker_needed_e or outage_s < view.spec.breaker.outage_s:
        return None
    text = f"the canary is failing: {wording.all_compared(shown)}; {wording.number(outage_s)} s of outage"
    return Answer(Judgement.TRIP, "breaker", text)


def rule_harm(view: View) -> Answer | None:
    shown = view.figures
    if shown.total_e < shown.needed_e:
        return None
    worst = max(shown.all, key=lambda one: one.weight * one.harm_e)
    proof = f"{wording.harm(shown)}: {wording.odds(shown)}"
    if shown.share_weight * shown.share_e > worst.weight * worst.harm_e:
        text = f"the canary completes far fewer requests than its weight; {proof}"
        return Answer(Judgement.FAIL, "requests_lost", f"{text}; {wording.all_compared(shown)}")
    bad_pod = _bad_pod(view, worst)
    if bad_pod is not None:
        text = (
            f"one of the canary's {len(view.state.pods)} pods is bad, {bad_pod}, and the others are within the margin"
        )
        return Answer(Judgement.FAIL, "one_bad_pod", f"{text}; {wording.cause(worst)}; {proof}")
    absolute = isinstance(worst, MetricFigures) and (worst.guarded_e or 0.0) > worst.margin_e
    code = "outside_slo" if absolute else "worse_than_stable"
    alone = "; the canary is a single pod, so it may be the pod" if len(view.state.pods) == 1 else ""
    return Answer(Judgement.FAIL, code, f"{wording.cause(worst)}; {proof}{alone}")


def _bad_pod(view: View, worst: MetricFigures | GaugeFigures) -> str | None:
    if not isinstance(worst, MetricFigures) or len(view.state.pods) < 2:
        return None
    stable, number = worst.state, 0
    seen = Tally(stable_total=stable.stable_total, stable_bad=stable.stable_bad)
    if worst.edge is not None:
        seen, number = worst.edge.seen, worst.state.edges.index(worst.edge)
    margins = worst.margins
    return one_bad(view.state.pods, worst.query.name, number, seen, margins.rollback_ratio, margins.rollback_abs)


def rule_problem(view: View) -> Answer | None:
    if not view.problems:
        return None
    texts = dict.fromkeys(problem.text for problem in view.problems)
    return Answer(Judgement.HOLD, view.problems[0].code, "; ".join(texts))


def rule_warming_up(view: View) -> Answer | None:
    deciding = [query for query in view.spec.queries if not query.policy.dry_run]
    longest_s = max([view.spec.warmup_of(query) for query in deciding], default=0.0)
    left_s = longest_s - (view.now_s - view.state.started_at_s)
    if left_s <= 0:
        return None
    return Answer(Judgement.HOLD, "warming_up", f"a new canary warms up first: {left_s:.0f} s left")


def rule_incident(view: View) -> Answer | None:
    """Bad for both versions: no reason to roll back, and no time to advance."""
    for one in view.figures.metrics:
        if one.query.policy.dry_run:
            continue
        if _stable_suffers(one) or _only_absolute(one, view.figures.needed_e):
            text = f"stable itself is in trouble, so nothing advances; {wording.compared(one)}"
            return Answer(Judgement.HOLD, "stable_incident", text)
    return None


def _stable_suffers(one: MetricFigures) -> bool:
    slo, recent = one.query.slo_bad_fraction, one.state.recent
    if slo is None or recent.stable_total < INCIDENT_REQUESTS_MIN:
        return False
    return recent.stable_bad / recent.stable_total > INCIDENT_RATIO * slo


def _only_absolute(one: MetricFigures, needed_e: float) -> bool:
    """Proven outside its objective, still so lately, and not proven worse than stable."""
    slo, recent = one.query.slo_bad_fraction, one.state.recent
    if slo is None or one.slo_e is None or one.slo_e < needed_e:
        return False
    return (fraction(recent.canary_bad, recent.canary_total) or 0.0) > slo


def rule_silent(view: View) -> Answer | None:
    """Series that no longer move look like a canary without faults; a hang looks just so."""
    since_s = view.state.started_at_s if view.state.moved_at_s is None else view.state.moved_at_s
    silent_s = view.now_s - since_s
    if silent_s <= view.spec.stale_after_s:
        return None
    return Answer(Judgement.HOLD, "no_canary_traffic", f"the canary has completed no request for {silent_s:.0f} s")


def rule_few(view: View) -> Answer | None:
    """Enough in this step, and of every metric since the start: one that has not been seen yet proves nothing."""
    need = view.spec.min_canary_requests
    unseen = next((one for one in view.figures.metrics if _is_needed(one) and one.state.canary_total < need), None)
    if unseen is not None:
        have, name = unseen.state.canary_total, unseen.query.name
        text = f"not enough canary requests for {name}: {have:,.0f} of {need:,}; {wording.all_compared(view.figures)}"
        return Answer(Judgement.HOLD, "not_enough_requests", text)
    have = view.state.step_canary_total
    if have >= need:
        return None
    text = f"not enough canary requests in this step: {have:,.0f} of {need:,}; {wording.all_compared(view.figures)}"
    return Answer(Judgement.HOLD, "not_enough_requests", text)


def _is_needed(one: MetricFigures | GaugeFigures) -> bool:
    return one.query.policy.required and not one.query.policy.dry_run


def rule_suspicion(view: View) -> Answer | None:
    shown = view.figures
    if shown.total_e < LOW_EVIDENCE:
        return None
    text = f"the canary looks worse, which is not proven; {wording.harm(shown)}; {wording.all_compared(shown)}"
    return Answer(Judgement.HOLD, "suspicion", text)


def rule_healthy(view: View) -> Answer:
    shown = view.figures
    code = "proven" if shown.is_proven else "healthy"
    text = f"{wording.all_compared(shown)}; {wording.harm(shown)}; {wording.promotion(shown)}"
    return Answer(Judgement.OK, code, text)


RULES: tuple[Rule, ...] = (
    rule_breaker,
    rule_harm,
    rule_problem,
    rule_warming_up,
    rule_incident,
    rule_silent,
    rule_few,
    rule_suspicion,
    rule_healthy,
)
