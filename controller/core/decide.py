"""``decide``: the whole policy as one pure function from a release, an observation and a time to a decision."""

from __future__ import annotations

from dataclasses import dataclass, replace

from analysis.judge import judge
from analysis.model import Verdict
from controller.core.beside import baseline_of
from controller.core.check import check
from controller.core.model import Observation, Phase, Release
from controller.core.moves import ENDED
from controller.core.record import drafts
from controller.core.rules import RULES
from controller.core.scene import CARRIES, Scene
from gates.audit import Draft

TRANSIENT_POLL_S = 1.0
"""How often a release that waits for instances or for the route is looked at; each look costs a few local calls."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the release becomes, what is written down about it, and when to look again (None: never)."""

    release: Release
    records: tuple[Draft, ...]
    verdict: Verdict | None
    wake_at_s: float | None
    changed: bool


def decide(release: Release, seen: Observation, now_s: float, epoch: int | None = None) -> Decision:
    """Ask the rules in order. ``now_s`` never goes back behind the moment the phase was entered."""
    now_s = max(now_s, release.entered_at_s)
    judged, verdict = _assess(release, seen, now_s)
    scene = Scene(judged, seen, verdict, now_s)
    after = next(answer for rule in RULES if (answer := rule(scene)) is not None)
    after = _note_drift(after, seen)
    after = replace(after, wake_at_s=_wake_at_s(after, now_s))
    check(release, after, seen, verdict)
    changed = replace(after, wake_at_s=release.wake_at_s) != release
    wake_at_s = None if after.phase in ENDED else after.wake_at_s
    return Decision(after, drafts(release, after, scene, epoch), verdict, wake_at_s, changed)


def _assess(release: Release, seen: Observation, now_s: float) -> tuple[Release, Verdict | None]:
    if release.phase not in CARRIES or release.judge is None or seen.readings is None:
        return release, None
    # While stable rolls, the roles' shares of the requests say nothing about the weight.
    share_pct = float(release.weight_pct) if _stands(release, seen) else None
    baseline = baseline_of(release, seen, now_s)
    state, verdict = judge(release.app.analysis, release.judge, seen.readings, now_s, share_pct, baseline)
    return replace(release, judge=state), verdict


def _stands(release: Release, seen: Observation) -> bool:
    """Whether the committed weight is what users get: then lost requests can be told from a low weight."""
    live_pct = seen.route.live_pct if seen.route is not None else None
    return release.phase is not Phase.PROMOTING and live_pct == release.weight_pct


def _note_drift(release: Release, seen: Observation) -> Release:
    return replace(release, drift_seen=seen.route.drift_count) if seen.route is not None else release


def _wake_at_s(release: Release, now_s: float) -> float:
    plan = release.app.canary
    carrying = release.phase in (Phase.PROGRESSING, Phase.PAUSED) and release.baking_since_s is not None
    wake_at_s = now_s + (plan.poll_s if carrying else min(TRANSIENT_POLL_S, plan.poll_s))
    until_s = release.reason.until_s
    return min(wake_at_s, until_s) if until_s is not None and until_s > now_s else wake_at_s
