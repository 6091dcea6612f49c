"""Runs versions as local processes that outlive this controller, and takes them over after a crash.

It does what it is asked, one bounded pass at a time, and decides nothing about a release.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from analysis.model import Role
from controller.adapters.endpoints import Endpoints
from controller.adapters.workloads.discovery import write_discovery
from controller.adapters.workloads.health import INTERVAL_S, Checks, HttpAsk, health_client
from controller.adapters.workloads.host import Host
from controller.adapters.workloads.ports import Ports
from controller.adapters.workloads.process_logs import Logs
from controller.adapters.workloads.process_notes import role_state
from controller.adapters.workloads.process_table import Instance, State, Table, TableFile, table_name
from controller.adapters.workloads.role_processes import LOOPBACK, RoleProcesses, Tools, replicas
from controller.core.model import Application, RoleState
from controller.core.targets import ProcessesTarget
from controller.ports import Clock, PortError, Unavailable

LOCK_TIMEOUT_S = 10.0
"""How long a caller waits for another one on the same role: more than a pass with a slow router takes."""


class ProcessesWorkload:
    """A Workload on this machine. Everything it must remember is in ``state_dir``; it may be killed at any time.

    The instances live on when it ends. A new one on the same ``state_dir`` takes them over.
    """

    def __init__(
        self,
        state_dir: Path,
        endpoints: Endpoints,
        clock: Clock,
        http: httpx.Client | None = None,
        check_interval_s: float = INTERVAL_S,
    ) -> None:
        self._directory = state_dir
        self._own_http = health_client() if http is None else None
        client = http or self._own_http
        assert client is not None, "either given or made"
        checks = Checks(HttpAsk(client, clock), clock, check_interval_s)
        self._tools = Tools(Host(), Ports(), checks, endpoints, clock)
        self._guard = threading.Lock()
        self._discovery = threading.Lock()
        self._roles: dict[tuple[str, Role], tuple[threading.Lock, RoleProcesses]] = {}
        try:
            (state_dir / "logs").mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise Unavailable(f"cannot use {state_dir} for the instances' state: {error.strerror}") from error

    def resolve(self, app: Application, version: str) -> str:
        """What was asked for: a version is only a word here."""
        return version

    def running(self, app: Application) -> str | None:
        """Nothing is taken over: the first deploy says what runs."""
        return None

    def require_forgettable(self, app: Application) -> None:
        """Always: there is nothing that could be left behind."""

    def forget(self, app: Application) -> None:
        """Nothing was made beside the instances, which are left as they are."""

    def observe(self, app: Application) -> tuple[RoleState, RoleState]:
        """What runs and is ready now. Raises Unavailable, or Refused when a record is damaged."""
        return self._observe(app, Role.STABLE), self._observe(app, Role.CANARY)

    def ensure(self, app: Application, role: Role, version: str | None, epoch: int, share_pct: int = 100) -> None:
        """One pass toward ``version``. Raises Fenced, Refused or Unavailable, after doing all that could be done."""
        target = _target(app)
        try:
            with self._alone(app, role) as processes, self._only_controller(app, role):
                processes.converge(app, target, version, epoch)
        except PortError:
            with contextlib.suppress(PortError):  # the first trouble is the one to tell
                self._publish(app, target)
            raise
        self._publish(app, target)

    def close(self) -> None:
        """Stop asking for health. The instances run on."""
        self._tools.checks.close()
        if self._own_http is not None:
            self._own_http.close()

    def _observe(self, app: Application, role: Role) -> RoleState:
        target = _target(app)
        with self._alone(app, role) as processes:
            table = processes.table()
            looks = processes.look(target, table)
        self._tools.checks.settle({processes.key(look.instance) for look in looks if look.alive})
        looks = processes.refresh(looks)
        return role_state(table, looks, replicas(target, role), lambda one: processes.tail(target, one))

    def _role(self, app: Application, role: Role) -> tuple[threading.Lock, RoleProcesses]:
        with self._guard:
            key = (app.name, role)
            if key not in self._roles:
                name = table_name(app.name, role)
                file = TableFile(self._directory / f"{name}.json", app.name, role)
                processes = RoleProcesses(file, Logs(self._directory / "logs", name), self._tools)
                self._roles[key] = (threading.Lock(), processes)
            return self._roles[key]

    @contextmanager
    def _alone(self, app: Application, role: Role) -> Iterator[RoleProcesses]:
        lock, processes = self._role(app, role)
        if not lock.acquire(timeout=LOCK_TIMEOUT_S):
            raise Unavailable(
                f"another pass over the {role} instances of {app.name} takes longer than {LOCK_TIMEOUT_S} s"
            )
        try:
            yield processes
        finally:
            lock.release()

    @contextmanager
    def _only_controller(self, app: Application, role: Role) -> Iterator[None]:
        """Keeps a second controller on the same directory out; the kernel lifts the lock when its holder dies."""
        path = self._directory / f"{table_name(app.name, role)}.lock"
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unavailable(f"cannot open {path}: {error.strerror}") from error
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise Unavailable(f"another controller is working on the {role} instances of {app.name}") from error
            yield
        finally:
            os.close(handle)

    def _publish(self, app: Application, target: ProcessesTarget) -> None:
        if target.discovery_file is None:
            return
        with self._discovery:
            running = {role: _scrapable(self._role(app, role)[1].table()) for role in Role}
            write_discovery(Path(target.discovery_file), app.name, LOOPBACK, running)


def _target(app: Application) -> ProcessesTarget:
    assert isinstance(app.target, ProcessesTarget), "the composition root picks the workload by the target"
    return app.target


def _scrapable(table: Table) -> tuple[Instance, ...]:
    return tuple(one for one in table.instances if one.pid is not None and one.state is not State.WAITING)
