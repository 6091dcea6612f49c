"""What a rule is given, and the few ways a rule may answer: hold, move on, roll back. It holds no policy of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from analysis.model import Verdict
from controller.core.explain import counted
from controller.core.model import HaltCause, Observation, Phase, Reason, Release
from controller.core.moves import MOVES

CARRIES = frozenset({Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING})
"""The phases in which the canary may have traffic."""

INCONCLUSIVE = "inconclusive"
"""The code of a pause at the horizon of the analysis."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One moment of one release: what it is, what was seen, what the analysis says, and the time."""

    release: Release
    seen: Observation
    verdict: Verdict | None
    now_s: float

    def draining(self) -> Reason | None:
        """What is still to wait for before the canary counts as gone: the drain delay, then its instances."""
        release, canary = self.release, self.seen.canary
        assert release.zero_since_s is not None
        until_s = release.zero_since_s + release.app.canary.drain_s
        if self.now_s < until_s:
            return Reason("draining", "requests that the canary still holds may finish", until_s)
        if not release.app.owns_instances:
            return None
        if canary is None:
            return Reason(
                "canary_unreadable", "the canary cannot be read: " + self.seen.trouble("workload", "no answer")
            )
        if canary.running_any:
            text = (
                "the last canary instance is"
                if canary.running_any == 1
                else f"{canary.running_any} canary instances are"
            )
            return Reason("stopping_canary", f"{text} still stopping")
        return None


def to(release: Release, phase: Phase, reason: Reason, now_s: float, **changes: Any) -> Release:
    """The only way to change phase. Raises IllegalMove when the table does not hold the move."""
    MOVES.require(release.phase, phase)
    changes = {"paused_for": None, **changes}
    return replace(release, phase=phase, entered_at_s=now_s, reason=reason, **changes)


def hold(scene: Scene, reason: Reason, **changes: Any) -> Release:
    """Stay in this phase and say why. A weight is never raised here."""
    weight_pct = changes.get("weight_pct", scene.release.weight_pct)
    assert weight_pct <= scene.release.weight_pct, "a hold never raises a weight"
    return replace(scene.release, reason=reason, **changes)


def pause(release: Release, why: Reason, now_s: float, **changes: Any) -> Release:
    """Keep the weight until a person lets the release go on. ``why`` is remembered, whatever else is held for."""
    return to(release, Phase.PAUSED, why, now_s, paused_for=why, **changes)


def go_on(release: Release, reason: Reason, now_s: float, **changes: Any) -> Release:
    """Out of a pause. Paused time does not count toward the horizon; after an inconclusive end it begins anew."""
    times: dict[str, float] = {"paused_s": release.paused_s + now_s - release.entered_at_s}
    if release.paused_for is not None and release.paused_for.code == INCONCLUSIVE:
        times = {"paused_s": 0.0, "progressing_since_s": now_s}
    return to(release, Phase.PROGRESSING, reason, now_s, paused_for=None, **times, **changes)


def past_horizon(release: Release, now_s: float) -> bool:
    """Whether the analysis had all its time without a decision. Pauses do not count."""
    if release.progressing_since_s is None:
        return False
    return now_s - release.progressing_since_s - release.paused_s > release.app.canary.max_duration_s


def at_last_step(release: Release) -> bool:
    return release.step == len(release.app.canary.steps) - 1


def roll_back(release: Release, cause: Reason, now_s: float) -> Release:
    """All traffic to stable, whatever stable's state: a person asked, or stable can serve."""
    touched = release.peak_weight_pct > 0 or release.phase is Phase.PROMOTING
    outcome = Phase.ROLLED_BACK if touched and release.stable is not None else Phase.FAILED
    return to(
        release,
        Phase.ROLLING_BACK,
        cause,
        now_s,
        weight_pct=0,
        zero_since_s=None,
        halt=None,
        intent=None,
        outcome=outcome,
        cause=cause,
    )


def roll_back_by_itself(scene: Scene, cause: Reason) -> Release:
    """An automatic rollback. It halts instead when stable has no ready instance and the canary has some, and for a
    while when stable is too small and the plan says to wait."""
    release = scene.release
    kept = kept_from_stable(scene, cause, scene.now_s)
    if kept is None or release.stable is None:
        return roll_back(release, cause, scene.now_s)
    halt, reason = kept
    return to(release, Phase.HALTED, reason, scene.now_s, halt=halt, cause=cause, intent=None)


def kept_from_stable(scene: Scene, cause: Reason, since_s: float) -> tuple[HaltCause, Reason] | None:
    """Why a harmful canary keeps its traffic for now, since stable could not serve it; None when it goes back."""
    release, stable, canary = scene.release, scene.seen.stable, scene.seen.canary
    if stable is None or canary is None or canary.ready_any == 0:
        return None
    if stable.ready_any == 0:
        return HaltCause.STABLE_DOWN, stable_down(cause)
    overload = release.app.canary.overload
    missing, until_s = stable.missing(overload.ready_pct), since_s + overload.wait_s
    if release.weight_pct == 0 or missing == 0 or scene.now_s >= until_s:
        return None
    text = f"stable has {counted(stable.ready_any, 'ready instance')} and needs {missing} more to carry everything"
    return HaltCause.STABLE_SHORT, Reason("stable_short", f"{cause.text}; not rolled back yet: {text}", until_s)


def stable_down(cause: Reason) -> Reason:
    """Why a release with a harmful canary is halted and not rolled back."""
    text = "not rolled back, because no instance of stable is ready and the canary is: a person must decide"
    return Reason("stable_down", f"{cause.text}; {text}")
