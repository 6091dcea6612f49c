"""What the workload tests stand on: applications, a pool that remembers, and one stage over fake and real parts."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from analysis.model import AnalysisSpec, Role
from controller.adapters.clock import SystemClock
from controller.adapters.endpoints import Endpoint
from controller.adapters.workloads.processes import ProcessesWorkload
from controller.core.model import Application, CanaryPlan, RoleState
from controller.core.targets import ExternalTarget, HaproxyRoute, ProcessesTarget
from controller.ports import PortError, Workload
from tests.fakes.workload import Behaviour, FakeWorkload

SERVER = Path(__file__).with_name("workload_server.py")
DEADLINE_S = 8.0


def application(target: ProcessesTarget | ExternalTarget, name: str = "shop") -> Application:
    return Application(
        name=name,
        environment="production",
        target=target,
        router=HaproxyRoute(guard="/none", backend="shop", stable_pool="shop-stable", canary_pool="shop-canary"),
        canary=CanaryPlan(steps=(10, 50)),
        analysis=AnalysisSpec(prometheus_url="http://127.0.0.1:1", counters=()),
    )


def processes_target(ports: tuple[int, int], replicas: int = 2) -> ProcessesTarget:
    return ProcessesTarget(
        command=(sys.executable, "-I", "-S", str(SERVER), "{version}", "{port}"),
        replicas=replicas,
        canary_replicas=1,
        ports=ports,
        health_timeout_s=0.5,
        stop_grace_s=0.2,
    )


class RecordingEndpoints:
    """A pool in memory. ``trouble`` is raised instead, when set; ``hold`` is called first, to make it slow."""

    def __init__(self) -> None:
        self.pools: dict[Role, tuple[Endpoint, ...]] = {}
        self.history: list[tuple[Role, tuple[Endpoint, ...]]] = []
        self.trouble: PortError | None = None
        self.hold: Callable[[], object] = lambda: None

    def set_endpoints(self, app: Application, role: Role, endpoints: Sequence[Endpoint], epoch: int) -> None:
        self.hold()
        if self.trouble is not None:
            raise self.trouble
        self.pools[role] = tuple(endpoints)
        self.history.append((role, tuple(endpoints)))

    def open_ports(self, role: Role) -> set[int]:
        return {endpoint.port for endpoint in self.pools.get(role, ()) if not endpoint.drain}


class Stage(Protocol):
    workload: Workload
    app: Application

    def advance(self) -> None:
        """Let a little time pass."""

    def crash_one(self, role: Role) -> None:
        """End one instance of the role from outside."""


class FakeStage:
    def __init__(self) -> None:
        self.fake = FakeWorkload()
        self.workload: Workload = self.fake
        self.app = application(processes_target((1, 2)))
        self.fake.script("never-1", Behaviour(never_ready=True))
        self.fake.script("crash-1", Behaviour(ready_after=2, crash_after=1))

    def advance(self) -> None:
        self.fake.tick()

    def crash_one(self, role: Role) -> None:
        self.fake.crash(self.app.name, role, 1)


class RealStage:
    """Real processes in ``directory``. ``restart`` stands for a controller that was killed and started again."""

    def __init__(self, directory: Path, ports: tuple[int, int], replicas: int = 2) -> None:
        self.directory = directory
        self.endpoints = RecordingEndpoints()
        self.app = application(processes_target(ports, replicas))
        self.processes = self._new()
        self.workload: Workload = self.processes

    def _new(self) -> ProcessesWorkload:
        return ProcessesWorkload(self.directory, self.endpoints, SystemClock(), check_interval_s=0.05)

    def target(self, target: ProcessesTarget) -> None:
        self.app = replace(self.app, target=target)

    @property
    def processes_target(self) -> ProcessesTarget:
        assert isinstance(self.app.target, ProcessesTarget)
        return self.app.target

    def restart(self) -> None:
        self.processes.close()
        self.processes = self._new()
        self.workload = self.processes

    def advance(self) -> None:
        time.sleep(0.03)

    def crash_one(self, role: Role) -> None:
        version_pids = self.pids()
        assert version_pids
        os.kill(version_pids[0], signal.SIGKILL)

    def pids(self) -> list[int]:
        """Every process on the machine that runs our server for these ports, found without the code under test."""
        low, high = self.processes_target.ports
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal():
                continue
            with suppress(OSError):
                arguments = (entry / "cmdline").read_bytes().split(b"\0")
                ours = str(SERVER).encode() in arguments and len(arguments) > 5
                if ours and low <= int(arguments[-2]) <= high:
                    found.append(int(entry.name))
        return sorted(found)

    def close(self) -> None:
        ended = self.pids()
        for pid in ended:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.processes.close()
        for pid in ended:
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def drive(
    stage: Stage,
    wanted: Sequence[tuple[Role, str | None]],
    until: Callable[[RoleState, RoleState], bool],
    epoch: int = 1,
    passes: int = 400,
) -> list[tuple[RoleState, RoleState]]:
    """Make passes until the two roles are as ``until`` wants, and return everything that was observed on the way."""
    seen: list[tuple[RoleState, RoleState]] = []
    for _ in range(passes):
        for role, version in wanted:
            stage.workload.ensure(stage.app, role, version, epoch)
        seen.append(stage.workload.observe(stage.app))
        if until(*seen[-1]):
            return seen
        stage.advance()
    raise AssertionError(f"not reached after {passes} passes; last seen: {seen[-1]}")


def settled(version: str) -> Callable[[RoleState, RoleState], bool]:
    return lambda stable, _: stable.settled_on(version)


def free_ports(count: int) -> tuple[int, int]:
    """A range of ports below the ephemeral ones that was free a moment ago, different for every test process."""
    first = 21_000 + (os.getpid() * 97 + int(time.monotonic() * 1000)) % 8_000
    for low in range(first, 30_000 - count):
        if all(_free(port) for port in range(low, low + count)):
            return low, low + count - 1
    raise AssertionError("no free range of ports")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def table_of(stage: RealStage, role: Role = Role.STABLE) -> Path:
    return stage.directory / f"shop.{role.value}.json"


def wait_until_gone(stage: RealStage) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while stage.pids() and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert stage.pids() == []
