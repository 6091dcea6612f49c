"""The rules that move a release toward the canary. Each stands behind every rule that would stop it; see RULES."""

from __future__ import annotations

from dataclasses import replace

from analysis.judge import new_state, next_step
from analysis.model import Inconclusive
from controller.core.beside import baseline_trouble
from controller.core.explain import counted
from controller.core.model import IntentKind, Phase, Reason, Release
from controller.core.scene import INCONCLUSIVE, Scene, at_last_step, go_on, hold, past_horizon, to


def rule_start(scene: Scene) -> Release | None:
    """A release waits until the one before it on the same application has ended."""
    release = scene.release
    if release.phase is not Phase.PENDING:
        return None
    if scene.seen.predecessor is not None:
        text = f"release {scene.seen.predecessor} of {release.app.name} has not ended yet"
        return hold(scene, Reason("waiting_for_predecessor", text))
    if release.stable is None:
        text = f"first version of {release.app.name}: nothing to compare with, so it is installed directly"
        return to(release, Phase.PROMOTING, Reason("first_install", text), scene.now_s)
    return to(release, Phase.PREPARING, Reason("preparing", f"starting {release.canary} beside stable"), scene.now_s)


def rule_first_install(scene: Scene) -> Release | None:
    """With no stable version there is no canary: the first version is simply brought up."""
    release = scene.release
    if release.phase is not Phase.PROMOTING or release.stable is not None:
        return None
    stable = scene.seen.stable
    if stable is None:
        return hold(scene, Reason("stable_unreadable", scene.seen.trouble("workload", "the workload cannot be read")))
    if not stable.settled_on(release.canary):
        ready = stable.ready_of(release.canary)
        text = f"{ready} of {stable.wanted} instances of {release.canary} are ready" + _note(stable.note)
        return hold(scene, Reason("installing", text))
    return to(release, Phase.SUCCEEDED, Reason("installed", f"{release.canary} serves all traffic"), scene.now_s)


def rule_prepare(scene: Scene) -> Release | None:
    """The first weight: canary ready, stable ready, route at 0 and verified, metrics answerable, no kill."""
    release, seen = scene.release, scene.seen
    if release.phase is not Phase.PREPARING:
        return None
    trouble = _not_ready(scene)
    if trouble is not None:
        return hold(scene, trouble)
    route = seen.route
    if route is None or route.release_id != release.id or route.mark is not None:
        return hold(scene, Reason("taking_route", "the route is not marked with this release yet"))
    unfit = _unfit(scene)
    if unfit is not None:
        return hold(scene, unfit)
    weight = release.app.canary.steps[0]
    text = f"start check passed: canary and stable ready, route verified, metrics answer; first weight {weight} %"
    text += f". {seen.start_note}" if seen.start_note else ""
    return to(
        release,
        Phase.PROGRESSING,
        Reason("start_check", text),
        scene.now_s,
        step=0,
        weight_pct=weight,
        peak_weight_pct=max(weight, release.peak_weight_pct),
        baking_since_s=None,
        progressing_since_s=scene.now_s,
        judge=new_state(scene.now_s, seen.calibration),
    )


def _unfit(scene: Scene) -> Reason | None:
    """What the checks before a first weight found, of the baseline, of the route and of the metrics."""
    seen = scene.seen
    trouble = baseline_trouble(scene.release, seen)
    if trouble is not None:
        return Reason("baseline_not_ready", trouble)
    if seen.start_route_trouble is not None:
        return Reason("route_check", f"the route cannot carry a weight: {seen.start_route_trouble}")
    if seen.start_trouble is not None:
        return Reason("metrics_check", f"the metrics cannot be judged: {seen.start_trouble}")
    return None


