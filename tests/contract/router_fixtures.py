"""Two worlds for the router's contract: one in memory, one with a real HAProxy and a real guard process."""

from __future__ import annotations

import signal
import socket
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from analysis.model import AnalysisSpec
from controller.adapters.routers.haproxy import HaproxyRouter
from controller.core.model import Application, CanaryPlan
from controller.core.targets import ExternalTarget, HaproxyRoute
from controller.guard.haproxy import RuntimeSocket
from controller.guard.model import Server
from controller.ports import Router
from tests.fakes.router import FakeRouter
from tests.parts import find

HAPROXY = find("haproxy")
WITHOUT = "haproxy is not on this machine: the router was not shown on a real HAProxy (Debian: apt-get install haproxy)"
PERIOD_S = 0.1
ROOT = Path(__file__).parents[2]


def application(guard: str = "/nowhere/guard.sock", backend: str = "shop") -> Application:
    route = HaproxyRoute(guard, backend, stable_pool="shop_stable", canary_pool="shop_canary")
    target = ExternalTarget("http://127.0.0.1:1/", "http://127.0.0.1:1/")
    return Application("shop", "production", target, route, CanaryPlan((1, 50)), AnalysisSpec("http://127.0.0.1:1", ()))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def eventually(true: Callable[[], bool], deadline_s: float = 10.0) -> None:
    """Wait until ``true`` holds. The deadline is generous: it only bounds a test that fails."""
    end_s = time.monotonic() + deadline_s
    while not true():
        assert time.monotonic() < end_s, "did not come true in time"
        time.sleep(0.01)


class AnyWorld(Protocol):
    """What a contract test may do beside the calls of the port, whatever carries the traffic."""

    app: Application

    @property
    def router(self) -> Router: ...

    @property
    def most_pct(self) -> int:
        """The highest weight that the route can give the canary."""
        ...

    def weights(self) -> tuple[int, int]:
        """What the proxy gives stable and the canary now, read past the router."""
        ...

    def pass_time(self, seconds: float) -> None:
        """Let ``seconds`` and, with a guard, two passes of its loop go by."""
        ...


class World(AnyWorld, Protocol):
    """The same with HAProxy and its guard, which can be troubled."""

    @property
    def router(self) -> HaproxyRouter: ...

    def servers(self, backend: str) -> dict[str, Server]: ...

    def tamper(self, command: str) -> None: ...

    def reload_haproxy(self) -> None: ...

    def stop_haproxy(self) -> None: ...

    def start_haproxy(self) -> None: ...

    def kill_guard(self) -> None: ...

    def start_guard(self) -> None: ...

    def halt_file(self, name: str, there: bool) -> None: ...

    def break_disk(self, broken: bool) -> None: ...


class Switch:
    """The two servers of a world's switch backend."""

    most_pct = 100

    def servers(self, backend: str) -> dict[str, Server]:
        raise AssertionError("every world has its own")

    def weights(self) -> tuple[int, int]:
        servers = self.servers("shop")
        return servers["stable"].weight, servers["canary"].weight


class FakeWorld(Switch):
    """Time is a number here; a pass of the loop is a call."""

    router: FakeRouter

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.app = application()
        self.router = FakeRouter(lambda: self.now_s, slots=4)
        self.router.add(self.app)

    def pass_time(self, seconds: float) -> None:
        self.now_s += seconds
        for _ in range(2):
            self.now_s += 0.5
            self.router.tick()

    def servers(self, backend: str) -> dict[str, Server]:
        return dict(self.router.haproxy.running[backend])

    def tamper(self, command: str) -> None:
        assert self.router.haproxy.run(command) == ""

    def reload_haproxy(self) -> None:
        self.router.haproxy.reload()

    def stop_haproxy(self) -> None:
        self.router.haproxy.up = False

    def start_haproxy(self) -> None:
        self.router.haproxy.reload()
        self.router.haproxy.up = True

    def kill_guard(self) -> None:
        self.router.guard_up = False

    def start_guard(self) -> None:
        self.router.guard_up = True
        self.router.restart()

    def halt_file(self, name: str, there: bool) -> None:
        if there:
            self.router.files.add(name)
        else:
            self.router.files.discard(name)

    def break_disk(self, broken: bool) -> None:
        self.router.disk_full = broken


