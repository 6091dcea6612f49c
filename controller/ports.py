"""What the controller needs of the world, as Protocols, and how the world can fail. No implementation lives here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from analysis.model import Calibration, Role
from controller.core.model import Application, Mark, Phase, Release, RoleState, RouteState
from controller.metrics_port import Metrics as Metrics
from gates.audit import ChainCheck, Draft, Record
from gates.kill import Engagement, KillState


class PortError(Exception):
    """Trouble of the world. The text is for people, holds no secret, and says what to look at."""


class Refused(PortError):
    """Surely not done: the other side said no."""


class Halted(Refused):
    """Refused because a kill holds the route down."""


class Conflict(PortError):
    """Not done: the thing changed since it was read. Read again."""


class Unknown(PortError):
    """May or may not have been done. Never repeat it blindly: read first."""


class Fenced(PortError):
    """A newer leader exists. Stop leading."""


class Unavailable(PortError):
    """Surely not done: the other side could not be reached."""


NO_CLUSTER = (
    "this controller was started without a cluster: set inCluster or kubeconfig in its settings, or register the "
    "application with another target"
)
"""What is said of an application in a cluster where there is none."""


class Clock(Protocol):
    def now_s(self) -> float:
        """UTC seconds since the epoch: for records and deadlines."""

    def monotonic_s(self) -> float:
        """For time-outs and ages. Never goes back."""


@dataclass(frozen=True, slots=True)
class RouteWrite:
    """One conditional weight write. Refused unless ``revision`` and ``epoch`` are those of the route."""

    weight_pct: int
    release_id: str
    epoch: int
    revision: int
    lease_s: float


class Router(Protocol):
    """Every call reads back what it wrote and returns the route as it now is. Each has a time-out."""

    def read(self, app: Application, hint: bool = False, lease: bool = True) -> RouteState:
        """Raises Unavailable when the route's owner cannot be reached.

        With ``hint`` the answer may be what the owner told last, a moment ago: enough for an application at rest,
        while a route with a weight is asked for all the same. Without ``lease`` it is not, and its lease is not told.
        """

    def claim(self, app: Application, epoch: int) -> RouteState:
        """Write this leader's epoch on the route. Raises Fenced when the route holds a newer one."""

    def trouble(self, app: Application) -> str | None:
        """What would keep the canary's traffic from it, asked before the first weight; None when nothing would.

        Raises Unavailable.
        """

    def write(self, app: Application, write: RouteWrite) -> RouteState:
        """Set the weight. Raises Fenced, Conflict, Halted, Refused, Unavailable or Unknown."""

    def renew(self, app: Application, release_id: str, epoch: int, lease_s: float) -> None:
        """Renew the lease of a weight that stays as it is. Raises Fenced, Refused, Unavailable or Unknown."""

    def lower(self, app: Application, mark: Mark, epoch: int) -> RouteState:
        """All traffic to stable now, whatever the revision; ``mark`` says who and why. Raises Fenced, not Conflict."""

    def halt(self, app: Application, mark: Mark, revert: bool) -> RouteState:
        """Latch a kill on the route: no weight rises any more; with ``revert`` the canary goes to 0 as well.

        Needs no epoch: anyone who may press the button may stop traffic.
        """

    def unhalt(self, app: Application, engagements: frozenset[str], epoch: int) -> RouteState:
        """Take the marks of released kills off the route. Raises Fenced."""

    def forget(self, app: Application) -> None:
        """Give the route back as it was found, with all traffic on stable; done already is done. Raises PortError."""


class Workload(Protocol):
    """Starts, watches and stops the instances of a version. ``ensure`` is converging: call it on every pass."""

    def resolve(self, app: Application, version: str) -> str:
        """The version that will run when a person asks for ``version``: the same every time, as an image by its digest.
        Raises Refused when there is no such version, Unavailable when that cannot be found out."""

    def running(self, app: Application) -> str | None:
        """The version that serves already, before anything was deployed here; None when that is nobody's business yet.
        Raises Unavailable or Refused."""

    def observe(self, app: Application) -> tuple[RoleState, RoleState]:
        """The stable and the canary role. Raises Unavailable."""

    def ensure(self, app: Application, role: Role, version: str | None, epoch: int, share_pct: int = 100) -> None:
        """One bounded move toward ``version`` on every instance of ``role``; None stops them all.

        Replaces instances one at a time and never takes a ready one away before its successor is ready. ``share_pct``
        is the share of the traffic that the canary has to be able to carry, where its size is ours to choose.
        """

    def require_forgettable(self, app: Application) -> None:
        """Raises PortError where ``forget`` would be refused, as far as looking tells; it writes nothing."""

    def forget(self, app: Application) -> None:
        """Remove what was made for releases and leave what serves as it is; done already is done. Raises PortError."""


