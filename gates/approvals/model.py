"""A request as a value: exactly what would run, what was shown with it, who decided, and where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gates.canonical import Json
from gates.grades import Grade
from gates.people.directory import Account


class State(StrEnum):
    """Where a request stands. Everything from SUCCEEDED on is an end."""

    DRAFT = "draft"
    PENDING = "pending"
    APPROVED = "approved"
    RESERVED = "reserved"
    EXECUTING = "executing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INDETERMINATE = "indeterminate"
    DENIED = "denied"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"
    STALE = "stale"
    KILLED = "killed"


@dataclass(frozen=True, slots=True)
class Item:
    """One object that would be touched. ``version`` is its resourceVersion, or a hash of the fields that matter."""

    uid: str
    kind: str
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Content:
    """Everything the executor will use, and nothing else. Its order is part of it; any change makes another request."""

    kind: str
    verb: str
    cluster: str
    application: str
    environment: str
    tier: str
    namespace: str
    items: tuple[Item, ...]
    grade: Grade
    policy: str
    kill_epoch: int
    manifests: str = ""
    images: tuple[str, ...] = ()
    sql: str = ""
    steps: tuple[str, ...] = ()
    guards: tuple[str, ...] = ()
    verification: tuple[str, ...] = ()
    dry_run: str = ""
    reach: int = 0
    deletes_data: bool = False
    solo: bool = False


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from. All of them are makers: none may approve it, under any account."""

    requester: Account
    on_behalf_of: tuple[Account, ...] = ()
    authors: tuple[Account, ...] = ()
    editors: tuple[Account, ...] = ()


@dataclass(frozen=True, slots=True)
class Grading:
    """What the grading said, as the card shows it: four axes, the rules that fired, what nobody knows."""

    reversibility: int
    blast: int
    stakes: int
    catchable: str
    rules: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Context:
    """What was shown beside the content. It is pinned too: what a person saw is part of what was approved."""

    diff: str
    effect: str
    undo: str
    why: str
    grading: Grading
    provenance: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    counter_evidence: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    dependents: tuple[str, ...] = ()
    evidence_at_s: float = 0.0


class Verdict(StrEnum):
    APPROVE = "approve"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Vote:
    """A counted decision. ``account`` is what was used, ``person`` whose vote it is; the account is looked up again."""

    person: str
    account: Account
    verdict: Verdict
    at_s: float
    digest: str
    channel: str
    ballot: str
    stepped_up: bool = False
    reason: str = ""


class AuthorityKind(StrEnum):
    """What let a request run. There is exactly one, or it did not run."""

    APPROVAL = "approval"
    BREAK_GLASS = "break_glass"


@dataclass(frozen=True, slots=True)
class Reservation:
    """The one use of a request. ``id`` is given by the caller, so that the executor can prove which use it is."""

    id: str
    at_s: float
    authority: AuthorityKind
    glass: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``digest`` covers content, context, origin and expiry; ``touched_at_s`` never goes back."""

    id: str
    run: str
    content: Content
    context: Context
    origin: Origin
    opened_at_s: float
    expires_at_s: float
    digest: str
    touched_at_s: float
    state: State = State.DRAFT
    reason: str = ""
    revision: int = 0
    escalated: int = 0
    votes: tuple[Vote, ...] = ()
    approved_at_s: float | None = None
    reservation: Reservation | None = None
    outcome: str = ""
    verified: bool | None = None

    @property
    def short(self) -> str:
        """The code a person can read out; it names nothing by itself."""
        return self.digest.removeprefix("sha256:")[:8]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something was not done. ``code`` is stable; ``text`` says what to do about it."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Record:
    """What is to be written in the audit record with the new state, in the same transaction."""

    type: str
    text: str
    actor: str
    numbers: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """The answer to anything asked of a request. When it was refused, ``request`` is the one that was given."""

    request: Request
    records: tuple[Record, ...] = ()
    refused: tuple[Refusal, ...] = ()

    @property
    def done(self) -> bool:
        return not self.refused
