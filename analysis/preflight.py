"""What must hold before a release starts: that its metrics could have been judged all through the last hour. Pure.

Each look is what stable's queries answered at one moment of the past; nothing is asked here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.buckets import layout_of, per_bucket
from analysis.counters import Gain, grown_between
from analysis.histogram import slo_bound
from analysis.model import AnalysisSpec, CounterQuery, LatencyQuery, Query
from analysis.rules import INCIDENT_RATIO, INCIDENT_REQUESTS_MIN
from analysis.samples import Outcome, Reading, Readings, Role, Series
from analysis.state import SeriesMark
from analysis.tally import needed

LOOK_BACK_S = (900.0, 1800.0, 2700.0, 3600.0)  # moments of the last hour, beside now
NOWHERE = SeriesMark("", Role.STABLE, "", 0.0, 0.0)


def hour_trouble(spec: AnalysisSpec, looks: Sequence[Readings]) -> str | None:
    """Why a release would not have been judgeable in the last hour; ``looks`` begin with now. None: it would have.

    A service younger than an hour is judged by what there is of it. A gap between two looks is a gap in the metrics.
    """
    for query in spec.queries:
        if query.policy.dry_run or not query.policy.required:
            continue
        trouble = _gap(query, looks) or _incident(query, looks)
        if trouble is not None:
            return f"{query.name}: {trouble}"
    return None


def _gap(query: Query, looks: Sequence[Readings]) -> str | None:
    present = [any(_usable(look, text) for text in needed(query)) for look in looks]
    if not any(present):
        return None
    oldest = max(index for index, there in enumerate(present) if there)
    for index in range(oldest):
        odd = _unclear(looks[index], query)
        if odd is not None:
            return f"{_ago(looks, index)} stable's metrics could not be used: {odd}"
        if not present[index]:
            return f"stable had no samples {_ago(looks, index)}, though it had some before"
    return None


def _incident(query: Query, looks: Sequence[Readings]) -> str | None:
    """Stable outside its objective, now and most of the time: everything would hold, and nothing could be told."""
    slo = query.slo_bad_fraction
    if slo is None:
        return None
    shares = [share for look in looks if (share := _bad_share(query, look)) is not None]
    bad = [share for share in shares if share > INCIDENT_RATIO * slo]
    if not shares or shares[0] <= INCIDENT_RATIO * slo or 2 * len(bad) < len(shares):
        return None
    objective = f"its objective is {100 * slo:.3g} %"
    return f"stable itself is in trouble: {100 * shares[0]:.3g} % of its requests are bad now, and {objective}"


def _bad_share(query: Query, look: Readings) -> float | None:
    total, bad = stable_counts(query, look)
    return bad / total if total >= INCIDENT_REQUESTS_MIN else None


def stable_counts(query: Query, look: Readings) -> tuple[float, float]:
    """Stable's requests and bad requests within the window of one look."""
    if isinstance(query, CounterQuery):
        return _grown(look, query.total), _grown(look, query.bad)
    series = _series(look, query.buckets)
    layout = layout_of([_answer(look, text) for text in query.buckets], query.unit_s)
    gains = [Gain(grown_between(one.points, one.points[0].at_s, math.inf), NOWHERE, one) for one in series]
    counts = per_bucket(gains, layout.bounds, query.unit_s) if layout.is_whole else None
    if counts is None:
        return 0.0, 0.0
    return math.fsum(counts), _slow(query, layout.bounds, counts)


def stable_span_s(query: Query, look: Readings) -> float:
    """How long the samples of that look reach."""
    spans = [one.points[-1].at_s - one.points[0].at_s for one in _series(look, needed(query))]
    return max(spans, default=0.0)


def _slow(query: LatencyQuery, bounds: Sequence[float], counts: Sequence[float]) -> float:
    limit = slo_bound(bounds, query.slow_s) or 0.0
    return math.fsum([count for bound, count in zip(bounds, counts, strict=True) if bound > limit])


def _grown(look: Readings, selectors: Sequence[str]) -> float:
    series = _series(look, selectors)
    return math.fsum([grown_between(one.points, one.points[0].at_s, math.inf) for one in series])


def _series(look: Readings, selectors: Sequence[str]) -> list[Series]:
    return [one for text in selectors if _usable(look, text) for one in _answer(look, text).series]


def _answer(look: Readings, selector: str) -> Reading:
    for item in look.items:
        if item.metric == selector and item.role is Role.STABLE:
            return item
    return Reading(selector, Role.STABLE, Outcome.NO_SERIES)


def _usable(look: Readings, selector: str) -> bool:
    return _answer(look, selector).outcome is Outcome.OK


def _unclear(look: Readings, query: Query) -> str | None:
    """Odd data, unlike data that is missing."""
    for text in needed(query):
        answer = _answer(look, text)
        if answer.outcome not in (Outcome.OK, Outcome.NO_SERIES, Outcome.STALE):
            return f"{answer.outcome.value.replace('_', ' ')}: {answer.text}"
    return None


def _ago(looks: Sequence[Readings], index: int) -> str:
    seconds = looks[0].at_s - looks[index].at_s
    return "now" if seconds < 1 else f"{seconds / 60:.0f} minutes ago"
