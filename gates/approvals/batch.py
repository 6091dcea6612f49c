"""Several small contents under one decision: alike, few, none irreversible, graded by what they reach together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gates.approvals.model import Content, Refusal, Request, State
from gates.approvals.pin import content_digest, root
from gates.approvals.policy import World
from gates.approvals.recheck import Look, Seen, member_stale
from gates.approvals.run import Outcome
from gates.approvals.steps import moment
from gates.grades import Grade, highest

MEMBERS_MAX = 20
"""What a person can look through in one go."""

ALIKE = ("kind", "verb", "cluster", "application", "environment", "tier", "policy", "kill_epoch", "solo")

Regrade = Callable[[int], Grade]
"""The grade of reaching so many objects at once; the caller's grading, so that this module has none."""


class NotBatchable(ValueError):
    """These contents cannot be decided together. The text says which rule they break."""


@dataclass(frozen=True, slots=True)
class Batch:
    """``content`` is what one request holds: its manifests digest is the Merkle root over the members in order."""

    content: Content
    members: tuple[Content, ...]


def batch(members: Sequence[Content], regrade: Regrade) -> Batch:
    """Put ``members`` together. Raises NotBatchable."""
    if not 2 <= len(members) <= MEMBERS_MAX:
        raise NotBatchable(f"a batch has 2 to {MEMBERS_MAX} members, not {len(members)}")
    first = members[0]
    for name in ALIKE:
        if any(getattr(member, name) != getattr(first, name) for member in members):
            raise NotBatchable(f"the members of a batch have the same {name.replace('_', ' ')}")
    reach = sum(member.reach for member in members)
    grade = highest(regrade(reach), *(member.grade for member in members))
    if grade is Grade.G3 or any(member.deletes_data for member in members):
        raise NotBatchable(
            f"together they reach {reach} and are {grade.value}: irreversible things are decided one by one"
        )
    return Batch(_whole(tuple(members), grade, reach), tuple(members))


def untick(whole: Batch, left_out: frozenset[int], regrade: Regrade) -> Batch:
    """Without the members at these places: another root, so another request, and no vote for the first counts."""
    return batch([member for place, member in enumerate(whole.members) if place not in left_out], regrade)


def _whole(members: tuple[Content, ...], grade: Grade, reach: int) -> Content:
    return replace(
        members[0],
        namespace=",".join(dict.fromkeys(member.namespace for member in members)),
        items=tuple(item for member in members for item in member.items),
        images=tuple(image for member in members for image in member.images),
        steps=tuple(step for member in members for step in member.steps),
        guards=tuple(dict.fromkeys(guard for member in members for guard in member.guards)),
        verification=tuple(dict.fromkeys(plan for member in members for plan in member.verification)),
        manifests=_root(members),
        sql="",
        dry_run=root(tuple(member.dry_run for member in members)),
        grade=grade,
        reach=reach,
    )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a batch has come: one outcome for each member that was begun, in order."""

    outcomes: tuple[Outcome, ...] = ()


def next_member(
    request: Request, whole: Batch, progress: Progress, seen: Seen, world: World, now_s: float
) -> Content | tuple[Refusal, ...] | None:
    """The member that runs next, the reasons why none does, or None when all are done.

    The first that did not succeed stops the rest; each is looked at again by itself, right before it.
    """
    if request.state is not State.EXECUTING:
        return (Refusal("not_running", f"the batch is {request.state.value}"),)
    if request.content != whole.content or _root(whole.members) != request.content.manifests:
        return (Refusal("content", "these members are not what was approved"),)
    if any(outcome is not Outcome.SUCCEEDED for outcome in progress.outcomes):
        return (Refusal("stopped", f"member {len(progress.outcomes)} did not succeed: the rest is not run"),)
    if len(progress.outcomes) == len(whole.members):
        return None
    member = whole.members[len(progress.outcomes)]
    found = member_stale(Look(request, seen, world, moment(request, now_s)), member)
    return found or member


def _root(members: tuple[Content, ...]) -> str:
    return root(tuple(content_digest(member) for member in members))
