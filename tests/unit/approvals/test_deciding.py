"""Decisions of people: which count, which are refused and why, and that a refused one changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gates.approvals import decide as deciding
from gates.approvals import standing
from gates.approvals.decide import decide
from gates.approvals.ends import LEVELS, delivered, kill, pass_time, stop, supersede, withdraw
from gates.approvals.model import Origin, Request, State, Step, Verdict
from gates.approvals.record import drafts
from gates.approvals.standing import quorum
from gates.audit import TYPES
from gates.grades import Grade
from gates.kill import KillAnswer, KillAnswerKind
from gates.people.directory import Account
from tests.unit.approvals.stage import (
    ANA,
    ANA_CHAT,
    ANA_GIT,
    BEN,
    BEN_CHAT,
    BOT,
    CLEO,
    COMPANY,
    DORA,
    EVE,
    NOBODY,
    NOW_S,
    ORIGIN,
    SERVICE,
    SUB_BOT,
    WORLD,
    approved,
    asked,
    ballot,
    codes,
    voted,
    without_grants,
)  # fmt: skip

KILLED = replace(WORLD, kill=KillAnswer(KillAnswerKind.HALT, ("k",), "kill k is engaged"))

REFUSED: list[tuple[Grade, Account, dict[str, Any], list[str]]] = [
    (Grade.G2, ANA, {}, ["maker"]),
    (Grade.G2, ANA_CHAT, {}, ["maker"]),
    (Grade.G2, ANA_GIT, {}, ["maker"]),
    (Grade.G2, BOT, {}, ["not_human"]),
    (Grade.G2, SERVICE, {}, ["not_human"]),
    (Grade.G2, EVE, {}, ["not_an_approver"]),
    (Grade.G2, NOBODY, {}, ["unknown_account"]),
    (Grade.G2, Account("", ""), {}, ["unknown_account"]),
    (Grade.G2, BEN, {"method": "GET"}, ["not_posted"]),
    (Grade.G2, BEN, {"method": "HEAD"}, ["not_posted"]),
    (Grade.G2, BEN, {"request": "r-2"}, ["other_request"]),
    (Grade.G2, BEN, {"digest": "sha256:0"}, ["other_content"]),
    (Grade.G2, BEN, {"digest": ""}, ["other_content"]),
    (Grade.G2, BEN, {"credential_until_s": NOW_S + 60}, ["credential_expired"]),
    (Grade.G2, BEN, {"cut": True}, ["cut_card"]),
    (Grade.G3, BEN, {"channel": "telegram"}, ["channel"]),
    (Grade.G3, BEN, {"stepped_up_at_s": None}, ["step_up"]),
    (Grade.G3, BEN, {"stepped_up_at_s": NOW_S - 241}, ["step_up"]),
    (Grade.G3, BEN, {"stepped_up_at_s": NOW_S + 61}, ["step_up"]),
    (Grade.G3, BEN, {"typed": "order"}, ["typed"]),
    (Grade.G3, BEN, {"typed": "orders "}, ["typed"]),
    (Grade.G3, ANA, {"method": "GET", "typed": ""}, ["not_posted", "typed", "maker"]),
]


@pytest.mark.parametrize(("grade", "account", "changes", "expected"), REFUSED)
@pytest.mark.requirement("SKP-01", "SK-11", "AH-11", "LRP-08", "AS-11", "HG-18")
def test_an_approval_that_does_not_count_is_refused_with_every_reason_and_changes_nothing(
    grade: Grade, account: Account, changes: dict[str, Any], expected: list[str]
) -> None:
    request = asked(grade)
    step = decide(request, ballot(request, account, **changes), WORLD, NOW_S + 60)
    assert codes(step) == expected
    assert step.request is request
    assert step.records == ()


def outcomes() -> list[object]:
    """What every question of this page is answered, for the rules that are left out below."""
    said: list[object] = []
    for grade, account, changes, _ in REFUSED:
        request = asked(grade)
        said.append(codes(decide(request, ballot(request, account, **changes), WORLD, NOW_S + 60)))
    g3 = voted(asked(Grade.G3), BEN)
    said += [
        codes(decide(g3, ballot(g3, CLEO, id=f"b-{BEN}"), WORLD, NOW_S + 60)),
        codes(decide(g3, ballot(g3, BEN_CHAT), WORLD, NOW_S + 60)),
        codes(decide(approved(), ballot(approved(), CLEO), WORLD, NOW_S + 60)),
        codes(decide(asked(), ballot(asked()), KILLED, NOW_S + 60)),
        codes(decide(asked(), ballot(asked()), WORLD, NOW_S + 1_800)),
        codes(decide(asked(), ballot(asked(), verdict=Verdict.DENY), WORLD, NOW_S)),
        codes(decide(asked(), ballot(asked(), EVE, verdict=Verdict.DENY, reason="no"), WORLD, NOW_S)),
        codes(decide(asked(), ballot(asked(), verdict=Verdict.DENY, reason="no", method="GET"), WORLD, NOW_S)),
        codes(decide(asked(), ballot(asked(), verdict=Verdict.DENY, reason="no", digest=""), WORLD, NOW_S)),
        codes(decide(asked(), ballot(asked(), verdict=Verdict.DENY, reason="no", request=""), WORLD, NOW_S)),
        codes(decide(asked(), ballot(asked(), verdict=Verdict.DENY, reason="no", credential_until_s=1), WORLD, NOW_S)),
        codes(decide(denied(), ballot(asked(), verdict=Verdict.DENY, reason="no"), WORLD, NOW_S)),
    ]
    return said


@pytest.mark.parametrize(
    ("module", "rules", "left_out"),
    [
        (module, name, rule)
        for module, name in ((deciding, "APPROVING"), (deciding, "DENYING"), (standing, "STANDING"))
        for rule in getattr(module, name)
        if rule.__name__ != "rule_tier"  # shown where a policy has tiers
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_each_rule_of_a_decision_matters(
    module: Any, rules: str, left_out: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any one of them an answer is another one, or a bug of ours shows itself."""
    whole = outcomes()
    monkeypatch.setattr(module, rules, tuple(rule for rule in getattr(module, rules) if rule is not left_out))
    try:
        changed = outcomes() != whole
    except AssertionError:
        changed = True
    assert changed


