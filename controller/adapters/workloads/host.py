"""Starts, finds and signals processes of this Linux machine. It never signals a pid that is not surely ours.

A child is marked through its environment, so that it is found again after a crash between its start and its record.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from controller.ports import Refused, Unavailable

MARK_OWNER = "INTERLOCK_OWNER"
MARK_INSTANCE = "INTERLOCK_INSTANCE"
MARK_VERSION = "INTERLOCK_VERSION"
MARK_PORT = "INTERLOCK_PORT"

INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""All that a child gets of our own environment: the rest may hold our secrets."""

ENVIRON_BYTES = 262_144
"""How much of a process's environment is searched for our mark; twice what one entry may have on Linux."""


@dataclass(frozen=True, slots=True)
class Start:
    """What to start. ``marks`` is the environment that finds it again."""

    arguments: tuple[str, ...]
    directory: str | None
    environment: Mapping[str, str]
    marks: Mapping[str, str]
    log: Path


@dataclass(frozen=True, slots=True)
class Running:
    """A process that is surely the one meant: its pid, and when it was born."""

    pid: int
    born: str


@dataclass(frozen=True, slots=True)
class Found:
    """A process that carries our mark."""

    instance: str
    version: str
    port: int
    process: Running


@dataclass(frozen=True, slots=True)
class Stat:
    """The part of /proc/PID/stat that says who a process is."""

    state: str
    parent: int
    session: int
    started: int


class Host:
    """The processes of this machine. Stateless but for the identity of the boot."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        try:
            self._boot = (proc / "sys/kernel/random/boot_id").read_text().strip()
        except OSError as error:
            raise Refused("versions can run as local processes on Linux only: /proc is not readable here") from error

    def start(self, start: Start) -> Running:
        """Start a process in a session of its own. Raises Refused or Unavailable with what to put right."""
        if start.directory is not None and not Path(start.directory).is_dir():
            raise Refused(f"target.directory {start.directory!r} is not a directory on this machine")
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        environment = {"PATH": os.defpath, **environment, **start.environment, **start.marks}
        try:
            pid = _spawn(start, environment)
        except OSError as error:
            raise _start_error(start.arguments[0], error) from error
        stat = self._stat(pid)
        assert stat is not None, "our own child cannot be gone before it is reaped"
        return Running(pid, self._born(stat))

    def ended(self, process: Running) -> str | None:
        """How the process ended, in words; None while it lives. A child of ours is reaped here."""
        stat = self._stat(process.pid)
        if stat is None or self._born(stat) != process.born:
            return "ended"
        if stat.state not in "ZX":
            return None
        if stat.parent != os.getpid():
            return "ended"
        try:
            reaped, status = os.waitpid(process.pid, os.WNOHANG)
        except ChildProcessError:
            return "ended"
        if reaped == 0:  # its first thread is gone, others still run
            return None
        code = os.waitstatus_to_exitcode(status)
        return f"exited with code {code}" if code >= 0 else f"was ended by {_signal_name(-code)}"

    def signal(self, process: Running, number: signal.Signals) -> None:
        """Signal exactly this process, or nothing: a pid that went to somebody else is never signalled."""
        try:
            handle = os.pidfd_open(process.pid)
        except OSError:
            return
        try:
            stat = self._stat(process.pid)
            if stat is not None and self._born(stat) == process.born:
                signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return
        except PermissionError as error:
            raise Refused(f"may not signal process {process.pid}: it runs as another user") from error
        finally:
            os.close(handle)

    def kill_all_of(self, owner: str, instance: str) -> None:
        """End with SIGKILL every process that carries the mark of ``instance``, also the children it left behind."""
        wanted = {MARK_OWNER: owner, MARK_INSTANCE: instance}
        for pid, marks in self._marked(owner):
            stat = self._stat(pid)
            if stat is not None and stat.state not in "ZX" and wanted.items() <= marks.items():
                self.signal(Running(pid, self._born(stat)), signal.SIGKILL)

    def find(self, owner: str) -> tuple[Found, ...]:
        """The instances that carry the mark of ``owner``, by the leader of each one's session."""
        found: dict[str, Found] = {}
        for pid, marks in self._marked(owner):
            stat = self._stat(pid)
            if stat is None or stat.session != pid or stat.state in "ZX":
                continue
            instance, port = marks.get(MARK_INSTANCE, ""), marks.get(MARK_PORT, "")
            if instance and port.isdecimal():
                process = Running(pid, self._born(stat))
                found.setdefault(instance, Found(instance, marks.get(MARK_VERSION, ""), int(port), process))
        return tuple(found.values())

    def _marked(self, owner: str) -> Iterator[tuple[int, dict[str, str]]]:
        sign = f"{MARK_OWNER}={owner}".encode()
        for entry in sorted(int(name) for name in os.listdir(self._proc) if name.isdecimal()):
            try:
                with (self._proc / str(entry) / "environ").open("rb") as file:
                    raw = file.read(ENVIRON_BYTES)
            except OSError:
                continue
            if sign in raw:
                yield entry, _marks(raw)

    def _stat(self, pid: int) -> Stat | None:
        try:
            raw = (self._proc / str(pid) / "stat").read_bytes()
        except OSError:
            return None
        fields = raw[raw.rindex(b")") + 2 :].split()
        return Stat(fields[0].decode(), int(fields[1]), int(fields[3]), int(fields[19]))

    def _born(self, stat: Stat) -> str:
        return f"{self._boot}:{stat.started}"


def _spawn(start: Start, environment: Mapping[str, str]) -> int:
    log = os.open(start.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        # An argument list and no shell: a version is only ever data.
        child = subprocess.Popen(  # noqa: S603
            start.arguments,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=start.directory,
            env=environment,
            start_new_session=True,
        )
    finally:
        os.close(log)
    # The process outlives us on purpose and is reaped by its pid, so Popen must neither wait for it nor warn.
    child.returncode = 0
    return child.pid


def _start_error(command: str, error: OSError) -> Refused | Unavailable:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return Refused(f"cannot start {command!r}: no such command, or its interpreter is missing; fix target.command")
    if error.errno in (errno.EACCES, errno.EPERM, errno.ENOEXEC):
        return Refused(f"cannot start {command!r}: {error.strerror}; make it executable, or fix target.command")
    if error.errno == errno.E2BIG:
        return Refused(f"cannot start {command!r}: target.command and target.environment are too long together")
    return Unavailable(f"cannot start {command!r} now: {error.strerror}")


def _marks(raw: bytes) -> dict[str, str]:
    wanted = (MARK_OWNER, MARK_INSTANCE, MARK_VERSION, MARK_PORT)
    pairs: Sequence[tuple[str, str, str]] = [
        item.decode("utf-8", "replace").partition("=") for item in raw.split(b"\0")
    ]
    return {name: value for name, _, value in pairs if name in wanted}


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