class RealWorld(Switch):
    """A real HAProxy in master-worker mode and a real guard process, in a short directory of their own."""

    def __init__(self, directory: Path) -> None:
        assert HAPROXY is not None
        self.directory = directory
        self.port = free_port()
        self.state = directory / "state"
        self.router = HaproxyRouter()
        self.app = application(str(directory / "guard.sock"))
        text = (Path(__file__).with_name("router_haproxy.cfg")).read_text()
        self.cfg = directory / "haproxy.cfg"
        self.cfg.write_text(string.Template(text).substitute(directory=directory, port=self.port))
        self.admin = RuntimeSocket(str(directory / "haproxy.sock"), 2.0, time.monotonic)
        self._haproxy: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self.start_haproxy()
        self.start_guard()

    def close(self) -> None:
        self.router.close()
        self.kill_guard()
        self.stop_haproxy()

    def pass_time(self, seconds: float) -> None:
        time.sleep(seconds + 3 * PERIOD_S)

    def servers(self, backend: str) -> dict[str, Server]:
        return {server.name: server for server in self.admin.look(backend).servers}

    def tamper(self, command: str) -> None:
        assert self.admin.push(command.split()[2].partition("/")[0], (command,)).complaints == ()

    def reload_haproxy(self) -> None:
        before = self._pid()
        assert self._haproxy is not None
        self._haproxy.send_signal(signal.SIGUSR2)
        eventually(lambda: self._pid() not in (None, before))

    def stop_haproxy(self) -> None:
        if self._haproxy is not None:
            self._haproxy.terminate()
            self._haproxy.wait(10)
            self._haproxy = None

    def start_haproxy(self) -> None:
        assert HAPROXY is not None
        command = [HAPROXY, "-W", "-f", str(self.cfg)]
        with (self.directory / "haproxy.log").open("ab") as log:
            self._haproxy = subprocess.Popen(command, stdout=log, stderr=log)
        eventually(lambda: self._pid() is not None)

    def _pid(self) -> str | None:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(1.0)
                connection.connect(str(self.directory / "haproxy.sock"))
                connection.sendall(b"show info\n")
                answer = b"".join(iter(lambda: connection.recv(65_536), b"")).decode()
        except OSError:
            return None
        return next((line for line in answer.splitlines() if line.startswith("Pid:")), None)

    def kill_guard(self) -> None:
        if self._guard is not None:
            self._guard.kill()
            self._guard.wait(10)
            self._guard = None

    def stop_guard(self) -> int:
        assert self._guard is not None
        self._guard.terminate()
        code = self._guard.wait(10)
        self._guard = None
        return code

    def guard_command(self) -> list[str]:
        haproxy, listen = str(self.directory / "haproxy.sock"), str(self.directory / "guard.sock")
        return [
            *(sys.executable, "-m", "controller.guard"),
            *("--haproxy", haproxy, "--listen", listen, "--state", str(self.state), "--period", str(PERIOD_S)),
        ]

    def start_guard(self) -> None:
        with (self.directory / "guard.log").open("ab") as log:
            self._guard = subprocess.Popen(self.guard_command(), cwd=ROOT, stderr=log)
        eventually(self._guard_answers)

    def _guard_answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.directory / "guard.sock")) == 0

    def halt_file(self, name: str, there: bool) -> None:
        if there:
            (self.state / name).touch()
        else:
            (self.state / name).unlink()

    def break_disk(self, broken: bool) -> None:
        """A directory in the place of the new record: opening it for writing fails, for root as well."""
        fresh = self.state / "guard.json.new"
        if broken:
            fresh.mkdir()
        else:
            fresh.rmdir()


@contextmanager
def opened(kind: str) -> Iterator[World]:
    if kind == "fake":
        yield FakeWorld()
        return
    with real() as world:
        yield world


@contextmanager
def real() -> Iterator[RealWorld]:
    if HAPROXY is None:
        pytest.skip(WITHOUT)
    with tempfile.TemporaryDirectory(prefix="guard") as directory:
        world = RealWorld(Path(directory))
        try:
            yield world
        finally:
            world.close()