def denied() -> Request:
    return decide(asked(), ballot(asked(), verdict=Verdict.DENY, reason="not on a Friday"), WORLD, NOW_S).request


@pytest.mark.requirement("SK-06", "AH-07", "HG-12")
def test_a_denial_ends_it_with_its_reason_for_the_requester() -> None:
    request = denied()
    assert request.state is State.DENIED
    assert request.reason == "denied by ben via page: not on a Friday"
    late = decide(request, ballot(request, CLEO), WORLD, NOW_S + 1)
    assert codes(late) == ["already_decided"]
    assert "denied by ben" in late.refused[0].text


@pytest.mark.parametrize("account", [BEN, DORA, ANA])
def test_every_approver_may_deny_also_what_is_approved_and_also_ones_own(account: Account) -> None:
    request = approved()
    step = decide(request, ballot(request, account, verdict=Verdict.DENY, reason="wait", id="b-2"), WORLD, NOW_S + 90)
    assert step.request.state is State.DENIED


def test_who_has_approved_may_still_deny() -> None:
    request = voted(asked(Grade.G3), BEN)
    step = decide(request, ballot(request, BEN, verdict=Verdict.DENY, reason="no", id="b-2"), WORLD, NOW_S + 90)
    assert step.request.state is State.DENIED


@pytest.mark.parametrize(
    ("accounts", "state"),
    [
        ((BEN,), State.PENDING),
        ((BEN, DORA), State.PENDING),  # both of the makers' team
        ((CLEO, DORA), State.PENDING),  # no senior of the owning team
        ((BEN, CLEO), State.APPROVED),
        ((CLEO, BEN), State.APPROVED),
        ((CLEO, DORA, BEN), State.APPROVED),
    ],
)
def test_g3_needs_two_people_one_senior_and_one_from_outside(accounts: tuple[Account, ...], state: State) -> None:
    assert voted(asked(Grade.G3), *accounts).state is state


def test_two_people_at_the_same_instant_both_count_and_neither_twice() -> None:
    """Both read the same revision; the store takes one, the other looks again and is then counted on top."""
    request = asked(Grade.G3)
    first, second = (decide(request, ballot(request, who), WORLD, NOW_S + 5) for who in (BEN, CLEO))
    assert first.request.revision == second.request.revision == request.revision + 1
    again = decide(first.request, ballot(first.request, CLEO), WORLD, NOW_S + 5)
    assert again.request.state is State.APPROVED
    assert [vote.person for vote in again.request.votes] == ["ben", "cleo"]


