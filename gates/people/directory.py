"""Accounts mapped to persons. An account that is mapped to nobody is nobody: it may look, and decide nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

EVERY = "*"
"""In a grant: every application, or every environment."""

OPERATORS_MAX = 16
"""How many agents may stand between an agent and its human. A longer chain is a mistake, and is refused."""


class Kind(StrEnum):
    """What a person of the directory is. Only a human can approve."""

    HUMAN = "human"
    SERVICE = "service"
    MODEL = "model"


class Role(StrEnum):
    """What a grant lets a person do. Stopping needs no role."""

    PROPOSER = "proposer"
    APPROVER = "approver"
    BREAK_GLASS = "break_glass"
    REVIEWER = "reviewer"


@dataclass(frozen=True, slots=True)
class Account:
    """One credential's identity as its issuer calls it: a login, a chat account, a token or a commit's address."""

    issuer: str
    subject: str

    def __str__(self) -> str:
        return f"{self.issuer}:{self.subject}"


@dataclass(frozen=True, slots=True)
class Grant:
    """A role over an application in an environment. ``tier`` counts for approvers: 1 routine, 2 senior."""

    role: Role
    application: str = EVERY
    environment: str = EVERY
    tier: int = 1

    def covers(self, application: str, environment: str) -> bool:
        return self.application in (EVERY, application) and self.environment in (EVERY, environment)


@dataclass(frozen=True, slots=True)
class Person:
    """One human, service or model, however many accounts it has. ``operator`` is who answers for a service or model."""

    id: str
    team: str
    kind: Kind = Kind.HUMAN
    grants: tuple[Grant, ...] = ()
    operator: str | None = None

    def tier(self, role: Role, application: str, environment: str) -> int:
        """The highest tier of ``role`` there; 0 when the person does not hold it."""
        tiers = (g.tier for g in self.grants if g.role is role and g.covers(application, environment))
        return max(tiers, default=0)


class DirectoryError(ValueError):
    """The directory contradicts itself. Nobody is guessed at: it is refused whole, with everything that is wrong."""


@dataclass(frozen=True, slots=True)
class Directory:
    """Who is who at one moment. ``outsiders`` are accounts known to belong to nobody here, as of a contributor."""

    people: Mapping[str, Person] = field(default_factory=dict)
    accounts: Mapping[Account, str] = field(default_factory=dict)
    outsiders: frozenset[Account] = frozenset()

    def person(self, account: Account) -> Person | None:
        return self.people.get(self.accounts.get(account, ""))

    def behind(self, person: Person) -> tuple[Person, ...]:
        """The person and everybody who answers for it, up to the human."""
        found = [person]
        while (operator := found[-1].operator) is not None:
            assert len(found) <= OPERATORS_MAX, f"a chain of operators that was never checked: {person.id}"
            found.append(self.people[operator])
        return tuple(found)

    def humans(self, role: Role, application: str, environment: str) -> tuple[Person, ...]:
        """The humans who hold ``role`` there, by id."""
        holding = (p for p in self.people.values() if p.kind is Kind.HUMAN and p.tier(role, application, environment))
        return tuple(sorted(holding, key=lambda person: person.id))


def directory(
    people: Iterable[Person], accounts: Iterable[tuple[Account, str]], outsiders: Iterable[Account] = ()
) -> Directory:
    """Build a directory. Raises DirectoryError with every contradiction."""
    people, accounts, known_out = list(people), list(accounts), frozenset(outsiders)
    by_id = {person.id: person for person in people}
    troubles = [f"person {name} is listed twice" for name, times in Counter(p.id for p in people).items() if times > 1]
    owners: dict[Account, str] = {}
    for account, owner in accounts:
        if owner not in by_id:
            troubles.append(f"account {account} belongs to {owner!r}, who is not listed")
        if owners.setdefault(account, owner) != owner:
            troubles.append(f"account {account} belongs to {owners[account]} and to {owner}: one of the two")
        if account in known_out:
            troubles.append(f"account {account} is both an outsider's and {owner}'s")
    for person in people:
        troubles += _operator_troubles(person, by_id)
    if troubles:
        raise DirectoryError("; ".join(troubles))
    return Directory(by_id, owners, known_out)


def _operator_troubles(person: Person, by_id: Mapping[str, Person]) -> list[str]:
    """A chain of operators must end at a human; a human has none."""
    if person.kind is Kind.HUMAN:
        return [f"person {person.id} is a human and has an operator"] if person.operator is not None else []
    at: Person | None = person
    for _ in range(OPERATORS_MAX):
        if at is None or at.kind is Kind.HUMAN:
            break
        at = by_id.get(at.operator or "")
    if at is None or at.kind is not Kind.HUMAN:
        return [f"nobody answers for {person.id}: its operators must end at a listed human"]
    return []
