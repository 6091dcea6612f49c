"""Gauges in a pass: their two values, whether they can be used, and the step of their evidence. It gives no verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from analysis.betting import with_block, with_value
from analysis.model import AnalysisSpec, GaugeQuery, JudgeState
from analysis.samples import Outcome, Reading, Readings, Role
from analysis.state import GaugeState
from analysis.tally import Problem


def gauge_problems(spec: AnalysisSpec, readings: Readings) -> tuple[Problem, ...]:
    """Why required gauges cannot be judged now."""
    answers = _answers(readings)
    found = []
    for query in spec.gauges:
        if query.policy.required and not query.policy.dry_run:
            found += [_problem(query, role, answers.get((query.value, role))) for role in Role]
    return tuple([problem for problem in found if problem is not None])


def with_gauges(spec: AnalysisSpec, state: JudgeState, readings: Readings, now_s: float) -> tuple[GaugeState, ...]:
    """Each gauge after this pass. A pass without both values adds nothing; blocks begin after the warm-up."""
    answers = _answers(readings)
    before = {gauge.metric: gauge for gauge in state.gauges}
    after = []
    for query in spec.gauges:
        kept = before.get(query.name) or GaugeState(query.name, block_s=query.block_s)
        values = [_value(answers.get((query.value, role))) for role in (Role.CANARY, Role.STABLE)]
        if now_s - state.started_at_s >= spec.warmup_s and None not in values:
            kept = _stepped(query, kept, values[0] or 0.0, values[1] or 0.0, now_s)
        after.append(kept)
    return tuple(after)


def _stepped(query: GaugeQuery, kept: GaugeState, canary: float, stable: float, now_s: float) -> GaugeState:
    begun_s = now_s if kept.block_at_s is None else min(kept.block_at_s, now_s)
    kept = with_value(replace(kept, block_at_s=begun_s), canary, stable)
    if now_s - begun_s < kept.block_s:
        return kept
    return with_block(kept, query.margin, query.higher_is_worse, now_s)


def _answers(readings: Readings) -> Mapping[tuple[str, Role], Reading]:
    return {(item.metric, item.role): item for item in readings.items}


def _value(reading: Reading | None) -> float | None:
    if reading is None or reading.outcome is not Outcome.OK or len(reading.series) != 1:
        return None
    return reading.series[0].points[-1].value


def _problem(query: GaugeQuery, role: Role, reading: Reading | None) -> Problem | None:
    if reading is None:
        return Problem("unreadable", f"{query.name}: the query for the {role.value} was not read")
    if reading.outcome is Outcome.NO_SERIES:
        return Problem(f"no_{role.value}_data", f"{query.name}: no value of the {role.value}", missing=role)
    if reading.outcome is not Outcome.OK:
        spoken = reading.outcome.value.replace("_", " ")
        return Problem(reading.outcome.value, f"{query.name}: {role.value} is {spoken}: {reading.text}")
    if len(reading.series) != 1:
        count = len(reading.series)
        text = f"{query.name}: {count} values of the {role.value} instead of one; add or average them in the query"
        return Problem("too_many_series", text)
    return None
