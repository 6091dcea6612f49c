"""What the guard sees beside its requests: the clock and the HALT files; and its log and locks. It decides nothing."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import queue
import socket
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from controller.guard.model import World

LOG_LINES = 10_000
"""Lines that may wait for a slow stderr, about 10 MB; more are dropped, since the record is what counts."""

LOG_CLOSE_S = 1.0


class Locked(Exception):
    """Another guard holds the lock."""


def look_around(directory: Path, clock: Callable[[], float]) -> World:
    """The time, and the names of the HALT files in ``directory``."""
    try:
        files = frozenset(name for name in os.listdir(directory) if name == "HALT" or name.startswith("HALT."))
    except OSError:
        return World(clock(), files_readable=False)
    return World(clock(), files)


def lock(path: Path) -> int:
    """Hold ``path`` for as long as this process lives; returns the descriptor. Raises Locked, OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Locked(f"another guard holds {path}") from None
    return descriptor


def own(haproxy: str) -> socket.socket:
    """Be the one guard of this HAProxy on this machine; gone with the process. Raises Locked.

    A name in the kernel's own space: it needs no directory that both guards would have to share.
    """
    place = os.path.realpath(haproxy) if "/" in haproxy else haproxy
    name = hashlib.sha256(place.encode()).hexdigest()
    held = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        held.bind(f"\0interlock-guard-{name}")
    except OSError as error:
        held.close()
        if error.errno != errno.EADDRINUSE:
            raise
        raise Locked(f"another guard owns HAProxy at {haproxy}") from None
    return held


class Log:
    """One JSON line per event on stderr, written by a thread of its own: a stuck stderr must not hold up a kill."""

    def __init__(self) -> None:
        self._lines: queue.Queue[str | None] = queue.Queue(maxsize=LOG_LINES)
        self._writer = threading.Thread(target=self._write, name="log", daemon=True)
        self._writer.start()

    def __call__(self, event: str, **fields: object) -> None:
        at = datetime.now(UTC).isoformat()  # noqa: TID251
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(json.dumps({"at": at, "event": event, **fields}, default=str))

    def close(self) -> None:
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)
        self._writer.join(LOG_CLOSE_S)

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            with contextlib.suppress(OSError):
                sys.stderr.write(line + "\n")
                sys.stderr.flush()
