"""The rules that take a release back toward stable, or keep it there. They need no proof, only a reason; see RULES."""

from __future__ import annotations

from dataclasses import replace

from analysis.model import Judgement
from controller.core.effects import AT_ZERO
from controller.core.model import HaltCause, IntentKind, Observation, Phase, Reason, Release
from controller.core.moves import ENDED
from controller.core.scene import (
    CARRIES,
    Scene,
    hold,
    kept_from_stable,
    roll_back,
    roll_back_by_itself,
    stable_down,
    to,
)
from gates.kill import KillAnswerKind

NOT_HARM = frozenset({AT_ZERO, "lease_expired", "found_lower"})
"""Marks of this release that took traffic off the canary without anything being wrong with it."""


def rule_was_killed(scene: Scene) -> Release | None:
    """A kill came and went between two looks: what was halted starts again from nothing, here as everywhere."""
    release, route = scene.release, scene.seen.route
    if release.phase not in CARRIES or route is None:
        return None
    released = [mark for mark in route.halts if mark.engagement in scene.seen.released_kills]
    taken_down = route.mark if route.weight_pct < release.weight_pct else None
    mark = released[0] if released else taken_down
    if mark is None or mark.engagement is None:
        return None
    reason = Reason("killed", f"{mark.text}; it was released before this release was looked at again")
    return to(release, Phase.HALTED, reason, scene.now_s, halt=HaltCause.KILL_REVERT, weight_pct=0, intent=None)


def rule_ended(scene: Scene) -> Release | None:
    """Nothing happens to a release that has ended."""
    return scene.release if scene.release.phase in ENDED else None


def rule_abort(scene: Scene) -> Release | None:
    """A person's abort wins over everything, kill included: it only ever moves traffic back to stable."""
    release = scene.release
    if release.intent is None or release.intent.kind is not IntentKind.ABORT:
        return None
    code = "superseded" if release.superseded_by else "aborted"
    text = f"{code} by {release.intent.actor}" + (f": {release.intent.reason}" if release.intent.reason else "")
    reason = Reason(code, text)
    if release.phase is Phase.PENDING:
        return to(release, Phase.FAILED, reason, scene.now_s, intent=None, cause=reason)
    if release.phase is Phase.ROLLING_BACK:
        return replace(release, intent=None)
    return roll_back(release, reason, scene.now_s)


def rule_abort_on_route(scene: Scene) -> Release | None:
    """An abort that only the route carries, since the store was down. Somebody was told that the record follows: it
    wins like any other, before a kill can leave a mark of its own in its place."""
    release, route = scene.release, scene.seen.route
    mark = route.mark if route is not None else None
    if release.phase not in (*CARRIES, Phase.HALTED) or mark is None:
        return None
    if mark.release_id != release.id or mark.code != "aborted":
        return None
    return roll_back(release, Reason(mark.code, mark.text), scene.now_s)


def rule_kill_revert(scene: Scene) -> Release | None:
    """A kill that reverts takes the canary to 0 and keeps the release halted until a person releases the kill."""
    release, kill = scene.release, scene.seen.kill
    if kill.kind is not KillAnswerKind.REVERT or release.phase is Phase.ROLLING_BACK:
        return None
    reason = Reason("killed", kill.text)
    if release.phase is Phase.PENDING:
        return hold(scene, reason)
    if release.phase is Phase.HALTED:
        return hold(scene, reason, halt=HaltCause.KILL_REVERT, weight_pct=0)
    return to(release, Phase.HALTED, reason, scene.now_s, halt=HaltCause.KILL_REVERT, weight_pct=0, intent=None)


def rule_kill_halt(scene: Scene) -> Release | None:
    """A kill that halts freezes everything where it is. A rollback under way goes on: it only serves stable."""
    release, kill = scene.release, scene.seen.kill
    if kill.kind is not KillAnswerKind.HALT or release.phase is Phase.ROLLING_BACK:
        return None
    reason = Reason("killed", kill.text)
    if release.phase is Phase.PENDING:
        return hold(scene, reason)
    if release.phase is Phase.HALTED:
        return hold(scene, reason)
    live = scene.seen.route.live_pct if scene.seen.route else None
    frozen = release.weight_pct if live is None else min(release.weight_pct, live)
    return to(release, Phase.HALTED, reason, scene.now_s, halt=HaltCause.KILL_HALT, weight_pct=frozen, intent=None)


