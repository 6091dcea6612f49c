"""The repeating rules against the library everybody uses, and what is refused."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from gates.freezes.repeats import RuleError, falls_on, parse_repeat

DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
days_of_week = st.lists(st.sampled_from(DAYS), min_size=1, max_size=3, unique=True).map(",".join)
nth_days = st.lists(st.sampled_from([f"{n}{d}" for n in (1, 2, 3, 4, -1, -2) for d in DAYS]), min_size=1, max_size=2)
month_days = st.lists(st.sampled_from([1, 2, 13, 28, -1, -2]), min_size=1, max_size=2, unique=True)
months = st.lists(st.integers(1, 12), min_size=1, max_size=4, unique=True)


@st.composite
def rules(draw: st.DrawFn) -> str:
    every = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    parts = [f"FREQ={every}", f"INTERVAL={draw(st.integers(1, 4))}"]
    by = draw(st.sampled_from(["none", "days", "month days"]))
    if by == "days" and every == "MONTHLY":
        parts.append("BYDAY=" + ",".join(draw(nth_days)))
    elif by == "days" and every != "YEARLY":
        parts.append("BYDAY=" + draw(days_of_week))
    elif by == "month days" and every in ("DAILY", "MONTHLY"):
        parts.append("BYMONTHDAY=" + ",".join(str(day) for day in draw(month_days)))
    if draw(st.booleans()):
        parts.append("BYMONTH=" + ",".join(str(month) for month in draw(months)))
    if draw(st.booleans()):
        parts.append(f"UNTIL={draw(st.dates(date(2026, 2, 1), date(2029, 1, 1))):%Y%m%d}")
    return ";".join(parts)


@settings(max_examples=100, deadline=None)
@given(rules(), st.dates(date(2026, 1, 1), date(2026, 12, 31)))
def test_a_rule_means_what_it_means_everywhere_else(text: str, first: date) -> None:
    """Compared over two years after the first day; the library walks there, this asks each day by itself."""
    begin = datetime.combine(first, time())
    last = begin + timedelta(days=730)
    theirs = {at.date() for at in rrulestr(text, dtstart=begin).xafter(begin, count=800, inc=True) if at <= last}
    repeat = parse_repeat(text)
    ours = {day for n in range(731) if falls_on(repeat, first, day := first + timedelta(days=n))}
    assert ours == theirs


@pytest.mark.parametrize(
    "text",
    [
        "",
        "WEEKLY",
        "FREQ=HOURLY",
        "FREQ=WEEKLY;COUNT=3",
        "FREQ=WEEKLY;BYDAY=XX",
        "FREQ=WEEKLY;BYDAY=1FR",
        "FREQ=WEEKLY;BYMONTHDAY=1",
        "FREQ=WEEKLY;FREQ=DAILY",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;INTERVAL=1,2",
        "FREQ=DAILY;INTERVAL=many",
        "FREQ=MONTHLY;BYDAY=6FR",
        "FREQ=MONTHLY;BYMONTHDAY=0",
        "FREQ=MONTHLY;BYMONTHDAY=32",
        "FREQ=DAILY;UNTIL=20261301",
        "FREQ=DAILY;UNTIL=20261231T000000Z",
        "FREQ=DAILY;BYDAY=" + ",".join(["MO"] * 100),
    ],
)
def test_a_rule_that_is_not_wholly_understood_is_refused(text: str) -> None:
    with pytest.raises(RuleError):
        parse_repeat(text)


def test_a_day_that_never_comes_costs_nothing() -> None:
    never = parse_repeat("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30")
    assert not any(falls_on(never, date(2026, 1, 1), date(2026, 1, 1) + timedelta(days=n)) for n in range(400))
