"""The part of RFC 5545's RRULE that freezes need. Whether a day is one of a rule's is answered from that day alone.

A library that walks from the first day on needs many seconds for a rule that never comes, as for every 30 February.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

INTERVAL_MAX = 400
TEXT_CHARS_MAX = 200
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


class Every(StrEnum):
    DAY = "DAILY"
    WEEK = "WEEKLY"
    MONTH = "MONTHLY"
    YEAR = "YEARLY"


@dataclass(frozen=True, slots=True)
class Repeat:
    """``weekdays`` are (ordinal, 0-6 from Monday); the ordinal, as in "last Friday", is 0 where there is none."""

    every: Every
    interval: int = 1
    weekdays: tuple[tuple[int, int], ...] = ()
    month_days: tuple[int, ...] = ()
    months: tuple[int, ...] = ()
    until: date | None = None


class RuleError(ValueError):
    """The rule cannot be read, or asks for what is not supported; the text says what is."""


def parse_repeat(text: str) -> Repeat:
    """Read ``FREQ=WEEKLY;BYDAY=FR`` and the like. Raises RuleError: what is not understood is never left out."""
    if len(text) > TEXT_CHARS_MAX:
        raise RuleError(f"a rule has at most {TEXT_CHARS_MAX} characters")
    parts: dict[str, str] = {}
    for part in text.strip().upper().split(";"):
        name, equals, value = part.partition("=")
        if not equals or not value or name in parts:
            raise RuleError(f"{part[:40]!r} is not one NAME=VALUE, each name once, with ; between them")
        parts[name] = value
    unknown = sorted(set(parts) - _PARTS)
    if unknown:
        raise RuleError(f"{', '.join(unknown)} is not supported; supported are {', '.join(sorted(_PARTS))}")
    every = _every(parts.get("FREQ", ""))
    repeat = Repeat(
        every,
        interval=_numbers("INTERVAL", parts.get("INTERVAL", "1"), 1, INTERVAL_MAX)[0],
        weekdays=tuple(_weekday(one, every) for one in parts["BYDAY"].split(",")) if "BYDAY" in parts else (),
        month_days=_numbers("BYMONTHDAY", parts["BYMONTHDAY"], -31, 31) if "BYMONTHDAY" in parts else (),
        months=_numbers("BYMONTH", parts["BYMONTH"], 1, 12) if "BYMONTH" in parts else (),
        until=_until(parts["UNTIL"]) if "UNTIL" in parts else None,
    )
    if every is Every.WEEK and repeat.month_days:
        raise RuleError("BYMONTHDAY goes with DAILY, MONTHLY and YEARLY, not with WEEKLY")
    return repeat


_PARTS = {"FREQ", "INTERVAL", "BYDAY", "BYMONTHDAY", "BYMONTH", "UNTIL"}


def _every(text: str) -> Every:
    try:
        return Every(text)
    except ValueError:
        raise RuleError(f"FREQ is DAILY, WEEKLY, MONTHLY or YEARLY, not {text[:20]!r}") from None


def _numbers(name: str, text: str, low: int, high: int) -> tuple[int, ...]:
    try:
        numbers = tuple(int(one) for one in text.split(","))
    except ValueError:
        raise RuleError(f"{name} is a number, or several with commas, not {text[:20]!r}") from None
    if any(not low <= number <= high or number == 0 for number in numbers) or (name == "INTERVAL" and len(numbers) > 1):
        raise RuleError(f"{name} lies between {low} and {high} and is not 0")
    return numbers


def _weekday(text: str, every: Every) -> tuple[int, int]:
    ordinal, name = text[:-2], text[-2:]
    if name not in WEEKDAYS:
        raise RuleError(f"BYDAY holds MO TU WE TH FR SA SU, in MONTHLY also 1MO or -1FR, not {text[:10]!r}")
    if not ordinal:
        return 0, WEEKDAYS.index(name)
    if every is not Every.MONTH:
        raise RuleError("a numbered day, as in -1FR, goes with MONTHLY alone")
    return _numbers("the number of a day", ordinal, -5, 5)[0], WEEKDAYS.index(name)


def _until(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 - a day of the freeze's own zone
    except ValueError:
        raise RuleError(f"UNTIL is a day, as in 20271231, and counts in the freeze's zone, not {text[:20]!r}") from None


def falls_on(repeat: Repeat, first: date, day: date) -> bool:
    """Whether the rule that begins on ``first`` begins again on ``day``."""
    if day < first or (repeat.until is not None and day > repeat.until):
        return False
    if repeat.months and day.month not in repeat.months:
        return False
    return _IN_STEP[repeat.every](repeat, first, day) and _fits_in(repeat, first, day)


def _fits_in(repeat: Repeat, first: date, day: date) -> bool:
    """Without a BY part the rule goes by the day it began on."""
    days_ok = not repeat.month_days or any(_month_day(day, number) for number in repeat.month_days)
    week_ok = not repeat.weekdays or any(_nth(day, ordinal, which) for ordinal, which in repeat.weekdays)
    if repeat.month_days or repeat.weekdays:
        return days_ok and week_ok
    match repeat.every:
        case Every.DAY:
            return True
        case Every.WEEK:
            return day.weekday() == first.weekday()
        case Every.MONTH:
            return day.day == first.day
        case Every.YEAR:
            return day.day == first.day and (bool(repeat.months) or day.month == first.month)


def _month_day(day: date, number: int) -> bool:
    length = calendar.monthrange(day.year, day.month)[1]
    return day.day == (number if number > 0 else length + 1 + number)


def _nth(day: date, ordinal: int, weekday: int) -> bool:
    if day.weekday() != weekday:
        return False
    length = calendar.monthrange(day.year, day.month)[1]
    forward, backward = (day.day - 1) // 7 + 1, -((length - day.day) // 7 + 1)
    return ordinal in (0, forward, backward)


def _days(repeat: Repeat, first: date, day: date) -> bool:
    return (day - first).days % repeat.interval == 0


def _weeks(repeat: Repeat, first: date, day: date) -> bool:
    monday = first - timedelta(days=first.weekday())
    return (day - monday).days // 7 % repeat.interval == 0


def _months(repeat: Repeat, first: date, day: date) -> bool:
    return ((day.year - first.year) * 12 + day.month - first.month) % repeat.interval == 0


def _years(repeat: Repeat, first: date, day: date) -> bool:
    return (day.year - first.year) % repeat.interval == 0


_IN_STEP: dict[Every, Callable[[Repeat, date, date], bool]] = {
    Every.DAY: _days,
    Every.WEEK: _weeks,
    Every.MONTH: _months,
    Every.YEAR: _years,
}
