"""Who made a request: everybody whose work it is, as persons. Whoever is among them may not approve it."""

from __future__ import annotations

from dataclasses import dataclass

from gates.approvals.model import Origin
from gates.people.directory import Account, Directory


@dataclass(frozen=True, slots=True)
class Makers:
    """``people`` by id and their ``teams``. ``unknown`` accounts belong to nobody: they might be anybody's."""

    people: frozenset[str]
    teams: frozenset[str]
    unknown: tuple[Account, ...]


def accounts(origin: Origin) -> tuple[Account, ...]:
    """Every account a request names, each once."""
    named = (origin.requester, *origin.on_behalf_of, *origin.authors, *origin.editors)
    return tuple(dict.fromkeys(named))


def makers(origin: Origin, known: Directory) -> Makers:
    """All persons behind the accounts of ``origin``: an agent stands for its operator, up to the human."""
    people, teams, unknown = set(), set(), []
    for account in accounts(origin):
        person = known.person(account)
        if person is None:
            if account not in known.outsiders:
                unknown.append(account)
            continue
        for one in known.behind(person):
            people.add(one.id)
            teams.add(one.team)
    return Makers(frozenset(people), frozenset(teams), tuple(unknown))
