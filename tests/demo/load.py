"""An open-loop load generator that remembers, for every request, who asked, what came back and which version served.

It asks at a given rate whatever the answers are like, as users do. Standard library only; a library and a program.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict

from tests.demo.records import NO_ANSWER, Records, Report

__all__ = ["Load", "LoadThread", "Report"]

PATHS = ("/", "/cart", "/", "/checkout")

TIMEOUT_S = 5.0
"""Longer than HAProxy's own time-out, so that a hanging version shows as HAProxy's 504."""

MAX_OPEN = 1_000
"""Requests under way at once. One more is recorded as failed: a user who cannot even connect."""

TICK_S = 0.005


class Client(asyncio.Protocol):
    """One keep-alive connection that carries one request at a time."""

    def __init__(self, finished: Callable[[Client, int, str, str], None]) -> None:
        self._finished = finished
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._need = 0
        self._answer = (NO_ANSWER, "", "")
        self.keep = True
        self.user, self.began_s, self.began_utc_s = 0, 0.0, 0.0
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.keep = False
        if self.busy:
            self._done(NO_ANSWER, "", "")

    @property
    def usable(self) -> bool:
        return self.keep and self._transport is not None and not self._transport.is_closing()

    def send(self, request: bytes) -> None:
        assert self._transport is not None
        self._buffer.clear()
        self._need = 0
        self._transport.write(request)

    def give_up(self) -> None:
        """No answer in time: the connection is of no more use."""
        self.keep = False
        if self._transport is not None:
            self._transport.abort()
        if self.busy:
            self._done(NO_ANSWER, "", "")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._need:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self._need = end + 4 + self._head(bytes(self._buffer[:end]))
        if len(self._buffer) >= self._need and self.busy:
            self._done(*self._answer)

    def _head(self, head: bytes) -> int:
        lines = head.split(b"\r\n")
        fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            fields[name.lower()] = value.strip()
        status = lines[0].split(b" ", 2)[1]
        self.keep = fields.get(b"connection", b"").lower() != b"close" and b"content-length" in fields
        version, role = fields.get(b"x-version", b""), fields.get(b"x-role", b"")
        self._answer = (int(status), version.decode("latin-1"), role.decode("latin-1"))
        return int(fields.get(b"content-length", b"0"))

    def _done(self, status: int, version: str, role: str) -> None:
        self.busy = False
        self._finished(self, status, version, role)


class Load:
    """Requests at ``rate_per_s`` from ``users`` in turn to a server on loopback. Runs inside an event loop."""

    def __init__(self, port: int, rate_per_s: float, users: int = 2_000, timeout_s: float = TIMEOUT_S) -> None:
        self._port = port
        self._users = users
        self._timeout_s = timeout_s
        self._idle: list[Client] = []
        self._open: dict[Client, None] = {}
        self._connecting: set[asyncio.Task[None]] = set()
        self._sent = 0
        self.rate_per_s = rate_per_s
        self.records = Records()

    async def run(self, stop: asyncio.Event) -> None:
        """Ask until ``stop``, then wait for what is under way."""
        loop = asyncio.get_running_loop()
        last_s, owed = loop.time(), 0.0
        while not stop.is_set():
            now_s = loop.time()
            owed = min(owed + (now_s - last_s) * self.rate_per_s, self.rate_per_s)
            last_s = now_s
            while owed >= 1.0:
                owed -= 1.0
                self._ask(now_s)
            self._expire(now_s)
            await asyncio.sleep(TICK_S)
        deadline_s = loop.time() + self._timeout_s
        while (self._open or self._connecting) and loop.time() < deadline_s:
            self._expire(loop.time())
            await asyncio.sleep(TICK_S)
        for client in (*self._open, *self._idle):
            client.give_up()

    def _ask(self, now_s: float) -> None:
        user = self._sent % self._users
        path = PATHS[self._sent % len(PATHS)]
        self._sent += 1
        request = f"GET {path} HTTP/1.1\r\nHost: shop\r\nX-User: {user}\r\n\r\n".encode()
        while self._idle:
            client = self._idle.pop()
            if client.usable:
                self._start(client, user, now_s, time.time(), request)
                return
        if len(self._open) + len(self._connecting) >= MAX_OPEN:
            self.records.add(time.time(), 0.0, user, NO_ANSWER, "", "")
            return
        task = asyncio.get_running_loop().create_task(self._connect(user, now_s, time.time(), request))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, user: int, now_s: float, at_s: float, request: bytes) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout_s):
                _, client = await loop.create_connection(lambda: Client(self._finished), "127.0.0.1", self._port)
        except (OSError, TimeoutError):
            self.records.add(at_s, loop.time() - now_s, user, NO_ANSWER, "", "")
            return
        self._start(client, user, now_s, at_s, request)

    def _start(self, client: Client, user: int, now_s: float, at_s: float, request: bytes) -> None:
        client.user, client.began_s, client.began_utc_s, client.busy = user, now_s, at_s, True
        self._open[client] = None
        client.send(request)

    def _expire(self, now_s: float) -> None:
        # Oldest first: the order of insertion is the order in which they began.
        while self._open:
            client = next(iter(self._open))
            if now_s - client.began_s < self._timeout_s:
                return
            client.give_up()

    def _finished(self, client: Client, status: int, version: str, role: str) -> None:
        self._open.pop(client, None)
        took_s = asyncio.get_running_loop().time() - client.began_s
        self.records.add(client.began_utc_s, took_s, client.user, status, version, role)
        if client.keep:
            self._idle.append(client)


class LoadThread:
    """The same in a thread of its own: ``with LoadThread(port, 500) as load: ... load.records.report(...)``."""

    def __init__(self, port: int, rate_per_s: float, users: int = 2_000) -> None:
        self._load = Load(port, rate_per_s, users)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    @property
    def records(self) -> Records:
        return self._load.records

    def set_rate(self, rate_per_s: float) -> None:
        self._load.rate_per_s = rate_per_s

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask nothing more, and wait for the answers that are under way."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(TIMEOUT_S * 2 + 2)

    def __enter__(self) -> LoadThread:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._load.run(self._stop))
        finally:
            self._loop.close()


async def _program(port: int, rate_per_s: float, users: int, seconds: float, slow_s: float | None) -> Report:
    load = Load(port, rate_per_s, users)
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, stop.set)
    await load.run(stop)
    return load.records.report(slow_s=slow_s)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--rate", type=float, default=200.0, help="requests per second")
    parser.add_argument("--users", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--slow", type=float, help="seconds above which a request counts as bad")
    options = parser.parse_args(arguments)
    report = asyncio.run(_program(options.port, options.rate, options.users, options.seconds, options.slow))
    print(json.dumps(asdict(report), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
