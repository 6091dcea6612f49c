"""The evidence of a release as a small table and two curves for a terminal. It fetches nothing and prints nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from api.cli.shapes import Cause, Proof
from api.cli.words import count, seconds_of, share
from controller.core.explain import duration

HEADS = ("metric", "canary", "stable", "allowed", "evidence of harm", "at most 1 in", "promotion")
COLUMNS = 60
"""Cells of a curve: as many as the controller keeps points."""
LOWEST = 0.01
"""E-values below it are all as good as none: the curve starts there."""


def cause_rows(proof: Proof) -> list[tuple[str, ...]]:
    """One line per metric, the worst first."""
    return [_row(cause, proof) for cause in proof.causes]


def _row(cause: Cause, proof: Proof) -> tuple[str, ...]:
    name = cause.metric if cause.above_s is None else f"{cause.metric} above {cause.above_s:.3g} s"
    canary, stable = (_part(cause.canary_bad, cause.canary_requests), _part(cause.stable_bad, cause.stable_requests))
    if cause.canary_requests is None:
        canary, stable = _value(cause.canary_value), _value(cause.stable_value)
    allowed = share(cause.allowed_pct) if cause.allowed_pct is not None else "-"
    odds = f"{cause.one_in:,}" if cause.one_in is not None else "-"
    promotion = f"{_number(cause.promotion)} of {_number(proof.safe_needed)}"
    return name, canary, stable, allowed, _number(cause.evidence), odds, promotion


def _part(bad: float | None, requests: float | None) -> str:
    if bad is None or not requests:
        return "no requests"
    return f"{count(bad)} of {count(requests)} ({share(100 * bad / requests)})"


def _value(value: float | None) -> str:
    return "no value" if value is None else _number(value)


def curves(proof: Proof, levels: str) -> list[str]:
    """Harm and safety over time, each from nothing to what is needed for a decision, in powers of ten."""
    if len(proof.series) < 2:
        return []
    times = [at_s for point in proof.series if (at_s := seconds_of(point.at)) is not None]
    span = f" over {duration(times[-1] - times[0])}" if len(times) > 1 else ""
    odds = f", at most 1 in {proof.one_in:,}" if proof.one_in is not None else ""
    harm = curve([(point.at, point.harm) for point in proof.series], proof.harm_needed, levels)
    safe = curve([(point.at, point.safe) for point in proof.series], proof.safe_needed, levels)
    return [
        f"harm {harm} {_number(proof.harm)} of {_number(proof.harm_needed)} needed{odds}{span}",
        f"safe {safe} {_number(proof.safe)} of {_number(proof.safe_needed)} needed",
    ]


def curve(points: Sequence[tuple[str, float]], needed: float, levels: str) -> str:
    """One sign per cell of time; a cell without a point shows the one before it, and the last cell the last point."""
    times = [seconds_of(at) or 0.0 for at, _ in points]
    cells = min(COLUMNS, len(points))
    width_s = (times[-1] - times[0]) / cells
    if width_s <= 0 or any(after < before for before, after in pairwise(times)):
        return "".join(_sign(value, needed, levels) for _, value in points[-cells:])
    signs = []
    for cell in range(1, cells + 1):
        until_s = times[0] + cell * width_s
        value = next(value for at_s, (_, value) in zip(times[::-1], points[::-1], strict=True) if at_s <= until_s)
        signs.append(_sign(value, needed, levels))
    return "".join([*signs[:-1], _sign(points[-1][1], needed, levels)])


def _sign(value: float, needed: float, levels: str) -> str:
    """The top sign only where what is needed was reached."""
    if value >= needed:
        return levels[-1]
    part = math.log(max(value, LOWEST) / LOWEST) / math.log(max(needed, 1.0) / LOWEST)
    return levels[min(len(levels) - 2, int(part * (len(levels) - 1)))]


def _number(value: float) -> str:
    if abs(value) >= 1e6 or 0 < abs(value) < 1e-3:
        return f"{value:.0e}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