def _not_ready(scene: Scene) -> Reason | None:
    release, seen = scene.release, scene.seen
    if seen.canary is None or seen.stable is None:
        return Reason("workload_unreadable", seen.trouble("workload", "the workload cannot be read"))
    ready = seen.canary.ready_of(release.canary)
    if ready < max(1, seen.canary.wanted):
        text = f"{ready} of {seen.canary.wanted} canary instances of {release.canary} are ready"
        return Reason("canary_not_ready", text + _note(seen.canary.note))
    if seen.canary.unsized:
        text = f"the canary was not brought to the size that its next weight needs: {seen.canary.unsized}"
        return Reason("canary_unsized", text)
    if seen.stable.ready_of(release.stable) == 0:
        return Reason("stable_not_ready", f"no instance of stable {release.stable} is ready" + _note(seen.stable.note))
    others = [name for name, _ in seen.stable.running if name != release.stable]
    if others:
        return Reason("stable_mixed", f"stable still runs {', '.join(others)} beside {release.stable}")
    return None


def rule_not_ready(scene: Scene) -> Release | None:
    """No new weight while an instance of either side is missing; the weight that is live stays and is judged."""
    release, intent = scene.release, scene.release.intent
    waits = release.phase is Phase.PROGRESSING or (release.phase is Phase.PAUSED and intent is not None)
    trouble = _not_ready(scene) if waits else None
    return hold(scene, trouble) if trouble is not None else None


def rule_restart_step(scene: Scene) -> Release | None:
    """After a lease ran out the release stands at weight 0: the first step needs its start check once more."""
    release = scene.release
    if release.phase is not Phase.PROGRESSING or release.step != -1:
        return None
    unfit = _unfit(scene)
    if unfit is not None:
        return hold(scene, unfit)
    weight = release.app.canary.steps[0]
    text = f"start check passed again after the lease ran out; first weight {weight} %"
    return replace(
        release,
        reason=Reason("start_check", text),
        step=0,
        weight_pct=weight,
        baking_since_s=None,
        judge=next_step(release.judge, scene.now_s)
        if release.judge
        else new_state(scene.now_s, scene.seen.calibration),
    )


def rule_promote(scene: Scene) -> Release | None:
    """A person passes the evidence of one step, or of all: recorded as a bypass, it passes no harm and no kill."""
    release, intent = scene.release, scene.release.intent
    if intent is None or intent.kind not in (IntentKind.PROMOTE_STEP, IntentKind.PROMOTE_FULL):
        return None
    if release.phase not in (Phase.PROGRESSING, Phase.PAUSED):
        return None
    passed = replace(release, intent=None, bypassed=(*release.bypassed, intent))
    text = f"{intent.actor} passed the evidence of step {release.step + 1}"
    if intent.kind is IntentKind.PROMOTE_FULL:
        left = counted(len(release.app.canary.steps) - release.step - 1, "step")
        text = f"{intent.actor} promoted in full, past {left}"
        return to(passed, Phase.PROMOTING, Reason("bypass", text), scene.now_s)
    if intent.step != release.step:
        return replace(release, intent=None)
    if release.step < 0:
        text = f"resumed by {intent.actor}: there is no evidence to pass before the first step"
        return go_on(release, Reason("resumed", text), scene.now_s, intent=None)
    return _next_weight(replace(scene, release=passed), Reason("bypass", text))


def rule_bake(scene: Scene) -> Release | None:
    """A step's time counts from the moment its weight was seen on the route."""
    release = scene.release
    if release.phase is not Phase.PROGRESSING or release.baking_since_s is not None:
        return None
    assert release.judge is not None
    until_s = scene.now_s + release.app.canary.min_bake_s
    reason = Reason("baking", f"{release.weight_pct} % is live; minimum bake", until_s)
    return replace(release, reason=reason, baking_since_s=scene.now_s, judge=next_step(release.judge, scene.now_s))


