"""Evidence to verdict: what the analysis says of a release now. Pure; its rules in order are the whole policy.

Only FAIL and TRIP roll back, and both need data. Missing or odd data holds and says why: it never passes or fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from analysis import wording
from analysis.advance import absorb, learned
from analysis.figures import Figures, MetricFigures, figures, numbers_of
from analysis.model import AnalysisSpec, Judgement, JudgeState, Readings, Verdict
from analysis.sums import fraction
from analysis.tally import Gathered, gather

LOW_EVIDENCE = 5.0  # below this evidence of harm a step may advance
INCIDENT_RATIO = 2.0  # stable's bad fraction over its objective that counts as an incident of its own
INCIDENT_REQUESTS_MIN = 20.0  # of stable lately, to call it an incident


@dataclass(frozen=True, slots=True)
class View:
    """What the rules look at."""

    spec: AnalysisSpec
    state: JudgeState
    gathered: Gathered
    figures: Figures
    now_s: float


@dataclass(frozen=True, slots=True)
class Answer:
    judgement: Judgement
    code: str
    text: str


Rule = Callable[[View], "Answer | None"]


def new_state(now_s: float) -> JudgeState:
    """The state at the moment the canary is to get its first traffic."""
    return JudgeState(started_at_s=now_s, step_at_s=now_s)


def next_step(state: JudgeState, now_s: float) -> JudgeState:
    """The next weight begins. Evidence is kept: starting over would spend the budget for false rollbacks again."""
    return replace(state, step_at_s=now_s, step_canary_total=0.0)


def judge(
    spec: AnalysisSpec, state: JudgeState, readings: Readings, now_s: float, weight_pct: float | None = None
) -> tuple[JudgeState, Verdict]:
    """The state after ``readings`` and what it says. ``weight_pct`` lets lost requests be noticed."""
    if state.failed:
        return state, _latched(figures(spec, state), state)
    if state.read_at_s is None:
        state = learned(spec, state, readings)
    gathered = gather(spec, state, readings)
    after = absorb(spec, state, gathered, now_s, weight_pct)
    view = View(spec, after, gathered, figures(spec, after), now_s)
    answer = next(answer for rule in RULES if (answer := rule(view)) is not None)
    if answer.judgement in (Judgement.FAIL, Judgement.TRIP):
        tripped = answer.judgement is Judgement.TRIP
        after = replace(after, failed=answer.text, failed_code=answer.code, tripped=tripped)
        return after, _latched(view.figures, after)
    return after, _verdict(view, answer)


def _latched(shown: Figures, state: JudgeState) -> Verdict:
    judgement = Judgement.TRIP if state.tripped else Judgement.FAIL
    return Verdict(
        judgement, state.failed_code, state.failed, numbers=numbers_of(shown, state), fresh_at_s=state.fresh_at_s
    )


def _verdict(view: View, answer: Answer) -> Verdict:
    may_advance = answer.judgement is Judgement.OK
    return Verdict(
        judgement=answer.judgement,
        code=answer.code,
        text=answer.text,
        may_advance=may_advance,
        may_promote=may_advance and _is_proven(view.figures),
        numbers=numbers_of(view.figures, view.state),
        fresh_at_s=view.state.fresh_at_s,
    )


def _is_proven(shown: Figures) -> bool:
    return all(one.safe_e >= shown.safe_needed_e for one in shown.metrics)


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
    worst = max(shown.metrics, key=lambda one: one.weight * one.harm_e)
    if shown.share_weight * shown.share_e > worst.weight * worst.harm_e:
        text = f"the canary completes far fewer requests than its weight; {wording.harm(shown)}"
        return Answer(Judgement.FAIL, "requests_lost", f"{text}; {wording.all_compared(shown)}")
    code = "outside_slo" if (worst.guarded_e or 0.0) > worst.margin_e else "worse_than_stable"
    return Answer(Judgement.FAIL, code, f"{wording.compared(worst)}; {wording.harm(shown)}")


def rule_problem(view: View) -> Answer | None:
    problems = [problem for gain in view.gathered.gains for problem in gain.problems]
    if not problems:
        return None
    texts = dict.fromkeys(problem.text for problem in problems)
    return Answer(Judgement.HOLD, problems[0].code, "; ".join(texts))


def rule_warming_up(view: View) -> Answer | None:
    longest_s = max(view.spec.warmup_of(query) for query in view.spec.queries)
    left_s = longest_s - (view.now_s - view.state.started_at_s)
    if left_s <= 0:
        return None
    return Answer(Judgement.HOLD, "warming_up", f"a new canary warms up first: {left_s:.0f} s left")


def rule_incident(view: View) -> Answer | None:
    """Bad for both versions: no reason to roll back, and no time to advance."""
    for one in view.figures.metrics:
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
    unseen = next((one for one in view.figures.metrics if one.state.canary_total < need), None)
    if unseen is not None:
        have, name = unseen.state.canary_total, unseen.query.name
        text = f"not enough canary requests for {name}: {have:,.0f} of {need:,}; {wording.all_compared(view.figures)}"
        return Answer(Judgement.HOLD, "not_enough_requests", text)
    have = view.state.step_canary_total
    if have >= need:
        return None
    text = f"not enough canary requests in this step: {have:,.0f} of {need:,}; {wording.all_compared(view.figures)}"
    return Answer(Judgement.HOLD, "not_enough_requests", text)


def rule_suspicion(view: View) -> Answer | None:
    shown = view.figures
    if shown.total_e < LOW_EVIDENCE:
        return None
    text = f"the canary looks worse, which is not proven; {wording.harm(shown)}; {wording.all_compared(shown)}"
    return Answer(Judgement.HOLD, "suspicion", text)


def rule_healthy(view: View) -> Answer:
    shown = view.figures
    code = "proven" if _is_proven(shown) else "healthy"
    return Answer(
        Judgement.OK, code, f"{wording.all_compared(shown)}; {wording.harm(shown)}; {wording.promotion(shown)}"
    )


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
