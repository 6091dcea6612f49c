"""A small sample shop in good and bad versions, for the demo and for tests with real traffic. Standard library only.

``python tests/demo/shop.py --version V --port P``; how a version behaves is in the table VERSIONS.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import sys
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
PAGES = {b"/": "welcome", b"/cart": "cart", b"/checkout": "checkout"}

MAX_REQUEST_BYTES = 16_384
"""Head of a request; the demo's are below 200 bytes."""

MAX_BODY_BYTES = 65_536
MAX_CONNECTIONS = 2_000
"""More than HAProxy ever opens here; a runaway client is turned away instead of eating the memory."""

DRAIN_S = 3.0
"""How long requests under way may take to end after SIGTERM."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """``kind`` is one of KINDS; each number belongs to the kind that uses it."""

    kind: str = "good"
    error_fraction: float = 0.05
    slow_fraction: float = 0.2
    slow_s: tuple[float, float] = (0.6, 1.4)
    hang_after_s: float = 2.0
    load_limit_per_s: float = 40.0
    work_s: tuple[float, float] = (0.002, 0.008)


KINDS = ("good", "errors", "slow", "crash", "hang", "load_errors")

VERSIONS = {
    "v1": Behaviour("good"),
    "v2": Behaviour("good"),
    "v3-errors": Behaviour("errors"),
    "v4-slow": Behaviour("slow"),
    "v5-crash": Behaviour("crash"),
    "v6-hang": Behaviour("hang"),
    "v7-load": Behaviour("load_errors"),
}
"""A version that is not listed is good."""


class Shop:
    """Counts what it serves and decides how each request ends: with a status and a delay, or never."""

    def __init__(self, app: str, version: str, behaviour: Behaviour, seed: int) -> None:
        self.app = app
        self.version = version
        self._behaviour = behaviour
        self._random = random.Random(seed)
        self._counts = {200: 0, 500: 0}
        self._buckets = [0] * (len(BUCKETS_S) + 1)
        self._sum_s = 0.0
        self._first_s: float | None = None
        self._second, self._in_second, self._last_second = 0, 0, 0

    def outcome(self, now_s: float) -> tuple[int, float] | None:
        """Status and delay of a page request that arrives now; None when it will never be answered."""
        behaviour, dice = self._behaviour, self._random
        self._first_s = now_s if self._first_s is None else self._first_s
        load = self._load(now_s)
        delay_s = dice.uniform(*behaviour.work_s)
        match behaviour.kind:
            case "errors" if dice.random() < behaviour.error_fraction:
                return 500, delay_s
            case "slow" if dice.random() < behaviour.slow_fraction:
                return 200, dice.uniform(*behaviour.slow_s)
            case "hang" if now_s - self._first_s > behaviour.hang_after_s:
                return None
            case "load_errors" if load > behaviour.load_limit_per_s and dice.random() < 0.5:
                return 500, delay_s
        return 200, delay_s

    def _load(self, now_s: float) -> float:
        """Requests in this second so far, or in the one before when that was more."""
        if int(now_s) != self._second:
            self._last_second = self._in_second if int(now_s) == self._second + 1 else 0
            self._second, self._in_second = int(now_s), 0
        self._in_second += 1
        return max(self._in_second, self._last_second)

    def count(self, status: int, took_s: float) -> None:
        self._counts[status] = self._counts.get(status, 0) + 1
        self._buckets[bisect_left(BUCKETS_S, took_s)] += 1
        self._sum_s += took_s

    def metrics(self) -> bytes:
        labels = f'app="{self.app}",version="{self.version}"'
        lines = ["# TYPE http_requests_total counter"]
        lines += [f'http_requests_total{{{labels},code="{code}"}} {n}' for code, n in sorted(self._counts.items())]
        lines.append("# TYPE http_request_duration_seconds histogram")
        total = 0
        for bound, count in zip((*BUCKETS_S, "+Inf"), self._buckets, strict=True):
            total += count
            lines.append(f'http_request_duration_seconds_bucket{{{labels},le="{bound}"}} {total}')
        lines.append(f"http_request_duration_seconds_sum{{{labels}}} {self._sum_s:.6f}")
        lines.append(f"http_request_duration_seconds_count{{{labels}}} {total}")
        return ("\n".join(lines) + "\n").encode()


class Connection(asyncio.Protocol):
    """One HTTP/1.1 keep-alive connection; one request at a time, in order."""

    def __init__(self, shop: Shop, open_connections: set[Connection]) -> None:
        self._shop = shop
        self._open = open_connections
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._skip = 0
        self.busy = False
        self._close_after = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open.add(self)
        if len(self._open) > MAX_CONNECTIONS:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self.busy:
            self._next()
        elif len(self._buffer) > MAX_REQUEST_BYTES:
            self.close()

    def close(self) -> None:
        """Close now when idle, else after the request that is under way."""
        self._close_after = True
        if self._transport is not None and not self.busy:
            self._transport.close()

    def _next(self) -> None:
        if self._skip:
            taken = min(self._skip, len(self._buffer))
            del self._buffer[:taken]
            self._skip -= taken
        end = self._buffer.find(b"\r\n\r\n")
        if self._skip or end < 0:
            if len(self._buffer) > MAX_REQUEST_BYTES:
                self.close()
            return
        head = bytes(self._buffer[:end])
        del self._buffer[: end + 4]
        self._skip = _body_length(head)
        target = head.split(b" ", 2)[1:2]
        if not target or self._skip > MAX_BODY_BYTES:
            self._close_after = True
            self._answer(400, b"bad request\n")
            return
        self._serve(target[0].partition(b"?")[0])

    def _serve(self, path: bytes) -> None:
        if path in PAGES:
            self._page(path)
        elif path == b"/healthz":
            self._answer(200, json.dumps({"version": self._shop.version}).encode(), "application/json")
        elif path == b"/metrics":
            self._answer(200, self._shop.metrics(), "text/plain; version=0.0.4")
        else:
            self._answer(404, b"no such page\n")

    def _page(self, path: bytes) -> None:
        arrived_s = self._loop.time()
        outcome = self._shop.outcome(arrived_s)
        self.busy = True
        if outcome is not None:
            status, delay_s = outcome
            self._loop.call_later(delay_s, self._finish, path, status, arrived_s)

    def _finish(self, path: bytes, status: int, arrived_s: float) -> None:
        self._shop.count(status, self._loop.time() - arrived_s)
        text = PAGES[path] if status == 200 else "sorry, something broke"
        self._answer(status, f"{text} from {self._shop.version}\n".encode())

    def _answer(self, status: int, body: bytes, kind: str = "text/plain") -> None:
        self.busy = False
        if self._transport is None:
            return
        head = (
            f"HTTP/1.1 {status} {'OK' if status == 200 else 'Error'}\r\nContent-Type: {kind}\r\n"
            f"X-Version: {self._shop.version}\r\nContent-Length: {len(body)}\r\n"
            f"{'Connection: close' if self._close_after else 'Connection: keep-alive'}\r\n\r\n"
        )
        self._transport.write(head.encode() + body)
        if self._close_after:
            self._transport.close()
        elif self._buffer:
            self._loop.call_soon(self._more)

    def _more(self) -> None:
        if not self.busy and self._transport is not None:
            self._next()


def _body_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            return int(value)
    return 0


async def serve(shop: Shop, port: int) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    connections: set[Connection] = set()
    server = await loop.create_server(lambda: Connection(shop, connections), "127.0.0.1", port, backlog=512)
    await stop.wait()
    server.close()
    for connection in tuple(connections):
        connection.close()
    deadline_s = loop.time() + DRAIN_S
    while connections and loop.time() < deadline_s:
        await asyncio.sleep(0.02)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", required=True)
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--app", default="shop")
    parser.add_argument("--behaviour", choices=KINDS, help="instead of what the table says for the version")
    parser.add_argument("--load-limit", type=float, help="requests per second above which load_errors fails")
    options = parser.parse_args(arguments)
    behaviour = VERSIONS.get(options.version, Behaviour())
    behaviour = replace(behaviour, kind=options.behaviour or behaviour.kind)
    if options.load_limit is not None:
        behaviour = replace(behaviour, load_limit_per_s=options.load_limit)
    if behaviour.kind == "crash":
        time.sleep(0.2)
        print(f"shop {options.version}: cannot read its configuration, giving up", file=sys.stderr, flush=True)
        return 3
    asyncio.run(serve(Shop(options.app, options.version, behaviour, options.port), options.port))
    return 0


if __name__ == "__main__":
    sys.exit(main())
