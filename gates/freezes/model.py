"""A freeze as a value: what it covers, when, why, whose it is, and what it does to what is already running."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gates.freezes.repeats import Repeat, RuleError, falls_on, parse_repeat
from gates.freezes.zones import ends_at_s, starts_at_s, zone

SPAN_MAX = timedelta(days=62)
"""One window of a freeze. A longer one is a policy and belongs where policies are; it also bounds every search."""
NAMES_MAX = 100
REASON_CHARS_MAX = 2_000


class OnRunning(StrEnum):
    """What a freeze that begins does to a release that is under way."""

    FINISH = "finish"
    HOLD = "hold_at_cap"
    ROLL_BACK = "roll_back"


@dataclass(frozen=True, slots=True)
class Scope:
    """Names of applications and environments; an empty list covers all of them."""

    applications: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()

    def covers(self, application: str, environment: str) -> bool:
        named = not self.applications or application in self.applications
        return named and (not self.environments or environment in self.environments)


@dataclass(frozen=True, slots=True)
class Freeze:
    """From ``start`` to ``end`` by the clocks of ``zone``; ``repeat`` begins the same window again on other days.

    ``exceptions`` are what passes although the scope covers it; ``lifted`` freezes are kept for the record.
    """

    id: str
    scope: Scope
    zone: str
    start: datetime
    end: datetime
    reason: str
    owner: str
    repeat: str = ""
    exceptions: tuple[Scope, ...] = ()
    on_running: OnRunning = OnRunning.HOLD
    lifted: bool = False

    @property
    def rule(self) -> Repeat | None:
        return parse_repeat(self.repeat) if self.repeat else None


class FreezeError(ValueError):
    """The freeze cannot be taken as it was written. The text holds everything that is wrong with it."""


def checked(freeze: Freeze) -> Freeze:
    """``freeze``, or FreezeError with every trouble: one that nobody can evaluate must not be stored."""
    troubles: list[str] = []
    if freeze.start.tzinfo is not None or freeze.end.tzinfo is not None:
        troubles.append("start and end are wall-clock times of the zone, without an offset of their own")
    elif not timedelta(0) < freeze.end - freeze.start <= SPAN_MAX:
        troubles.append(f"a window ends after it starts and lasts at most {SPAN_MAX.days} days")
    if not freeze.reason.strip() or len(freeze.reason) > REASON_CHARS_MAX:
        troubles.append(f"give a reason of at most {REASON_CHARS_MAX} characters")
    if not freeze.owner.strip():
        troubles.append("say whose freeze it is")
    if any(not one.applications and not one.environments for one in freeze.exceptions):
        troubles.append("an exception names applications or environments; one that covers everything is no freeze")
    named = [len(one.applications) + len(one.environments) for one in (freeze.scope, *freeze.exceptions)]
    if max(named) > NAMES_MAX or len(freeze.exceptions) > NAMES_MAX:
        troubles.append(f"at most {NAMES_MAX} names and exceptions")
    troubles += _unreadable(freeze)
    if troubles:
        raise FreezeError("; ".join(troubles))
    return freeze


def _unreadable(freeze: Freeze) -> list[str]:
    troubles: list[str] = []
    try:
        where = zone(freeze.zone)
    except ValueError as error:
        troubles.append(str(error))
    else:
        naive = freeze.start.tzinfo is None and freeze.end.tzinfo is None
        if naive and ends_at_s(freeze.end, where) <= starts_at_s(freeze.start, where):
            troubles.append("in its zone the window is over before it starts")
    try:
        if freeze.rule is not None and not falls_on(freeze.rule, freeze.start.date(), freeze.start.date()):
            troubles.append("the first window does not begin on a day of its own rule")
    except RuleError as error:
        troubles.append(str(error))
    return troubles
