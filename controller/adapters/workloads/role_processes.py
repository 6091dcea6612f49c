"""Runs the instances of one role of one application: looks at them, and makes one pass toward what is wanted.

Not thread-safe by itself; its owner lets one caller in at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from analysis.model import Role
from controller.adapters.endpoints import Endpoint, Endpoints
from controller.adapters.workloads import rolling
from controller.adapters.workloads.adoption import adopt
from controller.adapters.workloads.health import Checks, Health, Question
from controller.adapters.workloads.host import Host, Running
from controller.adapters.workloads.ports import Ports
from controller.adapters.workloads.process_logs import Logs
from controller.adapters.workloads.process_moves import Mover, StartFailed
from controller.adapters.workloads.process_notes import Look
from controller.adapters.workloads.process_table import Instance, State, Table, TableFile
from controller.core.model import Application
from controller.core.targets import ProcessesTarget
from controller.ports import Clock, Fenced, PortError

LOOPBACK = "127.0.0.1"

SEARCH_EVERY_S = 60.0
"""How often the machine is searched for processes that no record knows; the first pass always does."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What every role needs of the world; shared by all of them."""

    host: Host
    ports: Ports
    checks: Checks
    endpoints: Endpoints
    clock: Clock


class RoleProcesses:
    def __init__(self, file: TableFile, logs: Logs, tools: Tools) -> None:
        empty = file.empty()
        self._file = file
        self._logs = logs
        self._tools = tools
        self._mover = Mover(file, logs, tools.host, tools.ports, tools.clock)
        self._role = empty.role
        self._prefix = f"{empty.application}/{empty.role}/"
        self._ends: dict[tuple[str, int], str] = {}
        self._searched_s: float | None = None

    def table(self) -> Table:
        """Raises Refused when the record is damaged, Unavailable when it cannot be read."""
        return self._file.load() or self._file.empty()

    def look(self, target: ProcessesTarget, table: Table) -> tuple[Look, ...]:
        """Every instance as it is now; asks for the health of those that live, and does not wait for the answers."""
        looks = tuple(Look(instance, self._end(instance), Health()) for instance in table.instances)
        living = [look.instance for look in looks if look.alive]
        self._tools.checks.keep_only(self._prefix, {self.key(one) for one in living})
        self._tools.checks.ask((self.key(one), _question(target, one)) for one in living if one.state in CHECKED)
        return self.refresh(looks)

    def refresh(self, looks: Sequence[Look]) -> tuple[Look, ...]:
        """The same instances with the health that is known by now."""
        return tuple(replace(look, health=self._tools.checks.health(self.key(look.instance))) for look in looks)

    def key(self, instance: Instance) -> str:
        return f"{self._prefix}{instance.id}@{instance.pid}"

    def tail(self, target: ProcessesTarget, instance_id: str) -> str:
        return self._logs.tail(instance_id, [value for _, value in target.environment])

    def converge(self, app: Application, target: ProcessesTarget, version: str | None, epoch: int) -> None:
        """One pass. Goes as far as it can, then raises the first trouble it met."""
        table = replace(self._found(self._fenced(epoch)), epoch=epoch, version=version)
        table = self._bury(table, self.look(target, table))
        looks = self.look(target, table)
        entering = {look.instance.id for look in looks if _may_enter(look)}
        pool = _pool(self._role, looks, entering)
        troubles = self._fill(app, pool, epoch)
        pool_ok = not troubles
        if pool_ok:
            table = self._enter(table, entering)
            looks = _again(table, looks)
        table = self._move(target, table, looks, troubles)
        troubles += self._save(table)
        after = _pool(self._role, _again(table, looks), set())
        if pool_ok and after != pool:
            troubles += self._fill(app, after, epoch)
        self._logs.trim([instance.id for instance in table.instances])
        if troubles:
            raise troubles[0]

    def _fenced(self, epoch: int) -> Table | None:
        table = self._file.load()
        if table is not None and epoch < table.epoch:
            raise Fenced(f"a newer leader (epoch {table.epoch}) runs the {self._role} instances; this one has {epoch}")
        return table

    def _found(self, table: Table | None) -> Table:
        """Search the machine when it is due, so that nothing that was started is lost or started twice."""
        now_s = self._tools.clock.monotonic_s()
        due = self._searched_s is None or now_s - self._searched_s >= SEARCH_EVERY_S
        if table is not None and not due:
            return table
        found = self._tools.host.find(self._mover.owner)
        self._searched_s = now_s
        return adopt(table, self._file.empty(), found, self._tools.clock.now_s())

    def _end(self, instance: Instance) -> str | None:
        """How it ended, None while it lives. Remembered, because only the first to look is told the exit code."""
        if instance.pid is None or instance.born is None:
            return instance.last_end or "is not started yet"
        key = (instance.id, instance.pid)
        if key not in self._ends:
            end = self._tools.host.ended(Running(instance.pid, instance.born))
            if end is None:
                return None
            self._ends[key] = end
        return self._ends[key]

    def _bury(self, table: Table, looks: Sequence[Look]) -> Table:
        """Take note of the ends: what should run waits for its restart, what should go is forgotten."""
        now_s = self._tools.clock.now_s()
        for look in looks:
            instance = look.instance
            if look.end is None or instance.pid is None:
                continue
            self._mover.clean_up(instance)
            self._ends.pop((instance.id, instance.pid), None)
            if instance.state in (State.DRAINING, State.STOPPING):
                table = self._mover.forget(table, instance)
                continue
            steady = instance.state is State.SERVING and now_s - instance.since_s >= rolling.STEADY_S
            gone = replace(instance, state=State.WAITING, since_s=now_s, pid=None, born=None, last_end=look.end)
            table = table.put(replace(gone, restarts=0 if steady else instance.restarts))
        return table

    def _fill(self, app: Application, pool: tuple[Endpoint, ...], epoch: int) -> list[PortError]:
        name = app.haproxy.stable_pool if self._role is Role.STABLE else app.haproxy.canary_pool
        if name is None:
            return []
        try:
            self._tools.endpoints.set_endpoints(app, self._role, pool, epoch)
        except PortError as error:
            return [error]
        return []

    def _enter(self, table: Table, entering: set[str]) -> Table:
        """Those that just came into the pool serve from now on: not before, so that "ready" means "gets traffic"."""
        now_s = self._tools.clock.now_s()
        for instance in table.instances:
            if instance.id in entering:
                table = table.put(replace(instance, state=State.SERVING, since_s=now_s))
        return table

    def _move(self, target: ProcessesTarget, table: Table, looks: Sequence[Look], troubles: list[PortError]) -> Table:
        count = replicas(target, self._role)
        wanted = rolling.Wanted(table.version, count, target.stop_grace_s, pool_ok=not troubles)
        seen = tuple(rolling.Seen(look.instance, look.alive, look.ready) for look in looks)
        moves = rolling.plan(seen, wanted, self._tools.clock.now_s())
        for move in moves:
            try:
                table = self._mover.apply(target, table, move)
            except StartFailed as failed:
                table = replace(failed.table, trouble=str(failed.trouble))
                troubles.append(failed.trouble)
            except PortError as error:
                troubles.append(error)
        starting = any(isinstance(move, rolling.StartNew | rolling.Restart) for move in moves)
        waiting = any(instance.state is State.WAITING for instance in table.instances)
        return table if starting or waiting else replace(table, trouble="")

    def _save(self, table: Table) -> list[PortError]:
        try:
            self._file.save(table)
        except PortError as error:
            return [error]
        return []


