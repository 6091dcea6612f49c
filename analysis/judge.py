"""Readings to a verdict: the one door to the judge. Pure and deterministic; what it knows of a release is its state."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

from analysis.advance import absorb, learned
from analysis.baseline import compared
from analysis.figures import Figures, figures, numbers_of
from analysis.gauges import gauge_problems
from analysis.model import AnalysisSpec, Calibration, Inconclusive, Judgement, JudgeState, Readings, Verdict
from analysis.rules import RULES, Answer, View
from analysis.tally import Gathered, Problem, gather
from analysis.trail import with_point
from analysis.unproven import doubt, known_instead


def new_state(now_s: float, calibration: Calibration | None = None) -> JudgeState:
    """The state at the moment the canary is to get its first traffic. What was learned of stable's pods is frozen."""
    return JudgeState(started_at_s=now_s, step_at_s=now_s, calibration=calibration)


def next_step(state: JudgeState, now_s: float) -> JudgeState:
    """The next weight begins. Evidence is kept: starting over would spend the budget for false rollbacks again."""
    return replace(state, step_at_s=now_s, step_canary_total=0.0)


def judge(
    spec: AnalysisSpec,
    state: JudgeState,
    readings: Readings,
    now_s: float,
    weight_pct: float | None = None,
    baseline: Set[str] | None = None,
) -> tuple[JudgeState, Verdict]:
    """The state after ``readings`` and what it says.

    ``weight_pct`` is the canary's share of the requests while both roles stand; None while they change. It lets lost
    requests be noticed. ``baseline`` are the names of the instances that stand for stable, as far as they have samples;
    None, or none with samples: all of stable does.
    """
    if state.failed:
        return state, _latched(figures(spec, state), state)
    if state.read_at_s is None:
        state = learned(spec, state, readings)
    state = _not_ahead(state, now_s)
    gathered = gather(spec, state, readings, baseline=baseline or frozenset())
    after = absorb(spec, state, readings, gathered, now_s, weight_pct)
    problems = (*_problems(spec, gathered), *gauge_problems(spec, readings))
    shown = figures(spec, after)
    after = replace(after, trail=with_point(after.trail, now_s, shown))
    view = View(spec, after, problems, shown, now_s)
    answer = next(answer for rule in RULES if (answer := rule(view)) is not None)
    answer = replace(answer, text=answer.text + compared(baseline, gathered.baseline))
    if answer.judgement in (Judgement.FAIL, Judgement.TRIP):
        tripped = answer.judgement is Judgement.TRIP
        after = replace(after, failed=answer.text, failed_code=answer.code, tripped=tripped)
        return after, _latched(view.figures, after)
    return after, _verdict(view, answer)


def _not_ahead(state: JudgeState, now_s: float) -> JudgeState:
    """A clock that was set back must not make the judge wait until it has caught up: its times come back as well."""
    if state.read_at_s is None or now_s >= state.read_at_s:
        return state

    def back(time_s: float | None) -> float | None:
        return None if time_s is None else min(time_s, now_s)

    return replace(
        state,
        started_at_s=min(state.started_at_s, now_s),
        read_at_s=now_s,
        moved_at_s=back(state.moved_at_s),
        share=replace(state.share, since_s=min(state.share.since_s, now_s)),
        metrics=tuple(
            [replace(one, block_at_s=back(one.block_at_s), flash_at_s=back(one.flash_at_s)) for one in state.metrics]
        ),
        gauges=tuple([replace(one, block_at_s=back(one.block_at_s)) for one in state.gauges]),
    )


def _problems(spec: AnalysisSpec, gathered: Gathered) -> list[Problem]:
    needed = {query.name for query in spec.queries if query.policy.required and not query.policy.dry_run}
    return [problem for gain in gathered.gains if gain.name in needed for problem in gain.problems]


def _latched(shown: Figures, state: JudgeState) -> Verdict:
    judgement = Judgement.TRIP if state.tripped else Judgement.FAIL
    return Verdict(
        judgement, state.failed_code, state.failed, numbers=numbers_of(shown, state), fresh_at_s=state.fresh_at_s
    )


def _verdict(view: View, answer: Answer) -> Verdict:
    may_advance = answer.judgement is Judgement.OK
    against, instead = None, ""
    if may_advance and view.spec.inconclusive is Inconclusive.PROMOTE:
        against = doubt(view.state, view.figures)
        instead = against or known_instead(view.figures, view.spec.beta)
    return Verdict(
        judgement=answer.judgement,
        code=answer.code,
        text=answer.text,
        may_advance=may_advance,
        may_promote=may_advance and view.figures.is_proven,
        numbers=numbers_of(view.figures, view.state),
        fresh_at_s=view.state.fresh_at_s,
        may_end_unproven=bool(instead) and against is None,
        unproven=instead,
    )
