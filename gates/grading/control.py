"""What must be in place before a graded step runs: whether a person can catch it in time, the controls, the mode."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from gates.grades import Grade
from gates.grading.compute import Graded, deciding
from gates.grading.kinds import WORST, Group
from gates.grading.situation import Situation

_INVISIBLE = re.compile(
    r"pool|timeout|time_out|max_?conn|limits?\b|_max\b|max_|concurren|retr(y|ies)|threads?\b|workers?\b|queue|rate|ttl|budget",
    re.IGNORECASE,
)
_INSTANT = (Group.RELEASE, Group.TRAFFIC, Group.FLAG, Group.DNS)
_GATE_RULES = frozenset({"object-gate", "forbidden-kind"})


class Controllability(StrEnum):
    """Whether a person could see the harm and stop it in time. It chooses the guard, never the grade."""

    YES = "yes"
    UNSURE = "unsure"
    NO = "no"


class Mode(StrEnum):
    L0 = "L0"  # silent
    L1 = "L1"  # logged
    L2 = "L2"  # notice with an undo, or automatic guards
    L3 = "L3"  # one person confirms
    L4 = "L4"  # people approve the plan
    L5 = "L5"  # people decide before they see the recommendation
    L6 = "L6"  # refused; a person does it elsewhere


class State(StrEnum):
    VERIFIED = "verified"
    MISSING = "missing"
    LATER = "later"  # made sure of by the engine, when it asks and right before it runs


@dataclass(frozen=True, slots=True)
class Control:
    name: str
    state: State


@dataclass(frozen=True, slots=True)
class Controlled:
    controllability: Controllability
    because: str
    mode: Mode
    controls: tuple[Control, ...]
    rail: tuple[Control, ...]


def controlled(graded: Graded) -> Controlled:
    catch, because = controllability(graded.situation)
    return Controlled(catch, because, mode_of(graded, catch), _controls(graded, catch), _rail(graded))


def _rail(graded: Graded) -> tuple[Control, ...]:
    """The four properties every consequential step needs; a missing one at G2 or above keeps it from going ahead."""
    at = graded.situation
    stoppable = not at.changes or at.facts.flag("guards.kill_switch_selftest_ok") is True
    return (
        Control("reversible", _shown(graded.axes.reversibility < WORST.reversibility)),
        Control("authorised", State.VERIFIED if graded.grade.rank <= Grade.G1.rank else State.LATER),
        Control("interruptible", _shown(stoppable)),
        Control("logged", State.LATER),
    )


def controllability(at: Situation) -> tuple[Controllability, str]:
    harm, lines = at.facts.number("time_to_harm_s"), at.facts.number("diff_lines")
    objects = at.facts.number("blast.objects")
    if harm is not None and harm < at.limits.reaction_s:
        return Controllability.NO, f"harm within {harm:g} s, a person needs {at.limits.reaction_s:g} s"
    hidden = [path for path, _, _ in at.differences if _INVISIBLE.search(path)]
    if hidden:
        return Controllability.NO, f"its effect cannot be seen in the difference: {hidden[0][:100]}"
    if (lines or 0) > at.limits.diff_lines or (objects or 0) > at.limits.objects:
        return Controllability.NO, "the difference is too large to be read with care"
    if at.is_group(*_INSTANT) and at.production:
        return Controllability.UNSURE, "users meet it at once"
    return Controllability.YES, "a person can look at it first"


def mode_of(graded: Graded, catch: Controllability) -> Mode:
    at, grade = graded.situation, graded.grade
    if grade is Grade.G0:
        return Mode.L0 if at.sandboxed else Mode.L1
    if grade is Grade.G1:
        return Mode.L1 if at.kind.group is Group.CI else Mode.L2
    if grade is Grade.G2:
        if catch is not Controllability.YES:
            return Mode.L2
        return Mode.L4 if at.kind.group is Group.SQL else Mode.L3
    out_of_hand = catch is Controllability.NO and not any(one.lower for one in deciding(graded))
    if out_of_hand or any(one.rule in _GATE_RULES for one in graded.fired):
        return Mode.L6
    return Mode.L5 if graded.axes == WORST else Mode.L4


def _controls(graded: Graded, catch: Controllability) -> tuple[Control, ...]:
    at, grade = graded.situation, graded.grade
    named = [Control("audit-line", State.LATER)]
    if grade is Grade.G1:
        named.append(Control("notice-with-undo", State.LATER))
    if grade.rank >= Grade.G2.rank:
        named += [Control(name, State.LATER) for name in ("literal-diff", "pinned-digest", "revalidation")]
        named.append(Control("tested-kill-switch", _shown(at.facts.flag("guards.kill_switch_selftest_ok") is True)))
    if grade is Grade.G2 and catch is Controllability.YES:
        named.append(Control("approval-by-non-maker", State.LATER))
    if grade is Grade.G2 and catch is not Controllability.YES:
        named += guards(at)
    if grade is Grade.G3:
        named += [Control(name, State.LATER) for name in _PEOPLE]
        named += [Control("dry-run-with-counts", _shown(at.captured or at.facts.number("blast.rows") is not None))]
        named += [Control("restored-backup", _shown(at.facts.flag("migration.backup_restore_tested") is True))]
        named += [Control("breaker", _shown(bool(at.facts.texts("guards.circuit_breaker"))))]
    return tuple(named)


_PEOPLE = ("two-approvals-by-non-makers", "step-up-login", "capped-credential")


def guards(at: Situation) -> list[Control]:
    """The automatic guards that no approval replaces."""
    first = at.facts.number("guards.initial_percent")
    capped = first is not None and 0 < first <= at.limits.first_step_pct
    watched = {name.strip().lower() for name in at.facts.texts("guards.circuit_breaker")}
    return [
        Control("canary", _shown(at.facts.flag("guards.canary") is True)),
        Control("first-step-cap", _shown(capped)),
        Control("automatic-rollback", _shown(at.facts.flag("guards.auto_rollback") is True)),
        Control("breaker", _shown({"error_rate", "latency"} <= watched)),
        Control("dead-man-lease", State.LATER),
    ]


def _shown(verified: bool) -> State:
    return State.VERIFIED if verified else State.MISSING
