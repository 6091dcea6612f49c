"""What must not stand in a policy, each with the requirement it breaks and what to write instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gates.grading.kinds import KINDS, Effect, Group
from gates.grading.rulebook import Policy, matches
from gates.policy.document import AutonomyBlock, PolicyBlock, PolicyError, parse, to_policy

_FAST = frozenset({Group.RELEASE, Group.TRAFFIC, Group.FLAG, Group.DNS})
_STOPPING = frozenset({"automatic-rollback", "breaker"})
_TOO_SEVERE_FOR_AN_INCIDENT = frozenset({Group.CLOUD, Group.SQL, Group.SHELL, Group.RESUME})


@dataclass(frozen=True, slots=True)
class Mistake:
    """``fatal`` ones keep the policy from being used."""

    requirement: str
    where: str
    text: str
    instead: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.where}: {self.text} ({self.requirement}); {self.instead}"


def _kinds(patterns: list[str], *effects: Effect) -> list[str]:
    return [kind.name for kind in KINDS if kind.effect in effects and matches(tuple(patterns), kind.name)]


def approves_by_waiting(block: PolicyBlock) -> Iterator[Mistake]:
    if block.auto_approve_after is not None:
        text = "silence must never approve"
        yield Mistake("AH-05", "autoApproveAfter", text, "remove it: an expiry escalates, then aborts")


def approves_in_a_hurry(block: PolicyBlock) -> Iterator[Mistake]:
    if block.auto_approve_during not in (None, [], ""):
        text = "deployments and maintenance are when approvals matter most"
        yield Mistake("AH-06", "autoApproveDuring", text, "remove it, and name proven remediations under incident")


def asks_for_reads(block: PolicyBlock) -> Iterator[Mistake]:
    for where, patterns in _asking(block):
        if found := _kinds(patterns, Effect.READ):
            text = f"asks people to approve reads ({found[0]}), until they approve everything unread"
            yield Mistake("AH-09", where, text, "name the kinds that change something")


def gates_a_stop(block: PolicyBlock) -> Iterator[Mistake]:
    for where, patterns in _asking(block):
        if found := _kinds(patterns, Effect.STOP):
            text = f"would gate {found[0]}, and stopping is never gated"
            yield Mistake("SK-24", where, text, "name the kinds that change something")


def _asking(block: PolicyBlock) -> Iterator[tuple[str, list[str]]]:
    """The places where a policy asks for people."""
    yield "requireApproval", block.require_approval
    for number, one in enumerate(block.autonomy):
        if one.level in ("approve", "suggest") or "approval" in one.guards:
            yield f"autonomy.{number}", one.kinds


def only_a_click(block: PolicyBlock) -> Iterator[Mistake]:
    for where, one in _fast(block):
        if set(one.guards) == {"approval"}:
            text = "an approval is the only guard of a step that is faster than people"
            yield Mistake("LR-11", where, text, "add canary, automatic-rollback and breaker")


def no_automatic_abort(block: PolicyBlock) -> Iterator[Mistake]:
    for where, one in _fast(block):
        releases = any(kind.group is Group.RELEASE for kind in KINDS if matches(tuple(one.kinds), kind.name))
        if releases and one.guards and not set(one.guards) >= _STOPPING:
            text = "production would be released to without an automatic abort"
            yield Mistake("LR-13", where, text, "name automatic-rollback and breaker among the guards")


def _fast(block: PolicyBlock) -> Iterator[tuple[str, AutonomyBlock]]:
    for number, one in enumerate(block.autonomy):
        if any(kind.group in _FAST for kind in KINDS if matches(tuple(one.kinds), kind.name)):
            yield f"autonomy.{number}.guards", one


def eases_too_much(block: PolicyBlock) -> Iterator[Mistake]:
    for number, pattern in enumerate(block.incident.remediations):
        found = [kind for kind in KINDS if matches((pattern,), kind.name) and kind.effect is Effect.CHANGE]
        severe = [k.name for k in found if k.axes_worst or k.group in _TOO_SEVERE_FOR_AN_INCIDENT]
        if severe or "*" in pattern or "?" in pattern:
            text = f"would ease {severe[0] if severe else 'kinds that nobody named'} in the hurry of an incident"
            yield Mistake("HG-21", f"incident.remediations.{number}", text, "name single, proven remediations")


def switched_off(block: PolicyBlock) -> Iterator[Mistake]:
    if not block.enabled:
        text = "the gate is switched off: it grades and records, and holds nothing"
        yield Mistake("AH-18", "enabled", text, "leave it on; switching it off is a loosening", fatal=False)


def shadows_all(block: PolicyBlock) -> Iterator[Mistake]:
    for name, profile in block.profiles.items():
        if profile == "shadow":
            text = f"nothing of {name} is held"
            yield Mistake("AS-13", f"profiles.{name}", text, "go on to strict when the record is good", fatal=False)


def names_nothing(block: PolicyBlock) -> Iterator[Mistake]:
    rows = [("requireApproval", block.require_approval), ("incident.remediations", block.incident.remediations)]
    rows += [(f"autonomy.{number}.kinds", one.kinds) for number, one in enumerate(block.autonomy)]
    for where, patterns in rows:
        for pattern in patterns:
            if not any(matches((pattern,), kind.name) for kind in KINDS):
                text = f"no registered kind is called {pattern[:60]!r}"
                yield Mistake("SK-23", where, text, "check its spelling", fatal=False)


CHECKS: tuple[Callable[[PolicyBlock], Iterator[Mistake]], ...] = (
    approves_by_waiting,
    approves_in_a_hurry,
    asks_for_reads,
    gates_a_stop,
    only_a_click,
    no_automatic_abort,
    eases_too_much,
    switched_off,
    shadows_all,
    names_nothing,
)


def lint(block: PolicyBlock) -> tuple[Mistake, ...]:
    return tuple(mistake for check in CHECKS for mistake in check(block))


def load(text: str | bytes) -> tuple[Policy, tuple[Mistake, ...]]:
    """A policy that may be used, with its warnings. Raises PolicyError, with every fatal mistake."""
    block = parse(text)
    found = lint(block)
    fatal = [str(mistake) for mistake in found if mistake.fatal]
    if fatal:
        raise PolicyError("\n".join(fatal))
    return to_policy(block), found
