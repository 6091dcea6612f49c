"""The HTTP side of the small API server: one thread a connection, requests to objects, answers and watches to bytes."""

from __future__ import annotations

import http.server
import json
import socket
import threading
import time
import traceback
import urllib.parse
from typing import Any

from tests.kube.cluster.small.access import Attempt, Identity
from tests.kube.cluster.small.failures import ApiError
from tests.kube.cluster.small.faults import Fault, Faults, Trouble
from tests.kube.cluster.small.handling import Handling, Request, asked_for
from tests.kube.cluster.small.journal import Call, Journal
from tests.kube.cluster.small.watches import Feed

BODY_BYTES_AT_MOST = 3 * 1024 * 1024
"""Kubernetes' own limit on a request."""
IDLE_S = 300.0
GARBAGE = b"<html>a proxy that is not well</html>\n"


class Cut(Exception):
    """The connection ends here, without an answer."""


class Door(http.server.ThreadingHTTPServer):
    """A port to one server. Faults and the journal belong to the door, so that stand-ins have one without trouble."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, port: int, handling: Handling, faults: Faults, journal: Journal) -> None:
        self.handling, self.faults, self.journal = handling, faults, journal
        self.closed = threading.Event()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), Connection)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def opened(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)

    def ended(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)

    def cut(self) -> None:
        """End every connection."""
        with self._lock:
            for connection in self._open:
                cut(connection)

    def close(self) -> None:
        self.closed.set()
        self.shutdown()
        self.server_close()
        self.cut()
        self.handling.objects.store.wake()
        self._thread.join(5)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news here."""


def cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


class Connection(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_S
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Door
    at_s: float
    who: Identity
    asked: Request | None
    noted: bool

    def setup(self) -> None:
        super().setup()
        self.server.opened(self.connection)

    def finish(self) -> None:
        self.server.ended(self.connection)
        super().finish()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """The journal is the log."""

    def do_GET(self) -> None:
        self.answer()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def answer(self) -> None:
        """One request; a refusal is an answer too, and a cut connection is none."""
        self.at_s = time.monotonic()
        self.who, self.asked, self.noted = Identity(""), None, False
        try:
            body = self._body()
            self.who = self.server.handling.access.who(self.headers.get("Authorization"))
            path, _, query = self.path.partition("?")
            content_type = self.headers.get("Content-Type", "application/json")
            self.asked = asked_for(self.server.handling, self.command, path, query, content_type, body)
            self._carried_out(self.who, self.asked)
        except ApiError as refused:
            self._refuse(refused)
        except Cut:
            self.close_connection = True
            self.wfile.flush()
            cut(self.connection)
        except OSError:
            raise
        except Exception:  # noqa: BLE001  whatever it is, the test has to hear of it
            self.server.handling.bugs.append(traceback.format_exc())
            self._refuse(ApiError(500, "InternalError", "a bug of the small API server"))
        finally:
            self._noted(0)

    def _body(self) -> bytes:
        length = int(self.headers.get("Content-Length") or 0)
        if length > BODY_BYTES_AT_MOST:
            self.close_connection = True
            raise ApiError(413, "RequestEntityTooLarge", f"limit is {BODY_BYTES_AT_MOST}")
        return self.rfile.read(length)

    def _carried_out(self, who: Identity, request: Request) -> None:
        attempt = request.attempt
        fault = self.server.faults.next(attempt) if attempt else None
        self._before(fault)
        if request.watch is not None and attempt is not None:
            self.server.handling.allow(who, request)
            feed = Feed(self.server.handling.objects.store, request.watch, self.server.closed.is_set)
            self._stream(feed, attempt)
            return
        code, answer = self.server.handling.carry_out(who, request)
        if fault is not None and fault.trouble is Trouble.CUT_AFTER:
            raise Cut
        if fault is not None and fault.trouble is Trouble.DELAY_AFTER:
            self.server.closed.wait(fault.seconds)
        if fault is not None and fault.trouble is Trouble.GARBAGE:
            self._send(200, GARBAGE, "text/html")
            return
        self._send(code, json.dumps(answer, separators=(",", ":")).encode(), "application/json")

    def _before(self, fault: Fault | None) -> None:
        if fault is None:
            return
        match fault.trouble:
            case Trouble.DELAY:
                self.server.closed.wait(fault.seconds)
            case Trouble.CUT_BEFORE:
                raise Cut
            case Trouble.ANSWER:
                raise fault.refusal()

    def _refuse(self, refused: ApiError) -> None:
        headers = {}
        if refused.code in (429, 503) and (refused.details or {}).get("retryAfterSeconds") is not None:
            headers["Retry-After"] = str((refused.details or {})["retryAfterSeconds"])
        if refused.plain:
            self._send(refused.code, refused.message.encode(), "text/plain; charset=utf-8")
            return
        body = json.dumps(refused.status(), separators=(",", ":")).encode()
        self._send(refused.code, body, "application/json", headers)

    def _send(self, code: int, body: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        # Before the answer is out: whoever has it finds its call in the journal.
        self._noted(code)
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _stream(self, feed: Feed, attempt: Attempt) -> None:
        """A watch: chunks of one line each until the feed or the connection ends. The connection can be used again."""
        self._noted(200)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        for event in feed.events():
            fault = self.server.faults.next(attempt, watching=True)
            if fault is not None and not self._troubled(fault):
                break
            if event is not None:
                self._chunk(json.dumps(event, separators=(",", ":")).encode() + b"\n")
        self._chunk(b"")

    def _troubled(self, fault: Fault) -> bool:
        """Whether the watch goes on after this."""
        if fault.trouble is Trouble.GARBAGE:
            self._chunk(GARBAGE)
            return True
        if fault.trouble is Trouble.SILENT:
            # Half open: the connection stays and nothing comes, until the client gives up or the server closes.
            self.server.closed.wait(fault.seconds or IDLE_S)
            raise Cut
        if fault.trouble is Trouble.GONE:
            told = ApiError(410, "Expired", "too old resource version: 1 (2)").status()
            self._chunk(json.dumps({"type": "ERROR", "object": told}).encode() + b"\n")
        return False

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _noted(self, code: int) -> None:
        if self.noted:
            return
        self.noted = True
        attempt = self.asked.attempt if self.asked else None
        verb = attempt.verb if attempt else self.command.lower()
        asked, namespace, name = (attempt.asked, attempt.namespace, attempt.name) if attempt else ("", "", "")
        path = urllib.parse.unquote(self.path)
        self.server.journal.add(Call(self.who.user, verb, asked, namespace, name, path, code, self.at_s))
