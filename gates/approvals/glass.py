"""Break-glass: an emergency under one person's name, short and reviewed. It waives freezes and approvals, no more."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from gates.approvals.model import Record, Refusal, Request
from gates.freezes.zones import wall_of, zone
from gates.people.directory import EVERY, Account, Directory, Kind, Person, Role

GLASS_S_MAX = 3_600.0
REVIEW_S = 24 * 3_600.0
"""Counted on working days in the team's zone: a weekend does not make a review late, and no Friday hides one."""
WEEKEND = 5


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """One emergency: who, why, for which incident, over what, and until when. ``reviewer`` closes it for good."""

    id: str
    person: str
    team: str
    reason: str
    incident: str
    application: str
    environment: str
    opened_at_s: float
    until_s: float
    review_by_s: float
    reviewer: str = ""
    review: str = ""


@dataclass(frozen=True, slots=True)
class Opening:
    """A wish to break the glass. ``zone`` is the team's, for the working days of its review."""

    id: str
    account: Account
    reason: str
    incident: str
    application: str
    environment: str
    lasts_s: float
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class GlassStep:
    """``glass`` is None when it was refused."""

    glass: BreakGlass | None
    records: tuple[Record, ...] = ()
    refused: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class _Wish:
    opening: Opening
    person: Person | None
    before: tuple[BreakGlass, ...]
    now_s: float


Rule = Callable[[_Wish], Refusal | None]


def rule_holder(wish: _Wish) -> Refusal | None:
    opening, person = wish.opening, wish.person
    human = person is not None and person.kind is Kind.HUMAN
    if human and person and person.tier(Role.BREAK_GLASS, opening.application, opening.environment):
        return None
    return Refusal("not_a_holder", f"{opening.account} does not hold break-glass here: call somebody who does")


def rule_told(wish: _Wish) -> Refusal | None:
    if wish.opening.reason.strip() and wish.opening.incident.strip():
        return None
    return Refusal("reason", "say why and for which incident: it is the first thing that the review asks")


def rule_narrow(wish: _Wish) -> Refusal | None:
    named = wish.opening.environment not in ("", EVERY) and wish.opening.application != ""
    return None if named else Refusal("scope", "one environment, and an application or * for all in it")


def rule_short(wish: _Wish) -> Refusal | None:
    if 0 < wish.opening.lasts_s <= GLASS_S_MAX:
        return None
    return Refusal("too_long", f"an emergency lasts at most {GLASS_S_MAX / 60:g} minutes; open another one after it")


def rule_reviewed(wish: _Wish) -> Refusal | None:
    late = overdue(wish.before, wish.person.team if wish.person else "", wish.now_s)
    if not late:
        return None
    names = ", ".join(glass.id for glass in late)
    return Refusal("review_overdue", f"{names} was never reviewed: somebody else reviews it first")


BREAKING: tuple[Rule, ...] = (rule_holder, rule_told, rule_narrow, rule_short, rule_reviewed)


def break_glass(opening: Opening, known: Directory, before: Iterable[BreakGlass], now_s: float) -> GlassStep:
    """Open an emergency, or say every reason against it. ``before`` are the emergencies so far."""
    wish = _Wish(opening, known.person(opening.account), tuple(before), now_s)
    found = tuple(refusal for rule in BREAKING if (refusal := rule(wish)) is not None)
    if found:
        return GlassStep(None, (), found)
    person = wish.person
    assert person is not None
    until_s = now_s + opening.lasts_s
    glass = BreakGlass(
        opening.id,
        person.id,
        person.team,
        opening.reason.strip(),
        opening.incident.strip(),
        opening.application,
        opening.environment,
        now_s,
        until_s,
        working_time_s(now_s, REVIEW_S, opening.zone),
    )
    text = f"{person.id} broke the glass over {glass.application} in {glass.environment} for {glass.incident}"
    record = Record(
        "break_glass_opened", text, person.id, {"glass": glass.id, "until_s": until_s, "reason": glass.reason}
    )
    return GlassStep(glass, (record,))


def review(glass: BreakGlass, account: Account, found: str, known: Directory, now_s: float) -> GlassStep:
    """Somebody else looks at what was done and says what was found. A late review still has to come."""
    person = known.person(account)
    if person is None or person.kind is not Kind.HUMAN or person.id == glass.person:
        return GlassStep(None, (), (Refusal("not_a_reviewer", "a person other than the one who broke it reviews it"),))
    environment, application = glass.environment, glass.application
    if not person.tier(Role.REVIEWER, application, environment):
        return GlassStep(None, (), (Refusal("not_a_reviewer", f"{person.id} is no reviewer for {environment}"),))
    if glass.reviewer:
        return GlassStep(None, (), (Refusal("already_decided", f"{glass.reviewer} has reviewed it"),))
    if not found.strip():
        return GlassStep(None, (), (Refusal("reason", "say what was found"),))
    late = "late, " if now_s > glass.review_by_s else ""
    text = f"{glass.id} was reviewed {late}by {person.id}: {found.strip()}"
    after = replace(glass, reviewer=person.id, review=found.strip())
    return GlassStep(after, (Record("break_glass_reviewed", text, person.id, {"glass": glass.id}),))


def overdue(before: Iterable[BreakGlass], team: str, now_s: float) -> tuple[BreakGlass, ...]:
    """Emergencies of ``team`` whose review is late. While there is one, it breaks no glass, and every card says so."""
    return tuple(glass for glass in before if glass.team == team and not glass.reviewer and now_s > glass.review_by_s)


def waives(glass: BreakGlass, request: Request, at_s: float) -> bool:
    """Whether ``glass`` stands in for freeze and approvals. Deleting data it never does, and it has an end."""
    content = request.content
    covered = glass.application in (EVERY, content.application) and glass.environment == content.environment
    return covered and glass.opened_at_s <= at_s < glass.until_s and not content.deletes_data and not glass.reviewer


def working_time_s(from_s: float, needed_s: float, zone_name: str) -> float:
    """The instant at which ``needed_s`` seconds of working days have passed in the zone."""
    where, at_s, left_s = zone(zone_name), from_s, needed_s
    while True:
        midnight_s = _next_midnight_s(at_s, zone_name)
        if wall_of(at_s, where).weekday() < WEEKEND:
            if at_s + left_s <= midnight_s:
                return at_s + left_s
            left_s -= midnight_s - at_s
        at_s = midnight_s


def _next_midnight_s(at_s: float, zone_name: str) -> float:
    where = zone(zone_name)
    day = datetime.fromtimestamp(at_s, UTC).astimezone(where).date() + timedelta(days=1)
    return max(at_s + 1, datetime(day.year, day.month, day.day, tzinfo=where).timestamp())
