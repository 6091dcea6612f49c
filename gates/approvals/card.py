"""The card of a request: one object, made from the pinned request, shown as JSON and as text. It decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gates.approvals.decide import confirmation
from gates.approvals.glass import BreakGlass
from gates.approvals.makers import makers
from gates.approvals.model import Content, Request, State
from gates.approvals.pin import document
from gates.approvals.policy import Policy, World
from gates.approvals.standing import quorum
from gates.audit import GENESIS

ITEMS_SHOWN = 20
SOLO_TEXT = "solo: one maintainer, nobody else looks at this"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a card shows of the moment it is shown at: guards as they are, the record's end, reviews that are late."""

    guards: Mapping[str, str]
    audit_size: int = 0
    audit_head: str = GENESIS
    overdue: tuple[BreakGlass, ...] = ()


def card(request: Request, world: World, around: Surroundings, now_s: float) -> dict[str, Any]:
    """The card, consequence first. The order of the keys is the order in which it is read."""
    content, context, policy = request.content, request.context, world.policy
    people = makers(request.origin, world.directory)
    count = quorum(request, world, now_s)
    return {
        "request": request.id,
        "code": request.short,
        "state": request.state.value,
        "reason": request.reason,
        "run": request.run,
        "what": _what(content),
        "diff": {"text": context.diff, "dry_run": content.dry_run, "digest": request.digest},
        "effect": {"who": context.effect, "reach": content.reach, "undo": context.undo, "known": [*context.dependents]},
        "grade": {"grade": content.grade.value, **_plain(document_of_grading(request))},
        "why": {"now": context.why, "provenance": [*context.provenance], "requester": str(request.origin.requester)},
        "evidence": {
            "for": [*context.evidence],
            "against": [*context.counter_evidence],
            "read_at_s": context.evidence_at_s,
        },
        "alternatives": [*context.alternatives, "do nothing"],
        "guards": {"needed": [*content.guards], "now": dict(around.guards)},
        "verification": [*content.verification],
        "policy": {"policy": content.policy, "kill_epoch": content.kill_epoch, "warnings": _warnings(request, around)},
        "makers": sorted(people.people) + [str(account) for account in people.unknown],
        "approvals": {
            "by": [f"{vote.person} via {vote.channel}" for vote in count.counted],
            "missing": [*count.missing],
        },
        "expires_at_s": request.expires_at_s,
        "audit": {"size": around.audit_size, "head": around.audit_head},
        "answers": _answers(request, policy),
    }


def _what(content: Content) -> dict[str, Any]:
    """Everything the executor uses that has no place of its own further down."""
    shown = document(content)
    elsewhere = ("grade", "policy", "kill_epoch", "guards", "verification", "dry_run", "reach")
    for name in elsewhere:
        del shown[name]
    return {**_plain(shown), "count": len(content.items)}


def document_of_grading(request: Request) -> dict[str, Any]:
    grading = request.context.grading
    return {
        "reversibility": grading.reversibility,
        "blast": grading.blast,
        "stakes": grading.stakes,
        "catchable": grading.catchable,
        "rules": [*grading.rules],
        "unknown": [*grading.unknown],
    }


def _warnings(request: Request, around: Surroundings) -> list[str]:
    late = [f"break-glass {glass.id} of team {glass.team} was never reviewed" for glass in around.overdue]
    return ([SOLO_TEXT] if request.content.solo else []) + late


def _answers(request: Request, policy: Policy) -> dict[str, Any]:
    """Deny first: it is what an absent-minded press hits. A closed request has no answers."""
    if request.state not in (State.PENDING, State.APPROVED):
        return {}
    answers: dict[str, Any] = {"deny": {"needs": ["reason"]}, "stop": {"ends": f"run {request.run}"}}
    if request.state is State.PENDING:
        strict = policy.terms(request.content).face_to_face
        needs = ["full page", "step-up login", f"typed: {confirmation(request)}"] if strict else []
        answers["approve"] = {"needs": needs}
    return answers


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: [*part] if isinstance(part, tuple) else part for name, part in value.items()}


def as_text(shown: Mapping[str, Any]) -> str:
    """The same object in words for a terminal, a mail or a chat, nothing left out."""
    return "\n".join(_lines(shown, ""))


def _lines(value: Any, indent: str) -> Iterable[str]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _named(name.replace("_", " "), part, indent)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for part in value:
            yield from _named("-", part, indent)
    else:
        yield from (indent + line for line in str(value).splitlines() or [""])


def _named(name: str, part: Any, indent: str) -> Iterable[str]:
    dash = name == "-"
    if part in ("", None, [], (), {}):
        yield f"{indent}{name}{'' if dash else ':'} none"
    elif isinstance(part, Mapping) and dash:
        yield indent + "- " + ", ".join(f"{key} {value}" for key, value in part.items())
    elif isinstance(part, (Mapping, list, tuple)) or "\n" in str(part):
        yield f"{indent}{name}:"
        yield from _lines(part, indent + "  ")
    else:
        yield f"{indent}{name}{'' if dash else ':'} {part}"
