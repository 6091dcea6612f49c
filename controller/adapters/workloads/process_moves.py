"""Carries out single planned moves on the processes of a role: start, drain, signal, forget. It plans none of them.

A start is three steps: the intent goes to disk, the process is started with a mark, its identity goes to disk.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import signal
from dataclasses import replace

from controller.adapters.workloads import host as marks
from controller.adapters.workloads import rolling
from controller.adapters.workloads.host import Host, Running, Start
from controller.adapters.workloads.ports import Ports
from controller.adapters.workloads.process_logs import Logs
from controller.adapters.workloads.process_table import Instance, State, Table, TableFile
from controller.core.targets import ProcessesTarget
from controller.ports import Clock, PortError


class StartFailed(Exception):
    """A start came to nothing. ``table`` is the record without it, ``trouble`` says why."""

    def __init__(self, table: Table, trouble: PortError) -> None:
        super().__init__(str(trouble))
        self.table = table
        self.trouble = trouble


class Mover:
    def __init__(self, file: TableFile, logs: Logs, host: Host, ports: Ports, clock: Clock) -> None:
        self._file = file
        self._logs = logs
        self._host = host
        self._ports = ports
        self._clock = clock
        self.owner = hashlib.sha256(str(file.path.resolve()).encode()).hexdigest()[:32]

    def apply(self, target: ProcessesTarget, table: Table, move: rolling.Move) -> Table:
        """The table after ``move``. Raises StartFailed, and Refused when a process may not be signalled."""
        now_s = self._clock.now_s()
        match move:
            case rolling.StartNew(version):
                return self._start(target, table, Instance(secrets.token_hex(8), version, 0, State.STARTING, now_s))
            case rolling.Restart(instance):
                again = replace(instance, state=State.STARTING, since_s=now_s, restarts=instance.restarts + 1)
                return self._start(target, table, again)
            case rolling.Drain(instance):
                return table.put(replace(instance, state=State.DRAINING, since_s=now_s))
            case rolling.Revive(instance):
                return table.put(replace(instance, state=State.SERVING, since_s=now_s))
            case rolling.Terminate(instance):
                self._signal(instance, signal.SIGTERM)
                return table.put(replace(instance, state=State.STOPPING, since_s=now_s))
            case rolling.Kill(instance):
                self._signal(instance, signal.SIGKILL)
                return table
            case rolling.Drop(instance):
                return self.forget(table, instance)

    def forget(self, table: Table, instance: Instance) -> Table:
        self._ports.give_back(instance.id)
        return table.without(instance.id)

    def clean_up(self, instance: Instance) -> None:
        """End what a dead instance left behind: children that outlived it would hold its port."""
        self._host.kill_all_of(self.owner, instance.id)

    def _signal(self, instance: Instance, number: signal.Signals) -> None:
        if instance.pid is not None and instance.born is not None:
            self._host.signal(Running(instance.pid, instance.born), number)

    def _start(self, target: ProcessesTarget, table: Table, instance: Instance) -> Table:
        before = table
        try:
            port = self._ports.pick(instance.id, *target.ports, table.last_port)
            instance = replace(instance, port=port)
            table = replace(table, last_port=port).put(instance)
            self._file.save(table)
        except PortError as error:
            self._file.keep(before)
            self._ports.give_back(instance.id)
            raise StartFailed(before, error) from error
        try:
            running = self._host.start(self._plan(target, instance))
        except PortError as error:
            self._ports.give_back(instance.id)
            waits = replace(instance, state=State.WAITING, since_s=self._clock.now_s(), last_end="could not be started")
            left = table.put(waits) if instance.restarts else table.without(instance.id)
            raise StartFailed(left, error) from error
        return replace(table, trouble="").put(replace(instance, pid=running.pid, born=running.born))

    def _plan(self, target: ProcessesTarget, instance: Instance) -> Start:
        values = {"version": instance.version, "port": str(instance.port)}
        return Start(
            # One pass over each argument: a version that holds "{port}" stays what it is.
            arguments=tuple(re.sub(r"\{(version|port)\}", lambda m: values[m[1]], part) for part in target.command),
            directory=target.directory,
            environment=dict(target.environment),
            marks={
                marks.MARK_OWNER: self.owner,
                marks.MARK_INSTANCE: instance.id,
                marks.MARK_VERSION: instance.version,
                marks.MARK_PORT: str(instance.port),
            },
            log=self._logs.path(instance.id),
        )
