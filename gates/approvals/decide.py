"""A person's decision: approve or deny. Every reason against it is said at once, and a refused one changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from gates.approvals.model import Record, Refusal, Request, State, Step, Verdict, Vote
from gates.approvals.policy import STEP_UP_S_MAX, World
from gates.approvals.standing import against, quorum
from gates.approvals.steps import ended, moment, moved, noted, refused
from gates.kill import KillAnswerKind
from gates.people.directory import Account

REASON_CHARS_MAX = 2_000
FULL_PAGES = frozenset({"page", "cli"})
"""Where the whole card is seen. A chat shows a part of it, which is enough below G3."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """A decision as it came in. ``account`` was authenticated by the edge; ``id`` is the message's own, for replays.

    ``digest`` is what the person had before them. ``cut`` marks a card that did not fit its channel.
    """

    id: str
    request: str
    digest: str
    account: Account
    verdict: Verdict
    method: str
    channel: str
    reason: str = ""
    typed: str = ""
    stepped_up_at_s: float | None = None
    credential_until_s: float | None = None
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Cast:
    """What the rules below look at."""

    request: Request
    ballot: Ballot
    world: World
    at_s: float


Rule = Callable[[Cast], Refusal | None]


def decide(request: Request, ballot: Ballot, world: World, now_s: float) -> Step:
    """Count ``ballot``. The last approval that is needed, and nothing else, moves the request to APPROVED."""
    cast = Cast(request, ballot, world, moment(request, now_s))
    rules = APPROVING if ballot.verdict is Verdict.APPROVE else DENYING
    found = [refusal for rule in rules if (refusal := rule(cast)) is not None]
    if ballot.verdict is Verdict.APPROVE:
        found += against(request, world, ballot.account, cast.at_s)
    if found:
        return refused(request, *found)
    return _approved(cast) if ballot.verdict is Verdict.APPROVE else _denied(cast)


def _approved(cast: Cast) -> Step:
    vote = _vote(cast)
    after = replace(cast.request, votes=(*cast.request.votes, vote))
    count = quorum(after, cast.world, cast.at_s)
    text = f"approved by {vote.person} via {vote.channel}"
    record = Record("approved", text, vote.person, _figures(cast))
    if not count.reached:
        missing = f"{text}; still needed: {', '.join(count.missing)}"
        return noted(after, cast.at_s, replace(record, text=missing), reason=missing)
    return moved(after, State.APPROVED, cast.at_s, record, approved_at_s=cast.at_s)


def _denied(cast: Cast) -> Step:
    vote = _vote(cast)
    text = f"denied by {vote.person} via {vote.channel}: {vote.reason}"
    record = Record("approval_denied", text, vote.person, _figures(cast))
    return moved(cast.request, State.DENIED, cast.at_s, record, votes=(*cast.request.votes, vote))


def _vote(cast: Cast) -> Vote:
    ballot = cast.ballot
    person = cast.world.directory.person(ballot.account)
    assert person is not None, "an unmapped account has no vote"
    stepped_up = ballot.stepped_up_at_s is not None
    return Vote(
        person.id,
        ballot.account,
        ballot.verdict,
        cast.at_s,
        ballot.digest,
        ballot.channel,
        ballot.id,
        stepped_up,
        ballot.reason.strip(),
    )


def _figures(cast: Cast) -> dict[str, str]:
    return {"request": cast.request.id, "digest": cast.request.digest, "account": str(cast.ballot.account)}


def confirmation(request: Request) -> str:
    """What is typed at G3: the one object's name, or how many there are."""
    items = request.content.items
    return items[0].name if len(items) == 1 else str(len(items))


def rule_posted(cast: Cast) -> Refusal | None:
    """A link only shows: scanners and previews open links."""
    if cast.ballot.method == "POST":
        return None
    return Refusal("not_posted", f"{cast.ballot.method[:10]} decides nothing: open the request and press the button")


def rule_this_request(cast: Cast) -> Refusal | None:
    if cast.ballot.request == cast.request.id:
        return None
    return Refusal("other_request", "this decision is for another request")


