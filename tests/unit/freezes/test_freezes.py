"""What a freeze holds, what it never holds, and when: also over the hours that clocks skip or show twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.freezes import ask as asking
from gates.freezes.ask import NEVER_FROZEN, NOT_FROZEN, Action, Ask, answer, window
from gates.freezes.model import Freeze, FreezeError, OnRunning, Scope, checked
from gates.freezes.zones import starts_at_s, wall_of
from gates.freezes.zones import zone as zoned

BERLIN, LORD_HOWE = "Europe/Berlin", "Australia/Lord_Howe"


def at_s(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def freeze(start: str = "2026-12-18T16:00", end: str = "2026-12-21T08:00", **changes: Any) -> Freeze:
    span = datetime.fromisoformat(start), datetime.fromisoformat(end)
    whole = Freeze("f-1", Scope(), BERLIN, *span, "Christmas trade", "shop")
    return checked(replace(whole, **changes))


def asked(now: str, action: Action = Action.START, **changes: Any) -> Ask:
    return replace(Ask(action, "shop", "production", True, at_s(now)), **changes)


INSIDE, BEFORE, AFTER = "2026-12-19T12:00", "2026-12-18T14:59:59", "2026-12-21T07:00"


@pytest.mark.parametrize("action", sorted(set(Action) - NEVER_FROZEN))
def test_a_freeze_holds_everything_that_would_go_out_while_it_lasts(action: Action) -> None:
    said = answer([freeze()], asked(INSIDE, action))
    assert (said.blocked, said.ids, said.until_s) == (True, ("f-1",), at_s("2026-12-21T07:00"))
    assert "Christmas trade" in said.text
    assert not answer([freeze()], asked(BEFORE, action)).blocked
    assert not answer([freeze()], asked(AFTER, action)).blocked


@pytest.mark.parametrize("action", sorted(NEVER_FROZEN))
@pytest.mark.parametrize("readable", [True, False])
def test_stopping_going_back_and_looking_are_never_frozen(action: Action, readable: bool) -> None:
    broken = replace(freeze(), zone="Nowhere/City")
    assert answer([freeze(), broken], asked(INSIDE, action), readable) == NOT_FROZEN


def test_what_is_never_frozen_is_exactly_what_stops_looks_or_goes_back() -> None:
    assert {action.value for action in NEVER_FROZEN} == {"read", "stop", "abort", "pause", "roll_back", "kill"}


def test_freezes_that_cannot_be_read_freeze_production_and_nothing_else() -> None:
    assert answer([], asked(INSIDE), readable=False).blocked
    assert not answer([], asked(INSIDE, production=False), readable=False).blocked
    broken = replace(freeze(), zone="Nowhere/City")
    assert answer([broken], asked(AFTER)).blocked
    assert not answer([replace(broken, scope=Scope(("pay",)))], asked(AFTER)).blocked


def test_a_scope_names_what_it_covers_and_an_exception_what_passes() -> None:
    only_pay = freeze(scope=Scope(("pay",)))
    but_shop = freeze(exceptions=(Scope(("shop",), ("production",)),))
    staging = freeze(scope=Scope((), ("staging",)))
    assert not answer([only_pay], asked(INSIDE)).blocked
    assert answer([only_pay], asked(INSIDE, application="pay")).blocked
    assert not answer([but_shop], asked(INSIDE)).blocked
    assert answer([but_shop], asked(INSIDE, application="pay")).blocked
    assert not answer([staging], asked(INSIDE)).blocked
    assert not answer([freeze(lifted=True)], asked(INSIDE)).blocked


def test_windows_over_each_other_hold_until_the_last_of_them_ends() -> None:
    longer = freeze("2026-12-19T00:00", "2026-12-28T00:00", id="f-2")
    said = answer([freeze(), longer], asked(INSIDE))
    assert said.ids == ("f-1", "f-2")
    assert said.until_s == at_s("2026-12-27T23:00")


def test_break_glass_goes_through_a_freeze() -> None:
    assert not answer([freeze()], asked(INSIDE, break_glass=True)).blocked
    assert not answer([], asked(INSIDE, break_glass=True), readable=False).blocked


@pytest.mark.parametrize("action", [Action.ADVANCE, Action.PROMOTE])
def test_a_freeze_that_begins_in_the_middle_of_a_release_does_what_it_says(action: Action) -> None:
    under_way = asked(INSIDE, action, started_at_s=at_s("2026-12-18T12:00"))
    begun_inside = asked(INSIDE, action, started_at_s=at_s("2026-12-19T00:00"))
    finish, hold, back = (freeze(on_running=how) for how in OnRunning)
    assert not answer([finish], under_way).blocked
    assert answer([finish], begun_inside).blocked
    assert answer([hold], under_way).blocked
    assert not answer([hold], under_way).roll_back
    assert answer([back], under_way).roll_back
    assert answer([finish, back], under_way).roll_back


def test_an_edit_of_a_freeze_that_is_on_counts_from_the_next_question() -> None:
    shorter = freeze(end="2026-12-19T10:00")
    assert answer([freeze()], asked(INSIDE)).blocked
    assert not answer([shorter], asked(INSIDE)).blocked


WEEKLY = {"repeat": "FREQ=WEEKLY;BYDAY=FR"}


@pytest.mark.parametrize(
    ("now", "frozen"),
    [
        ("2026-03-27T14:59", False),  # Friday 15:59 in winter time
        ("2026-03-27T15:00", True),
        ("2026-03-30T05:59", True),  # Monday 07:59 in summer time: one hour less than a week ago
        ("2026-03-30T06:00", False),
        ("2026-04-03T13:59", False),
        ("2026-04-03T14:00", True),  # Friday 16:00 in summer time
        ("2026-10-23T14:00", True),
        ("2026-10-26T06:59", True),  # Monday 07:59, winter time again
        ("2026-10-26T07:00", False),
    ],
)
def test_every_weekend_is_frozen_by_the_wall_clock_also_when_it_is_changed(now: str, frozen: bool) -> None:
    weekends = freeze("2026-01-02T16:00", "2026-01-05T08:00", **WEEKLY)
    assert answer([weekends], asked(now)).blocked is frozen


@pytest.mark.parametrize(
    ("zone", "start", "end", "first", "last"),
    [
        # 02:00 to 03:00 is skipped: begins as early, ends as late as it can be read
        (BERLIN, "2026-03-29T02:30", "2026-03-29T06:00", "2026-03-29T00:30", "2026-03-29T04:00"),
        (BERLIN, "2026-03-28T22:00", "2026-03-29T02:30", "2026-03-28T21:00", "2026-03-29T01:30"),
        # 02:00 to 03:00 is there twice
        (BERLIN, "2026-10-25T02:30", "2026-10-25T06:00", "2026-10-25T00:30", "2026-10-25T05:00"),
        (BERLIN, "2026-10-24T22:00", "2026-10-25T02:30", "2026-10-24T20:00", "2026-10-25T01:30"),
        # half an hour is skipped
        (LORD_HOWE, "2026-10-04T02:15", "2026-10-04T05:00", "2026-10-03T15:15", "2026-10-03T18:00"),
        ("UTC", "2026-03-29T02:30", "2026-03-29T03:30", "2026-03-29T02:30", "2026-03-29T03:30"),
    ],
)
def test_an_hour_that_is_skipped_or_there_twice_makes_the_freeze_longer_never_shorter(
    zone: str, start: str, end: str, first: str, last: str
) -> None:
    held = freeze(start, end, zone=zone)
    assert window(held, at_s(first)) == (at_s(first), at_s(last))
    assert window(held, at_s(first) - 1) is None
    assert window(held, at_s(last) - 1) is not None
    assert window(held, at_s(last)) is None


@given(
    st.datetimes(datetime.fromisoformat("2026-01-01"), datetime.fromisoformat("2027-12-31")),
    st.integers(1, 60 * 24 * 10),
    st.sampled_from([BERLIN, LORD_HOWE, "America/New_York", "Asia/Kolkata", "UTC"]),
    st.integers(-5, 60 * 24 * 11),
)
def test_between_its_start_and_its_end_by_the_wall_clock_it_always_holds(
    start: datetime, minutes: int, zone: str, later: int
) -> None:
    """Whatever the zone does in between: the wall clock decides, at the minute."""
    start = start.replace(second=0, microsecond=0)
    made = freeze("2026-01-01T00:00", "2026-01-02T00:00", zone=zone)
    made = replace(made, start=start, end=start + timedelta(minutes=minutes))
    now_s = starts_at_s(start, zoned(zone)) + later * 60
    wall = wall_of(now_s, zoned(zone))
    if made.start <= wall < made.end:
        assert window(made, now_s) is not None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"zone": "CET+1"}, "unknown time zone"),
        ({"end": datetime.fromisoformat("2026-12-18T15:00")}, "ends after it starts"),
        ({"end": datetime.fromisoformat("2027-12-18T15:00")}, "at most 62 days"),
        ({"start": datetime(2026, 12, 18, 15, 0, tzinfo=UTC)}, "without an offset"),
        ({"reason": " "}, "a reason"),
        ({"owner": ""}, "whose freeze"),
        ({"exceptions": (Scope(),)}, "no freeze"),
        ({"scope": Scope(tuple(str(n) for n in range(101)))}, "at most 100"),
        ({"repeat": "FREQ=SECONDLY"}, "FREQ is"),
        ({"repeat": "FREQ=WEEKLY;BYDAY=MO"}, "own rule"),
        ({"repeat": "FREQ=WEEKLY;UNTIL=20260101"}, "own rule"),
    ],
)
def test_a_freeze_that_cannot_be_evaluated_is_refused_with_what_is_wrong(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(FreezeError, match=told):
        checked(replace(freeze(), **changes))


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(FreezeError, match=r"reason.*whose.*time zone"):
        freeze(reason="", owner="", zone="x")


RULES_THAT_MATTER = [rule for rule in asking.RULES if rule is not asking.rule_free]


@pytest.mark.parametrize("left_out", RULES_THAT_MATTER, ids=lambda rule: rule.__name__)
def test_each_rule_of_the_freeze_matters(left_out: asking.Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any one of them, at least one of these answers changes."""
    questions = [
        ([freeze()], asked(INSIDE), True),
        ([freeze()], asked(INSIDE, Action.ABORT), True),
        ([freeze()], asked(INSIDE, break_glass=True), True),
        ([], asked(INSIDE), False),
    ]
    whole = [answer(*question) for question in questions]
    monkeypatch.setattr(asking, "RULES", tuple(rule for rule in asking.RULES if rule is not left_out))
    assert [answer(*question) for question in questions] != whole