@dataclass(frozen=True, slots=True)
class Message:
    """Something to deliver at least once. ``key`` is the receiver's idempotency key."""

    key: str
    kind: str
    release_id: str | None
    application: str | None
    url: str
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class OutboxRow:
    message: Message
    attempts: int
    due_at_s: float
    created_at_s: float = 0.0
    """0 when the commit that made it named no time."""


@dataclass(frozen=True, slots=True)
class StoredApplication:
    """An application with what the store knows of it: what serves now, its compare-and-swap revision, and what its own
    pods last taught about how much they differ."""

    app: Application
    stable_version: str | None = None
    revision: int = 0
    deleted: bool = False
    calibration: Calibration | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token without its secret: only ``digest`` (SHA-256, hex) is stored."""

    id: str
    name: str
    role: str
    digest: str
    created_at_s: float
    expires_at_s: float | None = None
    revoked_at_s: float | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """The stored answer to a mutation, replayed when its Idempotency-Key comes again with the same request digest."""

    key: str
    actor: str
    request_digest: str
    status: int
    body: str
    at_s: float


@dataclass(frozen=True, slots=True)
class Commit:
    """One transaction: everything in it happens, or nothing does.

    ``epoch`` fences the controller's own commits (Fenced when a newer leader exists); facts recorded for people carry
    none. ``release`` and ``application`` are compared and swapped on their ``revision`` (Conflict). ``create`` inserts
    the release instead; a second active release of the same application is a Conflict.
    """

    records: tuple[Draft, ...] = ()
    epoch: int | None = None
    release: Release | None = None
    create: Release | None = None
    application: StoredApplication | None = None
    engage: Engagement | None = None
    release_kill: str | None = None
    messages: tuple[Message, ...] = ()
    tokens: tuple[Token, ...] = ()
    answered: Answered | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A slice of a listing. ``after`` is the last seen key, empty for the first page."""

    after: str = ""
    limit: int = 50


@dataclass(frozen=True, slots=True)
class AuditFilter:
    release_id: str | None = None
    application: str | None = None
    type: str | None = None


class Store(Protocol):
    """Durable state. Reads raise Unavailable; ``commit`` raises Conflict, Fenced, Unavailable or Unknown."""

    def commit(self, commit: Commit) -> tuple[Record, ...]:
        """Apply all of ``commit`` durably and return the records it chained."""

    def lead(self, holder: str, at_s: float) -> int:
        """Take leadership: the epoch goes up by one and is returned. Older leaders' commits are fenced from now on."""

    def epoch(self) -> int: ...

    def release(self, release_id: str) -> Release | None: ...

    def releases(self, page: Page, application: str | None = None, phase: Phase | None = None) -> Sequence[Release]:
        """Newest first; ``page.after`` is a release id."""

    def active(self, application: str) -> Sequence[Release]:
        """Releases of the application that have not ended, oldest first."""

    def due(self, now_s: float, limit: int) -> Sequence[tuple[str, float]]:
        """Ids and wake-up times of releases that have not ended and are due, most overdue first."""

    def next_wake_s(self) -> float | None: ...

    def application(self, name: str) -> StoredApplication | None: ...

    def applications(self, page: Page) -> Sequence[StoredApplication]:
        """By name; deleted ones are left out."""

    def kills(self) -> KillState: ...

    def rehearse_kill(self, engagement: Engagement) -> None:
        """Write ``engagement``, read it back, and undo both. Raises what would keep a kill from being stored."""

    def audit(self, page: Page, wanted: AuditFilter = AuditFilter(), newest_first: bool = False) -> Sequence[Record]:
        """``page.after`` is a sequence number as text."""

    def verify_audit(self) -> ChainCheck: ...

    def outbox_due(self, now_s: float, limit: int) -> Sequence[OutboxRow]: ...

    def outbox_done(self, key: str) -> None: ...

    def outbox_failed(self, key: str, retry_at_s: float, error: str) -> None: ...

    def tokens(self) -> Sequence[Token]: ...

    def answered(self, key: str, actor: str) -> Answered | None: ...

    def prune(self, before_s: float) -> int:
        """Delete answered keys and delivered messages older than ``before_s``. Audit and releases stay."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything the loop talks to, built once in the composition root and passed in."""

    store: Store
    router: Router
    workload: Callable[[Application], Workload]
    metrics: Metrics
    kills: Callable[[], KillState]
    clock: Clock
    log: Callable[..., None] = field(default=lambda *_args, **_fields: None)
