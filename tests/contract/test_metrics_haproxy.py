"""The preset haproxy counts every failed request once: measured on a real HAProxy's own exporter."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import socket
import struct
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from analysis.presets import PRESETS, Options
from analysis.selectors import parse_selector

REQUESTS = 10
pytestmark = [pytest.mark.real, pytest.mark.timeout(60)]
Behaviour = Callable[[socket.socket], None]


def reply(status: int) -> Behaviour:
    head = f"HTTP/1.1 {status} X\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
    return lambda connection: connection.sendall(head.encode())


def hang(connection: socket.socket) -> None:
    connection.recv(1)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def close(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def cut_short(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc")


BEHAVIOURS: dict[str, Behaviour | None] = {
    "good": reply(200),
    "missing": reply(404),
    "error": reply(500),
    "refuses": None,
    "hangs": hang,
    "closes": close,
    "resets": reset,
    "cut": cut_short,
}


class Server:
    """Listens and lets its behaviour answer each connection; without one, it refuses."""

    def __init__(self, behaviour: Behaviour | None) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.behaviour = behaviour
        self.pool = ThreadPoolExecutor(max_workers=2 * REQUESTS)
        if behaviour is None:
            self.listener.close()
        else:
            self.pool.submit(self._accept)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.pool.submit(self._answer, connection)

    def _answer(self, connection: socket.socket) -> None:
        assert self.behaviour is not None
        with connection:
            data = b""
            while b"\r\n\r\n" not in data:
                data += connection.recv(4096)
            self.behaviour(connection)

    def stop(self) -> None:
        if self.behaviour is not None:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
        self.pool.shutdown()


@dataclass
class Proxy:
    front: int
    stats: int

    def ask(self, path: str, times: int) -> None:
        def once(_: int) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", self.front, timeout=10)
            try:
                connection.request("GET", path)
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                pass  # what the client saw does not matter here
            finally:
                connection.close()

        with ThreadPoolExecutor(max_workers=times) as pool:
            list(pool.map(once, range(times)))

    def counted(self, backend: str, role: str) -> tuple[float, float]:
        """Total and bad as the preset's selectors see them."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.stats}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        query = PRESETS["haproxy"](Options(backend=backend)).counters[0]
        return _sum(text, query.total, role), _sum(text, query.bad, role)


def _sum(text: str, selectors: tuple[str, ...], role: str) -> float:
    total = 0.0
    for selector in selectors:
        parsed = parse_selector(selector)
        for name, labels, value in re.findall(r"^(\w+)\{([^}]*)\} (\S+)$", text, re.MULTILINE):
            have = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            wanted = {one.label: one.value.replace("$role", role) for one in parsed.matchers}
            if name == parsed.name and all(have.get(label) == want for label, want in wanted.items()):
                total += float(value)
    return total


def _config(front: int, stats: int, ports: dict[str, int]) -> str:
    single = [f"backend {name}\n  server canary 127.0.0.1:{port}\n" for name, port in ports.items()]
    return f"""
defaults
  mode http
  timeout connect 500ms
  timeout client 5s
  timeout server 1s
frontend stats
  bind 127.0.0.1:{stats}
  http-request use-service prometheus-exporter if {{ path /metrics }}
frontend front
  bind 127.0.0.1:{front}
  use_backend %[path,field(2,/)]
{"".join(single)}
backend moved
  option redispatch 1
  server stable 127.0.0.1:{ports["good"]}
  server canary 127.0.0.1:{ports["refuses"]}
"""


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    binary = shutil.which("haproxy") or shutil.which("haproxy", path=f"{os.defpath}:/usr/sbin:/usr/local/sbin")
    if binary is None:
        pytest.skip("left out: the preset haproxy on a real HAProxy, because no haproxy is on the PATH")
    servers = {name: Server(behaviour) for name, behaviour in BEHAVIOURS.items()}
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        made = Proxy(one.getsockname()[1], two.getsockname()[1])
    config: Path = tmp_path_factory.mktemp("haproxy") / "haproxy.cfg"
    config.write_text(_config(made.front, made.stats, {name: server.port for name, server in servers.items()}))
    process = subprocess.Popen([binary, "-db", "-f", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _until(lambda: _listens(made.stats), "HAProxy listens")
        yield made
    finally:
        process.kill()
        process.wait(timeout=10)
        for server in servers.values():
            server.stop()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _until(condition: Callable[[], bool], what: str, limit_s: float = 10) -> None:
    deadline_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {limit_s} s: {what}"
        threading.Event().wait(0.05)


@pytest.mark.parametrize(
    ("behaviour", "total", "bad"),
    [
        ("good", 10, 0),
        ("missing", 10, 0),
        ("error", 10, 10),
        ("refuses", 10, 10),
        ("hangs", 10, 10),
        ("closes", 10, 10),
    ],
)
def test_each_request_is_one_and_each_failure_is_one(proxy: Proxy, behaviour: str, total: int, bad: int) -> None:
    proxy.ask(f"/{behaviour}", REQUESTS)
    _until(lambda: proxy.counted(behaviour, "canary") == (total, bad), f"{behaviour} counts {total} and {bad}")


def test_a_refused_request_that_is_moved_to_stable_is_a_failure_of_the_canary(proxy: Proxy) -> None:
    proxy.ask("/moved", 2 * REQUESTS)
    _until(lambda: proxy.counted("moved", "stable") == (2 * REQUESTS, 0), "stable serves them all")
    total, bad = proxy.counted("moved", "canary")
    assert total == bad >= REQUESTS


def test_the_documented_exceptions_a_reset_counts_twice_and_a_cut_reply_as_good_and_bad(proxy: Proxy) -> None:
    proxy.ask("/resets", REQUESTS)
    proxy.ask("/cut", REQUESTS)
    _until(lambda: proxy.counted("resets", "canary") == (2 * REQUESTS, 2 * REQUESTS), "resets count twice")
    _until(lambda: proxy.counted("cut", "canary") == (2 * REQUESTS, REQUESTS), "cut replies count as both")
