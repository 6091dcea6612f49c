"""A scrape target whose counters a test drives, and a real Prometheus that can be killed."""

from __future__ import annotations

import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Exporter:
    """A scrape target whose counters are a dictionary from series text to value."""

    values: dict[str, float] = field(default_factory=dict)
    down: bool = False
    scrapes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def set(self, name: str, value: float, **labels: str) -> None:
        inner = ",".join(f'{label}="{text}"' for label, text in labels.items())
        with self.lock:
            self.values[f"{name}{{{inner}}}"] = value

    def request(self, version: str, count: float, code: str = "200") -> None:
        key = f'requests_total{{application="shop",version="{version}",code="{code}"}}'
        with self.lock:
            self.values[key] = self.values.get(key, 0.0) + count

    def page(self) -> str | None:
        with self.lock:
            self.scrapes += 1
            return None if self.down else "".join(f"{key} {value}\n" for key, value in self.values.items())


def exporter_server(exporter: Exporter) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = exporter.page()
            body = (page or "").encode()
            self.send_response(200 if page is not None else 503)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    return server


@dataclass
class Prometheus:
    """One real server on its own port and directory."""

    binary: str
    directory: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    flags: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                self.binary,
                f"--config.file={self.directory}/prometheus.yml",
                f"--storage.tsdb.path={self.directory}/data",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--log.level=error",
                *self.flags,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(self._ready, "Prometheus is ready", 30)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def stop(self, kill: bool = False) -> None:
        if self.process is not None:
            (self.process.kill if kill else self.process.terminate)()
            self.process.wait(timeout=20)
            self.process = None


def until(condition: Callable[[], bool], what: str, limit_s: float = 15) -> None:
    deadline_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {limit_s} s: {what}"
        threading.Event().wait(0.05)