CHECKED = (State.STARTING, State.SERVING)
"""Those that leave are not asked any more: being unwell is no longer of interest."""


def replicas(target: ProcessesTarget, role: Role) -> int:
    return target.replicas if role is Role.STABLE else target.canary_replicas


def _question(target: ProcessesTarget, instance: Instance) -> Question:
    return Question(f"http://{LOOPBACK}:{instance.port}{target.health_path}", target.health_timeout_s)


def _may_enter(look: Look) -> bool:
    return look.instance.state is State.STARTING and look.alive and look.health.steady


def _again(table: Table, looks: Sequence[Look]) -> tuple[Look, ...]:
    """The looks with the instances as the table has them now; those it no longer has are left out."""
    now = {instance.id: instance for instance in table.instances}
    return tuple(replace(look, instance=now[look.instance.id]) for look in looks if look.instance.id in now)


def _pool(role: Role, looks: Sequence[Look], entering: set[str]) -> tuple[Endpoint, ...]:
    """What should be in the pool. Unwell instances get nothing new, but stable's pool is never emptied for that:
    a stable that answers badly is still better than none, while an empty canary pool sends its users to stable."""
    serving = [
        look for look in looks if look.alive and (look.instance.state is State.SERVING or look.instance.id in entering)
    ]
    draining = [look for look in looks if look.alive and look.instance.state is State.DRAINING]
    well = {look.instance.id for look in serving if not look.health.lost}
    if role is Role.STABLE and not well:
        well = {look.instance.id for look in serving}
    return (
        *(Endpoint(LOOPBACK, look.instance.port, drain=look.instance.id not in well) for look in serving),
        *(Endpoint(LOOPBACK, look.instance.port, drain=True) for look in draining),
    )
