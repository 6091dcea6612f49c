"""The invariants of a request, checked on every step, always on. A violation is a bug of ours, never trouble."""

from __future__ import annotations

from gates.approvals.makers import makers
from gates.approvals.model import AuthorityKind, Request, State, Verdict
from gates.approvals.moves import ENDS, MOVES
from gates.approvals.pin import pin
from gates.approvals.policy import World
from gates.approvals.standing import quorum


class Violation(AssertionError):
    """An invariant does not hold. Nothing is stored, and somebody is told; other requests go on."""


def check(before: Request, after: Request, world: World) -> None:
    """Raise Violation when going from ``before`` to ``after`` would break an invariant."""
    for name, holds in _invariants(before, after, world):
        if not holds:
            raise Violation(f"{name}: request {before.id} from {before.state} to {after.state}")


def _invariants(before: Request, after: Request, world: World) -> tuple[tuple[str, bool], ...]:
    moves = before.state is not after.state
    return (
        ("the move is in the table", not moves or MOVES.legal(before.state, after.state)),
        ("what was pinned never changes (I9)", _identity(before) == _identity(after)),
        ("the digest is the content's (I2)", after.state not in _LIVING or _pinned(after)),
        ("an end is final (I6)", before.state not in ENDS or after.state is before.state),
        ("votes are only added", after.votes[: len(before.votes)] == before.votes),
        ("one approval of each person", _once(after)),
        ("approved only by a vote (I5)", _by_a_vote(before, after, world)),
        ("no maker approves (I4)", _no_maker(before, after, world)),
        ("a use is taken once (I3)", before.reservation is None or after.reservation == before.reservation),
        ("it runs with one authority (I1)", _one_authority(before, after, world)),
        ("time does not go back", after.touched_at_s >= before.touched_at_s),
        ("one revision for each change", after.revision == before.revision + (after != before)),
    )


_LIVING = frozenset({State.PENDING, State.APPROVED, State.RESERVED, State.EXECUTING})
"""Ending a request that was tampered with must always be possible."""


def _identity(request: Request) -> tuple[object, ...]:
    return (
        request.id,
        request.run,
        request.content,
        request.context,
        request.origin,
        request.digest,
        request.opened_at_s,
        request.expires_at_s,
    )


def _pinned(request: Request) -> bool:
    return request.digest == pin(request.id, request.content, request.context, request.origin, request.expires_at_s)


def _once(request: Request) -> bool:
    """Who has approved may still deny: that is another mind, not another vote."""
    people = [vote.person for vote in request.votes if vote.verdict is Verdict.APPROVE]
    return len(people) == len(set(people))


def _by_a_vote(before: Request, after: Request, world: World) -> bool:
    """Into APPROVED leads one more approval in this very step, and the quorum with it."""
    if after.state is not State.APPROVED or before.state is State.APPROVED:
        return True
    added = after.votes[len(before.votes) :]
    approving = len(added) == 1 and added[0].verdict is Verdict.APPROVE
    return before.state is State.PENDING and approving and quorum(after, world, after.touched_at_s).reached


def _no_maker(before: Request, after: Request, world: World) -> bool:
    if world.policy.alone(after.content):
        return True
    added = after.votes[len(before.votes) :]
    people = makers(after.origin, world.directory).people
    return all(vote.verdict is not Verdict.APPROVE or vote.person not in people for vote in added)


def _one_authority(before: Request, after: Request, world: World) -> bool:
    if after.state not in (State.RESERVED, State.EXECUTING) or before.state is after.state:
        return True
    taken = after.reservation
    if taken is None:
        return False
    if taken.authority is AuthorityKind.BREAK_GLASS:
        return bool(taken.glass) and after.approved_at_s is None
    return not taken.glass and quorum(after, world, after.touched_at_s).reached
