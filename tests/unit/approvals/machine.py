"""A world in which everything happens to requests in any order, with its own ledger of what was allowed to run.

The oracles judge by that ledger and by what ran, never by what the code under test says of itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, TypeVar

from gates.approvals import ends
from gates.approvals.ask import draft, submit
from gates.approvals.check import check
from gates.approvals.decide import Ballot, decide
from gates.approvals.model import Content, Origin, Request, State, Step, Verdict
from gates.approvals.moves import ENDS
from gates.approvals.pin import content_digest
from gates.approvals.policy import World
from gates.approvals.recheck import Seen
from gates.approvals.record import drafts
from gates.approvals.run import Outcome, begin, finish, permit, recover, reserve
from gates.audit import Draft
from gates.grades import Grade
from gates.kill import NOT_ENGAGED, KillAnswer, KillAnswerKind
from gates.people.directory import Account
from tests.unit.approvals.stage import (
    ANA,
    ANA_CHAT,
    ANA_GIT,
    BEN,
    BEN_CHAT,
    BOT,
    CLEO,
    COMPANY,
    CONTENT,
    CONTEXT,
    DORA,
    EVERYBODY,
    NOW_S,
    OUTSIDER,
    POLICY,
    SUB_BOT,
    as_approved,
    ballot,
    without_grants,
)  # fmt: skip

ENGAGED = KillAnswer(KillAnswerKind.HALT, ("k-1",), "kill k-1 is engaged")
OWNERS = {ANA: "ana", ANA_CHAT: "ana", ANA_GIT: "ana", BEN: "ben", BEN_CHAT: "ben", CLEO: "cleo", DORA: "dora"}
"""The humans, as the test knows them."""
APPROVERS = {"ben": ("shop", 2), "cleo": ("pay", 1), "dora": ("shop", 1)}
"""Who may approve: nobody else, because ana is a maker of everything here."""
ORIGINS = (Origin(ANA), Origin(BOT), Origin(SUB_BOT), Origin(OUTSIDER, authors=(ANA_GIT,)))


FLAWS = ("", "", "", "", "GET", "chat", "deny", "deny", "other", "no step-up", "typed")
DRIFTS = ("", "", "", "", "", "", "", "bytes", "object", "grade", "metrics")


@dataclass
class Truth:
    """What a request was when it was asked, and what people really decided about it."""

    content: Content
    digest: str
    expires_at_s: float
    yes: set[str] = field(default_factory=set)
    denied: bool = False
    killed: bool = False
    effects: list[str] = field(default_factory=list)


T = TypeVar("T")


class Pick:
    """Where chance comes from: a seed here, hypothesis in its own test."""

    def __init__(self, choose: Callable[[Sequence[Any]], Any]) -> None:
        self._choose = choose

    def of(self, options: Sequence[T]) -> T:
        return options[options.index(self._choose(options))]


class Requests:
    """``checked`` also asks the product's own invariants; the mutants are hunted without them."""

    def __init__(self, checked: bool) -> None:
        self.checked = checked
        self.now_s = NOW_S
        self.world = World(COMPANY, POLICY, NOT_ENGAGED, 3)
        self.fired: set[str] = set()
        self.store: dict[str, Request] = {}
        self.truth: dict[str, Truth] = {}
        self.audit: list[Draft] = []
        self.ballots: list[Ballot] = []
        self.copies: list[Request] = []

    def commit(self, step: Step | None, event: str = "") -> bool:
        """Compare and swap; the record goes with it, or nothing does."""
        if step is None or not step.records:
            return False
        after = step.request
        before = self.store[after.id]
        if after.revision != before.revision + 1:
            return False
        if self.checked:
            check(before, after, self.world)
        if after.state is State.APPROVED and before.state is not State.APPROVED:
            assert event == "vote", f"{'I8' if event == 'notice' else 'I5'}: approved by {event or 'something else'}"
        self.store[after.id] = after
        self.audit.extend(drafts(step))
        return True

    def some(self, pick: Pick, *states: State) -> Request | None:
        fitting = [r for r in self.store.values() if not states or r.state in states]
        return pick.of(fitting) if fitting else None

    def asks(self, pick: Pick) -> None:
        living = [r for r in self.store.values() if r.state not in ENDS and r.state is not State.DRAFT]
        if len(living) < 4 and len(self.store) < 10:
            self.asked(pick.of([Grade.G2, Grade.G3]), pick.of(ORIGINS))

    def asked(self, grade: Grade, origin: Origin) -> Request:
        content = replace(CONTENT, grade=grade, kill_epoch=self.world.kill_epoch, steps=(f"step {len(self.store)}",))
        request = draft(f"r-{len(self.store)}", "run-1", content, CONTEXT, origin, self.world, self.now_s)
        self.store[request.id] = request
        self.truth[request.id] = Truth(content, request.digest, request.expires_at_s)
        self.commit(submit(request, self.world, self.now_s))
        return self.store[request.id]

    def somebody_decides(self, pick: Pick) -> None:
        """With a flaw or without; perhaps with a copy of the request that was read long ago."""
        late = bool(self.copies) and pick.of([True, False, False])
        request = pick.of(self.copies) if late else self.some(pick)
        if request is not None:
            self.votes(request, self.flawed(pick, self.flawless(request, pick.of(EVERYBODY))))

    def an_approver_decides(self, pick: Pick) -> None:
        request = self.some(pick, State.PENDING)
        if request is not None:
            self.votes(request, self.flawless(request, pick.of([BEN, CLEO, DORA])))

    def an_approver_slips(self, pick: Pick) -> None:
        request = self.some(pick, State.PENDING, State.DENIED)
        if request is not None:
            self.votes(
                request,
                self.flawed(pick, self.flawless(request, pick.of([ANA, ANA_CHAT, BEN, BEN_CHAT, BOT, CLEO, DORA]))),
            )

    def somebody_replays(self, pick: Pick) -> None:
        request = self.some(pick)
        if request is not None and self.ballots:
            self.votes(request, pick.of(self.ballots))

    def flawless(self, request: Request, account: Account) -> Ballot:
        return replace(ballot(request, account), stepped_up_at_s=self.now_s, id=f"b{len(self.ballots)}")

    def flawed(self, pick: Pick, cast: Ballot) -> Ballot:
        other = pick.of(list(self.store.values()))
        changed = {
            "GET": replace(cast, method="GET"),
            "chat": replace(cast, channel="chat"),
            "deny": replace(cast, verdict=Verdict.DENY, reason="not today"),
            "other": replace(cast, digest=other.digest, request=other.id),
            "no step-up": replace(cast, stepped_up_at_s=None),
            "typed": replace(cast, typed="yes"),
        }
        return changed.get(pick.of(FLAWS), cast)

    def votes(self, request: Request, cast: Ballot) -> None:
        self.copies.append(self.store[request.id])
        self.ballots.append(cast)
        truth, before = self.truth[request.id], self.store[request.id]
        if not self.commit(decide(request, cast, self.world, self.now_s), "vote"):
            return
        assert cast.method == "POST", "I5: a link decided"
        if cast.verdict is Verdict.DENY:
            truth.denied = True
            return
        person = OWNERS.get(cast.account)
        assert not truth.denied, "I6: a yes after a no"
        assert person in APPROVERS, f"I4: {cast.account} approved"
        assert person not in self.fired, "I1: without a role"
        assert (cast.digest, cast.request) == (truth.digest, request.id), "I9: another content"
        assert self.now_s < truth.expires_at_s, "I5: after its time"
        assert self.world.kill is NOT_ENGAGED, "I7: during a kill"
        assert person not in truth.yes, "I1: one person, two votes"
        if before.content.grade is Grade.G3:
            strict = cast.channel == "page" and cast.typed == "orders" and cast.stepped_up_at_s is not None
            assert strict, "I5: a careless G3"
        truth.yes.add(person)

    def time_passes(self, pick: Pick) -> None:
        """Also backwards: a clock is set. What has been seen stays seen, so the ledger's clock goes on."""
        seconds = pick.of([-7_200.0, 30.0, 30.0, 200.0, 700.0, 2_000.0, 15_000.0])
        self.now_s += max(seconds, 0.0)
        swept = pick.of([True, False])
        for request in list(self.store.values()) if swept else []:
            self.commit(ends.pass_time(request, self.world, self.now_s + min(seconds, 0.0)), "time")

    def notices_arrive_or_not(self, pick: Pick) -> None:
        request = self.some(pick, State.PENDING)
        if request is None:
            return
        self.commit(ends.delivered(request, {"chat": pick.of([True, False]), "mail": False}, self.now_s), "notice")
        after = self.store[request.id]
        same = (after.state, after.votes, after.expires_at_s) == (request.state, request.votes, request.expires_at_s)
        assert same, "I8: a lost notice loosened something"

    def a_kill_is_engaged(self, pick: Pick) -> None:
        self.world = replace(self.world, kill=ENGAGED, kill_epoch=self.world.kill_epoch + 1)
        living = [request for request in self.store.values() if request.state not in ENDS]
        reached = pick.of([True, False, False])
        for request in living if reached else []:
            self.commit(ends.kill(request, "eve", "kill k-1", self.now_s), "kill")
            self.truth[request.id].killed = True
            assert self.store[request.id].state is State.KILLED, "I7: something outlived a kill"

    def a_kill_is_released(self, pick: Pick) -> None:
        self.world = replace(self.world, kill=NOT_ENGAGED)

    def somebody_loses_their_roles(self, pick: Pick) -> None:
        person = pick.of(["ben", "cleo"])
        self.fired.add(person)
        self.world = replace(self.world, directory=without_grants(self.world.directory, person))

    def somebody_edits(self, pick: Pick) -> None:
        old = self.some(pick, State.PENDING, State.APPROVED)
        if old is None or len(self.store) >= 8:
            return
        new = self.asked(old.content.grade, old.origin)
        self.commit(ends.supersede(old, new, self.now_s), "edit")
        assert self.store[old.id].state in ENDS, "I9: the old one lives on"
        assert not self.store[new.id].votes, "I9: votes moved over"

    def one_is_taken(self, pick: Pick) -> None:
        request = self.some(pick, State.APPROVED) if pick.of([True, True, True, False]) else self.some(pick)
        if request is not None:
            seen, _ = self.sees(request, pick.of(DRIFTS))
            self.commit(reserve(request, seen, self.world, f"use-{len(self.audit)}", self.now_s), "reserve")

    def one_is_started(self, pick: Pick) -> None:
        """The controller may die before the effect. The bytes it sends are those that it looked at last."""
        request = self.some(pick, State.RESERVED)
        if request is None or request.reservation is None:
            return
        seen, content = self.sees(request, pick.of(DRIFTS))
        if not self.commit(begin(request, seen, self.world, request.reservation.id, self.now_s), "begin"):
            return
        committed = self.store[request.id]
        if committed.state is State.EXECUTING and pick.of([True, True, True, False]):
            self.has_an_effect(committed, content)

    def a_result_is_told(self, pick: Pick) -> None:
        request = self.some(pick, State.EXECUTING, State.KILLED, State.INDETERMINATE)
        if request is not None and request.reservation is not None:
            outcome = pick.of(list(Outcome))
            self.commit(finish(request, request.reservation.id, outcome, "done", self.now_s), "result")

    def the_controller_restarts(self, pick: Pick) -> None:
        for request in list(self.store.values()):
            self.commit(recover(request, self.now_s), "restart")
        self.one_is_started(pick)

    def sees(self, request: Request, drift: str) -> tuple[Seen, Content]:
        content = replace(request.content, sql="sha256:evil") if drift == "bytes" else request.content
        seen = as_approved(request, content=content, evidence_at_s=self.now_s)
        changed = {
            "object": replace(seen, items=(replace(request.content.items[0], version="42"),)),
            "grade": replace(seen, grade=None),
            "metrics": replace(seen, metrics=None),
        }
        return changed.get(drift, seen), content

    def has_an_effect(self, request: Request, content: Content) -> None:
        """What the executor does, and everything that must be true at that moment."""
        truth, used = self.truth[request.id], permit(request).reservation
        recorded = [r for r in self.audit if r.type == "approval_executing" and r.numbers.get("reservation") == used]
        assert recorded, "I10: nothing was written before it ran"
        assert not truth.effects, "I3: it ran twice"
        assert not truth.denied, "I6: it was denied"
        assert not truth.killed, "I7: it was killed"
        assert self.world.kill is NOT_ENGAGED, "I7: during a kill"
        assert request.content.kill_epoch == self.world.kill_epoch, "I7: approved before a kill"
        assert content_digest(content) == content_digest(truth.content), "I2: other bytes"
        yes = [APPROVERS[person] for person in truth.yes - self.fired]
        if truth.content.grade is Grade.G3:
            enough = len(yes) >= 2 and ("shop", 2) in yes and any(team != "shop" for team, _ in yes)
        else:
            enough = len(yes) >= 1
        assert enough, "I1: without enough people"
        truth.effects.append(used)

    def holds(self) -> None:
        """Asked after every event."""
        for name, truth in self.truth.items():
            request = self.store[name]
            assert (request.content, request.digest) == (truth.content, truth.digest), "I9: edited in place"
            assert not truth.denied or request.state is State.DENIED, "I6: a denial was undone"
            assert not truth.killed or request.state is State.KILLED, "I7: a kill was undone"


EVENTS: dict[Callable[[Requests, Pick], None], int] = {
    Requests.asks: 8,
    Requests.an_approver_decides: 16,
    Requests.an_approver_slips: 4,
    Requests.somebody_decides: 3,
    Requests.somebody_replays: 1,
    Requests.one_is_taken: 16,
    Requests.one_is_started: 20,
    Requests.a_result_is_told: 4,
    Requests.the_controller_restarts: 2,
    Requests.time_passes: 2,
    Requests.notices_arrive_or_not: 1,
    Requests.somebody_edits: 1,
    Requests.somebody_loses_their_roles: 2,
    Requests.a_kill_is_engaged: 1,
    Requests.a_kill_is_released: 4,
}
"""What happens, and how often beside the others: mostly a request goes its way, so that trouble meets one under way."""


def play(seed: int, checked: bool, events: int = 40) -> Requests:
    """One world from its seed. Raises AssertionError with the invariant's number."""
    random = Random(seed)
    requests, pick = Requests(checked), Pick(random.choice)
    happen, weights = list(EVENTS), list(EVENTS.values())
    for event in random.choices(happen, weights, k=events):
        event(requests, pick)
        requests.holds()
    return requests
