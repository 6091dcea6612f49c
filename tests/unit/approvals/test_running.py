"""The one use of an approval: looked at again, taken once, recorded first, never repeated; and what makes it stale."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from gates.approvals import recheck
from gates.approvals.check import Violation, check
from gates.approvals.decide import decide
from gates.approvals.model import AuthorityKind, Content, Item, Request, Reservation, State, Verdict, Vote
from gates.approvals.recheck import RECHECKS, Seen
from gates.approvals.run import Outcome, begin, finish, permit, recover, reserve
from gates.freezes.ask import FreezeAnswer
from gates.grades import Grade
from gates.kill import KillAnswer, KillAnswerKind
from tests.unit.approvals.stage import (
    ANA,
    BEN,
    CLEO,
    COMPANY,
    CONTENT,
    NOW_S,
    WORLD,
    approved,
    as_approved,
    asked,
    ballot,
    codes,
    voted,
    without_grants,
)  # fmt: skip

AT_S = NOW_S + 90
KILLED = KillAnswer(KillAnswerKind.HALT, ("k",), "kill k is engaged")
UNREADABLE = KillAnswer(KillAnswerKind.UNREADABLE, (), "the file cannot be read")
OTHER = Item("uid-2", "Table", "refunds", "1")
ITEM = CONTENT.items[0]

STALE: list[tuple[dict[str, Any], str]] = [
    ({"kill": KILLED}, "killed"),
    ({"kill": UNREADABLE}, "killed"),
    ({"kill_epoch": 4}, "kill_epoch"),
    ({"freeze": FreezeAnswer(True, ("f",), "freeze f")}, "frozen"),
    ({"freeze": None}, "freeze_unknown"),
    ({"directory": without_grants(COMPANY, "ben")}, "approvers"),
    ({"now_s": NOW_S + 60 + 900}, "expired"),
    ({"request": {"context": None}}, "digest"),
    ({"content": replace(CONTENT, sql="sha256:evil")}, "content"),
    ({"content": replace(CONTENT, verification=())}, "content"),
    ({"content": None}, "content_unknown"),
    ({"items": None}, "targets_unknown"),
    ({"items": (replace(ITEM, version="42"),)}, "targets"),
    ({"items": (replace(ITEM, uid="uid-9"),)}, "targets"),
    ({"items": ()}, "targets"),
    ({"items": (ITEM, OTHER)}, "targets"),
    ({"items": (ITEM, ITEM)}, "targets"),
    ({"dry_run": None}, "dry_run_unknown"),
    ({"dry_run": "sha256:more"}, "dry_run"),
    ({"grade": None}, "grade_unknown"),
    ({"grade": Grade.G3}, "grade"),
    ({"reach": None}, "reach_unknown"),
    ({"reach": 111}, "reach"),
    ({"guards": None}, "guards_unknown"),
    ({"guards": ("canary",)}, "guards"),
    ({"metrics": False}, "metrics"),
    ({"metrics": None}, "metrics"),
    ({"evidence_at_s": None}, "evidence"),
    ({"evidence_at_s": AT_S - 301}, "evidence"),
    ({"evidence_at_s": AT_S + 1}, "evidence"),
]
WORLDLY = {"kill", "kill_epoch", "directory"}


def looked(changes: dict[str, Any]) -> tuple[Request, Seen, Any, float]:
    request = approved()
    if "request" in changes:
        request = replace(request, context=replace(request.context, effect="nobody"))
    world = replace(WORLD, **{name: value for name, value in changes.items() if name in WORLDLY})
    seen = as_approved(request, **{name: v for name, v in changes.items() if name in Seen.__slots__})
    return request, seen, world, changes.get("now_s", AT_S)


@pytest.mark.parametrize(("changes", "code"), STALE)
@pytest.mark.requirement("SK-13", "SK-16", "SK-17", "LRP-12", "SKP-02")
def test_whatever_changed_or_cannot_be_read_makes_it_stale_with_the_reason(changes: dict[str, Any], code: str) -> None:
    request, seen, world, now_s = looked(changes)
    if "now_s" in changes:
        seen = replace(seen, evidence_at_s=now_s)
    step = reserve(request, seen, world, "use-1", now_s)
    assert codes(step) == [code]
    assert step.request.state is State.STALE
    assert step.records[0].numbers["codes"] == [code]


@pytest.mark.parametrize(("changes", "code"), [case for case in STALE if case[1] not in ("expired", "digest")])
def test_it_is_looked_at_once_more_when_it_starts(changes: dict[str, Any], code: str) -> None:
    """Between taking and starting lies a commit, and the world goes on meanwhile."""
    request, seen, world, _ = looked(changes)
    taken = reserve(request, as_approved(request), WORLD, "use-1", AT_S)
    step = begin(taken.request, seen, world, "use-1", AT_S)
    assert codes(step) == [code]
    assert step.request.state is State.STALE


@pytest.mark.parametrize("left_out", RECHECKS, ids=lambda rule: rule.__name__)
def test_each_rule_of_the_last_look_matters(left_out: recheck.Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    def answers() -> list[list[str]]:
        found = []
        for changes, _ in STALE:
            request, seen, world, now_s = looked(changes)
            found.append([r.code for r in recheck.stale(recheck.Look(request, seen, world, now_s))])
        return found

    whole = answers()
    monkeypatch.setattr(recheck, "RECHECKS", tuple(rule for rule in RECHECKS if rule is not left_out))
    assert answers() != whole


def test_a_seen_world_that_nobody_filled_in_holds_nothing() -> None:
    """What is new and not yet read is unknown, and unknown is not fine."""
    step = reserve(approved(), Seen(), WORLD, "use-1", AT_S)
    assert len(codes(step)) == 9


@pytest.mark.parametrize("reach", [100, 110, 1])
def test_a_tenth_more_of_reach_and_a_lower_grade_are_still_what_was_approved(reach: int) -> None:
    request = approved()
    assert reserve(request, as_approved(request, reach=reach, grade=Grade.G1), WORLD, "use-1", AT_S).done


def test_several_reasons_are_all_said() -> None:
    step = reserve(approved(), as_approved(approved(), metrics=None, guards=None, dry_run=None), WORLD, "use-1", AT_S)
    assert codes(step) == ["dry_run_unknown", "guards_unknown", "metrics"]


def running(request: Request | None = None) -> Request:
    request = request or approved()
    taken = reserve(request, as_approved(request), WORLD, "use-1", AT_S)
    begun = begin(taken.request, as_approved(request), WORLD, "use-1", AT_S)
    assert begun.request.state is State.EXECUTING
    return begun.request


@pytest.mark.requirement("SK-12", "LRP-08")
def test_an_approval_is_used_once() -> None:
    request = approved()
    taken = reserve(request, as_approved(request), WORLD, "use-1", AT_S)
    assert taken.request.reservation == Reservation("use-1", AT_S, AuthorityKind.APPROVAL)
    assert codes(reserve(taken.request, as_approved(request), WORLD, "use-2", AT_S)) == ["already_decided"]
    begun = begin(taken.request, as_approved(request), WORLD, "use-1", AT_S)
    assert codes(begin(begun.request, as_approved(request), WORLD, "use-1", AT_S)) == ["not_reserved"]
    assert codes(begin(taken.request, as_approved(request), WORLD, "use-2", AT_S)) == ["not_reserved"]
    ended = finish(begun.request, "use-1", Outcome.SUCCEEDED, "done", AT_S)
    assert codes(reserve(ended.request, as_approved(request), WORLD, "use-2", AT_S)) == ["already_decided"]


def test_what_nobody_approved_is_not_taken() -> None:
    step = reserve(asked(), as_approved(asked()), WORLD, "use-1", AT_S)
    assert codes(step) == ["not_approved"]
    assert step.request.state is State.PENDING


def test_the_permit_is_that_of_the_committed_start_and_of_nothing_earlier() -> None:
    started = running()
    assert permit(started).content == CONTENT
    assert permit(started).reservation == "use-1"
    for early in (asked(), approved()):
        with pytest.raises(AssertionError):
            permit(early)


def test_a_use_that_was_taken_long_ago_is_not_started() -> None:
    request = approved()
    taken = reserve(request, as_approved(request), WORLD, "use-1", AT_S).request
    step = begin(taken, as_approved(request), WORLD, "use-1", AT_S + 61)
    assert codes(step) == ["reservation"]


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome.SUCCEEDED, State.SUCCEEDED),
        (Outcome.FAILED, State.FAILED),
        (Outcome.UNKNOWN, State.INDETERMINATE),
    ],
)
@pytest.mark.parametrize(("verified", "word"), [(True, "(verified)"), (False, "failed)"), (None, "(unverified)")])
@pytest.mark.requirement("SK-09")
def test_a_result_is_recorded_with_what_its_verification_showed(
    outcome: Outcome, state: State, verified: bool | None, word: str
) -> None:
    step = finish(running(), "use-1", outcome, "dropped", AT_S + 5, verified)
    assert (step.request.state, step.request.verified) == (state, verified)
    assert word in step.request.outcome


def test_a_result_of_another_use_is_refused() -> None:
    assert codes(finish(running(), "use-9", Outcome.SUCCEEDED, "x", AT_S)) == ["not_reserved"]
    assert codes(finish(asked(), "use-1", Outcome.SUCCEEDED, "x", AT_S)) == ["not_reserved"]


@pytest.mark.requirement("SKP-05", "SKP-04")
def test_after_a_crash_what_ran_is_indeterminate_and_what_had_not_started_is_stale() -> None:
    ran = recover(running(), AT_S)
    assert ran is not None
    assert ran.request.state is State.INDETERMINATE
    request = approved()
    taken = reserve(request, as_approved(request), WORLD, "use-1", AT_S).request
    idle = recover(taken, AT_S)
    assert idle is not None
    assert idle.request.state is State.STALE
    assert codes(begin(idle.request, as_approved(request), WORLD, "use-1", AT_S)) == ["not_reserved"]
    for waiting in (asked(), approved()):
        assert recover(waiting, AT_S) is None, "what waits survives a restart as it was"


def test_a_result_that_comes_after_the_end_is_recorded_and_moves_nothing() -> None:
    given_up = recover(running(), AT_S)
    assert given_up is not None
    late = finish(given_up.request, "use-1", Outcome.SUCCEEDED, "it had worked", AT_S + 60, True)
    assert late.request.state is State.INDETERMINATE
    assert late.request.outcome == "succeeded, told late: it had worked (verified)"
    assert codes(finish(late.request, "use-1", Outcome.FAILED, "no", AT_S)) == ["already_decided"]


def vote(person: str, account: Any) -> Vote:
    return Vote(person, account, Verdict.APPROVE, AT_S, approved().digest, "page", "b")


def flipped(state: State, **changes: Any) -> tuple[Request, Request]:
    """A step that no function makes: what a bug, or somebody in the database, could do."""
    before = asked()
    return before, replace(before, state=state, revision=before.revision + 1, **changes)


VIOLATIONS: list[tuple[str, tuple[Request, Request]]] = [
    ("in the table", flipped(State.EXECUTING)),
    ("pinned never changes", flipped(State.PENDING, content=replace(CONTENT, reach=1))),
    ("pinned never changes", flipped(State.PENDING, expires_at_s=NOW_S + 1e6)),
    ("only by a vote", flipped(State.APPROVED)),
    ("no maker approves", flipped(State.PENDING, votes=(vote("ana", ANA),))),
    ("one approval of each", flipped(State.PENDING, votes=(vote("ben", BEN), vote("ben", BEN)))),
    ("time does not go back", flipped(State.DENIED, touched_at_s=NOW_S - 1)),
    ("runs with one authority", flipped(State.RESERVED, reservation=Reservation("u", AT_S, AuthorityKind.APPROVAL))),
    ("runs with one authority", flipped(State.RESERVED, reservation=Reservation("u", AT_S, AuthorityKind.BREAK_GLASS))),
    ("runs with one authority", flipped(State.RESERVED)),
]


@pytest.mark.parametrize(("name", "pair"), VIOLATIONS)
def test_a_step_that_breaks_an_invariant_is_not_stored(name: str, pair: tuple[Request, Request]) -> None:
    with pytest.raises(Violation, match=name):
        check(*pair, WORLD)


def test_what_has_ended_stays_ended_and_a_use_stays_what_it_is() -> None:
    request = asked()
    no = decide(request, ballot(request, verdict=Verdict.DENY, reason="no"), WORLD, NOW_S).request
    with pytest.raises(Violation):
        check(no, replace(no, state=State.PENDING, revision=no.revision + 1), WORLD)
    started = running()
    other = replace(started, reservation=None, revision=started.revision + 1)
    with pytest.raises(Violation, match="taken once"):
        check(started, other, WORLD)
    with pytest.raises(Violation, match="one revision"):
        check(started, replace(started, outcome="x"), WORLD)
    with pytest.raises(Violation, match="only added"):
        check(approved(), replace(approved(), votes=(), revision=approved().revision + 1), WORLD)


def test_the_steps_of_an_honest_request_break_nothing() -> None:
    request = asked(Grade.G3)
    way = [request, voted(request, BEN), voted(request, BEN, CLEO)]
    way.append(reserve(way[-1], as_approved(request), WORLD, "use-1", AT_S).request)
    way.append(begin(way[-1], as_approved(request), WORLD, "use-1", AT_S).request)
    way.append(finish(way[-1], "use-1", Outcome.SUCCEEDED, "done", AT_S).request)
    for before, after in pairwise(way):
        check(before, after, WORLD)
    assert way[-1].state is State.SUCCEEDED
    assert isinstance(way[-1].content, Content)