def rule_rolling_back(scene: Scene) -> Release | None:
    """A rollback ends when the route shows 0, stable serves alone, and the canary has drained and is gone."""
    release, seen = scene.release, scene.seen
    if release.phase is not Phase.ROLLING_BACK:
        return None
    waiting = None if _never_routed(scene) else _route_trouble(seen)
    if waiting is not None:
        return hold(scene, waiting, zero_since_s=None)
    if release.zero_since_s is None:
        release = replace(release, zero_since_s=scene.now_s)
        scene = replace(scene, release=release)
    waiting = _stable_trouble(scene) or scene.draining()
    if waiting is not None:
        return hold(scene, waiting)
    assert release.outcome is not None
    assert release.cause is not None
    return to(release, release.outcome, release.cause, scene.now_s)


def _route_trouble(seen: Observation) -> Reason | None:
    if seen.route is None or seen.route.live_pct is None:
        text = "the route cannot be read: " + seen.trouble("route", seen.route.trouble if seen.route else "no answer")
        return Reason("route_unreadable", text)
    if seen.route.live_pct != 0:
        return Reason("waiting_for_route", f"the route still gives the canary {seen.route.live_pct} %")
    if seen.route.unconfirmed:
        return Reason("waiting_for_route", f"0 % is written, but {seen.route.unconfirmed}")
    return None


def _never_routed(scene: Scene) -> bool:
    """A route that cannot be read holds no release for ever that never asked for any traffic on it."""
    release, route = scene.release, scene.seen.route
    unreadable = route is None or route.live_pct is None
    waited_s = scene.now_s - release.entered_at_s
    return unreadable and release.peak_weight_pct == 0 and waited_s >= release.app.canary.drain_s


def _stable_trouble(scene: Scene) -> Reason | None:
    release, stable = scene.release, scene.seen.stable
    if release.stable is None:
        return None
    if stable is None:
        return Reason("stable_unreadable", "stable cannot be read: " + scene.seen.trouble("workload", "no answer"))
    serves = stable.foreign or release.stable
    if stable.ready_of(release.stable) == 0 and stable.ready_of(serves) == 0:
        return Reason("stable_not_ready", f"no instance of stable {serves} is ready: {stable.note}")
    others = [f"{count} x {name}" for name, count in stable.running if name not in (release.stable, serves)]
    if others:
        return Reason("stable_returning", f"stable is returning to {release.stable}: still running {', '.join(others)}")
    return None


def rule_halted(scene: Scene) -> Release | None:
    """Out of a halt: a released kill starts the release again from nothing, but one that was harmful rolls back, as it
    does when stable is back."""
    release, seen = scene.release, scene.seen
    if release.phase is not Phase.HALTED:
        return None
    if release.halt is not None and not release.halt.by_kill:
        return _kept_back(scene)
    if seen.kill.kind is KillAnswerKind.UNREADABLE:
        return hold(scene, Reason("kill_unreadable", seen.kill.text))
    if release.cause is not None:
        return roll_back(release, release.cause, scene.now_s)
    if release.weight_pct or seen.route is None or seen.route.live_pct != 0:
        text = "the kill was released: traffic goes back to stable before the release starts again"
        return hold(scene, Reason("kill_released", text), weight_pct=0)
    reason = Reason("kill_released", "the kill was released: the release starts again at step 0")
    return to(
        release,
        Phase.PENDING,
        reason,
        scene.now_s,
        step=-1,
        weight_pct=0,
        baking_since_s=None,
        progressing_since_s=None,
        zero_since_s=None,
        paused_s=0.0,
        halt=None,
        judge=None,
        intent=None,
        bypassed=(),
        unproven=None,
        attempt=release.attempt + 1,
    )


def _kept_back(scene: Scene) -> Release:
    """A harmful canary that kept its traffic because stable could not serve it: back as soon as stable can."""
    release, seen = scene.release, scene.seen
    assert release.cause is not None
    if seen.stable is None or seen.canary is None:
        until_s = release.entered_at_s + release.app.canary.overload.wait_s
        if release.halt is not HaltCause.STABLE_SHORT:
            return hold(scene, stable_down(release.cause))
        if scene.now_s >= until_s:
            return roll_back(release, release.cause, scene.now_s)
        text = f"{release.cause.text}; not rolled back yet: the instances cannot be read"
        return hold(scene, Reason("stable_short", text, until_s))
    kept = kept_from_stable(scene, release.cause, release.entered_at_s)
    if kept is None:
        return roll_back(release, release.cause, scene.now_s)
    halt, reason = kept
    return hold(scene, reason, halt=halt)


