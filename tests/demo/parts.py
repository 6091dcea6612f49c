"""Starts and stops the real parts of the demo on free ports of loopback: HAProxy, Prometheus, the guard and any other.

Everything lives in one temporary directory and carries one mark, and is gone when ``Parts`` is left, in whatever way.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import string
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.demo.sweeper import MARK, sweep

ROOT = Path(__file__).parents[2]
SHOP = Path(__file__).with_name("shop.py")
HAPROXY_CFG = Path(__file__).with_name("demo_haproxy.cfg")

START_DEADLINE_S = 20.0
"""How long a part may take to answer: Prometheus needs about a second on a small machine."""

STOP_GRACE_S = 5.0


class Missing(Exception):
    """A program is not on this machine. The text says how to install it."""


class Failed(Exception):
    """A part did not start, or ended by itself. The text holds the end of what it printed."""


@dataclass(slots=True)
class Part:
    """One started process. ``log`` holds all it printed."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self, grace_s: float = STOP_GRACE_S) -> None:
        """SIGTERM, then SIGKILL. Returns when the process is gone."""
        if self.alive:
            self.process.terminate()
        try:
            self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(grace_s)

    def kill(self) -> None:
        """``kill -9``, for the stories that need a crash."""
        self.process.kill()
        self.process.wait(STOP_GRACE_S)

    def tail(self, characters: int = 800) -> str:
        with suppress(OSError):
            return self.log.read_text(errors="replace")[-characters:].strip()
        return ""


@dataclass(frozen=True, slots=True)
class Haproxy:
    part: Part
    port: int
    exporter_port: int
    socket: Path


@dataclass(frozen=True, slots=True)
class Guard:
    part: Part
    listen: Path
    state: Path


@dataclass(frozen=True, slots=True)
class Prometheus:
    part: Part
    url: str


@dataclass(slots=True)
class Parts:
    """``with Parts() as parts:``. Give ``environment`` to whatever else is started, so that it is ended too."""

    directory: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="interlock-")))
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    parts: list[Part] = field(default_factory=list)
    _sweeper: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        return {MARK: self.token}

    @property
    def discovery_file(self) -> Path:
        """Where the controller lists the shop's instances for Prometheus."""
        return self.directory / "shop-targets.json"

    @property
    def shop_command(self) -> tuple[str, ...]:
        """``target.command`` of the sample shop."""
        return (sys.executable, "-I", "-S", str(SHOP), "--version", "{version}", "--port", "{port}")

    def __enter__(self) -> Parts:
        command = [sys.executable, str(Path(__file__).with_name("sweeper.py"))]
        arguments = [str(os.getpid()), self.token, str(self.directory)]
        self._sweeper = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, start_new_session=True)
        assert self._sweeper.stdout is not None
        if self._sweeper.stdout.readline() != b"watching\n":
            raise Failed("the sweeper did not start, and without it nothing else is started")
        return self

    def __exit__(self, *_: object) -> None:
        try:
            for part in reversed(self.parts):
                part.stop()
        finally:
            sweep(self.token)
            shutil.rmtree(self.directory, ignore_errors=True)
            if self._sweeper is not None and self._sweeper.stdout is not None:
                self._sweeper.kill()
                self._sweeper.wait()
                self._sweeper.stdout.close()

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Part:
        """Start any program, marked, with its output in a file of the directory."""
        log = self.directory / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **(environment or {}), **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the demo, which stops its parts in order
            )
        part = Part(name, process, log)
        self.parts.append(part)
        return part

    def haproxy(self) -> Haproxy:
        program = program_path("haproxy")
        port, exporter_port = free_ports(2)
        admin = self.directory / "haproxy.sock"
        config = self.directory / "haproxy.cfg"
        values = {"directory": str(self.directory), "port": str(port), "exporter_port": str(exporter_port)}
        config.write_text(string.Template(HAPROXY_CFG.read_text()).substitute(values))
        part = self.start("haproxy", [program, "-W", "-f", str(config)])
        wait_until(part, lambda: answers(f"http://127.0.0.1:{exporter_port}/metrics"))
        return Haproxy(part, port, exporter_port, admin)

    def haproxy_again(self, before: Haproxy) -> Part:
        """HAProxy with the configuration it had, after it is gone."""
        before.part.stop()
        part = self.start("haproxy", [program_path("haproxy"), "-W", "-f", str(self.directory / "haproxy.cfg")])
        wait_until(part, lambda: answers(f"http://127.0.0.1:{before.exporter_port}/metrics"))
        return part

    def guard(self, haproxy: Haproxy) -> Guard:
        listen, state = self.directory / "guard.sock", self.directory / "guard"
        sockets = ["--haproxy", str(haproxy.socket), "--listen", str(listen)]
        part = self.start("guard", [sys.executable, "-m", "controller.guard", *sockets, "--state", str(state)])
        wait_until(part, lambda: accepts(listen))
        return Guard(part, listen, state)

    def prometheus(self, haproxy: Haproxy) -> Prometheus:
        program = program_path("prometheus")
        (port,) = free_ports(1)
        if not self.discovery_file.exists():
            self.discovery_file.write_text("[]")
        config = self.directory / "prometheus.yml"
        config.write_text(json.dumps(prometheus_config(self.discovery_file, haproxy.exporter_port)))
        command = [
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={self.directory / 'prometheus'}",
            "--storage.tsdb.retention.time=2h",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ]
        part = self.start("prometheus", command, {"GOMAXPROCS": "1"})
        url = f"http://127.0.0.1:{port}"
        wait_until(part, lambda: answers(f"{url}/-/ready"))
        return Prometheus(part, url)


def prometheus_config(discovery_file: Path, exporter_port: int) -> dict[str, object]:
    """One scrape per second; labels that the shop itself sets stay as they are. JSON is YAML enough for Prometheus."""
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [
            {
                "job_name": "shop",
                "honor_labels": True,
                "file_sd_configs": [{"files": [str(discovery_file)], "refresh_interval": "5s"}],
            },
            {
                "job_name": "haproxy",
                "params": {"scope": ["server", "backend"]},
                "static_configs": [{"targets": [f"127.0.0.1:{exporter_port}"]}],
            },
        ],
    }


def program_path(name: str) -> str:
    """Where the program is. Raises Missing with how to install it."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin")
    if found is None:
        raise Missing(f"{name} is not on this machine; install {name}: apt-get install {name}")
    return found


def free_ports(count: int) -> tuple[int, ...]:
    """Ports that were free a moment ago, all different."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return tuple(int(probe.getsockname()[1]) for probe in probes)
    finally:
        for probe in probes:
            probe.close()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1.0) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(str(path)) == 0


def wait_until(part: Part, ready: Callable[[], bool], deadline_s: float = START_DEADLINE_S) -> None:
    """Wait until the part is up. Raises Failed with what it printed when it ends or takes too long."""
    end_s = time.monotonic() + deadline_s
    while not ready():
        if not part.alive:
            raise Failed(f"{part.name} ended with code {part.process.returncode}: {part.tail()}")
        if time.monotonic() > end_s:
            raise Failed(f"{part.name} did not answer within {deadline_s:g} s: {part.tail()}")
        time.sleep(0.05)
