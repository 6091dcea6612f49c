"""From a graded step to what happens with it: it goes ahead, is guarded, is held for people, or is refused."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gates.grades import Grade
from gates.grading.compute import Graded
from gates.grading.control import Controlled, Mode, State, guards
from gates.grading.kinds import Effect, Group
from gates.grading.rulebook import LEVELS, Autonomy, Policy, Profile, least, matches, tighter


class Outcome(StrEnum):
    PROCEED = "proceed"
    GUARDED = "guarded"
    HELD = "held"
    REFUSED = "refused"


REASONS = {
    "low-confidence": "low_confidence",
    "uncertain": "low_confidence",
    "first-time": "novel",
    "weak-evidence": "weak_evidence",
    "boundary": "boundary",
    "message-to-outsiders": "external_impact",
    "call-to-outsiders": "external_impact",
    "public-registry": "external_impact",
    "unresolved-targets": "unresolved_targets",
    "unknown-fields": "unknown_facts",
    "unread-facts": "unknown_facts",
    "embedded-migration": "embedded_migration",
    "many-small-actions": "accumulated",
}
"""Rules that hold a step for a person even where automatic guards would do for its grade."""

_LEVEL = {Mode.L0: Autonomy.FULL, Mode.L1: Autonomy.FULL, Mode.L2: Autonomy.NOTIFY, Mode.L6: Autonomy.SUGGEST}


@dataclass(frozen=True, slots=True)
class Decided:
    """``reasons`` name everything that speaks for holding, not only the first. ``would_be`` is for shadow."""

    outcome: Outcome
    mode: Mode
    autonomy: Autonomy
    profile: Profile
    reasons: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    approvals: int = 0
    would_be: Outcome | None = None


def decide(graded: Graded, control: Controlled, policy: Policy, asked: Profile | None = None) -> Decided:
    """``asked`` is the profile that the caller wishes for; it counts only where it is tighter."""
    own = policy.profile_of(graded.situation.facts.text("actor.type"))
    profile = tighter(own, asked or Profile.SHADOW)
    at = graded.situation
    if at.stops:
        return Decided(Outcome.PROCEED, Mode.L1, Autonomy.FULL, profile)
    mode = _in_incident(graded, control, policy)
    reasons = _reasons(graded, policy, profile)
    level = least(_LEVEL.get(mode, Autonomy.APPROVE), policy.ruling_of(at.kind.name, at.production))
    outcome = _outcome(graded, control, mode, level, profile, reasons)
    missing = _missing(graded, control, policy)
    people = 0 if outcome is not Outcome.HELD else 2 if graded.grade is Grade.G3 else 1
    if profile is Profile.SHADOW and outcome is Outcome.HELD:
        return Decided(Outcome.PROCEED, mode, level, profile, reasons, missing, 0, would_be=outcome)
    if outcome is Outcome.HELD:
        level = least(level, Autonomy.APPROVE)
    return Decided(outcome, mode, level, profile, reasons, missing, people)


def _outcome(
    graded: Graded, control: Controlled, mode: Mode, level: Autonomy, profile: Profile, reasons: tuple[str, ...]
) -> Outcome:
    at = graded.situation
    if mode is Mode.L6 or (level is Autonomy.SUGGEST and at.kind.effect is Effect.CHANGE):
        return Outcome.REFUSED
    if profile is Profile.READ_ONLY and at.changes:
        return Outcome.REFUSED
    if reasons or graded.grade is Grade.G3 or LEVELS.index(level) >= LEVELS.index(Autonomy.APPROVE):
        return Outcome.GUARDED if _preauthorised(graded) and not reasons else Outcome.HELD
    if graded.grade is not Grade.G2 or mode is not control.mode:
        return Outcome.PROCEED
    return Outcome.HELD if any(one.state is State.MISSING for one in control.controls) else Outcome.GUARDED


def _preauthorised(graded: Graded) -> bool:
    """The controller's own way back was approved together with the plan."""
    at = graded.situation
    own = at.facts.text("actor.type") == "controller"
    return own and at.kind.group is Group.ROLLBACK and graded.grade.rank <= Grade.G2.rank


def _reasons(graded: Graded, policy: Policy, profile: Profile) -> tuple[str, ...]:
    at = graded.situation
    found = [REASONS[one.rule] for one in graded.fired if one.rule in REASONS]
    if not at.changes:
        return ()
    if matches(policy.require_approval, at.kind.name):
        found.append("listed")
    if policy.ruling_of(at.kind.name, at.production) is Autonomy.APPROVE:
        found.append("high_risk_action")
    if (
        at.production
        and at.facts.flag("incident.active") is True
        and at.facts.flag("incident.known_remediation") is False
    ):
        found.append("novel_remediation")
    if _wanted(graded, policy) - _verified(graded):
        found.append("guard_missing")
    if profile is Profile.STRICT:
        found.append("strict_profile")
    return tuple(dict.fromkeys(found))


def _wanted(graded: Graded, policy: Policy) -> frozenset[str]:
    return policy.guards_of(graded.situation.kind.name, graded.situation.production)


def _verified(graded: Graded) -> frozenset[str]:
    """Guards the controller has verified, whether the grade asks for them or not."""
    switch = graded.situation.facts.flag("guards.kill_switch_selftest_ok") is True
    shown = {one.name for one in guards(graded.situation) if one.state is State.VERIFIED}
    return frozenset(shown | ({"tested-kill-switch"} if switch else set()))


def _missing(graded: Graded, control: Controlled, policy: Policy) -> tuple[str, ...]:
    """Controls that are not there: what the grade asks for first, then what the policy adds."""
    asked = [one.name for one in control.controls if one.state is State.MISSING]
    added = sorted(_wanted(graded, policy) - _verified(graded)) if graded.situation.changes else []
    return tuple(dict.fromkeys([*asked, *added]))


def _in_incident(graded: Graded, control: Controlled, policy: Policy) -> Mode:
    """A registered remediation that has worked before runs with a notice, up to G2. The grade stays what it is."""
    facts, kind = graded.situation.facts, graded.situation.kind.name
    declared = facts.flag("incident.active") is True and facts.flag("incident.known_remediation") is True
    proven = (facts.number("novelty.succeeded") or 0) >= 1
    eased = declared and proven and matches(policy.incident.remediations, kind)
    return Mode.L2 if eased and graded.grade is Grade.G2 and control.mode is Mode.L3 else control.mode
