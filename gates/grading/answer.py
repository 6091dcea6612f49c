"""The whole answer to a step, as one value and as JSON; the same facts, policy and engine give the same answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gates.canonical import Json, digest
from gates.grades import Grade
from gates.grading.compute import Graded, compute, deciding
from gates.grading.control import Controlled, controlled
from gates.grading.decide import Decided, decide
from gates.grading.facts import Facts, StepError, is_safety, read
from gates.grading.kinds import Axes
from gates.grading.rulebook import Policy, Profile
from gates.grading.vocabulary import BLOCKS

ENGINE = "1"
"""Raised with every change of a rule that changes an answer, so that an old answer is never compared with a new one."""


@dataclass(frozen=True, slots=True)
class Answer:
    grade: Grade
    graded: Graded
    control: Controlled
    decided: Decided
    unknown: tuple[str, ...]
    lower: tuple[str, ...]
    input_digest: str
    policy_digest: str

    @property
    def reasons(self) -> tuple[str, ...]:
        return tuple(f"{one.rule}: {one.finding.because}" for one in self.graded.fired)


def answer(facts: Facts, policy: Policy, asked: Profile | None = None) -> Answer:
    graded = compute(facts, policy.limits)
    control = controlled(graded)
    return Answer(
        graded.grade,
        graded,
        control,
        decide(graded, control, policy, asked),
        _unknown(graded),
        _lower(graded),
        digest(_input(facts.document, asked)),
        policy.digest,
    )


def _input(document: Mapping[str, Json], asked: Profile | None) -> Json:
    return {"step": dict(document), "profile": asked.value if asked else None}


def _unknown(graded: Graded) -> tuple[str, ...]:
    """Words without meaning here, and facts that a fired rule missed."""
    facts = graded.situation.facts
    looked = [path for one in graded.fired for path in one.finding.facts]
    safety = [path for path in looked if path in BLOCKS or is_safety(path)]
    absent = [path for path in safety if not facts.has(path)] if graded.situation.changes else []
    tier = [] if graded.situation.tier_known else ["env.tier"]
    return tuple(dict.fromkeys([*facts.unknown, *tier, *absent]))


def _lower(graded: Graded) -> tuple[str, ...]:
    """What would silence the rules that this grade rests on."""
    return tuple(dict.fromkeys(one.lower for one in deciding(graded) if one.lower))


def as_json(given: Answer) -> dict[str, Json]:
    """Everything, so that a stored answer needs nothing else to be understood."""
    return {
        "grade": given.grade.value,
        "axes": _axes(given.graded.axes),
        "controllability": {"value": given.control.controllability.value, "because": given.control.because},
        "mode": given.decided.mode.value,
        "decision": _decision(given.decided),
        "reasons": [
            {
                "rule": one.rule,
                "because": one.finding.because,
                "facts": list(one.finding.facts),
                "axes": _axes(one.finding.axes),
                "floor": one.finding.floor.value,
            }
            for one in given.graded.fired
        ],
        "unknown": list(given.unknown),
        "controls": [{"name": one.name, "state": one.state.value} for one in given.control.controls],
        "rail": {one.name: one.state.value for one in given.control.rail},
        "lower": list(given.lower),
        "input_digest": given.input_digest,
        "policy_digest": given.policy_digest,
        "engine": ENGINE,
    }


def _axes(axes: Axes) -> dict[str, Json]:
    return {"reversibility": axes.reversibility, "blast": axes.blast, "stakes": axes.stakes}


def _decision(decided: Decided) -> dict[str, Json]:
    return {
        "outcome": decided.outcome.value,
        "autonomy": decided.autonomy.value,
        "profile": decided.profile.value,
        "reasons": list(decided.reasons),
        "missing": list(decided.missing),
        "approvals": decided.approvals,
        "would_be": decided.would_be.value if decided.would_be else None,
    }


class NotReplayable(ValueError):
    """The stored answer was given by another engine, or its parts do not belong together."""


def replay(
    document: Mapping[str, Any], policy: Policy, stored: Mapping[str, Any], asked: Profile | None = None
) -> bool:
    """Whether the stored answer comes out again, word for word. Raises NotReplayable when that cannot be asked."""
    if stored.get("engine") != ENGINE:
        raise NotReplayable(f"it was given by engine {str(stored.get('engine'))[:20]}, this is engine {ENGINE}")
    try:
        again = as_json(answer(read(document), policy, asked))
    except StepError as error:
        raise NotReplayable(f"the step cannot be read: {error}") from error
    if again["policy_digest"] != stored.get("policy_digest"):
        raise NotReplayable("it was given under another policy; find the policy with its digest")
    if again["input_digest"] != stored.get("input_digest"):
        raise NotReplayable("these are other facts than the ones it was given on")
    return digest(again) == digest(dict(stored))
