"""Starts the guard: ``python -m controller.guard --haproxy SOCKET --listen PATH --state DIR``. It only wires."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from controller.guard import core
from controller.guard.haproxy import RuntimeSocket
from controller.guard.keeper import Keeper
from controller.guard.model import Saved
from controller.guard.server import InUse, Server, listen
from controller.guard.statefile import Corrupt, StateFile
from controller.guard.surroundings import Locked, Log, lock, look_around, own

PERIOD_S = 0.5
"""A lease, a HALT file and drift are acted on within this, plus HAProxy's answer."""

SHORTEST_S, LONGEST_S = 0.05, 2.0
"""Bounds of ``--period``: busier serves nobody, and beyond two seconds a stop by file is no longer a stop."""

HAPROXY_TIMEOUT_S = 1.0
"""The runtime socket answers in a millisecond; after this it is counted as gone, and the next pass tries again."""

CLOCK = time.monotonic  # noqa: TID251


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT, which leave the weights as they are. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m controller.guard", description=__doc__)
    parser.add_argument("--haproxy", required=True, help="HAProxy's runtime socket: a path, or HOST:PORT")
    parser.add_argument("--listen", required=True, type=Path, help="the guard's own Unix socket")
    parser.add_argument("--state", required=True, type=Path, help="directory of the record and of HALT files")
    parser.add_argument("--period", type=float, default=PERIOD_S, help="seconds between two passes of the loop")
    options = parser.parse_args(arguments)
    if not SHORTEST_S <= options.period <= LONGEST_S:
        parser.error(f"--period must be from {SHORTEST_S:g} to {LONGEST_S:g} seconds")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        return _run(options, stop)
    except (Locked, InUse) as error:
        sys.stderr.write(f"interlock guard: {error}; not started\n")
    except OSError as error:
        sys.stderr.write(f"interlock guard: {error}; not started\n")
    return 1


def _run(options: argparse.Namespace, stop: threading.Event) -> int:
    haproxy: str = options.haproxy
    path: Path = options.listen
    directory: Path = options.state
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    locks = [lock(directory / "guard.lock"), lock(path.with_name(path.name + ".lock"))]
    owned = own(haproxy)
    log, file = Log(), StateFile(directory)
    saved = _load(file, log)
    keeper = Keeper(
        saved, RuntimeSocket(haproxy, HAPROXY_TIMEOUT_S, CLOCK), file.save, partial(look_around, directory, CLOCK), log
    )
    keeper.tick()
    server = Server(listen(path), keeper.handle, CLOCK)
    server.start()
    log("started", haproxy=haproxy, listen=str(path), state=str(directory), routes=len(saved.routes), locks=len(locks))
    while not stop.wait(options.period):
        keeper.tick()
    path.unlink(missing_ok=True)
    server.stop()
    owned.close()
    log("stopped", note="the weights stay as they are")
    log.close()
    return 0


def _load(file: StateFile, log: Log) -> Saved:
    """The record; after a damaged one, its routes at 0 and halted, and everything born later halted too."""
    try:
        return file.load()
    except Corrupt as error:
        aside = file.set_aside()
        log("RECORD LOST", text=f"{error}; kept as {aside}; every route goes to 0 and is held until `trust`")
        routes = tuple(replace(core.born(names, lost=True), revision=1) for names in error.names)
        saved = Saved(routes, (), lost=True)
        file.save(saved)
        return saved


if __name__ == "__main__":
    sys.exit(main())