def test_at_g2_the_second_of_two_at_the_same_instant_is_told_who_came_first() -> None:
    request = asked()
    first = decide(request, ballot(request, BEN), WORLD, NOW_S + 5).request
    late = decide(first, ballot(first, CLEO), WORLD, NOW_S + 5)
    assert codes(late) == ["already_decided"]
    assert "approved by ben" in late.refused[0].text


def test_a_replayed_decision_counts_once() -> None:
    request = asked(Grade.G3)
    cast = ballot(request, BEN)
    once = decide(request, cast, WORLD, NOW_S).request
    assert codes(decide(once, cast, WORLD, NOW_S)) == ["replayed", "voted"]
    assert codes(decide(once, replace(cast, id="other"), WORLD, NOW_S)) == ["voted"]
    assert codes(decide(once, ballot(once, BEN_CHAT), WORLD, NOW_S)) == ["voted"]


def test_an_approval_of_one_request_is_none_of_its_twin() -> None:
    first, twin = asked(request_id="r-1"), asked(request_id="r-2")
    assert first.content == twin.content
    assert codes(decide(twin, ballot(first), WORLD, NOW_S)) == ["other_request", "other_content"]


def test_a_forged_vote_in_the_stored_request_does_not_count() -> None:
    honest = voted(asked(Grade.G3), BEN)
    forged = replace(honest.votes[0], account=CLEO, person="dora")
    assert not quorum(replace(honest, votes=(*honest.votes, forged)), WORLD, NOW_S).reached
    other = replace(honest.votes[0], account=CLEO, person="cleo", digest="sha256:0")
    assert not quorum(replace(honest, votes=(*honest.votes, other)), WORLD, NOW_S).reached
    maker = replace(honest.votes[0], account=ANA, person="ana")
    assert not quorum(replace(honest, votes=(*honest.votes, maker)), WORLD, NOW_S).reached


def test_a_vote_of_somebody_who_lost_the_role_does_not_count_any_more() -> None:
    request = voted(asked(Grade.G3), BEN)
    fired = replace(WORLD, directory=without_grants(COMPANY, "ben"))
    step = decide(request, ballot(request, CLEO), fired, NOW_S + 60)
    assert step.request.state is State.PENDING
    assert "1 more" in step.request.reason


@pytest.mark.requirement("LRP-10")
def test_the_human_behind_an_agent_of_an_agent_is_its_maker() -> None:
    request = replace(asked(), origin=Origin(SUB_BOT))
    assert codes(decide(request, ballot(request, ANA), WORLD, NOW_S)) == ["maker"]


@pytest.mark.requirement("HG-12", "AH-05", "AH-08")
def test_time_escalates_twice_and_then_aborts_with_an_explanation() -> None:
    request, seen = asked(), []
    for after_s in (599, 600, 900, 1_200, 1_500, 1_800):
        step = pass_time(request, WORLD, NOW_S + after_s)
        if step is not None:
            request = step.request
            seen.append((after_s, request.state, request.escalated))
    assert seen == [(600, State.PENDING, 1), (1_200, State.PENDING, 2), (1_800, State.EXPIRED, 2)]
    assert "ask anew" in request.reason


@pytest.mark.parametrize(("grade", "unused_s"), [(Grade.G2, 900), (Grade.G3, 300)])
def test_an_approval_that_is_not_used_expires(grade: Grade, unused_s: float) -> None:
    request = approved(grade)
    at_s = request.approved_at_s or 0
    assert pass_time(request, WORLD, at_s + unused_s - 1) is None
    step = pass_time(request, WORLD, at_s + unused_s)
    assert step is not None
    assert step.request.state is State.EXPIRED


def test_a_clock_set_back_revives_nothing() -> None:
    request = asked()
    late = pass_time(request, WORLD, NOW_S + 1_300)
    assert late is not None
    assert late.request.touched_at_s == NOW_S + 1_300
    again = pass_time(late.request, WORLD, NOW_S - 1e6)
    assert again is None, "what was seen stays seen"
    step = decide(late.request, ballot(late.request, stepped_up_at_s=None), WORLD, NOW_S - 1e6)
    assert step.request.votes[-1].at_s == NOW_S + 1_300


