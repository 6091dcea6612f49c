"""The Router and Endpoints ports on HAProxy: speaks to the guard that owns the runtime socket, never to HAProxy."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

from analysis.model import Role
from controller.adapters.endpoints import Endpoint
from controller.core.model import Application, Mark, RouteState
from controller.core.targets import HaproxyRoute
from controller.guard.reply import decode_route
from controller.ports import Conflict, Fenced, Halted, PortError, Refused, RouteWrite, Unavailable, Unknown

TIMEOUT_S = 5.0
"""The guard needs at most two HAProxy time-outs of 1 s for a request, and may have a few to answer first."""

HALT_TIMEOUT_S = 1.0
"""A stop waits no longer for a guard that hangs: others wait behind it, and whoever stops tries again."""

ANSWER_BYTES = 1 << 20
IDLE_CONNECTIONS = 16
"""Per guard: as many as there are threads that use it at once; more are closed after use."""

AGAIN = frozenset({"read", "slots", "lower", "halt"})
"""What may be sent twice when the answer was lost: reading, and moving down."""

ERRORS: Mapping[str, type[PortError]] = {
    "fenced": Fenced,
    "conflict": Conflict,
    "halted": Halted,
    "refused": Refused,
    "unknown": Unknown,
    "unavailable": Unavailable,
}


@dataclass(frozen=True, slots=True)
class SlotState:
    """One server slot of a pool as HAProxy has it. ``admin`` is ready, drain or maint; ``up`` is its health."""

    slot: str
    host: str
    port: int
    admin: str
    up: bool


class HaproxyRouter:
    """Keeps connections to the guards it has spoken to; ``close`` lets them go. Safe for threads."""

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._idle: dict[str, list[socket.socket]] = {}

    def read(self, app: Application, hint: bool = False, lease: bool = True) -> RouteState:
        return self._route(app, "read")

    def claim(self, app: Application, epoch: int) -> RouteState:
        return self._route(app, "claim", epoch=epoch)

    def write(self, app: Application, write: RouteWrite) -> RouteState:
        return self._route(app, "write", **asdict(write))

    def renew(self, app: Application, release_id: str, epoch: int, lease_s: float) -> None:
        self._route(app, "renew", release_id=release_id, epoch=epoch, lease_s=lease_s)

    def lower(self, app: Application, mark: Mark, epoch: int) -> RouteState:
        return self._route(app, "lower", mark=asdict(mark), epoch=epoch)

    def halt(self, app: Application, mark: Mark, revert: bool) -> RouteState:
        return self._route(app, "halt", mark=asdict(mark), revert=revert)

    def unhalt(self, app: Application, engagements: frozenset[str], epoch: int) -> RouteState:
        return self._route(app, "unhalt", engagements=sorted(engagements), epoch=epoch)

    def trouble(self, app: Application) -> str | None:
        """A backend that cannot carry a weight says so to the very first read."""
        return None

    def forget(self, app: Application) -> None:
        """Nothing to give back: at rest the guard already holds all traffic on stable."""

    def set_endpoints(self, app: Application, role: Role, endpoints: Sequence[Endpoint], epoch: int) -> None:
        """See controller.adapters.endpoints. Raises Unknown while they are recorded but HAProxy lacks them."""
        body = {
            "op": "endpoints",
            "pool": _pool(app.haproxy, role),
            "backend": app.haproxy.backend,
            "endpoints": [asdict(endpoint) for endpoint in endpoints],
            "epoch": epoch,
        }
        self.ask(app.haproxy.guard, body)

    def endpoint_states(self, app: Application, role: Role) -> tuple[SlotState, ...]:
        answer = self.ask(app.haproxy.guard, {"op": "slots", "pool": _pool(app.haproxy, role)})
        return tuple(SlotState(**slot) for slot in answer["slots"])

    def close(self) -> None:
        with self._lock:
            connections = [connection for idle in self._idle.values() for connection in idle]
            self._idle.clear()
        for connection in connections:
            connection.close()

    def ask(self, guard: str, body: Mapping[str, object]) -> dict[str, Any]:
        """One request to the guard at ``guard``; its answer when it said yes, else the port error it named."""
        line = json.dumps(body, separators=(",", ":")).encode() + b"\n"
        halts = body["op"] == "halt"
        timeout_s = min(self._timeout_s, HALT_TIMEOUT_S) if halts else self._timeout_s
        try:
            answer = self.exchange(guard, line, timeout_s)
        except (Unknown, Unavailable) as error:
            if body["op"] not in AGAIN or (halts and isinstance(error.__cause__, TimeoutError)):
                raise
            answer = self.exchange(guard, line, timeout_s)
        if answer.get("ok") is True:
            return answer
        raise ERRORS.get(str(answer.get("error")), Unknown)(str(answer.get("text", "the guard gave no reason")))

    def _route(self, app: Application, op: str, **fields: object) -> RouteState:
        route = app.haproxy
        names = {"backend": route.backend, "stable": route.stable_server, "canary": route.canary_server}
        answer = self.ask(route.guard, {"op": op, **names, **fields})
        try:
            return decode_route(answer["route"])
        except (KeyError, TypeError, ValueError) as error:
            raise Unknown(f"the answer of the guard at {route.guard} has another form: {error!r}") from error

    def exchange(self, guard: str, line: bytes, timeout_s: float) -> dict[str, Any]:
        """Send one line and read one back. Raises Unavailable when surely nothing was sent, else Unknown."""
        connection = self._borrow(guard, timeout_s)
        try:
            answer = _talk(connection, guard, line)
        except BaseException:
            connection.close()
            raise
        self._give_back(guard, connection)
        return answer

    def _borrow(self, guard: str, timeout_s: float) -> socket.socket:
        """A connection on which nothing waits to be read: a closed one would swallow the request."""
        while True:
            with self._lock:
                idle = self._idle.get(guard)
                connection = idle.pop() if idle else None
            if connection is None:
                return _connect(guard, timeout_s)
            if _quiet(connection):
                connection.settimeout(timeout_s)
                return connection
            connection.close()

    def _give_back(self, guard: str, connection: socket.socket) -> None:
        with self._lock:
            idle = self._idle.setdefault(guard, [])
            if len(idle) < IDLE_CONNECTIONS:
                idle.append(connection)
                return
        connection.close()


def _pool(route: HaproxyRoute, role: Role) -> str:
    pool = route.stable_pool if role is Role.STABLE else route.canary_pool
    if pool is None:
        raise Refused(f"the application's HAProxy route {route.backend} names no {role.value}_pool")
    return pool


def _connect(guard: str, timeout_s: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        connection.connect(guard)
    except OSError as error:
        connection.close()
        raise Unavailable(f"the guard at {guard} cannot be reached: {error.strerror or error}") from error
    return connection


def _quiet(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _talk(connection: socket.socket, guard: str, line: bytes) -> dict[str, Any]:
    """Send and read one line. The guard acts on whole lines only, so a refused send has surely done nothing."""
    try:
        connection.sendall(line)
    except TimeoutError as error:
        raise Unknown(f"the guard at {guard} took the request too slowly") from error
    except OSError as error:
        raise Unavailable(f"the guard at {guard} closed before it took the request: {error.strerror}") from error
    answer = bytearray()
    try:
        while not answer.endswith(b"\n"):
            chunk = connection.recv(65_536)
            answer += chunk
            if not chunk or len(answer) > ANSWER_BYTES:
                _lost(guard, "it closed before its answer was whole")
        body = json.loads(answer)
    except (OSError, ValueError) as error:
        raise Unknown(f"the answer of the guard at {guard} was lost: {error}") from error
    if not isinstance(body, dict):
        _lost(guard, "it is not an object")
    return body


def _lost(guard: str, why: str) -> NoReturn:
    raise Unknown(f"the answer of the guard at {guard} was lost: {why}")
