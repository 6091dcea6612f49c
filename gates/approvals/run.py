"""The one use of a request: taken, started, ended. The effect comes after a committed EXECUTING, and at most once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gates.approvals.glass import BreakGlass
from gates.approvals.model import AuthorityKind, Content, Record, Refusal, Request, Reservation, State, Step
from gates.approvals.moves import ENDS
from gates.approvals.pin import content_digest
from gates.approvals.policy import RESERVED_S_MAX, World
from gates.approvals.recheck import Look, Seen, stale
from gates.approvals.steps import SYSTEM, ended, moment, moved, noted, refused


class Outcome(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"


AFTER: dict[Outcome, State] = {
    Outcome.SUCCEEDED: State.SUCCEEDED,
    Outcome.FAILED: State.FAILED,
    Outcome.UNKNOWN: State.INDETERMINATE,
}


def reserve(
    request: Request, seen: Seen, world: World, reservation: str, now_s: float, glass: BreakGlass | None = None
) -> Step:
    """Take the one use of ``request``. What no longer holds makes it STALE, with every reason.

    With ``glass`` it is taken from PENDING, under the emergency; then no approval counts beside it.
    """
    at_s = moment(request, now_s)
    wanted = State.PENDING if glass is not None else State.APPROVED
    if request.state is not wanted:
        return refused(request, _not_ready(request, wanted))
    found = stale(Look(request, seen, world, at_s, glass))
    if found:
        return _stale(request, found, at_s)
    kind = AuthorityKind.APPROVAL if glass is None else AuthorityKind.BREAK_GLASS
    taken = Reservation(reservation, at_s, kind, glass.id if glass else "")
    text = "taken for execution" + (f" under break-glass {glass.id} of {glass.person}" if glass else "")
    record = Record("approval_reserved", text, glass.person if glass else SYSTEM, _figures(request, reservation))
    return moved(request, State.RESERVED, at_s, record, reservation=taken)


def begin(
    request: Request, seen: Seen, world: World, reservation: str, now_s: float, glass: BreakGlass | None = None
) -> Step:
    """Start. Everything is looked at once more: between taking and starting lies a commit, and a commit takes time."""
    at_s, taken = moment(request, now_s), request.reservation
    if request.state is not State.RESERVED or taken is None or taken.id != reservation:
        return refused(request, Refusal("not_reserved", "this is not the use that was taken: nothing was started"))
    found = stale(Look(request, seen, world, at_s, glass))
    if (glass.id if glass else "") != taken.glass:
        found = (*found, Refusal("break_glass", "it was taken under another authority"))
    if at_s - taken.at_s > RESERVED_S_MAX:
        found = (*found, Refusal("reservation", f"it was taken more than {RESERVED_S_MAX:g} s ago"))
    if found:
        return _stale(request, found, at_s)
    record = Record("approval_executing", "started", SYSTEM, _figures(request, reservation))
    return moved(request, State.EXECUTING, at_s, record)


@dataclass(frozen=True, slots=True)
class Permit:
    """What the executor needs and cannot make: the content to run, and which use of which digest it is."""

    request: str
    reservation: str
    digest: str
    content: Content


def permit(committed: Request) -> Permit:
    """The permit of a request that is stored as EXECUTING, its record with it. Asking earlier is a bug of ours."""
    assert committed.state is State.EXECUTING, committed.state
    assert committed.reservation is not None
    return Permit(committed.id, committed.reservation.id, content_digest(committed.content), committed.content)


def finish(
    request: Request, reservation: str, outcome: Outcome, text: str, now_s: float, verified: bool | None = None
) -> Step:
    """What came of it. ``verified`` is what the verification plan showed; None marks it unverified.

    A result that comes after a kill or after it was given up is recorded beside the end; it moves nothing.
    """
    at_s, taken = moment(request, now_s), request.reservation
    if taken is None or taken.id != reservation:
        return refused(request, Refusal("not_reserved", "this is not the use that was taken"))
    told = f"{text} ({_verification(verified)})"
    record = Record("approval_result", told, SYSTEM, _figures(request, reservation) | {"outcome": outcome.value})
    if request.state is State.EXECUTING:
        return moved(request, AFTER[outcome], at_s, record, outcome=told, verified=verified)
    if request.state in (State.KILLED, State.INDETERMINATE) and not request.outcome:
        return noted(request, at_s, record, outcome=f"{outcome.value}, told late: {told}", verified=verified)
    return refused(request, ended(request))


def recover(request: Request, now_s: float) -> Step | None:
    """After a crash: what ran has an unknown end and is never run again; what was only taken has not started."""
    at_s, named = moment(request, now_s), {"request": request.id, "digest": request.digest}
    if request.state is State.EXECUTING:
        text = "interrupted while it ran: what it did is not known; look before you ask anew"
        return moved(request, State.INDETERMINATE, at_s, Record("approval_result", text, SYSTEM, named))
    if request.state is State.RESERVED:
        text = "interrupted before it started: nothing was sent; ask anew"
        return moved(request, State.STALE, at_s, Record("approval_stale", text, SYSTEM, named))
    return None


def _stale(request: Request, found: tuple[Refusal, ...], at_s: float) -> Step:
    text = "; ".join(refusal.text for refusal in found)
    figures = {"request": request.id, "digest": request.digest, "codes": [refusal.code for refusal in found]}
    step = moved(request, State.STALE, at_s, Record("approval_stale", text, SYSTEM, figures))
    return Step(step.request, step.records, found)


def _not_ready(request: Request, wanted: State) -> Refusal:
    if request.state in ENDS or request.reservation is not None:
        return ended(request)
    return Refusal("not_approved", f"request {request.short} is {request.state.value}, not {wanted.value}")


def _verification(verified: bool | None) -> str:
    return {True: "verified", False: "verification failed", None: "unverified"}[verified]


def _figures(request: Request, reservation: str) -> dict[str, str]:
    return {"request": request.id, "digest": request.digest, "reservation": reservation}
