"""The words of the guard: what it records of a route and a pool, what HAProxy shows, what may be asked. Data only."""

from __future__ import annotations

from dataclasses import dataclass

from controller.core.model import Mark

MAX_LEASE_S = 3600.0
"""A promotion's hold fits; anything longer would no longer be a dead man's switch."""

MAX_ROUTES = 500
"""At half a millisecond per route the loop still ends well within its period."""

MAX_POOLS = 2 * MAX_ROUTES
MAX_HALTS = 200
"""Per route. One more is kept, its id begins with ``OVERFLOW_ID``, so that a kill is never refused nor forgotten."""

MAX_ENDPOINTS = 256
"""Per pool: the request then stays well under the size limit of a line."""

MAX_TEXT = 500
"""Characters of a mark's text; the rest is cut off, since a kill must not fail for a long reason."""

LOST_ID = "guard:state-lost"
OVERFLOW_ID = "guard:overflow"
FILE_PREFIX = "file:"


class Deny(Exception):
    """The guard said no. ``kind`` names the port error that the caller raises; nothing changed unless it is unknown."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text


class ProxyTrouble(Exception):
    """HAProxy could not be reached, or did not answer in time, or answered nonsense. The text is for people."""


class NoBackend(ProxyTrouble):
    """HAProxy answered: it has no such backend or server."""


@dataclass(frozen=True, slots=True)
class Names:
    """One HAProxy backend and its two servers whose weights are the guard's."""

    backend: str
    stable: str = "stable"
    canary: str = "canary"


@dataclass(frozen=True, slots=True)
class Server:
    """One line of ``show servers state``: op_state 2 is running; weight is the one that counts now."""

    name: str
    host: str
    port: int
    op_state: int
    admin_state: int
    weight: int

    @property
    def maint(self) -> bool:
        """Any maintenance flag but the one that only remembers ``disabled`` in the configuration (0x04)."""
        return bool(self.admin_state & 0x63)

    @property
    def drain(self) -> bool:
        return bool(self.admin_state & 0x18)

    @property
    def admin(self) -> str:
        return "maint" if self.maint else "drain" if self.drain else "ready"


@dataclass(frozen=True, slots=True)
class Shown:
    """HAProxy's answer to one group of commands: complaints of single commands, and one backend's servers."""

    servers: tuple[Server, ...]
    complaints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """The record of one route, and what was last seen of it.

    The fields from ``lease_until_s`` to ``trouble`` are not written to disk: they are this process's view. ``settled``
    is False until HAProxy was seen once since the start; ``pushed`` is True while HAProxy is known to hold the record.
    ``lease_saved_s`` is the lease's end as the disk has it, by the machine's monotonic clock: renewals move it in steps
    of a third of the lease, so that not each of them costs a write.
    """

    names: Names
    weight_pct: int = 0
    revision: int = 0
    epoch: int = 0
    release_id: str | None = None
    lease_s: float | None = None
    lease_expired: bool = False
    halts: tuple[Mark, ...] = ()
    mark: Mark | None = None
    drift_count: int = 0
    lease_until_s: float | None = None
    settled: bool = False
    pushed: bool = False
    live_pct: int | None = None
    raw: tuple[int, int] | None = None
    drift: str = ""
    trouble: str = ""
    lease_saved_s: float | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """One endpoint of a pool: a numeric address, since HAProxy's socket resolves no names."""

    host: str
    port: int
    drain: bool = False


@dataclass(frozen=True, slots=True)
class Pool:
    """The record of one pool's endpoints. ``applied``, ``drift_count`` and ``trouble`` are this process's view."""

    name: str
    epoch: int = 0
    endpoints: tuple[Address, ...] = ()
    applied: bool = False
    drift_count: int = 0
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class World:
    """What an answer depends on beside the record: the monotonic clock, and the HALT files there are now.

    ``files_readable`` is False when the directory could not be listed: nothing may rise then.
    """

    now_s: float
    files: frozenset[str] = frozenset()
    files_readable: bool = True


@dataclass(frozen=True, slots=True)
class Read:
    names: Names


@dataclass(frozen=True, slots=True)
class Claim:
    names: Names
    epoch: int


@dataclass(frozen=True, slots=True)
class Write:
    names: Names
    weight_pct: int
    release_id: str
    epoch: int
    revision: int
    lease_s: float


@dataclass(frozen=True, slots=True)
class Renew:
    names: Names
    release_id: str
    epoch: int
    lease_s: float


@dataclass(frozen=True, slots=True)
class Lower:
    names: Names
    mark: Mark
    epoch: int


@dataclass(frozen=True, slots=True)
class Halt:
    names: Names
    mark: Mark
    revert: bool


@dataclass(frozen=True, slots=True)
class Unhalt:
    names: Names
    engagements: frozenset[str]
    epoch: int


RouteRequest = Read | Claim | Write | Renew | Lower | Halt | Unhalt


@dataclass(frozen=True, slots=True)
class SetEndpoints:
    """``backend`` names the route the pool belongs to, so that a claim of the route fences its pools as well."""

    pool: str
    endpoints: tuple[Address, ...]
    epoch: int
    backend: str | None = None


@dataclass(frozen=True, slots=True)
class ShowPool:
    pool: str


@dataclass(frozen=True, slots=True)
class Status:
    """Everything the guard knows, for people and for health checks."""


@dataclass(frozen=True, slots=True)
class Trust:
    """A person has looked at the routes after the record was lost: take the marks of that loss away."""


Request = RouteRequest | SetEndpoints | ShowPool | Status | Trust


@dataclass(frozen=True, slots=True)
class Saved:
    """What the disk holds. ``lost`` says that an earlier record could not be read: routes are born halted."""

    routes: tuple[Route, ...] = ()
    pools: tuple[Pool, ...] = ()
    lost: bool = False
