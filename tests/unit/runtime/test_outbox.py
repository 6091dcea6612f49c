"""Messages leave at least once, with growing waits, and a receiver that is away delays nobody else."""

from __future__ import annotations

from typing import Any, cast

import pytest

from controller.ports import AuditFilter, Commit, Message, Page, Store, Unavailable, Unknown
from controller.runtime.outbox import BACKOFF_S, BATCH, GIVE_UP_ATTEMPTS, GIVE_UP_S, Outbox
from gates.audit import Draft
from tests.fakes.clock import ManualClock
from tests.fakes.store import MemoryStore
from tests.fakes.trouble import Troubled

GOOD, DEAD = "http://127.0.0.1:1/good", "http://127.0.0.1:1/dead"
DOWN = Unavailable("the store is away")


class Receivers:
    """``away`` receivers do not answer; ``deaf`` ones take the message, but their answer is lost."""

    def __init__(self) -> None:
        self.away: set[str] = set()
        self.deaf: set[str] = set()
        self.asked: list[str] = []
        self.taken: list[str] = []

    def deliver(self, message: Message) -> None:
        self.asked.append(message.url)
        if message.url in self.away:
            raise Unavailable("connection refused")
        self.taken.append(message.key)
        if message.url in self.deaf:
            raise Unknown("no answer in time")


class OutboxStage:
    def __init__(self) -> None:
        self.clock, self.receivers, self.memory = ManualClock(), Receivers(), MemoryStore()
        self.store = Troubled(self.memory)
        self.told: list[dict[str, Any]] = []
        self.outbox = Outbox(
            cast(Store, self.store), self.receivers, self.clock, lambda _event, **f: self.told.append(f)
        )

    def send(self, *messages: tuple[str, str]) -> None:
        made = [Message(key, "hook", "shop-1", "shop", url, {"key": key}) for key, url in messages]
        self.memory.commit(Commit(messages=tuple(made)))


@pytest.fixture
def stage() -> OutboxStage:
    return OutboxStage()


def test_what_was_committed_is_delivered_once_and_not_again(stage: OutboxStage) -> None:
    stage.send(("a", GOOD), ("b", GOOD))
    assert stage.outbox.drain() == 2
    assert stage.outbox.drain() == 0
    assert stage.receivers.taken == ["a", "b"]


def test_a_receiver_that_is_away_is_asked_again_after_growing_waits(stage: OutboxStage) -> None:
    stage.receivers.away.add(DEAD)
    stage.send(("a", DEAD))
    for wait_s in (*BACKOFF_S, BACKOFF_S[-1], BACKOFF_S[-1]):
        before = len(stage.receivers.asked)
        assert stage.outbox.drain() == 0
        assert len(stage.receivers.asked) == before + 1
        stage.clock.advance(wait_s - 0.1)
        assert stage.outbox.drain() == 0
        assert len(stage.receivers.asked) == before + 1
        stage.clock.advance(0.1)
    stage.receivers.away.clear()
    assert stage.outbox.drain() == 1
    assert stage.receivers.taken == ["a"]


def test_a_lost_answer_means_delivering_again_under_the_same_key(stage: OutboxStage) -> None:
    stage.receivers.deaf.add(GOOD)
    stage.send(("a", GOOD))
    stage.outbox.drain()
    stage.receivers.deaf.clear()
    stage.clock.advance(BACKOFF_S[0])
    assert stage.outbox.drain() == 1
    assert stage.receivers.taken == ["a", "a"]


def test_a_crash_between_delivery_and_writing_it_down_delivers_again(stage: OutboxStage) -> None:
    stage.send(("a", GOOD))
    stage.store.fail(DOWN, "outbox_done")
    with pytest.raises(Unavailable):
        stage.outbox.drain()
    stage.store.heal()
    assert stage.outbox.drain() == 1
    assert stage.receivers.taken == ["a", "a"]


def test_a_dead_receiver_costs_one_attempt_per_beat_and_the_others_get_theirs(stage: OutboxStage) -> None:
    stage.receivers.away.add(DEAD)
    stage.send(*[(f"dead-{n:02}", DEAD) for n in range(BATCH - 1)], ("good", GOOD))
    assert stage.outbox.drain() == 1
    assert stage.receivers.asked == [DEAD, GOOD]


def test_many_messages_for_a_dead_receiver_do_not_keep_a_later_one_out(stage: OutboxStage) -> None:
    stage.receivers.away.add(DEAD)
    stage.send(*[(f"dead-{n:02}", DEAD) for n in range(3 * BATCH)], ("good", GOOD))
    for _ in range(4):
        stage.outbox.drain()
    assert stage.receivers.taken == ["good"]


def test_after_a_dead_receiver_is_back_it_gets_everything(stage: OutboxStage) -> None:
    stage.receivers.away.add(DEAD)
    stage.send(*[(f"dead-{n:02}", DEAD) for n in range(5)])
    stage.outbox.drain()
    stage.receivers.away.clear()
    stage.clock.advance(BACKOFF_S[0])
    assert stage.outbox.drain() == 5
    assert sorted(stage.receivers.taken) == [f"dead-{n:02}" for n in range(5)]


def test_one_beat_takes_a_bounded_number(stage: OutboxStage) -> None:
    stage.send(*[(f"m-{n:03}", GOOD) for n in range(BATCH + 5)])
    assert stage.outbox.drain() == BATCH
    assert stage.outbox.drain() == 5


def test_a_failure_is_logged_with_the_release_and_without_the_body(stage: OutboxStage) -> None:
    stage.receivers.away.add(DEAD)
    stage.send(("a", DEAD), ("b", DEAD))
    stage.outbox.drain()
    assert stage.told == [{"kind": "hook", "trouble": "connection refused", "release_id": "shop-1"}]


def test_with_the_store_away_nothing_is_delivered(stage: OutboxStage) -> None:
    stage.send(("a", GOOD))
    stage.store.fail(DOWN, "outbox_due")
    with pytest.raises(Unavailable):
        stage.outbox.drain()
    assert stage.receivers.asked == []


def given_up_at(stage: OutboxStage, age_s: float, attempts: int) -> bool:
    stage.receivers.away.add(DEAD)
    message = Message("a", "hook", "shop-1", "shop", DEAD, {})
    stage.memory.commit(Commit(records=(Draft("note", stage.clock.now_s(), "ann", "sent"),), messages=(message,)))
    for _ in range(attempts):
        stage.memory.outbox_failed("a", 0.0, "away")
    stage.clock.advance(age_s)
    stage.outbox.drain()
    stage.clock.advance(BACKOFF_S[-1])
    return not stage.memory.outbox_due(stage.clock.now_s(), 1)


def test_a_message_nobody_took_for_a_week_is_given_up_on_record_and_with_a_page(stage: OutboxStage) -> None:
    assert given_up_at(stage, GIVE_UP_S + 1, GIVE_UP_ATTEMPTS)
    record = stage.memory.audit(Page(), AuditFilter(type="message_given_up"))[0]
    assert (record.draft.release_id, record.draft.application) == ("shop-1", "shop")
    assert stage.told[-1]["page"] is True


@pytest.mark.parametrize(("age_s", "attempts"), [(GIVE_UP_S - 1, GIVE_UP_ATTEMPTS), (GIVE_UP_S + 1, 3)])
def test_a_young_message_or_a_clock_that_jumped_gives_nothing_up(
    stage: OutboxStage, age_s: float, attempts: int
) -> None:
    assert not given_up_at(stage, age_s, attempts)
