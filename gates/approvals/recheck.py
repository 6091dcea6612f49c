"""Everything that must still be true right before a request runs. What nobody knows does not hold: it is then STALE."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from gates.approvals.glass import BreakGlass, waives
from gates.approvals.model import Content, Item, Refusal, Request
from gates.approvals.pin import content_digest, pin
from gates.approvals.policy import REACH_FACTOR_MAX, World
from gates.approvals.standing import quorum
from gates.freezes.ask import FreezeAnswer
from gates.grades import Grade
from gates.kill import KillAnswerKind


@dataclass(frozen=True, slots=True)
class Seen:
    """The world right before the effect. None is "could not be read", never "fine".

    ``content`` is built from the bytes about to be sent; ``items`` carry only the fields that matter, so that a
    status or an autoscaler's replica count voids nothing.
    """

    freeze: FreezeAnswer | None = None
    content: Content | None = None
    items: tuple[Item, ...] | None = None
    dry_run: str | None = None
    grade: Grade | None = None
    reach: int | None = None
    guards: tuple[str, ...] | None = None
    metrics: bool | None = None
    evidence_at_s: float | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What the rules below look at. ``glass`` is the emergency the request runs under, if it does."""

    request: Request
    seen: Seen
    world: World
    at_s: float
    glass: BreakGlass | None = None


Rule = Callable[[Look], Refusal | None]


def stale(look: Look) -> tuple[Refusal, ...]:
    """Every reason why it must not run now; none means that it may."""
    return tuple(refusal for rule in RECHECKS if (refusal := rule(look)) is not None)


def member_stale(look: Look, member: Content) -> tuple[Refusal, ...]:
    """The same for one member of a batch that was taken as a whole: its authority and its time are the batch's."""
    own = replace(look, request=replace(look.request, content=member))
    return tuple(refusal for rule in RECHECKS if rule not in OF_THE_WHOLE if (refusal := rule(own)) is not None)


def rule_kill(look: Look) -> Refusal | None:
    kill = look.world.kill
    return Refusal("killed", kill.text or "a kill is engaged") if kill.kind is not KillAnswerKind.NONE else None


def rule_epoch(look: Look) -> Refusal | None:
    """An approval from before a kill is void, also after the kill was released."""
    if look.request.content.kill_epoch == look.world.kill_epoch:
        return None
    return Refusal("kill_epoch", "a kill was engaged since it was approved")


def rule_freeze(look: Look) -> Refusal | None:
    if look.glass is not None and waives(look.glass, look.request, look.at_s):
        return None
    if look.seen.freeze is None:
        return Refusal("freeze_unknown", "the freezes could not be read")
    return Refusal("frozen", look.seen.freeze.text) if look.seen.freeze.blocked else None


def rule_authority(look: Look) -> Refusal | None:
    """Exactly one: an emergency that covers it, or approvals that still count."""
    if look.glass is not None:
        if waives(look.glass, look.request, look.at_s):
            return None
        return Refusal("break_glass", "the emergency does not cover this, or is over")
    count = quorum(look.request, look.world, look.at_s)
    if count.reached:
        return None
    return Refusal("approvers", f"the approvals no longer suffice; missing: {', '.join(count.missing)}")


def rule_expiry(look: Look) -> Refusal | None:
    """What was approved in time and not used in time would run in another world."""
    if look.glass is not None:
        return Refusal("expired", "the request has expired") if look.at_s >= look.request.expires_at_s else None
    approved_at_s = look.request.approved_at_s
    unused_s = look.world.policy.terms(look.request.content).unused_s
    if approved_at_s is not None and look.at_s < approved_at_s + unused_s:
        return None
    return Refusal("expired", f"an approval lives {unused_s:g} s: it was not used in time")


def rule_request_unchanged(look: Look) -> Refusal | None:
    request = look.request
    if pin(request.id, request.content, request.context, request.origin, request.expires_at_s) == request.digest:
        return None
    return Refusal("digest", "the stored request is not what was approved")


def rule_bytes(look: Look) -> Refusal | None:
    """The digest is made again of what is about to be sent."""
    if look.seen.content is None:
        return Refusal("content_unknown", "what is about to be sent could not be read back")
    if content_digest(look.seen.content) == content_digest(look.request.content):
        return None
    return Refusal("content", "what is about to be sent is not what was approved")


def rule_targets(look: Look) -> Refusal | None:
    """The same objects in the same versions, and the selector finds no others."""
    approved, now = look.request.content.items, look.seen.items
    if now is None:
        return Refusal("targets_unknown", "the objects could not be read")
    if now == approved:
        return None
    if sorted(item.uid for item in now) != sorted(item.uid for item in approved):
        return Refusal("targets", f"{len(approved)} objects were approved, now they are {len(now)} or others")
    changed = sorted({item.name for item in now} & {a.name for a, n in zip(approved, now, strict=True) if a != n})
    return Refusal("targets", f"changed since: {', '.join(changed[:5]) or 'their order'}")


def rule_dry_run(look: Look) -> Refusal | None:
    if look.seen.dry_run is None:
        return Refusal("dry_run_unknown", "the dry run gave no answer")
    if look.seen.dry_run == look.request.content.dry_run:
        return None
    return Refusal("dry_run", "the dry run shows another change than the one approved")


def rule_grade(look: Look) -> Refusal | None:
    if look.seen.grade is None:
        return Refusal("grade_unknown", "it could not be graded again")
    if look.seen.grade.rank <= look.request.content.grade.rank:
        return None
    return Refusal("grade", f"approved as {look.request.content.grade.value}, it is {look.seen.grade.value} now")


def rule_reach(look: Look) -> Refusal | None:
    if look.seen.reach is None:
        return Refusal("reach_unknown", "its reach could not be measured")
    if look.seen.reach <= look.request.content.reach * REACH_FACTOR_MAX:
        return None
    return Refusal("reach", f"approved for {look.request.content.reach}, it would now reach {look.seen.reach}")


def rule_guards(look: Look) -> Refusal | None:
    if look.seen.guards is None:
        return Refusal("guards_unknown", "the guards could not be asked")
    missing = sorted(set(look.request.content.guards) - set(look.seen.guards))
    return Refusal("guards", f"not in place: {', '.join(missing)}") if missing else None


def rule_metrics(look: Look) -> Refusal | None:
    return None if look.seen.metrics else Refusal("metrics", "the metrics cannot be read: nobody would see the harm")


def rule_evidence(look: Look) -> Refusal | None:
    """Old evidence is about another world; evidence from the future is about none."""
    limit_s, at_s = look.world.policy.evidence_s, look.seen.evidence_at_s
    if at_s is not None and 0 <= look.at_s - at_s <= limit_s:
        return None
    return Refusal("evidence", f"the evidence is missing or older than {limit_s:g} s: read it again")


RECHECKS: tuple[Rule, ...] = (
    rule_kill,
    rule_epoch,
    rule_freeze,
    rule_authority,
    rule_expiry,
    rule_request_unchanged,
    rule_bytes,
    rule_targets,
    rule_dry_run,
    rule_grade,
    rule_reach,
    rule_guards,
    rule_metrics,
    rule_evidence,
)
OF_THE_WHOLE: frozenset[Rule] = frozenset({rule_authority, rule_expiry, rule_request_unchanged})