@pytest.mark.requirement("AH-04", "HG-24")
def test_a_notice_that_reaches_nobody_calls_the_next_level_and_loosens_nothing() -> None:
    request = asked()
    step = delivered(request, {"chat": False, "mail": False}, NOW_S + 1)
    assert step is not None
    assert step.request == replace(request, escalated=1, revision=2, touched_at_s=NOW_S + 1)
    assert LEVELS[0] in step.records[0].text
    assert delivered(request, {"chat": False, "mail": True}, NOW_S + 1) is None
    assert delivered(replace(request, escalated=2), {}, NOW_S + 1) is None
    none = delivered(request, {}, NOW_S + 1)
    assert none is not None
    assert "no channel is configured" in none.records[0].text


def test_a_maker_withdraws_and_nobody_else_does() -> None:
    for account in (ANA, ANA_CHAT):
        assert withdraw(asked(), account, WORLD, NOW_S).request.state is State.WITHDRAWN
    assert codes(withdraw(asked(), BEN, WORLD, NOW_S)) == ["not_a_maker"]
    assert codes(withdraw(asked(), NOBODY, WORLD, NOW_S)) == ["not_a_maker"]
    assert codes(withdraw(denied(), ANA, WORLD, NOW_S)) == ["already_decided"]


def test_an_edited_request_replaces_the_old_one_without_its_votes() -> None:
    old = voted(asked(Grade.G3), BEN)
    new = asked(Grade.G3, request_id="r-2", steps=("another",))
    assert supersede(old, new, NOW_S).request.state is State.SUPERSEDED
    assert new.votes == ()
    assert codes(supersede(denied(), new, NOW_S)) == ["already_decided"]
    with pytest.raises(AssertionError, match="does not replace itself"):
        supersede(old, old, NOW_S)


@pytest.mark.requirement("SK-07", "LR-06")
def test_stop_ends_the_whole_run_and_only_that_run() -> None:
    mine = [asked(), approved(), denied()]
    other = replace(asked(), run="run-2")
    stopped = stop([*mine, other], "run-1", EVE, "POST", COMPANY, NOW_S + 60)
    assert [request.state for request in stopped.requests] == [State.KILLED, State.KILLED, State.DENIED]
    assert [record.type for record in stopped.records] == ["run_stopped", "approval_killed", "approval_killed"]


@pytest.mark.parametrize(
    ("account", "method", "code"), [(EVE, "GET", "not_posted"), (NOBODY, "POST", "unknown_account")]
)
def test_a_link_or_a_stranger_stops_nothing(account: Account, method: str, code: str) -> None:
    stopped = stop([asked()], "run-1", account, method, COMPANY, NOW_S)
    assert [refusal.code for refusal in stopped.refused] == [code]
    assert (stopped.requests, stopped.records) == ((asked(),), ())


@pytest.mark.parametrize("state", list(State))
def test_a_kill_ends_whatever_has_not_ended(state: State) -> None:
    request = replace(asked(), state=state)
    step = kill(request, "eve", "kill k", NOW_S)
    over = {State.SUCCEEDED, State.FAILED, State.INDETERMINATE, State.DENIED, State.EXPIRED, State.WITHDRAWN}
    over |= {State.SUPERSEDED, State.STALE, State.KILLED}
    assert step.request.state is (state if state in over else State.KILLED)
    assert step.done is (state not in over)
    assert ("what it did is not known" in step.request.reason) is (state is State.EXECUTING)


@pytest.mark.requirement("AH-10", "AH-17", "SK-11", "AS-09", "LR-09")
def test_every_decision_is_recorded_with_who_how_and_on_what() -> None:
    request = asked()
    steps: list[Step] = [
        decide(request, ballot(request), WORLD, NOW_S),
        decide(request, ballot(request, verdict=Verdict.DENY, reason="no"), WORLD, NOW_S),
    ]
    for step in steps:
        (written,) = drafts(step)
        assert written.type in TYPES
        assert written.actor == "ben"
        assert "via page" in written.text
        assert written.numbers == {"request": "r-1", "digest": request.digest, "account": "sso:ben"}
        assert (written.application, written.environment) == ("shop", "production")
    assert ORIGIN.requester == ANA
