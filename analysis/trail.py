"""The evidence over time, thinned so that it stays small however long a release takes. It decides nothing."""

from __future__ import annotations

import math
from itertools import pairwise

from analysis.figures import Figures
from analysis.state import TrailPoint

POINTS_MAX = 60  # of one release; when they are full, every second one goes
FIRST_SPACING_S = 5.0
NEARLY = 0.9  # of the spacing: passes are not on time to the second
DIGITS = 4  # significant ones; a plot shows no more


def with_point(trail: tuple[TrailPoint, ...], now_s: float, shown: Figures) -> tuple[TrailPoint, ...]:
    """Points lie further apart the longer the release takes: the spacing is what is left between them."""
    if len(trail) >= POINTS_MAX:
        trail = trail[::2]
    if trail and now_s - trail[-1].at_s < NEARLY * _spacing_s(trail):
        return trail
    return (*trail, TrailPoint(now_s, _short(shown.total_e), _short(shown.safe_e), _short(shown.breaker_e)))


def _spacing_s(trail: tuple[TrailPoint, ...]) -> float:
    """The first spacing, doubled as often as the trail was thinned.

    Points are regular but for holds, which leave gaps, so the least gap tells; and it is rounded to a doubling, so that
    points that come a little early do not wear it down.
    """
    if len(trail) < 2:
        return FIRST_SPACING_S
    least_s = min(after.at_s - before.at_s for before, after in pairwise(trail))
    return FIRST_SPACING_S * 2.0 ** max(0, round(math.log2(max(least_s, FIRST_SPACING_S) / FIRST_SPACING_S)))


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
