"""The planted bugs. Each is a small change of source that a tired person could make, and that must not survive.

Where two layers hold the same thing, removing one changes nothing that anybody could see; such a mutant removes both.
"""

from __future__ import annotations

from tests.sim.mutants.held import HELD
from tests.sim.mutants.planted import Mutant
from tests.sim.mutants.planted import mutant as _mutant

OBSERVE = "controller.observe"
ACT = "controller.act"
RECONCILE = "controller.reconcile"
COMMANDS = "controller.commands"
SWITCH = "controller.runtime.killswitch"
ADVANCE, BACK, CHECK = "controller.core.advance", "controller.core.back", "controller.core.check"
DECIDE, EFFECTS, RULES = "controller.core.decide", "controller.core.effects", "controller.core.rules"
GUARD, KEEPER, CONVERGE = "controller.guard.core", "controller.guard.keeper", "controller.guard.converge"
TALLY, JUDGING = "analysis.tally", "analysis.rules"
STORE = "tests.fakes.store"


_CHECK_OFF = (CHECK, "        if not holds:\n", "        if False and not holds:\n")
"""The invariants are a layer of their own: they would stop most bugs of the rules before the world could show them."""

MUTANTS: tuple[Mutant, ...] = (
    _mutant(
        "no_claim",
        "a new leader decides about a route without writing its epoch on it",
        (OBSERVE, "return ports.router.claim(app, epoch) if route.epoch < epoch else route", "return route"),
        (
            GUARD,
            'if request.epoch > route.epoch:\n        raise Deny("conflict"',
            'if False:\n        raise Deny("conflict"',
        ),
        (
            GUARD,
            'if request.epoch > route.epoch:\n        raise Deny("refused"',
            'if False:\n        raise Deny("refused"',
        ),
    ),
    _mutant(
        "guard_ignores_epochs",
        "the guard lets an older leader write",
        (GUARD, "    if epoch < held:\n", "    if False:\n"),
    ),
    _mutant(
        "no_compare_and_swap",
        "neither the guard nor the store compares revisions",
        (GUARD, "    if request.revision != route.revision:\n", "    if False:\n"),
        (STORE, "if stored is None or stored.revision != commit.release.revision:", "if stored is None:"),
    ),
    _mutant(
        "commits_not_fenced",
        "a pass commits without saying which leader it is",
        (RECONCILE, "                epoch=self.epoch,\n", "                epoch=None,\n"),
    ),
    _mutant(
        "unknown_is_done",
        "a commit that was refused, or whose answer was lost, is taken for done",
        (
            RECONCILE,
            "            except (Conflict, Unknown):\n                return ports.clock.now_s() + AGAIN_S\n",
            "            except (Conflict, Unknown):\n                pass\n",
        ),
    ),
    _mutant(
        "act_before_commit",
        "traffic moves before the decision is recorded",
        (
            RECONCILE,
            "        if decision.changed:\n            try:\n",
            "        act(ports, after, seen, effects(after, seen, ports.clock.now_s()), self.epoch)\n"
            "        if decision.changed:\n            try:\n",
        ),
    ),
    _mutant(
        "abort_waits_for_stable",
        "an abort is carried out only while stable is ready, and the door does not lower by itself",
        (
            BACK,
            "    if release.intent is None or release.intent.kind is not IntentKind.ABORT:\n        return None\n",
            "    if release.intent is None or release.intent.kind is not IntentKind.ABORT:\n        return None\n"
            "    if scene.seen.stable is None or not scene.seen.stable.ready_any:\n        return None\n",
        ),
        (
            COMMANDS,
            "        stuck = self._take_back(release_id, intent) if kind is IntentKind.ABORT else None\n",
            "        stuck = None\n",
        ),
    ),
    _mutant(
        "not_a_number_passes",
        "a sample that is not a number counts as a reading without failures",
        (
            TALLY,
            "if one.outcome is not Outcome.OK and one.outcome not in _ABSENT:",
            "if one.outcome is Outcome.UNREADABLE:",
        ),
    ),
    _mutant(
        "kill_not_seen_before_act",
        "a kill between the decision and the write is seen by nobody: not the pass, not the guard, not by the revision",
        (GUARD, "    if request.revision != route.revision:\n", "    if False:\n"),
        (ACT, "    return answer(ports.kills(), target).kind is not KillAnswerKind.NONE", "    return False"),
        (GUARD, '    if route.halts:\n        return f"halted', '    if False:\n        return f"halted'),
    ),
    _mutant(
        "lease_never_renewed",
        "a healthy weight is not renewed",
        (
            EFFECTS,
            "    return (Renew(),) if release.weight_pct > 0 and route.release_id == release.id else ()",
            "    return ()",
        ),
    ),
    _mutant(
        "lease_never_expires",
        "the guard keeps a weight that nobody renews",
        (GUARD, "world.now_s >= route.lease_until_s:", "world.now_s >= route.lease_until_s + 1e9:"),
    ),
    _mutant(
        "step_skipped",
        "the release goes on to the step after the next one",
        (ADVANCE, "    step = release.step + 1\n", "    step = min(release.step + 2, len(plan.steps) - 1)\n"),
        _CHECK_OFF,
    ),
    _mutant(
        "weight_beyond_the_cap",
        "the weight written is one more than the one decided",
        (
            ACT,
            "write = RouteWrite(weight_pct, release.id,",
            "write = RouteWrite(weight_pct + (weight_pct > 0), release.id,",
        ),
    ),
    _mutant(
        "bake_ignored",
        "a step ends as soon as the verdict allows it",
        (ADVANCE, "    if scene.now_s < until_s:\n", "    if False:\n"),
    ),
    _mutant(
        "verdict_ignored",
        "a step ends when its bake does, whatever the analysis says",
        (
            ADVANCE,
            "    if not (verdict.may_promote if at_last_step(release) else verdict.may_advance):\n",
            "    if False:\n",
        ),
        _CHECK_OFF,
    ),
    _mutant(
        "rollback_after_drain",
        "a rollback keeps the weight until the drain delay is over",
        (
            EFFECTS,
            "        return (Lower(mark_of(release)),)\n",
            "        late = release.zero_since_s is not None or release.phase is not Phase.ROLLING_BACK\n"
            "        return (Lower(mark_of(release)),) if late else ()\n",
        ),
    ),
    _mutant(
        "unkill_keeps_the_step",
        "a release goes on at its old step after a kill is released",
        (
            BACK,
            "        step=-1,\n        weight_pct=0,\n        baking_since_s=None,\n        progressing",
            "        step=release.step,\n        weight_pct=0,\n        baking_since_s=None,\n        progressing",
        ),
        (
            ADVANCE,
            '    weight = release.app.canary.steps[0]\n    text = f"start check passed: ',
            '    weight = release.app.canary.steps[max(0, release.step)]\n    text = f"start check passed: ',
        ),
        (
            ADVANCE,
            "        step=0,\n        weight_pct=weight,\n        peak",
            "        step=max(0, release.step),\n        weight_pct=weight,\n        peak",
        ),
        _CHECK_OFF,
    ),
    _mutant(
        "no_data_advances",
        "missing readings are taken for a healthy canary",
        (JUDGING, "    if not view.problems:\n", "    if True:\n"),
        (JUDGING, "    if silent_s <= view.spec.stale_after_s:\n", "    if True:\n"),
    ),
    _mutant(
        "ended_release_writes",
        "a release that has ended still drives its route",
        (EFFECTS, "    if release.phase in ENDED:\n        return ()\n", ""),
        (
            EFFECTS,
            "    if release.phase not in CARRIES:\n        return unhalt\n",
            "    if release.phase not in (*CARRIES, *ENDED):\n        return unhalt\n",
        ),
        (
            RECONCILE,
            "        if release is None or release.phase in ENDED:\n            self._last.pop",
            "        if release is None:\n            self._last.pop",
        ),
    ),
    _mutant(
        "drift_stays",
        "the guard does not put back what was changed by hand",
        (CONVERGE, "    if seen is None or not differs(route, seen):\n        return ()\n", "    return ()\n"),
    ),
    _mutant(
        "successor_does_not_wait",
        "a release starts while the one it replaces still has traffic",
        (ADVANCE, "    if scene.seen.predecessor is not None:\n", "    if False:\n"),
    ),
    _mutant(
        "record_after_the_effect",
        "a rise is recorded one pass late",
        (
            RECONCILE,
            "                records=decision.records,\n",
            '                records=tuple(r for r in decision.records if r.type != "weight"),\n',
        ),
    ),
    _mutant(
        "kill_forgotten_at_restart",
        "a kill lives in memory only",
        (SWITCH, "        return union((self._memory, self._file.read(), stored))", "        return self._memory"),
        (OBSERVE, "    if not held:\n        return said\n", "    return said\n"),
        (
            SWITCH,
            "        state = self.state()\n        with self._lock:",
            "        state = KillState()\n        with self._lock:",
        ),
        (GUARD, '    if route.halts:\n        return f"halted', '    if False:\n        return f"halted'),
    ),
    _mutant(
        "promote_passes_harm",
        "a person's promotion passes a verdict of harm",
        (
            RULES,
            "    rule_rolling_back,\n    rule_halted,\n",
            "    rule_rolling_back,\n    rule_promote,\n    rule_halted,\n",
        ),
        (RULES, "    rule_restart_step,\n    rule_promote,\n", "    rule_restart_step,\n"),
        _CHECK_OFF,
    ),
    _mutant(
        "first_weight_unchecked",
        "the first weight is given before the canary is ready and the metrics answer",
        (
            ADVANCE,
            "    if trouble is not None:\n        return hold(scene, trouble)\n    route",
            "    route",
        ),
        _CHECK_OFF,
    ),
    _mutant(
        "ends_half_moved",
        "a release counts as promoted when the first new instance of stable is ready",
        (
            "controller.core.model",
            "return alone and not self.settling and self.ready_of(version) >= self.wanted",
            "return self.ready_of(version) >= 1",
        ),
    ),
    _mutant(
        "unverified_weight_advances",
        "nothing looks whether the route shows what was written",
        (RULES, "    if route.live_pct != scene.release.weight_pct:\n", "    if False:\n"),
        _CHECK_OFF,
    ),
    _mutant(
        "guard_raises_under_a_halt",
        "the guard brings a proxy that fell below its record up again, halt or not",
        (
            CONVERGE,
            "if low_pct is not None and (not route.settled or may_rise(route, world)):",
            "if low_pct is not None and False:",
        ),
    ),
    _mutant(
        "lower_not_marked",
        "an abort that could not be recorded is not read from the route by the next pass",
        (BACK, "or route is None or route.mark is None:\n        return None\n", "or True:\n        return None\n"),
        (BACK, '    if mark.release_id != release.id or mark.code != "aborted":\n', "    if True:\n"),
    ),
    _mutant(
        "restart_unchecked",
        "after a lapsed lease the first weight comes back without asking the metrics",
        (
            ADVANCE,
            "or release.step != -1:\n        return None\n    unfit = _unfit(scene)\n",
            "or release.step != -1:\n        return None\n    unfit = None\n",
        ),
    ),
    _mutant(
        "late_kill_not_on_record",
        "a kill that was over before the store came back is never written down",
        (
            SWITCH,
            "        if engagement_id not in {e.id for e in self._store.kills().engaged}:\n",
            "        if False:\n",
        ),
    ),
    _mutant(
        "kill_of_a_dead_process_stays",
        "a kill that only a route remembers can be released by nobody",
        (
            SWITCH,
            "known.get(engagement_id) or {e.id: e for e in self.orphans()}[engagement_id]",
            "known[engagement_id]",
        ),
        (SWITCH, "        if not orphans:\n", "        if True:\n"),
    ),
    _mutant(
        "abort_forgotten_in_a_halt",
        "an abort that only the route carries is not heard before a kill",
        (BACK, '    if mark.release_id != release.id or mark.code != "aborted":\n', "    if True:\n"),
    ),
    _mutant(
        "waiting_is_harm",
        "what a release waited for at 0 rolls it back later",
        (EFFECTS, "AT_ZERO if goes_on else cause.code", "cause.code"),
    ),
    _mutant(
        "rises_unconfirmed",
        "a weight that the proxy has not confirmed counts as live",
        (RULES, "    if route.unconfirmed:\n", "    if False:\n"),
        (CHECK, " or route.unconfirmed:\n", ":\n"),
    ),
    _mutant(
        "ends_unconfirmed",
        "a release ends, and its instances go, before the proxy confirmed that they get nothing",
        (BACK, "    if seen.route.unconfirmed:\n", "    if False:\n"),
        (RULES, "    if route.unconfirmed:\n", "    if False:\n"),
        (CHECK, " and not seen.route.unconfirmed", ""),
    ),
    _mutant(
        "rises_unsized",
        "a weight rises on a canary that could not be brought to its size",
        (ADVANCE, "    if seen.canary.unsized:\n", "    if False:\n"),
        (CHECK, " or not seen.canary.unsized", " or True"),
    ),
    *HELD,
)
