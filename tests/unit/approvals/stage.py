"""A small company and one thing it wants to do, for every test of the approvals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gates.approvals.ask import draft, submit
from gates.approvals.decide import Ballot, confirmation, decide
from gates.approvals.model import Content, Context, Grading, Item, Origin, Request, State, Step, Verdict
from gates.approvals.policy import Policy, World
from gates.approvals.recheck import Seen
from gates.freezes.ask import NOT_FROZEN
from gates.grades import Grade
from gates.kill import NOT_ENGAGED
from gates.people.directory import Account, Directory, Grant, Kind, Person, Role, directory

NOW_S = 1_800_000_000.0

ANA, ANA_CHAT, ANA_GIT = Account("sso", "ana"), Account("chat", "U1"), Account("git", "ana@example.org")
BEN, BEN_CHAT = Account("sso", "ben"), Account("chat", "U2")
CLEO, DORA, EVE = Account("sso", "cleo"), Account("sso", "dora"), Account("sso", "eve")
BOT, SUB_BOT, SERVICE = Account("token", "bot"), Account("token", "bot-2"), Account("token", "ci")
NOBODY, OUTSIDER = Account("sso", "who"), Account("git", "contributor@example.net")

EVERYBODY = (ANA, ANA_CHAT, ANA_GIT, BEN, BEN_CHAT, CLEO, DORA, EVE, BOT, SUB_BOT, SERVICE, NOBODY, OUTSIDER)

JUNIOR, SENIOR = Grant(Role.APPROVER), Grant(Role.APPROVER, tier=2)
HOLDER, REVIEWER = Grant(Role.BREAK_GLASS, environment="production"), Grant(Role.REVIEWER)

PEOPLE = (
    Person("ana", "shop", grants=(SENIOR, HOLDER)),
    Person("ben", "shop", grants=(SENIOR, REVIEWER)),
    Person("cleo", "pay", grants=(JUNIOR,)),
    Person("dora", "shop", grants=(JUNIOR,)),
    Person("eve", "shop"),
    Person("bot", "shop", Kind.MODEL, (SENIOR,), operator="ana"),
    Person("bot-2", "shop", Kind.MODEL, (SENIOR,), operator="bot"),
    Person("ci", "pay", Kind.SERVICE, (SENIOR,), operator="cleo"),
)
ACCOUNTS = (
    (ANA, "ana"), (ANA_CHAT, "ana"), (ANA_GIT, "ana"), (BEN, "ben"), (BEN_CHAT, "ben"), (CLEO, "cleo"), (DORA, "dora"),
    (EVE, "eve"), (BOT, "bot"), (SUB_BOT, "bot-2"), (SERVICE, "ci"),
)  # fmt: skip
COMPANY = directory(PEOPLE, ACCOUNTS, [OUTSIDER])
POLICY = Policy(owners={"shop": "shop"})
WORLD = World(COMPANY, POLICY, NOT_ENGAGED, 3)

CONTENT = Content(
    kind="migration",
    verb="drop a column",
    cluster="cluster-uid-1",
    application="shop",
    environment="production",
    tier="production",
    namespace="shop",
    items=(Item("uid-1", "Table", "orders", "41"),),
    grade=Grade.G2,
    policy="sha256:policy",
    kill_epoch=3,
    manifests="sha256:manifests",
    images=("shop@sha256:1",),
    sql="sha256:sql",
    steps=("lock", "drop", "unlock"),
    guards=("canary", "breaker"),
    verification=("orders can be read",),
    dry_run="sha256:dry",
    reach=100,
)
CONTEXT = Context(
    diff="- amount numeric",
    effect="everybody who orders",
    undo="none: the column is gone; a backup was restored yesterday in 4 min",
    why="the column is unused",
    grading=Grading(2, 1, 1, "yes", ("sql.drop",), ("size of the table",)),
    provenance=("change 17",),
    evidence=("tests pass",),
    counter_evidence=("one report reads it",),
    alternatives=("stop writing it first",),
    dependents=("report",),
    evidence_at_s=NOW_S,
)
ORIGIN = Origin(ANA, authors=(ANA_GIT, OUTSIDER))


def asked(grade: Grade = Grade.G2, world: World = WORLD, request_id: str = "r-1", **content: Any) -> Request:
    """A request that waits for a decision."""
    wanted = replace(CONTENT, grade=grade, **content)
    step = submit(draft(request_id, "run-1", wanted, CONTEXT, ORIGIN, world, NOW_S), world, NOW_S)
    assert step.done, step.refused
    assert step.request.state is State.PENDING
    return step.request


def ballot(request: Request, account: Account = BEN, /, **changes: Any) -> Ballot:
    """A flawless approval of ``request``."""
    whole = Ballot(
        f"b-{account}",
        request.id,
        request.digest,
        account,
        Verdict.APPROVE,
        "POST",
        "page",
        typed=confirmation(request),
        stepped_up_at_s=NOW_S,
    )
    return replace(whole, **changes)


def voted(request: Request, *accounts: Account, world: World = WORLD, now_s: float = NOW_S + 60) -> Request:
    """``request`` approved by each of ``accounts`` in turn."""
    for account in accounts:
        step = decide(request, ballot(request, account), world, now_s)
        assert step.done, step.refused
        request = step.request
    return request


def approved(grade: Grade = Grade.G2, world: World = WORLD, **content: Any) -> Request:
    voters = (BEN, CLEO) if grade is Grade.G3 else (BEN,)
    request = voted(asked(grade, world, **content), *voters, world=world)
    assert request.state is State.APPROVED
    return request


def as_approved(request: Request, **changes: Any) -> Seen:
    """The world exactly as it was approved."""
    content = request.content
    seen = Seen(
        freeze=NOT_FROZEN,
        content=content,
        items=content.items,
        dry_run=content.dry_run,
        grade=content.grade,
        reach=content.reach,
        guards=content.guards,
        metrics=True,
        evidence_at_s=NOW_S + 60,
    )
    return replace(seen, **changes)


def codes(step: Step) -> list[str]:
    return [refusal.code for refusal in step.refused]


def without_grants(known: Directory, *people: str) -> Directory:
    """The same company after these people lost their roles."""
    left = [replace(person, grants=()) if person.id in people else person for person in known.people.values()]
    return directory(left, known.accounts.items(), known.outsiders)
