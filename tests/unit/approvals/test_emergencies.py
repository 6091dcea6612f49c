"""Break-glass: what it opens, what it never opens, and its review. And several things that are decided at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.approvals import glass as breaking
from gates.approvals.batch import Batch, NotBatchable, Progress, batch, next_member, untick
from gates.approvals.card import Surroundings, as_text, card
from gates.approvals.check import check
from gates.approvals.glass import BreakGlass, GlassStep, Opening, break_glass, overdue, review, working_time_s
from gates.approvals.model import AuthorityKind, Content, Item, Request, State
from gates.approvals.pin import root
from gates.approvals.recheck import Seen
from gates.approvals.run import Outcome, begin, reserve
from gates.freezes.ask import FreezeAnswer
from gates.grades import Grade
from gates.kill import KillAnswer, KillAnswerKind
from tests.unit.approvals.stage import (
    ANA,
    ANA_CHAT,
    BEN,
    BOT,
    CLEO,
    COMPANY,
    CONTENT,
    NOBODY,
    NOW_S,
    WORLD,
    as_approved,
    asked,
    ballot,
    codes,
    voted,
)  # fmt: skip

WISH = Opening("g-1", ANA, "the gate is down", "inc-7", "shop", "production", 1_800)
AT_S = NOW_S + 60


def opened(**changes: Any) -> BreakGlass:
    step = break_glass(replace(WISH, **changes), COMPANY, (), NOW_S)
    assert step.glass is not None, step.refused
    return step.glass


def refusals(step: GlassStep) -> list[str]:
    return [refusal.code for refusal in step.refused]


LATE = replace(opened(), id="g-0", review_by_s=NOW_S - 1)
REFUSED: list[tuple[dict[str, Any], tuple[BreakGlass, ...], list[str]]] = [
    ({"account": BEN}, (), ["not_a_holder"]),
    ({"account": NOBODY}, (), ["not_a_holder"]),
    ({"account": BOT}, (), ["not_a_holder"]),
    ({"environment": "staging"}, (), ["not_a_holder"]),
    ({"environment": "*"}, (), ["not_a_holder", "scope"]),
    ({"application": ""}, (), ["scope"]),
    ({"reason": " "}, (), ["reason"]),
    ({"incident": ""}, (), ["reason"]),
    ({"lasts_s": 3_601}, (), ["too_long"]),
    ({"lasts_s": 0}, (), ["too_long"]),
    ({}, (LATE,), ["review_overdue"]),
    ({}, (replace(LATE, reviewer="ben"),), []),
    ({}, (replace(LATE, team="pay"),), []),
]


@pytest.mark.parametrize(("changes", "before", "expected"), REFUSED)
def test_an_emergency_is_narrow_short_reasoned_and_not_opened_over_an_unreviewed_one(
    changes: dict[str, Any], before: tuple[BreakGlass, ...], expected: list[str]
) -> None:
    step = break_glass(replace(WISH, **changes), COMPANY, before, NOW_S)
    assert refusals(step) == expected
    assert (step.glass is None) is bool(expected)


@pytest.mark.parametrize("left_out", breaking.BREAKING, ids=lambda rule: rule.__name__)
def test_each_rule_of_break_glass_matters(left_out: breaking.Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    def answers() -> list[list[str]]:
        try:
            return [refusals(break_glass(replace(WISH, **c), COMPANY, before, NOW_S)) for c, before, _ in REFUSED]
        except AssertionError:
            return []

    whole = answers()
    monkeypatch.setattr(breaking, "BREAKING", tuple(rule for rule in breaking.BREAKING if rule is not left_out))
    assert answers() != whole


def test_an_emergency_stands_in_for_approvals_and_freezes_and_is_named_as_the_authority() -> None:
    request, glass = asked(), opened()
    frozen = as_approved(request, freeze=FreezeAnswer(True, ("f",), "freeze f"))
    taken = reserve(request, frozen, WORLD, "use-1", AT_S, glass)
    assert taken.request.state is State.RESERVED
    assert taken.request.reservation is not None
    assert taken.request.reservation.authority is AuthorityKind.BREAK_GLASS
    assert taken.records[0].actor == "ana"
    check(request, taken.request, WORLD)
    begun = begin(taken.request, frozen, WORLD, "use-1", AT_S, glass)
    assert begun.request.state is State.EXECUTING
    check(taken.request, begun.request, WORLD)


KILL = replace(WORLD, kill=KillAnswer(KillAnswerKind.HALT, ("k",), "kill k is engaged"))


@pytest.mark.parametrize(
    ("request_", "world", "glass", "now_s", "code"),
    [
        (asked(), KILL, opened(), AT_S, "killed"),
        (asked(), replace(WORLD, kill_epoch=4), opened(), AT_S, "kill_epoch"),
        (asked(deletes_data=True), WORLD, opened(), AT_S, "break_glass"),
        (asked(), WORLD, opened(lasts_s=60), AT_S, "break_glass"),
        (asked(), WORLD, replace(opened(), application="pay"), AT_S, "break_glass"),
        (asked(), WORLD, replace(opened(), environment="staging"), AT_S, "break_glass"),
        (asked(), WORLD, replace(opened(), reviewer="ben"), AT_S, "break_glass"),
        (asked(), WORLD, opened(), NOW_S + 1_800, "break_glass"),
    ],
)
def test_an_emergency_waives_no_kill_no_deletion_of_data_and_nothing_outside_its_scope_and_time(
    request_: Request, world: Any, glass: BreakGlass, now_s: float, code: str
) -> None:
    seen = as_approved(request_, evidence_at_s=now_s)
    step = reserve(request_, seen, world, "use-1", now_s, glass)
    assert code in codes(step)
    assert step.request.state is State.STALE


def test_an_emergency_ends_also_between_taking_and_starting_and_is_not_exchanged() -> None:
    request, glass = asked(), opened()
    taken = reserve(request, as_approved(request), WORLD, "use-1", AT_S, glass).request
    other = replace(glass, id="g-2")
    assert codes(begin(taken, as_approved(request), WORLD, "use-1", AT_S, other)) == ["break_glass"]
    assert "approvers" in codes(begin(taken, as_approved(request), WORLD, "use-1", AT_S))


def test_what_is_approved_needs_no_emergency() -> None:
    request = voted(asked(), BEN)
    assert codes(reserve(request, as_approved(request), WORLD, "use-1", AT_S, opened())) == ["not_approved"]


@pytest.mark.parametrize(
    ("account", "found", "codes_"),
    [
        (ANA, "fine", ["not_a_reviewer"]),
        (ANA_CHAT, "fine", ["not_a_reviewer"]),
        (NOBODY, "fine", ["not_a_reviewer"]),
        (CLEO, "fine", ["not_a_reviewer"]),
        (BEN, " ", ["reason"]),
        (BEN, "restarted one pod too many", []),
    ],
)
def test_somebody_else_who_may_reviews_it_and_says_what_was_found(account: Any, found: str, codes_: list[str]) -> None:
    step = review(opened(), account, found, COMPANY, NOW_S + 600)
    assert refusals(step) == codes_
    if step.glass is not None:
        assert step.glass.reviewer == "ben"
        assert refusals(review(step.glass, BEN, "again", COMPANY, NOW_S)) == ["already_decided"]


def test_a_review_that_is_late_locks_the_team_and_is_on_every_card() -> None:
    late = overdue([LATE], "shop", NOW_S)
    assert late == (LATE,)
    assert overdue([LATE], "shop", NOW_S - 2) == ()
    shown = as_text(card(asked(), WORLD, Surroundings({}, overdue=late), NOW_S))
    assert "break-glass g-0 of team shop was never reviewed" in shown
    step = review(LATE, BEN, "found", COMPANY, NOW_S)
    assert "reviewed late" in step.records[0].text


def at_s(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("zone", "start", "end"),
    [
        ("UTC", "2026-11-24T10:00", "2026-11-25T10:00"),
        ("UTC", "2026-11-27T10:00", "2026-11-30T10:00"),  # Friday to Monday
        ("UTC", "2026-11-28T10:00", "2026-12-01T00:00"),  # Saturday: all of Monday
        ("Europe/Berlin", "2026-03-27T11:00", "2026-03-30T10:00"),  # over the change of clocks
    ],
)
def test_a_review_is_due_after_a_day_of_working_days(zone: str, start: str, end: str) -> None:
    assert working_time_s(at_s(start), 24 * 3_600, zone) == at_s(end)


ONE, TWO, THREE = (
    replace(CONTENT, items=(Item(f"u{n}", "Pod", f"p{n}", "1"),), reach=n, grade=Grade.G1, kind="restart")
    for n in (1, 2, 3)
)


def by_reach(reach: int) -> Grade:
    return Grade.G3 if reach > 20 else Grade.G2 if reach > 5 else Grade.G1


def batched() -> tuple[Batch, Request]:
    whole = batch([ONE, TWO, THREE], by_reach)
    fields_ = {n: getattr(whole.content, n) for n in Content.__slots__ if n not in ("grade",)}
    request = voted(asked(whole.content.grade, **fields_), BEN)
    taken = reserve(request, as_approved(request), WORLD, "use-1", AT_S).request
    return whole, begin(taken, as_approved(request), WORLD, "use-1", AT_S).request


def of_member(request: Request, member: Content) -> Seen:
    return as_approved(
        request, content=member, items=member.items, dry_run=member.dry_run, grade=member.grade, reach=member.reach
    )


@pytest.mark.requirement("HG-13", "HG-19")
def test_a_batch_is_decided_once_graded_as_a_whole_and_run_one_by_one() -> None:
    whole, request = batched()
    assert (whole.content.grade, whole.content.reach, len(whole.content.items)) == (Grade.G2, 6, 3)
    ran: list[Content] = []
    while True:
        member = whole.members[min(len(ran), 2)]
        seen = of_member(request, member)
        found = next_member(request, whole, Progress((Outcome.SUCCEEDED,) * len(ran)), seen, WORLD, AT_S)
        if found is None:
            break
        assert isinstance(found, Content)
        ran.append(found)
    assert ran == [ONE, TWO, THREE]


def test_the_first_member_that_does_not_succeed_stops_the_rest() -> None:
    whole, request = batched()
    seen = of_member(request, TWO)
    for outcome in (Outcome.FAILED, Outcome.UNKNOWN):
        found = next_member(request, whole, Progress((outcome,)), seen, WORLD, AT_S)
        assert isinstance(found, tuple)
        assert [refusal.code for refusal in found] == ["stopped"]


@pytest.mark.parametrize("change", [{"items": ()}, {"content": THREE}, {"metrics": None}, {"reach": 4}])
def test_each_member_is_looked_at_again_right_before_it(change: dict[str, Any]) -> None:
    whole, request = batched()
    seen = of_member(request, TWO)
    assert next_member(request, whole, Progress((Outcome.SUCCEEDED,)), seen, WORLD, AT_S) == TWO
    drifted = replace(seen, **change)
    assert isinstance(next_member(request, whole, Progress((Outcome.SUCCEEDED,)), drifted, WORLD, AT_S), tuple)
    assert isinstance(next_member(request, whole, Progress((Outcome.SUCCEEDED,)), seen, KILL, AT_S), tuple)


def test_members_that_were_exchanged_after_the_approval_do_not_run() -> None:
    whole, request = batched()
    other = replace(whole, members=(ONE, THREE, TWO))
    found = next_member(request, other, Progress(), as_approved(request, content=ONE), WORLD, AT_S)
    assert isinstance(found, tuple)
    assert [refusal.code for refusal in found] == ["content"]
    waiting = replace(request, state=State.APPROVED)
    assert isinstance(next_member(waiting, whole, Progress(), as_approved(request), WORLD, AT_S), tuple)


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ([ONE], "2 to 20"),
        ([ONE] * 21, "2 to 20"),
        ([ONE, replace(TWO, kind="scale")], "same kind"),
        ([ONE, replace(TWO, tier="staging")], "same tier"),
        ([ONE, replace(TWO, application="pay")], "same application"),
        ([ONE, replace(TWO, grade=Grade.G3)], "one by one"),
        ([ONE, replace(TWO, deletes_data=True)], "one by one"),
        ([ONE, replace(TWO, reach=20)], "one by one"),
    ],
)
def test_what_is_not_alike_not_small_or_together_irreversible_is_no_batch(members: list[Content], told: str) -> None:
    with pytest.raises(NotBatchable, match=told):
        batch(members, by_reach)


def test_leaving_a_member_out_makes_another_request() -> None:
    whole = batch([ONE, TWO, THREE], by_reach)
    fewer = untick(whole, frozenset({1}), by_reach)
    assert fewer.members == (ONE, THREE)
    assert fewer.content.manifests != whole.content.manifests
    first, second = (asked(Grade.G2, manifests=one.content.manifests) for one in (whole, fewer))
    assert ballot(first).digest != second.digest


@given(st.lists(st.text(max_size=3), min_size=1, max_size=9, unique=True), st.data())
def test_a_root_knows_every_leaf_and_their_order(leaves: list[str], data: st.DataObject) -> None:
    other = data.draw(st.permutations(leaves) | st.lists(st.text(max_size=3), min_size=1, max_size=9))
    assert (root(tuple(other)) == root(tuple(leaves))) is (list(other) == leaves)
