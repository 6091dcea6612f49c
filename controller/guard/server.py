"""The guard's Unix socket: one JSON line in, one out, any number on a connection. It knows nothing of routes."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from controller.guard.model import Deny, Request
from controller.guard.reply import denial
from controller.guard.wire import LINE_BYTES, encode_line, parse

CONNECTIONS = 64
"""One controller keeps at most 16; beyond this the one that was idle longest is closed, so a kill always gets in."""

IDLE_S = 60.0
"""A client that says nothing for this long is closed. It connects again without harm."""

SEND_S = 2.0
"""An answer is a few KiB; a client that does not take it in this time is gone."""

MIN_TABLES_WAIT_S = 0.2


class InUse(Exception):
    """Another process listens there, or something that is not a socket has the name."""


def listen(path: Path) -> socket.socket:
    """A listening socket that only this user may open. A dead guard's left-over is replaced. Raises InUse, OSError."""
    if path.exists() or path.is_symlink():
        if not path.is_socket():
            raise InUse(f"{path} exists and is not a socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1.0)
            if probe.connect_ex(str(path)) not in (errno.ECONNREFUSED, errno.ENOENT):
                raise InUse(f"another process listens on {path}")
        path.unlink()
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        server.bind(str(path))
        server.listen(CONNECTIONS)
    except OSError:
        server.close()
        raise
    finally:
        os.umask(before)
    return server


class Server:
    """Accepts connections in one thread and serves each in its own. ``handle`` must be safe for threads."""

    def __init__(
        self, listener: socket.socket, handle: Callable[[Request], dict[str, object]], clock: Callable[[], float]
    ) -> None:
        self._listener = listener
        self._handle = handle
        self._clock = clock
        self._idle_since_s: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        self._stopping = False

    def start(self) -> None:
        threading.Thread(target=self._accept, name="accept", daemon=True).start()

    def stop(self) -> None:
        self._stopping = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._idle_since_s:
                _shut(connection)

    def _accept(self) -> None:
        while not self._stopping:
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if self._stopping or error.errno not in (errno.EMFILE, errno.ENFILE, errno.ECONNABORTED, errno.ENOMEM):
                    return
                threading.Event().wait(MIN_TABLES_WAIT_S)
                continue
            self._make_room()
            with self._lock:
                self._idle_since_s[connection] = self._clock()
            threading.Thread(target=self._serve, args=(connection,), name="client", daemon=True).start()

    def _make_room(self) -> None:
        with self._lock:
            if len(self._idle_since_s) >= CONNECTIONS:
                _shut(min(self._idle_since_s, key=lambda connection: self._idle_since_s[connection]))

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, contextlib.suppress(OSError):
                self._answer_lines(connection)
        finally:
            with self._lock:
                self._idle_since_s.pop(connection, None)

    def _answer_lines(self, connection: socket.socket) -> None:
        buffer = bytearray()
        while True:
            connection.settimeout(IDLE_S)
            chunk = connection.recv(65_536)
            if not chunk:
                return
            buffer += chunk
            while (end := buffer.find(b"\n")) >= 0:
                line, buffer = bytes(buffer[:end]), buffer[end + 1 :]
                with self._lock:
                    self._idle_since_s[connection] = float("inf")
                connection.settimeout(SEND_S)
                connection.sendall(encode_line(self._reply(line)))
                with self._lock:
                    self._idle_since_s[connection] = self._clock()
            if len(buffer) > LINE_BYTES:
                connection.settimeout(SEND_S)
                connection.sendall(encode_line(denial(Deny("refused", f"a request has at most {LINE_BYTES} bytes"))))
                return

    def _reply(self, line: bytes) -> dict[str, object]:
        if len(line) > LINE_BYTES:
            return denial(Deny("refused", f"a request has at most {LINE_BYTES} bytes"))
        try:
            request = parse(line)
        except Deny as no:
            return denial(no)
        return self._handle(request)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
