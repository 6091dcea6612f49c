"""The store in memory, for the simulation: the same port, the same failures, no disk and no SQL.

It passes the contract tests that the SQL store passes. Frozen values are kept as they are; nothing is copied.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

from controller.adapters.store.codec import decode_numbers, encode_numbers, settled
from controller.adapters.store.reads import checked_limit, sequence_number
from controller.core.model import Phase, Release
from controller.core.moves import ENDED
from controller.ports import (
    Answered,
    AuditFilter,
    Commit,
    Conflict,
    Fenced,
    Message,
    OutboxRow,
    Page,
    Refused,
    StoredApplication,
    Token,
    Unavailable,
)
from gates.audit import GENESIS, ChainCheck, Draft, Record, link, verify
from gates.kill import Engagement, KillState, union

EVERY_RECORD = AuditFilter()


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message with what became of it."""

    row: OutboxRow
    created_at_s: float
    done: bool = False


class MemoryStore:
    """See controller.ports.Store. A commit is checked whole before its first change, so it needs no rollback."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = False
        self._epoch = 0
        self._releases: dict[str, Release] = {}
        self._applications: dict[str, StoredApplication] = {}
        self._kills: dict[str, Engagement] = {}
        self._kill_releases: frozenset[str] = frozenset()
        self._audit: list[Record] = []
        self._outbox: dict[str, Waiting] = {}
        self._tokens: dict[str, Token] = {}
        self._answered: dict[tuple[str, str], Answered] = {}

    def commit(self, commit: Commit) -> tuple[Record, ...]:
        assert commit.create is None or commit.create.revision == 0, "a new release has revision 0"
        drafts = [settled(draft) for draft in commit.records]
        with self._lock:
            self._open()
            if commit.epoch is not None and commit.epoch != self._epoch:
                raise Fenced(f"epoch {commit.epoch} is over: the store is led in epoch {self._epoch}")
            releases = self._changed_releases(commit)
            self._check_application(commit.application)
            self._check_kill(commit.engage)
            if commit.answered is not None and (commit.answered.key, commit.answered.actor) in self._answered:
                raise Conflict("a request with this Idempotency-Key was answered meanwhile: its answer stands")
            records = self._linked(drafts)
            self._apply(commit, releases, records)
            return records

    def lead(self, holder: str, at_s: float) -> int:
        with self._lock:
            self._open()
            self._epoch += 1
            return self._epoch

    def epoch(self) -> int:
        self._open()
        return self._epoch

    def release(self, release_id: str) -> Release | None:
        self._open()
        return self._releases.get(release_id)

    def releases(self, page: Page, application: str | None = None, phase: Phase | None = None) -> Sequence[Release]:
        self._open()
        limit = checked_limit(page)
        last = self._releases.get(page.after)
        if page.after and last is None:
            raise Refused(f"the page cannot start after {page.after[:80]!r}: there is no such release")
        newest = sorted(self._all_releases(), key=_age, reverse=True)
        wanted = [
            release
            for release in newest
            if (last is None or _age(release) < _age(last))
            and application in {None, release.app.name}
            and phase in {None, release.phase}
        ]
        return wanted[:limit]

    def active(self, application: str) -> Sequence[Release]:
        self._open()
        return sorted((r for r in self._running() if r.app.name == application), key=_age)

    def due(self, now_s: float, limit: int) -> Sequence[tuple[str, float]]:
        self._open()
        due = sorted((r.wake_at_s, r.id) for r in self._running() if r.wake_at_s <= now_s)
        return [(release_id, wake_at_s) for wake_at_s, release_id in due[:limit]]

    def next_wake_s(self) -> float | None:
        self._open()
        return min((r.wake_at_s for r in self._running()), default=None)

    def application(self, name: str) -> StoredApplication | None:
        self._open()
        return self._applications.get(name)

    def applications(self, page: Page) -> Sequence[StoredApplication]:
        self._open()
        limit = checked_limit(page)
        with self._lock:
            stored = sorted(self._applications.items())
        return [one for name, one in stored if name > page.after and not one.deleted][:limit]

    def kills(self) -> KillState:
        self._open()
        with self._lock:
            return union([KillState(tuple(self._kills.values()), self._kill_releases)])

    def rehearse_kill(self, engagement: Engagement) -> None:
        with self._lock:
            self._open()
            self._check_kill(engagement)

    def audit(self, page: Page, wanted: AuditFilter = EVERY_RECORD, newest_first: bool = False) -> Sequence[Record]:
        self._open()
        limit = checked_limit(page)
        with self._lock:
            records = self._audit[:]
        if page.after:
            after = sequence_number(page)
            records = records[: max(0, after - 1)] if newest_first else records[after:]
        ordered = reversed(records) if newest_first else iter(records)
        found: list[Record] = []
        for record in ordered:
            if _is_wanted(record.draft, wanted):
                found.append(record)
            if len(found) == limit:
                break
        return found

    def verify_audit(self) -> ChainCheck:
        self._open()
        return verify(self._audit[:])

    def outbox_due(self, now_s: float, limit: int) -> Sequence[OutboxRow]:
        self._open()
        with self._lock:
            waiting = [one.row for one in self._outbox.values() if not one.done and one.row.due_at_s <= now_s]
        return sorted(waiting, key=lambda row: row.due_at_s)[:limit]  # stable: the older message first

    def outbox_done(self, key: str) -> None:
        with self._lock:
            self._open()
            if key in self._outbox:
                self._outbox[key] = replace(self._outbox[key], done=True)

    def outbox_failed(self, key: str, retry_at_s: float, error: str) -> None:
        with self._lock:
            self._open()
            found = self._outbox.get(key)
            if found is not None and not found.done:
                row = replace(found.row, attempts=found.row.attempts + 1, due_at_s=retry_at_s)
                self._outbox[key] = replace(found, row=row)

    def tokens(self) -> Sequence[Token]:
        self._open()
        with self._lock:
            return sorted(self._tokens.values(), key=lambda token: (token.created_at_s, token.id))

    def answered(self, key: str, actor: str) -> Answered | None:
        self._open()
        return self._answered.get((key, actor))

    def prune(self, before_s: float) -> int:
        with self._lock:
            self._open()
            answers = [key for key, one in self._answered.items() if one.at_s < before_s]
            messages = [key for key, one in self._outbox.items() if one.done and one.created_at_s < before_s]
            for answer in answers:
                del self._answered[answer]
            for message in messages:
                del self._outbox[message]
            return len(answers) + len(messages)

    def close(self) -> None:
        self._closed = True

    def _open(self) -> None:
        if self._closed:
            raise Unavailable("the store is closed")

    def _all_releases(self) -> list[Release]:
        with self._lock:
            return list(self._releases.values())

    def _running(self) -> list[Release]:
        return [release for release in self._all_releases() if release.phase not in ENDED]

    def _changed_releases(self, commit: Commit) -> dict[str, Release]:
        changed: dict[str, Release] = {}
        if commit.release is not None:
            stored = self._releases.get(commit.release.id)
            if stored is None or stored.revision != commit.release.revision:
                text = f"release {commit.release.id} is no longer at revision {commit.release.revision}: read it again"
                raise Conflict(text)
            changed[stored.id] = replace(commit.release, revision=stored.revision + 1)
        if commit.create is not None:
            if commit.create.id in self._releases:
                raise Conflict(f"a release {commit.create.id} exists already")
            changed[commit.create.id] = replace(commit.create, revision=1)
        for release in changed.values():
            self._check_only_active(release, changed)
        return changed

    def _check_only_active(self, release: Release, changed: dict[str, Release]) -> None:
        if not _is_active(release):
            return
        others = {**self._releases, **changed}.values()
        if any(_is_active(o) and o.app.name == release.app.name and o.id != release.id for o in others):
            text = f"application {release.app.name} has an active release already: let it end, or abort it"
            raise Conflict(text)

    def _check_application(self, application: StoredApplication | None) -> None:
        if application is None:
            return
        stored = self._applications.get(application.app.name)
        if application.revision != (stored.revision if stored else 0):
            name = application.app.name
            raise Conflict(f"application {name} is no longer at revision {application.revision}: read it again")

    def _check_kill(self, engagement: Engagement | None) -> None:
        if engagement is None:
            return
        if engagement.id in self._kill_releases:
            raise Conflict(f"kill {engagement.id} was released already: engage under a new id")
        if engagement.id in self._kills:
            raise Conflict(f"kill {engagement.id} is engaged already")

    def _linked(self, drafts: Sequence[Draft]) -> tuple[Record, ...]:
        records: list[Record] = []
        seq, head = len(self._audit), self._audit[-1].hash if self._audit else GENESIS
        for draft in drafts:
            record = link(seq + 1, head, draft)
            seq, head = record.seq, record.hash
            records.append(record)
        return tuple(records)

    def _apply(self, commit: Commit, releases: dict[str, Release], records: tuple[Record, ...]) -> None:
        self._releases.update(releases)
        self._audit.extend(records)
        if commit.application is not None:
            name, revision = commit.application.app.name, commit.application.revision + 1
            self._applications[name] = replace(commit.application, revision=revision)
        if commit.engage is not None:
            self._kills[commit.engage.id] = commit.engage
        if commit.release_kill is not None:
            self._kill_releases |= {commit.release_kill}
        for message in commit.messages:
            row = OutboxRow(_plain(message), 0, 0.0, _time_s(commit))
            self._outbox.setdefault(message.key, Waiting(row, row.created_at_s))
        self._tokens.update((token.id, token) for token in commit.tokens)
        if commit.answered is not None:
            self._answered[commit.answered.key, commit.answered.actor] = commit.answered


def _age(release: Release) -> tuple[float, str]:
    return release.created_at_s, release.id


def _is_active(release: Release) -> bool:
    return release.phase not in ENDED and release.superseded_by is None


def _is_wanted(draft: Draft, wanted: AuditFilter) -> bool:
    return (
        wanted.release_id in {None, draft.release_id}
        and wanted.application in {None, draft.application}
        and wanted.type in {None, draft.type}
    )


def _plain(message: Message) -> Message:
    """``message`` as JSON gives it back, and nobody else can change it any more."""
    return replace(message, body=decode_numbers(encode_numbers(message.body)))  # type: ignore[arg-type]


def _time_s(commit: Commit) -> float:
    parts = (*commit.records, commit.engage, commit.answered)
    return max((part.at_s for part in parts if part is not None), default=0.0)
