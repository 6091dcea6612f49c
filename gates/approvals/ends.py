"""The ways a request ends without running: time, its requester, a newer one, a kill, a stop. None of them approves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gates.approvals.makers import makers
from gates.approvals.model import Record, Refusal, Request, State, Step
from gates.approvals.moves import ENDS
from gates.approvals.policy import World
from gates.approvals.steps import SYSTEM, ended, moment, moved, noted, refused
from gates.people.directory import Account, Directory

LEVELS = ("secondary", "lead")
"""Who is called after a third and after two thirds of the time to decide."""

WAITING = frozenset({State.DRAFT, State.PENDING, State.APPROVED})


def pass_time(request: Request, world: World, now_s: float) -> Step | None:
    """What time alone does: escalate, then abort with an explanation. None when there is nothing to do yet."""
    at_s = moment(request, now_s)
    if request.state is State.PENDING:
        return _waiting(request, at_s)
    if request.state is State.APPROVED:
        return _unused(request, world, at_s)
    return None


def _waiting(request: Request, at_s: float) -> Step | None:
    if at_s >= request.expires_at_s:
        text = f"nobody decided in {request.expires_at_s - request.opened_at_s:.0f} s: it was not run; ask anew"
        return moved(request, State.EXPIRED, at_s, Record("approval_expired", text, SYSTEM, _named(request)))
    share = (at_s - request.opened_at_s) / (request.expires_at_s - request.opened_at_s)
    level = min(int(share * (len(LEVELS) + 1)), len(LEVELS))
    return _escalated(request, level, at_s, "nobody has decided") if level > request.escalated else None


def _unused(request: Request, world: World, at_s: float) -> Step | None:
    assert request.approved_at_s is not None, "approved at no time"
    until_s = request.approved_at_s + world.policy.terms(request.content).unused_s
    if at_s < until_s:
        return None
    text = f"approved, but not used in {until_s - request.approved_at_s:.0f} s: it was not run; ask anew"
    return moved(request, State.EXPIRED, at_s, Record("approval_expired", text, SYSTEM, _named(request)))


def delivered(request: Request, channels: Mapping[str, bool], now_s: float) -> Step | None:
    """What the notices came to. When no channel confirmed one, the next level is called at once."""
    if request.state is not State.PENDING or any(channels.values()) or request.escalated >= len(LEVELS):
        return None
    tried = ", ".join(sorted(channels)) or "no channel is configured"
    return _escalated(request, request.escalated + 1, moment(request, now_s), f"no notice arrived ({tried})")


def _escalated(request: Request, level: int, at_s: float, why: str) -> Step:
    text = f"{why}: escalated to the {LEVELS[level - 1]}"
    return noted(request, at_s, Record("approval_escalated", text, SYSTEM, _named(request)), escalated=level)


def withdraw(request: Request, account: Account, world: World, now_s: float, reason: str = "") -> Step:
    """A maker takes it back. What has been taken for execution is stopped, not withdrawn."""
    person = world.directory.person(account)
    mine = account == request.origin.requester or (
        person is not None and person.id in makers(request.origin, world.directory).people
    )
    if request.state not in WAITING:
        return refused(request, ended(request))
    if not mine:
        return refused(request, Refusal("not_a_maker", "only who made a request withdraws it; deny or stop it instead"))
    text = f"withdrawn by {account}" + (f": {reason}" if reason else "")
    record = Record("approval_withdrawn", text, str(account), _named(request))
    return moved(request, State.WITHDRAWN, moment(request, now_s), record)


def supersede(request: Request, by: Request, now_s: float) -> Step:
    """Anything edited is another request; the votes stay with the old one. A renewal is that too."""
    assert by.id != request.id, "a request does not replace itself"
    if request.state not in WAITING:
        return refused(request, ended(request))
    text = f"replaced by request {by.short}: its votes do not move over"
    record = Record("approval_superseded", text, str(by.origin.requester), _named(request) | {"by": by.id})
    return moved(request, State.SUPERSEDED, moment(request, now_s), record)


def kill(request: Request, actor: str, why: str, now_s: float) -> Step:
    """Whatever has not ended is over, also what runs: what that did so far is then for a person to find out."""
    if request.state in ENDS:
        return refused(request, ended(request))
    running = "; it was running: what it did is not known" if request.state is State.EXECUTING else ""
    record = Record("approval_killed", why + running, actor, _named(request))
    return moved(request, State.KILLED, moment(request, now_s), record)


@dataclass(frozen=True, slots=True)
class Stopped:
    """The end of a run: its requests as they are now, what to record, and why it was refused, if it was."""

    run: str
    requests: tuple[Request, ...]
    records: tuple[Record, ...]
    refused: tuple[Refusal, ...] = ()


def stop(
    requests: Iterable[Request], run: str, account: Account, method: str, known: Directory, now_s: float
) -> Stopped:
    """End the whole run, not one step of it. Any mapped person may, for no reason, at any time; only a POST does."""
    own = tuple(request for request in requests if request.run == run)
    person = known.person(account)
    if method != "POST":
        return Stopped(run, own, (), (Refusal("not_posted", "a link only shows: press Stop on the page"),))
    if person is None:
        return Stopped(run, own, (), (Refusal("unknown_account", f"{account} belongs to no person: have it mapped"),))
    text = f"run {run} was stopped by {person.id}"
    steps = [kill(request, person.id, text, now_s) for request in own]
    records = tuple(record for step in steps for record in step.records)
    return Stopped(run, tuple(step.request for step in steps), (Record("run_stopped", text, person.id), *records))


def _named(request: Request) -> dict[str, str]:
    return {"request": request.id, "digest": request.digest}
