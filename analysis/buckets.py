"""One latency of one role to its requests per bucket since the last pass, or to the problem that holds it. No judging.

Classic buckets are cumulative counters; a native histogram's count only what lies inside. Both come out the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from analysis.counters import Gain
from analysis.histogram import BOUNDS_MAX, slo_bound
from analysis.model import LatencyQuery, Reading
from analysis.samples import Role

EXACT = 1e-6  # of the requests; counters are whole numbers, so more than rounding is a real difference


@dataclass(frozen=True, slots=True)
class Layout:
    """The buckets of one role: their bounds in order, and whether each counts alone."""

    bounds: tuple[float, ...]
    native: bool
    even: bool

    @property
    def is_whole(self) -> bool:
        return bool(self.bounds) and self.bounds[-1] == math.inf


def layout_of(readings: Iterable[Reading], unit_s: float) -> Layout:
    uses: dict[float, int] = {}
    floors: set[float] = set()
    for reading in readings:
        for series in reading.series:
            if series.le is None:
                continue
            bound = series.le * unit_s
            uses[bound] = uses[bound] + 1 if bound in uses else 1
            if series.floor is not None:
                floors.add(series.floor * unit_s)
    bounds = tuple(sorted(floors.union(uses)))
    native = bool(floors) or bounds == (math.inf,)
    return Layout(bounds, native, native or len(set(uses.values())) <= 1)


def difference(query: LatencyQuery, layouts: Mapping[Role, Layout]) -> str | None:
    """Why the two versions cannot be compared; None when they can."""
    for role, layout in layouts.items():
        if not layout.even:
            return f"{query.name}: the instances of the {role.value} have different buckets from one another"
    known = {layout.bounds for layout in layouts.values() if layout.bounds and not layout.native}
    if len(known) > 1 or len({layout.native for layout in layouts.values() if layout.bounds}) > 1:
        return f"{query.name}: the two versions have different buckets: {_apart(layouts)}"
    return None


def unusable(query: LatencyQuery, role: Role, layout: Layout) -> str | None:
    if not layout.is_whole or (not layout.native and slo_bound(layout.bounds, query.slow_s) is None):
        return f'{query.name}: the {role.value}\'s histogram lacks a bucket at or below {query.slow_s} s, or le="+Inf"'
    if len(layout.bounds) > BOUNDS_MAX:
        return f"{query.name}: the {role.value}'s histogram has more than {BOUNDS_MAX} buckets; make it coarser"
    return None


def broken(query: LatencyQuery, role: Role, layout: Layout) -> tuple[str, str]:
    """Code and words for buckets that do not add up since the last pass."""
    if layout.native:
        text = f"{query.name}: the {role.value}'s native histogram changed its resolution; it is counted anew"
        return "buckets_differ", text
    text = f"{query.name}: the {role.value}'s histogram gained fewer requests in a bucket than in one below it"
    return "unreadable", f"{text}, so these samples are not counted"


def per_bucket(gains: Sequence[Gain], bounds: Sequence[float], unit_s: float) -> tuple[float, ...] | None:
    """Requests in each bucket of ``bounds``; None when the buckets do not add up: classic ones that hold fewer requests
    than those below them, native ones that hold more than their count."""
    alone: dict[float, float] = {}
    upto: dict[float, float] = {}
    for amount, _, series in gains:
        if series.le is None:
            continue
        bound = series.le * unit_s
        sums = upto if series.floor is None else alone
        if bound in sums:
            sums[bound] += amount
        else:
            sums[bound] = amount
    if not alone:
        return _steps(upto, bounds)
    total, inside = upto.get(math.inf, 0.0), math.fsum(alone.values())
    if inside > total + EXACT * max(1.0, total):
        return None
    alone[math.inf] = alone.get(math.inf, 0.0) + total - inside
    return tuple([alone.get(bound, 0.0) for bound in bounds])


def _steps(upto: Mapping[float, float], bounds: Sequence[float]) -> tuple[float, ...] | None:
    below, counts = 0.0, []
    for bound in bounds:
        reached = upto.get(bound, below)
        if reached > below:
            counts.append(reached - below)
            below = reached
        elif reached < below - EXACT * max(1.0, below):
            return None
        else:
            counts.append(0.0)
    return tuple(counts)


def _apart(layouts: Mapping[Role, Layout]) -> str:
    sets = {role: set(layout.bounds) for role, layout in layouts.items()}
    shared = set.intersection(*sets.values())
    return ", ".join(
        f"only {role.value} has {', '.join(f'{bound:g} s' for bound in sorted(bounds - shared)[:5])}"
        for role, bounds in sorted(sets.items())
        if bounds - shared
    )