def rule_this_content(cast: Cast) -> Refusal | None:
    if cast.ballot.digest == cast.request.digest:
        return None
    return Refusal("other_content", "this decision is for another content: look at the request as it is now")


def rule_pending(cast: Cast) -> Refusal | None:
    return None if cast.request.state is State.PENDING else ended(cast.request)


def rule_deniable(cast: Cast) -> Refusal | None:
    """Also what is approved and has not started can be denied."""
    return None if cast.request.state in (State.PENDING, State.APPROVED) else ended(cast.request)


def rule_in_time(cast: Cast) -> Refusal | None:
    if cast.at_s < cast.request.expires_at_s:
        return None
    return Refusal("expired", "the time to decide is over: the requester may ask anew")


def rule_credential(cast: Cast) -> Refusal | None:
    until_s = cast.ballot.credential_until_s
    if until_s is None or cast.at_s < until_s:
        return None
    return Refusal("credential_expired", "the login has expired: log in again")


def rule_fresh(cast: Cast) -> Refusal | None:
    if all(vote.ballot != cast.ballot.id for vote in cast.request.votes):
        return None
    return Refusal("replayed", "this very decision was counted already")


def rule_one_vote(cast: Cast) -> Refusal | None:
    person = cast.world.directory.person(cast.ballot.account)
    if person is None or all(vote.person != person.id for vote in cast.request.votes):
        return None
    return Refusal("voted", f"{person.id} has decided already: one person, one vote")


def rule_no_kill(cast: Cast) -> Refusal | None:
    if cast.world.kill.kind is KillAnswerKind.NONE:
        return None
    return Refusal("killed", cast.world.kill.text or "the kill switch is engaged")


def rule_whole_card(cast: Cast) -> Refusal | None:
    if not cast.ballot.cut:
        return None
    return Refusal("cut_card", "the card was cut to fit its channel: open the full one")


def rule_full_page(cast: Cast) -> Refusal | None:
    if not _face_to_face(cast) or cast.ballot.channel in FULL_PAGES:
        return None
    return Refusal("channel", f"a {cast.request.content.grade.value} request is not decided in {cast.ballot.channel}")


def rule_step_up(cast: Cast) -> Refusal | None:
    at_s = cast.ballot.stepped_up_at_s
    if not _face_to_face(cast) or (at_s is not None and 0 <= cast.at_s - at_s <= STEP_UP_S_MAX):
        return None
    return Refusal("step_up", f"log in again with your second factor, not more than {STEP_UP_S_MAX:g} s before")


def rule_typed(cast: Cast) -> Refusal | None:
    if not _face_to_face(cast) or cast.ballot.typed == confirmation(cast.request):
        return None
    return Refusal("typed", "type the object's name, or how many objects there are, exactly as the card shows it")


def rule_reason(cast: Cast) -> Refusal | None:
    if 0 < len(cast.ballot.reason.strip()) <= REASON_CHARS_MAX:
        return None
    return Refusal("reason", f"say why, in at most {REASON_CHARS_MAX} characters: the requester works on with it")


def rule_may_deny(cast: Cast) -> Refusal | None:
    """Saying no is open to every approver, its makers among them; nobody needs a tier for it."""
    codes = {"unknown_account", "not_human", "not_an_approver"}
    found = against(cast.request, cast.world, cast.ballot.account, cast.at_s)
    return next((refusal for refusal in found if refusal.code in codes), None)


def _face_to_face(cast: Cast) -> bool:
    return cast.world.policy.terms(cast.request.content).face_to_face


APPROVING: tuple[Rule, ...] = (
    rule_posted,
    rule_this_request,
    rule_this_content,
    rule_pending,
    rule_in_time,
    rule_credential,
    rule_fresh,
    rule_one_vote,
    rule_no_kill,
    rule_whole_card,
    rule_full_page,
    rule_step_up,
    rule_typed,
)
DENYING: tuple[Rule, ...] = (
    rule_posted,
    rule_this_request,
    rule_this_content,
    rule_deniable,
    rule_credential,
    rule_reason,
    rule_may_deny,
)
