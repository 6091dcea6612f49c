"""The outermost layers: request ids, one log line and one measurement per request, security headers, and the bounded
body. It knows no route, and it never logs a query, a header or a body."""

from __future__ import annotations

import hashlib
import re
import secrets
import traceback
from collections.abc import Callable

import anyio
import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.errors import ProblemError, internal_error, problem_response
from api.http.measure import Measures
from api.http.note import KEY, Note, note_in, redacted

BODY_S = 10.0
"""How long a client may take to send its body: 64 KB take milliseconds, a stalled client would keep a socket."""
FRAMES_MAX = 8
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
BODY_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}

Log = Callable[..., None]


class Edge:
    """Wraps the whole application. An exception that nobody answered becomes a 500 without its text."""

    def __init__(self, app: ASGIApp, monotonic_s: Callable[[], float], measures: Measures, log: Log) -> None:
        self._app, self._monotonic_s, self._measures, self._log = app, monotonic_s, measures, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        note = Note(_request_id(scope))
        scope[KEY] = note
        started_s, status = self._monotonic_s(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(message, scope, note)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=note.request_id):
            try:
                await self._app(scope, receive, send_with_headers)
            except Exception as error:  # noqa: BLE001 - the last line of defence: answered and logged, never shown
                self._log("request_failed", error=type(error).__name__, frames=_frames(error))
                if status == 0:
                    await internal_problem(scope, note)(scope, receive, send_with_headers)
            self._finish(scope, note, status, self._monotonic_s() - started_s)

    def _finish(self, scope: Scope, note: Note, status: int, took_s: float) -> None:
        route = str(getattr(scope.get("route"), "path", "unmatched"))
        self._measures.request(scope["method"], route, status, took_s)
        fields = {"actor": note.actor, "release_id": note.release_id, "code": note.code}
        client = scope.get("client")
        self._log(
            "request",
            method=scope["method"],
            route=route if route != "unmatched" else redacted(scope["path"])[:200],
            status=status,
            took_ms=round(took_s * 1000, 1),
            source=client[0] if client else "unknown",
            **{name: value for name, value in fields.items() if value},
        )


def internal_problem(scope: Scope, note: Note) -> Response:
    error = internal_error(note.request_id)
    note.code = error.code
    return problem_response(scope["path"], error)


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) and redacted(given) == given else secrets.token_hex(8)


def _add_headers(message: Message, scope: Scope, note: Note) -> None:
    headers = MutableHeaders(scope=message)
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    headers["X-Request-Id"] = note.request_id
    if scope.get("scheme") == "https":
        headers["Strict-Transport-Security"] = "max-age=31536000"


def _frames(error: Exception) -> list[str]:
    """Where it happened. Not its text, which may quote what was sent."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES_MAX:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


class Body:
    """Reads the body within its limits before any route sees the request, and takes its digest."""

    def __init__(self, app: ASGIApp, bytes_max: int, body_s: float = BODY_S) -> None:
        self._app, self._bytes_max, self._body_s = app, bytes_max, body_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = await self._read(scope, receive)
            _require_json(scope, body)
        except ProblemError as error:
            note_in(scope).code = error.code
            await problem_response(scope["path"], error)(scope, receive, send)
            return
        if body is None:
            return
        named = f"{scope['method']} {scope['path']}?{scope['query_string'].decode('latin-1')}\n".encode()
        note_in(scope).body_digest = hashlib.sha256(named + body).hexdigest()
        given = False

        async def replay() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """The whole body; None when the client went away. Raises ProblemError 413 or 408."""
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdecimal() and int(declared[:20]) > self._bytes_max:
            raise self._too_large()
        body = bytearray()
        with anyio.move_on_after(self._body_s) as reading:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                body += message.get("body", b"")
                if len(body) > self._bytes_max:
                    raise self._too_large()
                if not message.get("more_body", False):
                    return bytes(body)
        assert reading.cancelled_caught
        raise ProblemError(
            408, "body_too_slow", "Body too slow", f"The body did not arrive within {self._body_s:g} s: send it again."
        ).with_headers(Connection="close")

    def _too_large(self) -> ProblemError:
        detail = f"A body has at most {self._bytes_max} bytes: send less."
        return ProblemError(413, "body_too_large", "Body too large", detail).with_headers(Connection="close")


def _require_json(scope: Scope, body: bytes | None) -> None:
    if not body or scope["method"] not in BODY_METHODS:
        return
    kind = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        detail = "A body is JSON here: send it with `Content-Type: application/json`."
        raise ProblemError(415, "not_json", "Unsupported media type", detail)