def rule_marked(scene: Scene) -> Release | None:
    """The route was taken down for this release while it could not be recorded: the record follows the world."""
    release, route = scene.release, scene.seen.route
    if release.phase not in CARRIES or release.weight_pct == 0 or route is None or route.mark is None:
        return None
    if route.mark.release_id != release.id or route.mark.code in NOT_HARM:
        return None
    return roll_back(release, Reason(route.mark.code, route.mark.text), scene.now_s)


def rule_taken_down(scene: Scene) -> Release | None:
    """Traffic went back to stable without harm, as when a lease ran out: no weight rises over that unrecorded. The
    release begins again at its first step, with its start check."""
    release, route = scene.release, scene.seen.route
    if release.phase not in CARRIES or release.weight_pct == 0 or route is None or route.release_id != release.id:
        return None
    if not route.lease_expired and (route.mark is None or route.weight_pct >= release.weight_pct):
        return None
    expired = route.lease_expired or route.mark is None
    why = f"the lease of {release.weight_pct} % ran out" if expired or route.mark is None else route.mark.text
    code = "lease_expired" if expired or route.mark is None else route.mark.code
    reason = Reason(code, f"{why}; traffic went back to stable, and the release starts again at the first step")
    if release.phase is Phase.PROMOTING:
        return hold(scene, reason, weight_pct=0)
    return hold(scene, reason, weight_pct=0, step=-1, baking_since_s=None)


def rule_stable_replaced(scene: Scene) -> Release | None:
    """Somebody else rolls stable to another version meanwhile: what the canary was compared with is no more."""
    release, stable = scene.release, scene.seen.stable
    if release.phase not in (Phase.PREPARING, *CARRIES) or stable is None or stable.foreign is None:
        return None
    text = f"somebody else changed stable from {release.stable} to {stable.foreign}; deploy again from there"
    return roll_back(release, Reason("stable_replaced", text), scene.now_s)


def rule_canary_gone(scene: Scene) -> Release | None:
    """No ready canary instance while it has traffic: weight 0 now, not after a deadline."""
    release, canary = scene.release, scene.seen.canary
    if release.phase not in CARRIES or release.weight_pct == 0 or canary is None:
        return None
    if canary.ready_of(release.canary):
        return None
    text = f"no instance of the canary {release.canary} is ready" + (f": {canary.note}" if canary.note else "")
    return roll_back_by_itself(scene, Reason("canary_gone", text))


def rule_verdict(scene: Scene) -> Release | None:
    """The analysis found harm, or its breaker tripped."""
    verdict = scene.verdict
    if scene.release.phase not in CARRIES or verdict is None:
        return None
    if verdict.judgement not in (Judgement.FAIL, Judgement.TRIP):
        return None
    return roll_back_by_itself(scene, Reason(verdict.code, verdict.text))


def rule_deadline(scene: Scene) -> Release | None:
    """Preparing and promoting are bounded; pauses do not count."""
    release, plan = scene.release, scene.release.app.canary
    waited_s = scene.now_s - release.entered_at_s
    # A resume is a pause that is about to end: the rule that hears it begins the deadline anew.
    paused = release.intent is not None and release.intent.kind in (IntentKind.PAUSE, IntentKind.RESUME)
    if release.phase is Phase.PREPARING and not paused and waited_s > plan.prepare_deadline_s:
        note = scene.seen.canary.note if scene.seen.canary else ""
        text = f"not ready for traffic within {plan.prepare_deadline_s:g} s; last seen: {note or release.reason.text}"
        return roll_back(release, Reason("prepare_deadline", text), scene.now_s)
    if release.phase is Phase.PROMOTING and waited_s > plan.promote_deadline_s:
        text = f"stable did not reach {release.canary} within {plan.promote_deadline_s:g} s: {release.reason.text}"
        return roll_back_by_itself(scene, Reason("promote_deadline", text))
    return None


def rule_no_data(scene: Scene) -> Release | None:
    """A canary nobody can see for too long is rolled back; until then it holds and says so."""
    release, analysis = scene.release, scene.release.app.analysis
    if release.phase not in CARRIES or release.weight_pct == 0 or release.baking_since_s is None:
        return None
    fresh_s = scene.verdict.fresh_at_s if scene.verdict else None
    since_s = max(release.baking_since_s, release.entered_at_s, fresh_s or 0.0)
    if scene.now_s - since_s <= analysis.no_data_timeout_s:
        return None
    why = scene.verdict.text if scene.verdict else scene.seen.trouble("metrics", "no answer")
    text = f"no data about the canary for {analysis.no_data_timeout_s:g} s: {why}"
    return roll_back_by_itself(scene, Reason("no_data", text))
