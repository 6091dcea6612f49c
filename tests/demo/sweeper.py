"""Waits for the demo to be gone, then ends everything it started and removes its directory. It does nothing before.

It is a process of its own, so that a demo ended by Ctrl-C, a crash or ``kill -9`` leaves nothing behind either.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

MARK = "INTERLOCK_DEMO"
GRACE_S = 3.0
ENVIRON_BYTES = 262_144


def marked(token: str) -> list[int]:
    """Every live process whose environment carries ``token``, but this one."""
    sign = f"{MARK}={token}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        with suppress(OSError, ValueError):
            with (entry / "environ").open("rb") as file:
                carries = sign in file.read(ENVIRON_BYTES).split(b"\0")
            if carries and (entry / "stat").read_bytes().rpartition(b") ")[2][:1] not in b"ZX":
                found.append(int(entry.name))
    return found


def sweep(token: str, grace_s: float = GRACE_S) -> None:
    """End every marked process: SIGTERM, and SIGKILL for those that stay. What starts meanwhile is ended too."""
    deadline_s = time.monotonic() + grace_s
    asked: set[int] = set()
    while pids := marked(token):
        late = time.monotonic() >= deadline_s
        for pid in pids:
            if late or pid not in asked:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
                asked.add(pid)
        if time.monotonic() > deadline_s + grace_s:
            return
        time.sleep(0.05)


def main(arguments: Sequence[str]) -> int:
    """Arguments: the demo's pid, its token, its directory. A line on standard output says that it watches."""
    parent, token, directory = int(arguments[0]), arguments[1], Path(arguments[2])
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    handle = os.pidfd_open(parent)
    print("watching", flush=True)
    select.select([handle], [], [])
    sweep(token)
    shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
