"""A fresh baseline: instances of stable that were started together with the canary, which is compared with them alone.
Whether the metrics tell them apart, and how it is said. It counts nothing."""

from __future__ import annotations

from collections.abc import Set

from analysis.model import AnalysisSpec, CounterQuery, Readings, Role
from analysis.samples import Outcome


def unseen(spec: AnalysisSpec, readings: Readings, baseline: Set[str]) -> str | None:
    """Why the canary cannot be compared with ``baseline``, the names of its instances; None when it can."""
    answers = {item.metric: item for item in readings.items if item.role is Role.STABLE}
    for query in spec.queries:
        if query.policy.dry_run or not query.policy.required:
            continue
        selectors = query.total if isinstance(query, CounterQuery) else query.buckets
        found = [answers[text] for text in selectors if text in answers and answers[text].outcome is Outcome.OK]
        named = {series.pod for answer in found for series in answer.series}
        missing = sorted(baseline - named)
        if missing:
            text = f"{query.name}: no series of stable names the baseline's instance {missing[0]}"
            return f"{text}: it had no request yet, or the metrics are of something in front of the instances"
    return None


def compared(wanted: Set[str] | None, used: int) -> str:
    """What the verdict was compared with, to be put behind its text."""
    if wanted is None:
        return ""
    if used:
        return f"; compared with the baseline's {used} instance{'s' if used > 1 else ''}"
    return "; no instance of the baseline is ready and has samples, so all of stable is compared with"
