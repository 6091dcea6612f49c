"""Whether a person's vote counts, and whether the votes are enough. Asked at the vote and before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gates.approvals.makers import makers
from gates.approvals.model import Refusal, Request, Verdict, Vote
from gates.approvals.policy import SOLO_DELAY_S, World
from gates.people.directory import Account, Kind, Person, Role


@dataclass(frozen=True, slots=True)
class Voter:
    """Who wants to count, for what, and when. ``person`` is None when the account belongs to nobody."""

    request: Request
    world: World
    account: Account
    person: Person | None
    at_s: float

    @property
    def tier(self) -> int:
        content = self.request.content
        return self.person.tier(Role.APPROVER, content.application, content.environment) if self.person else 0


Rule = Callable[[Voter], Refusal | None]


def rule_mapped(voter: Voter) -> Refusal | None:
    if voter.person is not None:
        return None
    return Refusal("unknown_account", f"{voter.account} belongs to no person: have it mapped, then decide")


def rule_human(voter: Voter) -> Refusal | None:
    if voter.person is None or voter.person.kind is Kind.HUMAN:
        return None
    return Refusal("not_human", f"{voter.person.id} is a {voter.person.kind.value}: only a human can approve")


def rule_role(voter: Voter) -> Refusal | None:
    if voter.person is None or voter.tier > 0:
        return None
    where = f"{voter.request.content.application} in {voter.request.content.environment}"
    return Refusal("not_an_approver", f"{voter.person.id} is no approver for {where}")


def rule_tier(voter: Voter) -> Refusal | None:
    needed = voter.world.policy.terms(voter.request.content).tier
    if voter.person is None or voter.tier in (0, *range(needed, 100)):
        return None
    return Refusal("tier", f"this needs an approver of tier {needed}; {voter.person.id} is tier {voter.tier}")


def rule_no_maker(voter: Voter) -> Refusal | None:
    """Makers are persons, so a second account, a chat login or an agent of one's own changes nothing."""
    if voter.person is None or voter.person.id not in makers(voter.request.origin, voter.world.directory).people:
        return None
    if _alone(voter, voter.person):
        wait_s = voter.request.opened_at_s + SOLO_DELAY_S - voter.at_s
        return Refusal("solo_delay", f"alone: look again in {wait_s:.0f} s, then decide") if wait_s > 0 else None
    return Refusal("maker", f"{voter.person.id} is one of its makers: somebody else decides")


STANDING: tuple[Rule, ...] = (rule_mapped, rule_human, rule_role, rule_tier, rule_no_maker)
"""Every one of them must be silent for a vote to count."""


def against(request: Request, world: World, account: Account, at_s: float) -> tuple[Refusal, ...]:
    """Every reason why ``account`` cannot approve ``request``; none means that it can."""
    voter = Voter(request, world, account, world.directory.person(account), at_s)
    return tuple(refusal for rule in STANDING if (refusal := rule(voter)) is not None)


def _alone(voter: Voter, person: Person) -> bool:
    """Alone means alone: as soon as a second human may approve here, the second one does."""
    content, solo = voter.request.content, voter.world.policy.solo
    others = voter.world.directory.humans(Role.APPROVER, content.application, content.environment)
    return (
        voter.world.policy.alone(content)
        and solo is not None
        and solo.person == person.id
        and [p.id for p in others] == [person.id]
    )


@dataclass(frozen=True, slots=True)
class Quorum:
    """The votes that count now, and what is still missing; nothing missing means that it may run."""

    counted: tuple[Vote, ...]
    missing: tuple[str, ...]

    @property
    def reached(self) -> bool:
        return not self.missing


def quorum(request: Request, world: World, at_s: float) -> Quorum:
    """Count the approvals from the beginning: a role that is gone, or a vote for something else, is not there."""
    counted: dict[str, Vote] = {}
    for vote in request.votes:
        owner = world.directory.person(vote.account)
        valid = vote.verdict is Verdict.APPROVE and vote.digest == request.digest
        same = owner is not None and owner.id == vote.person
        if valid and same and not against(request, world, vote.account, at_s):
            counted.setdefault(vote.person, vote)
    people = [world.directory.people[person] for person in counted]
    return Quorum(tuple(counted.values()), _missing(request, world, people))


def _missing(request: Request, world: World, people: list[Person]) -> tuple[str, ...]:
    content, terms = request.content, world.policy.terms(request.content)
    owner = world.policy.owners.get(content.application)
    teams = makers(request.origin, world.directory).teams
    senior = [
        p for p in people if p.team == owner and p.tier(Role.APPROVER, content.application, content.environment) > 1
    ]
    outside = [p for p in people if p.team not in teams]
    lacking = {
        f"{terms.approvals - len(people)} more": len(people) < terms.approvals,
        f"a senior of the owning team ({owner or 'none is set'})": len(senior) < terms.senior,
        "somebody from outside the makers' teams": len(outside) < terms.outside,
    }
    return tuple(name for name, lacks in lacking.items() if lacks)
