"""The fresh baseline of a release: what keeps a first weight until it is there, and who the canary is compared with.

Before the first weight its absence holds. Later it never does: all of stable is compared with instead, and it is said.
"""

from __future__ import annotations

from controller.core.model import Observation, Release


def baseline_trouble(release: Release, seen: Observation) -> str | None:
    """Why the baseline is not there as it should be; None when it is, or when there is to be none."""
    if not release.app.canary.baseline or seen.canary is None:
        return None
    found = seen.canary.baseline
    ready, wanted = (len(found.ready), max(1, found.wanted)) if found is not None else (0, 1)
    if ready >= wanted:
        return None
    note = f": {found.note}" if found is not None and found.note else ""
    return f"{ready} of {wanted} baseline instances of {release.stable} are ready{note}"


def baseline_of(release: Release, seen: Observation, now_s: float) -> frozenset[str] | None:
    """The names of the instances that stand for stable; None where the application has no baseline.

    One that was added later first has the time to warm up that a canary instance has.
    """
    if not release.app.canary.baseline or release.judge is None:
        return None
    found = seen.canary.baseline if seen.canary is not None else None
    analysis, begun_s = release.app.analysis, release.judge.started_at_s
    warm_s = now_s - max(analysis.warmup_s, analysis.latency_warmup_s)
    return frozenset(
        name for name, since_s in (found.ready if found is not None else ()) if since_s <= max(begun_s, warm_s)
    )
