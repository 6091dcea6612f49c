"""Server-sent events of one release: who may hold a stream, what is sent when, and when it ends. It changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial

import anyio
import anyio.to_thread
from pydantic import BaseModel
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.http.errors import ProblemError
from api.http.views import record_view, release_view
from controller.core.model import Release
from controller.core.moves import ENDED
from controller.ports import AuditFilter, Page, PortError
from controller.runtime.doors import Doors
from gates.audit import Record

POLL_S = 0.5
"""How old news may be. One look is two reads of some 0.3 ms."""
HEARTBEAT_S = 15.0
"""Proxies close connections that are silent for longer than some 30 s."""
STREAM_S_MAX = 3_600.0
"""A stream ends after an hour; the client comes back with Last-Event-ID."""
SEND_S = 30.0
"""A client that takes nothing for so long is gone."""
CREDENTIAL_MAX = 8
"""Streams of one credential, so that one client that forgets to close its own leaves some for the others."""
RECORDS_MAX = 200
STREAM_THREADS = 8
"""Threads that read for streams, so that streams never use up those of the routes."""


class EventStream(StreamingResponse):
    """Sends within a time-out, and tells ``closed`` when it is over, whatever the reason."""

    media_type = "text/event-stream"
    closed: Callable[[], None] = staticmethod(lambda: None)

    async def stream_response(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for chunk in self.body_iterator:
            assert isinstance(chunk, bytes)
            with anyio.fail_after(SEND_S):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.closed()


@dataclass(slots=True)
class Follow:
    """Reads what is new about one release since the last look."""

    doors: Doors
    release_id: str
    seq: int

    def look(self) -> tuple[Release, tuple[Record, ...]]:
        """The release first: a record that comes meanwhile is then seen by the next look, not lost."""
        release = self.doors.commands.release(self.release_id)
        page = Page(str(self.seq) if self.seq else "", RECORDS_MAX)
        records = tuple(self.doors.store.audit(page, AuditFilter(release_id=self.release_id)))
        if records:
            self.seq = records[-1].seq
        return release, records


class Streams:
    """Hands out streams, at most ``clients_max`` at a time."""

    def __init__(
        self,
        clients_max: int,
        monotonic_s: Callable[[], float],
        poll_s: float = POLL_S,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._clients_max, self._monotonic_s = clients_max, monotonic_s
        self._poll_s, self._heartbeat_s = poll_s, heartbeat_s
        self._threads = anyio.CapacityLimiter(STREAM_THREADS)
        self._of: Counter[str] = Counter()

    @property
    def clients(self) -> int:
        return self._of.total()

    async def open(self, follow: Follow, still_valid: Callable[[], bool], credential: str) -> EventStream:
        """Raises ProblemError 503 when there are too many, and what the first look raises."""
        if self.clients >= self._clients_max:
            detail = f"{self._clients_max} streams are open, the most at a time: poll GET /v1/releases/ID instead."
            raise ProblemError(503, "too_many_streams", "Too many streams", detail).with_headers(Retry_After="10")
        if self._of[credential] >= CREDENTIAL_MAX:
            detail = (
                f"This credential has {CREDENTIAL_MAX} streams open, the most at a time: close one, or poll instead."
            )
            raise ProblemError(429, "too_many_streams", "Too many streams", detail).with_headers(Retry_After="10")
        self._of[credential] += 1
        try:
            first = await anyio.to_thread.run_sync(follow.look, limiter=self._threads)
        except BaseException:
            self._closed(credential)
            raise
        stream = EventStream(self._events(follow, first, still_valid))
        stream.closed = partial(self._closed, credential)
        return stream

    def _closed(self, credential: str) -> None:
        self._of[credential] -= 1
        if not self._of[credential]:
            del self._of[credential]

    async def _events(
        self, follow: Follow, first: tuple[Release, tuple[Record, ...]], still_valid: Callable[[], bool]
    ) -> AsyncIterator[bytes]:
        started_s = sent_s = self._monotonic_s()
        looked: tuple[Release, tuple[Record, ...]] | None = first
        shown_revision = -1
        yield b"retry: 2000\n\n"
        while True:
            if looked is not None:
                release, records = looked
                for record in records:
                    yield event("record", record_view(record), record.seq)
                if release.revision != shown_revision:
                    shown_revision, sent_s = release.revision, self._monotonic_s()
                    yield event("release", release_view(release, follow.doors.clock.now_s()))
                if release.phase in ENDED and len(records) < RECORDS_MAX:
                    yield b"event: end\ndata: {}\n\n"
                    return
            now_s = self._monotonic_s()
            if now_s - sent_s >= self._heartbeat_s:
                if not still_valid() or now_s - started_s >= STREAM_S_MAX:
                    return
                yield b": still here\n\n" if looked is not None else b": the store cannot be read\n\n"
                sent_s = now_s
            await anyio.sleep(self._poll_s)
            looked = await self._look(follow)

    async def _look(self, follow: Follow) -> tuple[Release, tuple[Record, ...]] | None:
        try:
            return await anyio.to_thread.run_sync(follow.look, limiter=self._threads)
        except PortError:
            return None


def event(kind: str, view: BaseModel, seq: int | None = None) -> bytes:
    """One event. JSON holds no line break, so it is one data line."""
    identifier = "" if seq is None else f"id: {seq}\n"
    return f"event: {kind}\n{identifier}data: {view.model_dump_json()}\n\n".encode()
