"""Margins as they hold for one release: those of the application, loosened by how much stable's own pods differ.

What was learned is frozen with the release and loosens only up to the ceiling that was approved with the application.
The version may still be worse by the whole margin, on top of what pods differ: the two multiply. It learns nothing.
"""

from __future__ import annotations

import math
from dataclasses import replace

from analysis.model import AnalysisSpec, CounterQuery, Margins, Query
from analysis.state import Calibration, JudgeState

WINDOWS_MIN = 2  # with one window a lasting difference cannot be told from noise
PODS_MIN = 4  # fewer say nothing about how a fifth one may differ
ROUNDING = 1e-6  # of a hundredth: what the arithmetic may be off


def learned_of(state: JudgeState) -> Calibration | None:
    """What was learned of the pods, where they are told apart: names that are a proxy's say nothing about pods."""
    return state.calibration if state.pods else None


def is_enough(kept: Calibration) -> bool:
    """Whether there was enough to learn from: then a factor of 1 means that pods are alike, and not "unknown"."""
    return kept.pods >= PODS_MIN and kept.windows >= WINDOWS_MIN


def factor_of(spec: AnalysisSpec, kept: Calibration | None, query: Query) -> float:
    """By how much the pods' differences loosen this metric's margins; 1 is not at all."""
    if kept is None:
        return 1.0
    margins = _plain(spec, query)
    if isinstance(query, CounterQuery):
        return max(1.0, min(kept.errors, spec.ceiling.ratio / margins.rollback_ratio))
    return max(1.0, min(kept.latency, (1 + spec.ceiling.increase) / (1 + margins.rollback_increase)))


def margins_of(spec: AnalysisSpec, kept: Calibration | None, query: Query) -> Margins:
    margins, factor = _plain(spec, query), factor_of(spec, kept, query)
    if factor == 1.0:
        return margins
    if isinstance(query, CounterQuery):
        return replace(
            margins,
            rollback_ratio=margins.rollback_ratio * factor,
            promote_ratio=margins.promote_ratio * factor,
        )
    return replace(
        margins,
        rollback_increase=(1 + margins.rollback_increase) * factor - 1,
        promote_increase=(1 + margins.promote_increase) * factor - 1,
    )


def wanted_beyond(spec: AnalysisSpec, kept: Calibration) -> str | None:
    """What the pods' differences would need and the ceiling does not allow: a proposal for a person, else None."""
    wishes = []
    ratio = spec.errors.rollback_ratio * kept.errors
    if ratio > max(spec.ceiling.ratio, spec.errors.rollback_ratio):
        wishes.append(f"calibration.ratio of {_up(ratio)} for errors (now {spec.ceiling.ratio:g})")
    increase = (1 + spec.latency.rollback_increase) * kept.latency - 1
    if increase > max(spec.ceiling.increase, spec.latency.rollback_increase):
        wishes.append(f"calibration.increase of {_up(increase)} for latency (now {spec.ceiling.increase:g})")
    if not wishes:
        return None
    return f"stable's own {kept.pods} pods differ so much that healthy releases need {' and '.join(wishes)}"


def _up(value: float) -> str:
    """Two digits, rounded up: less would not be enough."""
    return f"{math.ceil(100 * value - ROUNDING) / 100:.2f}"


def _plain(spec: AnalysisSpec, query: Query) -> Margins:
    return query.policy.margins or (spec.errors if isinstance(query, CounterQuery) else spec.latency)
