"""A server whose every answer, and every way to fail, is written by the test: for what a real one does rarely."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from controller.adapters.clock import SystemClock
from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.connect import KubeSettings, connect

LONGEST_S = 15.0


@dataclass
class Heard:
    """One request as it came in. ``connection`` counts from 0."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    connection: int

    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """What a script can do to the connection a request came in on."""

    def __init__(self, sock: socket.socket, closing: threading.Event) -> None:
        self._sock, self._closing = sock, closing
        self.open = True

    def send(self, data: bytes) -> None:
        self._sock.sendall(data)

    def answer(self, code: int, told: Any, **headers: str) -> None:
        body = told if isinstance(told, bytes) else json.dumps(told).encode()
        lines = [f"HTTP/1.1 {code} Told", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join([*lines, "", ""]).encode() + body)

    def stream(self) -> None:
        """Begin a chunked answer."""
        self.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")

    def chunk(self, data: bytes) -> None:
        self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def event(self, kind: str, told: Any) -> None:
        self.chunk(json.dumps({"type": kind, "object": told}).encode() + b"\n")

    def hang(self, longest_s: float = LONGEST_S) -> None:
        """Say nothing until the test is over."""
        self._closing.wait(longest_s)

    def reset(self) -> None:
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self.open = False
        self._sock.close()


Script = Callable[[Heard, Wire], None]


@dataclass
class Scripted:
    """``spoil`` gets a connection's first bytes instead of a request: to fail before there is one."""

    script: Script
    tls: ssl.SSLContext | None = None
    spoil: Callable[[Wire], None] | None = None
    heard: list[Heard] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self.listener.getsockname()[1]
        self._begin(self._accept)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._closing.set()
        for sock in (self.listener, *self._sockets):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(5)

    def _begin(self, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            number, self.connections = self.connections, self.connections + 1
            self._sockets.append(sock)
            self._begin(lambda sock=sock, number=number: self._serve(sock, number))  # type: ignore[misc]

    def _serve(self, sock: socket.socket, number: int) -> None:
        with suppress(OSError, ValueError):
            if self.spoil is not None:
                sock.recv(1)
                self.spoil(Wire(sock, self._closing))
                return
            if self.tls is not None:
                sock = self.tls.wrap_socket(sock, server_side=True)
                self._sockets.append(sock)
            with sock, sock.makefile("rb") as file:
                wire = Wire(sock, self._closing)
                while wire.open and (heard := _read(file, number)) is not None:
                    self.heard.append(heard)
                    self.script(heard, wire)


def _read(file: Any, number: int) -> Heard | None:
    line = file.readline().decode().split()
    if len(line) != 3:
        return None
    headers: dict[str, str] = {}
    while text := file.readline().decode().strip():
        name, _, value = text.partition(":")
        headers[name.lower()] = value.strip()
    body = file.read(int(headers.get("content-length", "0")))
    parts = urlsplit(line[1])
    return Heard(line[0], parts.path, dict(parse_qsl(parts.query)), headers, body, number)


@contextmanager
def scripted(
    script: Script, tls: ssl.SSLContext | None = None, spoil: Callable[[Wire], None] | None = None
) -> Iterator[Scripted]:
    server = Scripted(script, tls, spoil)
    try:
        yield server
    finally:
        server.close()


def kubeconfig(folder: Path, server: str, user: dict[str, Any] | None = None, **cluster: Any) -> str:
    """The path of a kubeconfig with one context."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "me", "user": user or {}}],
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(document))
    return str(path)


@contextmanager
def client(
    folder: Path, server: str, connect_s: float = 0.5, read_s: float = 0.5, token: str = ""
) -> Iterator[KubeApi]:
    """Impatient, so that a test of a hanging server is short."""
    path = kubeconfig(folder, server, {"token": token} if token else {})
    settings = KubeSettings(kubeconfig=path, connect_s=connect_s, read_s=read_s)
    api = connect(settings, SystemClock())
    try:
        yield api
    finally:
        api.close()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("left out: TLS on a real socket (needs the openssl command to make a certificate)")
    key, crt = folder / "key.pem", folder / "crt.pem"
    made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(crt)]
    subprocess.run([openssl, *made, *names], check=True, capture_output=True, timeout=30)
    return crt, key


def serving(crt: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(crt, key)
    return context


def status(code: int, reason: str, message: str, **details: Any) -> dict[str, Any]:
    """An answer in the API server's own words."""
    told = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason}
    return told | {"message": message, "details": details}
