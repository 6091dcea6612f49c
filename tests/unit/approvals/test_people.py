"""Persons and their accounts, and who the makers of a request are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gates.approvals.makers import makers
from gates.approvals.model import Origin
from gates.people.directory import Account, DirectoryError, Grant, Kind, Person, Role, directory
from tests.unit.approvals.stage import (
    ANA,
    ANA_CHAT,
    ANA_GIT,
    BEN,
    BEN_CHAT,
    BOT,
    COMPANY,
    NOBODY,
    OUTSIDER,
    PEOPLE,
    SERVICE,
    SUB_BOT,
)  # fmt: skip


@pytest.mark.requirement("SK-11", "AS-11")
def test_every_account_of_one_human_is_that_human_and_an_unmapped_one_is_nobody() -> None:
    assert {COMPANY.person(account) for account in (ANA, ANA_CHAT, ANA_GIT)} == {PEOPLE[0]}
    assert COMPANY.person(NOBODY) is None
    assert COMPANY.person(Account("", "")) is None


@pytest.mark.parametrize(
    ("origin", "people"),
    [
        (Origin(ANA), {"ana"}),
        (Origin(ANA_CHAT), {"ana"}),
        (Origin(BOT), {"bot", "ana"}),
        (Origin(SUB_BOT), {"bot-2", "bot", "ana"}),
        (Origin(SERVICE, authors=(ANA_GIT,)), {"ci", "cleo", "ana"}),
        (Origin(ANA, editors=(BEN_CHAT,)), {"ana", "ben"}),
        (Origin(SERVICE, on_behalf_of=(BEN,)), {"ci", "cleo", "ben"}),
        (Origin(OUTSIDER), set()),
    ],
)
@pytest.mark.requirement("LRP-08", "LRP-10")
def test_makers_are_everybody_whose_work_it_is_as_persons(origin: Origin, people: set[str]) -> None:
    found = makers(origin, COMPANY)
    assert found.people == people
    assert found.unknown == ()


def test_an_account_nobody_knows_is_named_and_an_outsider_is_not() -> None:
    assert makers(Origin(NOBODY, authors=(OUTSIDER, NOBODY)), COMPANY).unknown == (NOBODY,)


def test_a_grant_holds_where_it_says_and_the_highest_tier_counts() -> None:
    grants = (Grant(Role.APPROVER, "shop"), Grant(Role.APPROVER, "shop", "production", 2))
    person = Person("p", "t", grants=grants)
    assert person.tier(Role.APPROVER, "shop", "production") == 2
    assert person.tier(Role.APPROVER, "shop", "staging") == 1
    assert person.tier(Role.APPROVER, "pay", "production") == 0
    assert person.tier(Role.REVIEWER, "shop", "production") == 0


A, B = Account("sso", "a"), Account("sso", "b")


@pytest.mark.parametrize(
    ("people", "accounts", "told"),
    [
        ((Person("a", "t"), Person("a", "u")), (), "a is listed twice"),
        ((Person("a", "t"),), ((A, "z"),), "'z', who is not listed"),
        ((Person("a", "t"), Person("b", "t")), ((A, "a"), (A, "b")), "one of the two"),
        ((Person("a", "t", Kind.MODEL),), (), "nobody answers for a"),
        ((Person("a", "t", Kind.MODEL, operator="z"),), (), "nobody answers for a"),
        ((Person("a", "t", operator="a"),), (), "is a human and has an operator"),
        (
            (Person("a", "t", Kind.MODEL, operator="b"), Person("b", "t", Kind.MODEL, operator="a")),
            (),
            "nobody answers for a.*nobody answers for b",
        ),
    ],
)
def test_a_directory_that_contradicts_itself_is_refused_whole(
    people: tuple[Person, ...], accounts: tuple[tuple[Account, str], ...], told: str
) -> None:
    with pytest.raises(DirectoryError, match=told):
        directory(people, accounts)


def test_an_account_is_not_an_outsiders_and_a_persons() -> None:
    with pytest.raises(DirectoryError, match="both an outsider's"):
        directory([Person("b", "t")], [(B, "b")], [B])


def test_a_chain_of_agents_that_never_ends_is_refused() -> None:
    chain = [Person(f"m{n}", "t", Kind.MODEL, operator=f"m{n + 1}") for n in range(40)]
    with pytest.raises(DirectoryError, match="nobody answers for m0"):
        directory([*chain, replace(chain[0], id="m40", kind=Kind.HUMAN, operator=None)], [])