def rule_advance(scene: Scene) -> Release | None:
    """The next weight needs the bake to be over and a verdict that allows it; the last step also needs the proof."""
    release, verdict, plan = scene.release, scene.verdict, scene.release.app.canary
    if release.phase is not Phase.PROGRESSING:
        return None
    assert release.baking_since_s is not None
    if verdict is None:
        return hold(scene, Reason("no_verdict", scene.seen.trouble("metrics", "the metrics cannot be read")))
    until_s = release.baking_since_s + plan.min_bake_s
    if scene.now_s < until_s:
        return hold(scene, Reason("baking", f"{release.weight_pct} % is live, minimum bake; {verdict.text}", until_s))
    if not (verdict.may_promote if at_last_step(release) else verdict.may_advance):
        return hold(scene, Reason(verdict.code, verdict.text))
    return _next_weight(scene, Reason("verdict_allows", verdict.text))


def rule_unproven(scene: Scene) -> Release | None:
    """At the horizon, where the application allows it: the last step ends without proof when nothing speaks for harm.

    What a person asked for comes first, and what may not advance may not end so either.
    """
    release, verdict, plan = scene.release, scene.verdict, scene.release.app.canary
    if release.app.analysis.inconclusive is not Inconclusive.PROMOTE or release.phase is not Phase.PROGRESSING:
        return None
    if release.intent is not None or not at_last_step(release) or not past_horizon(release, scene.now_s):
        return None
    if release.baking_since_s is None or scene.now_s < release.baking_since_s + plan.min_bake_s:
        return None
    if verdict is None or not verdict.may_end_unproven or _not_ready(scene) is not None:
        return None
    if verdict.may_promote:
        return None
    why = f"no decision within {plan.max_duration_s:g} s and nothing that speaks for harm"
    text = f"promoted without proof, as analysis.inconclusive says: {why}; {verdict.unproven}"
    reason = Reason(INCONCLUSIVE, f"{text}; stable now rolls to {release.canary}")
    return to(release, Phase.PROMOTING, reason, scene.now_s, unproven=Reason(INCONCLUSIVE, text))


def _next_weight(scene: Scene, why: Reason) -> Release:
    release, plan = scene.release, scene.release.app.canary
    if release.step + 1 >= len(plan.steps):
        text = f"{why.text}; stable now rolls to {release.canary}"
        return to(release, Phase.PROMOTING, Reason("promoting", text), scene.now_s)
    step = release.step + 1
    weight = plan.steps[step]
    stepped = replace(
        release,
        step=step,
        weight_pct=weight,
        baking_since_s=None,
        peak_weight_pct=max(weight, release.peak_weight_pct),
    )
    reason = Reason(why.code, f"{why.text}; next weight {weight} %")
    if release.phase is Phase.PROGRESSING:
        return replace(stepped, reason=reason)
    return go_on(stepped, reason, scene.now_s)


def rule_promoting(scene: Scene) -> Release | None:
    """Stable rolls to the new version while the canary keeps its weight; then the canary goes to 0 and stops."""
    release, seen = scene.release, scene.seen
    if release.phase is not Phase.PROMOTING:
        return None
    if seen.stable is None:
        return hold(scene, Reason("workload_unreadable", seen.trouble("workload", "the workload cannot be read")))
    if not seen.stable.settled_on(release.canary):
        ready = seen.stable.ready_of(release.canary)
        text = f"stable rolls to {release.canary}: {ready} of {seen.stable.wanted} instances are ready"
        return hold(scene, Reason("rolling_stable", text + _note(seen.stable.note)), zero_since_s=None)
    if release.weight_pct:
        text = f"every stable instance runs {release.canary}; the canary hands over its {release.weight_pct} %"
        return hold(scene, Reason("handing_over", text), weight_pct=0, zero_since_s=None)
    if release.zero_since_s is None:
        release = replace(release, zero_since_s=scene.now_s)
        scene = replace(scene, release=release)
    waiting = scene.draining()
    if waiting is not None:
        return hold(scene, waiting)
    return to(release, Phase.SUCCEEDED, Reason("promoted", f"{release.canary} serves all traffic"), scene.now_s)


def _note(note: str) -> str:
    return f": {note}" if note else ""
