"""Delivers messages that were committed with a decision, at least once, after the traffic was moved. A slow or dead
receiver delays nothing but its own messages, which are given up after a week."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from controller.ports import Clock, Commit, Message, OutboxRow, PortError, Store
from gates.audit import Draft

BATCH = 20
"""Messages per beat. A receiver that hangs costs one time-out per beat: its other messages wait for the next try."""
BACKOFF_S = (1.0, 5.0, 15.0, 60.0, 300.0)
"""Waits after each failure; the last one repeats, so that nothing is lost while a receiver is away."""
GIVE_UP_S = 7 * 86_400.0
"""A receiver that is away for a week is gone: its messages would only fill the store and use up the beats of others."""
GIVE_UP_ATTEMPTS = 500
"""Of the 2,000 that a week has: a clock that jumped forward gives nothing up."""


class Notifier(Protocol):
    def deliver(self, message: Message) -> None:
        """Deliver once. Raises PortError when it is not certain that the receiver has it."""
        ...


class Outbox:
    def __init__(self, store: Store, notifier: Notifier, clock: Clock, log: Callable[..., None]) -> None:
        self._store, self._notifier, self._clock, self._log = store, notifier, clock, log

    def drain(self) -> int:
        """Deliver what is due. Returns how many were delivered."""
        silent: set[str] = set()
        return sum(self._deliver(row, silent) for row in self._store.outbox_due(self._clock.now_s(), BATCH))

    def _deliver(self, row: OutboxRow, silent: set[str]) -> bool:
        """``silent`` are the receivers that failed in this beat; asking them again would only delay the others."""
        if row.message.url in silent:
            self._postpone(row, "the receiver did not take an earlier message")
            return False
        try:
            self._notifier.deliver(row.message)
        except PortError as error:
            silent.add(row.message.url)
            if self._is_over(row):
                self._give_up(row, str(error))
                return False
            self._postpone(row, str(error))
            self._log("message_failed", kind=row.message.kind, trouble=str(error), release_id=row.message.release_id)
            return False
        self._store.outbox_done(row.message.key)
        return True

    def _postpone(self, row: OutboxRow, trouble: str) -> None:
        wait_s = BACKOFF_S[min(row.attempts, len(BACKOFF_S) - 1)]
        self._store.outbox_failed(row.message.key, self._clock.now_s() + wait_s, trouble[:300])

    def _is_over(self, row: OutboxRow) -> bool:
        age_s = self._clock.now_s() - row.created_at_s
        return row.created_at_s > 0 and age_s > GIVE_UP_S and row.attempts >= GIVE_UP_ATTEMPTS

    def _give_up(self, row: OutboxRow, trouble: str) -> None:
        """On record first: a crash in between tells it twice, never not at all."""
        message = row.message
        text = f"a message ({message.kind}) was not delivered in {GIVE_UP_S / 86_400:g} days and is given up"
        record = Draft(
            "message_given_up", self._clock.now_s(), "controller", text, message.release_id, message.application
        )
        self._store.commit(Commit(records=(record,)))
        self._store.outbox_done(message.key)
        self._log("message_given_up", kind=message.kind, trouble=trouble, release_id=message.release_id, page=True)
