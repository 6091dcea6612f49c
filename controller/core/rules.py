"""The policy of a release: small named rules, asked in the order of RULES, first answer wins. That order is the safety
policy. A rule changes no world and reads no clock: it returns the release as it should be, or None."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from analysis.model import Inconclusive
from controller.core.advance import (
    rule_advance,
    rule_bake,
    rule_first_install,
    rule_not_ready,
    rule_prepare,
    rule_promote,
    rule_promoting,
    rule_restart_step,
    rule_start,
    rule_unproven,
)
from controller.core.back import (
    rule_abort,
    rule_abort_on_route,
    rule_canary_gone,
    rule_deadline,
    rule_ended,
    rule_halted,
    rule_kill_halt,
    rule_kill_revert,
    rule_marked,
    rule_no_data,
    rule_rolling_back,
    rule_stable_replaced,
    rule_taken_down,
    rule_verdict,
    rule_was_killed,
)
from controller.core.model import IntentKind, Phase, Reason, Release
from controller.core.scene import (
    INCONCLUSIVE,
    Scene,
    at_last_step,
    go_on,
    hold,
    past_horizon,
    pause,
    roll_back_by_itself,
)
from gates.kill import KillAnswerKind

Rule = Callable[[Scene], Release | None]


def rule_kill_unreadable(scene: Scene) -> Release | None:
    """A kill source that cannot be read holds everything that would go toward the canary."""
    kill = scene.seen.kill
    return hold(scene, Reason("kill_unreadable", kill.text)) if kill.kind is KillAnswerKind.UNREADABLE else None


def rule_route(scene: Scene) -> Release | None:
    """Nothing advances on a route that cannot be read or does not show what was written."""
    route = scene.seen.route
    if scene.release.phase is Phase.PENDING:
        return None
    if route is None:
        return hold(scene, Reason("route_unreadable", scene.seen.trouble("route", "the route cannot be read")))
    if route.live_pct is None:
        return hold(scene, Reason("route_unreadable", f"the proxy cannot be read: {route.trouble or 'no answer'}"))
    if route.halts:
        text = f"the route still carries {route.halts[0].engagement or 'a halt'}: {route.halts[0].text}"
        return hold(scene, Reason("route_halted", text))
    if route.live_pct != scene.release.weight_pct:
        text = f"the route shows {route.live_pct} %, written was {scene.release.weight_pct} %"
        return hold(scene, Reason("waiting_for_route", text))
    if route.unconfirmed:
        return hold(scene, Reason("waiting_for_route", f"{route.live_pct} % is written, but {route.unconfirmed}"))
    return None


def rule_pause(scene: Scene) -> Release | None:
    """A person's pause: the weight stays, the analysis goes on, nothing advances."""
    release, intent = scene.release, scene.release.intent
    if intent is None or intent.kind is not IntentKind.PAUSE:
        return None
    reason = Reason("paused", f"paused by {intent.actor}" + (f": {intent.reason}" if intent.reason else ""))
    if release.phase is Phase.PROGRESSING:
        return pause(release, reason, scene.now_s, intent=None)
    if release.phase in (Phase.PENDING, Phase.PREPARING):
        return hold(scene, reason)
    return replace(release, intent=None)


def rule_resume(scene: Scene) -> Release | None:
    """A person's resume, also of a pause that the analysis asked for."""
    release, intent = scene.release, scene.release.intent
    if intent is None or intent.kind is not IntentKind.RESUME:
        return None
    if release.phase is Phase.PAUSED:
        return go_on(release, Reason("resumed", f"resumed by {intent.actor}"), scene.now_s, intent=None)
    if release.phase in (Phase.PENDING, Phase.PREPARING):
        return replace(release, intent=None, entered_at_s=scene.now_s)
    return replace(release, intent=None)


def rule_paused(scene: Scene) -> Release | None:
    """A paused release keeps its weight for as long as it takes; only a person lets it go on."""
    release, intent = scene.release, scene.release.intent
    if release.phase is not Phase.PAUSED or intent is not None:
        return None
    return hold(scene, release.paused_for or release.reason)


def rule_horizon(scene: Scene) -> Release | None:
    """At the horizon of the analysis with neither decision: pause and ask, or what the application wants instead. A
    last step that may end without proof first has its minimum bake."""
    release, verdict, plan = scene.release, scene.verdict, scene.release.app.canary
    if release.phase is not Phase.PROGRESSING or not past_horizon(release, scene.now_s):
        return None
    wanted = release.app.analysis.inconclusive
    text = f"no decision within {plan.max_duration_s:g} s: {verdict.text if verdict else release.reason.text}"
    if wanted is Inconclusive.ROLLBACK:
        return roll_back_by_itself(scene, Reason(INCONCLUSIVE, f"{text}; it goes back, as analysis.inconclusive says"))
    if wanted is Inconclusive.PROMOTE:
        baked = release.baking_since_s is not None and scene.now_s >= release.baking_since_s + plan.min_bake_s
        if at_last_step(release) and (not baked or (verdict is not None and verdict.may_promote)):
            return None
        text += f"; not promoted without proof: {_against(scene)}"
    return pause(release, Reason(INCONCLUSIVE, text + "; promote, resume or abort it"), scene.now_s)


def _against(scene: Scene) -> str:
    """Why a release whose application allows an end without proof is not promoted at its horizon."""
    release, verdict = scene.release, scene.verdict
    if not at_last_step(release):
        return "only the last step may end so"
    if verdict is None or not verdict.may_end_unproven:
        return (verdict.unproven if verdict else "") or "there is too little data, or it cannot be read"
    return "an instance is missing"


RULES: tuple[Rule, ...] = (
    rule_ended,
    # back to stable: needs no proof
    rule_abort,
    rule_abort_on_route,
    rule_kill_revert,
    rule_kill_halt,
    rule_rolling_back,
    rule_halted,
    rule_was_killed,
    rule_marked,
    rule_taken_down,
    rule_stable_replaced,
    rule_canary_gone,
    rule_verdict,
    rule_deadline,
    rule_no_data,
    # toward the canary: everything below needs every answer above
    rule_kill_unreadable,
    rule_route,
    rule_pause,
    rule_resume,
    rule_start,
    rule_first_install,
    rule_prepare,
    rule_promoting,
    rule_unproven,
    rule_horizon,
    rule_not_ready,
    rule_restart_step,
    rule_promote,
    rule_paused,
    rule_bake,
    rule_advance,
)
