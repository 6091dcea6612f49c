"""The bugs that are planted in the approvals. Each is one that a tired person could make, and breaks one invariant."""

from __future__ import annotations

from types import FunctionType
from typing import Any

from gates.approvals import decide, ends, makers, recheck, run, standing
from gates.approvals.model import State
from tests.unit.approvals.mutants import Mutant

CAREFULLY = ("not _face_to_face(cast)", "True")
NO_MAKER = (standing.rule_no_maker, ("voter.person is None or", "True or voter.person is None or"))
NOTICED = 'return _escalated(request, request.escalated + 1, moment(request, now_s), f"no notice arrived ({tried})")'
YES = "return moved(request, State.APPROVED, moment(request, now_s), Record('approved', tried, SYSTEM))"


def _mutant(
    invariant: str, name: str, *patches: tuple[Any, ...], moves: dict[State, set[State]] | None = None
) -> Mutant:
    assert all(isinstance(function, FunctionType) for function, *_ in patches)
    table = {state: frozenset(more) for state, more in (moves or {}).items()}
    return Mutant(name, invariant, tuple((function, tuple(snippets)) for function, *snippets in patches), table)


MUTANTS = (
    _mutant("I1", "no quorum", (standing._missing, ("if lacks", "if False"))),
    _mutant(
        "I1",
        "one vote is enough at G3",
        (
            standing._missing,
            ("< terms.approvals", "< 1"),
            ("< terms.senior", "< 0"),
            ("< terms.outside", "< 0"),
        ),
    ),
    _mutant("I1", "nobody outside the team", (standing._missing, ("< terms.outside", "< 0"))),
    _mutant("I1", "no senior", (standing._missing, ("< terms.senior", "< 0"))),
    _mutant("I1", "approvers are not looked up again", (recheck.rule_authority, ("if count.reached:", "if True:"))),
    _mutant("I1", "everybody is an approver", (standing.rule_role, ("voter.tier > 0", "True"))),
    _mutant(
        "I1",
        "two accounts, two votes",
        (decide.rule_one_vote, ("vote.person != person.id", "vote.account != cast.ballot.account")),
    ),
    _mutant(
        "I2",
        "the bytes are not looked at",
        (recheck.rule_bytes, ("== content_digest(look.request.content)", "!= ''")),
    ),
    _mutant(
        "I3",
        "what was interrupted is taken up again",
        (run.recover, ("State.INDETERMINATE", "State.RESERVED")),
        moves={State.EXECUTING: {State.RESERVED}},
    ),
    _mutant("I4", "makers approve", NO_MAKER),
    _mutant("I4", "the human behind an agent approves", (makers.makers, ("known.behind(person)", "[person]"))),
    _mutant("I4", "authors are no makers", (makers.accounts, ("*origin.authors, ", ""))),
    _mutant("I4", "models approve", (standing.rule_human, ("voter.person.kind is Kind.HUMAN", "True")), NO_MAKER),
    _mutant("I5", "a link decides", (decide.rule_posted, ('cast.ballot.method == "POST"', "True"))),
    _mutant("I5", "silence is a yes", (ends._waiting, ("State.EXPIRED", "State.APPROVED"))),
    _mutant("I5", "a late yes counts", (decide.rule_in_time, ("cast.at_s < cast.request.expires_at_s", "True"))),
    _mutant("I5", "a chat decides G3", (decide.rule_full_page, CAREFULLY)),
    _mutant("I5", "no second factor", (decide.rule_step_up, CAREFULLY)),
    _mutant("I5", "nothing is typed", (decide.rule_typed, CAREFULLY)),
    _mutant(
        "I6",
        "a denial can be overruled",
        (decide.rule_pending, ("is State.PENDING", "in (State.PENDING, State.DENIED)")),
        moves={State.DENIED: {State.APPROVED}},
    ),
    _mutant("I7", "a kill spares what is approved", (ends.kill, ("in ENDS", "in (*ENDS, State.APPROVED)"))),
    _mutant("I7", "votes count during a kill", (decide.rule_no_kill, ("is KillAnswerKind.NONE", "is not None"))),
    _mutant("I8", "a lost notice is a yes", (ends.delivered, (NOTICED, YES))),
    _mutant(
        "I9",
        "a vote for another request counts",
        (decide.rule_this_request, ("cast.ballot.request == cast.request.id", "True")),
        (decide.rule_this_content, ("cast.ballot.digest == cast.request.digest", "True")),
    ),
    _mutant("I9", "an edited request lives on", (ends.supersede, ("not in WAITING", "is not State.DRAFT"))),
    _mutant(
        "I10",
        "the start is recorded without the use it starts",
        (run.begin, ("_figures(request, reservation)", "{}")),
    ),
)
