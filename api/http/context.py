"""What every route is given, and the dependencies that let a caller in. Built once per application object."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

import anyio
import anyio.to_thread
from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from api.http.auth import Caller, Gate, Tokens
from api.http.errors import ProblemError
from api.http.measure import Measures
from api.http.note import note_of, redacted
from api.http.once import Once
from api.http.permissions import Action
from api.http.stream import Streams
from controller.ports import Page
from controller.runtime.doors import Doors
from controller.settings import HttpSettings

T = TypeVar("T")
Log = Callable[..., None]

STOP_THREADS = 32
"""Stops of one kind at the same time. Each waits some milliseconds for routes, at worst some seconds."""
STRANGER_THREADS = 4
"""Stops by a token that memory does not know: they ask the store first, and never hold up a known caller's stop."""
PAGE_MAX = 200


@dataclass(frozen=True, slots=True)
class Threads:
    """Capacity of their own for what must not wait behind the shared forty threads."""

    kill: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(STOP_THREADS))
    stop: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(STOP_THREADS))
    stranger: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(STRANGER_THREADS))


@dataclass(frozen=True, slots=True)
class Context:
    """``verifying`` lets one walk over the whole audit chain happen at a time."""

    doors: Doors
    settings: HttpSettings
    gate: Gate
    tokens: Tokens
    once: Once
    measures: Measures
    streams: Streams
    log: Log
    threads: Threads = field(default_factory=Threads)
    verifying: threading.Lock = field(default_factory=threading.Lock)

    @property
    def now_s(self) -> float:
        return self.doors.clock.now_s()


def context_of(request: Request) -> Context:
    context = request.app.state.context
    assert isinstance(context, Context)
    return context


def allow(action: Action, listing: bool = False) -> Callable[[Request], Caller]:
    """A dependency: the caller, when the table lets it. Query parameters are for listings only."""

    def admit(request: Request) -> Caller:
        caller = context_of(request).gate.admit(request, action)
        if request.query_params and not listing:
            detail = "This path takes no query parameters: remove them."
            raise ProblemError(422, "invalid_request", "Invalid request", detail)
        return caller

    return admit


async def stopping(request: Request, action: Action, work: Callable[[Caller], T]) -> T:
    """Let the caller in from memory and run ``work`` on threads of its own: a stop waits behind nothing."""
    context = context_of(request)
    threads = context.threads
    caller = context.gate.admit_now(request, action)
    if caller is None:
        caller = await anyio.to_thread.run_sync(context.gate.admit, request, action, limiter=threads.stranger)
    limiter = threads.kill if action is Action.KILL else threads.stop
    return await anyio.to_thread.run_sync(work, caller, limiter=limiter)


def named_release(request: Request, release_id: str) -> str:
    """The path's release id, noted for the log."""
    note_of(request).release_id = redacted(release_id)[:80]
    return release_id


class PageQuery(BaseModel):
    """``after`` is the last answer's ``next``."""

    model_config = ConfigDict(extra="forbid")

    after: str = Field(default="", max_length=200)
    limit: int = Field(default=50, ge=1, le=PAGE_MAX)

    def one_more(self) -> Page:
        """A page with one row more than is shown: it tells whether there is a next page."""
        return Page(self.after, self.limit + 1)


def shown(rows: list[T], limit: int, key: Callable[[T], str]) -> tuple[list[T], str | None]:
    """The rows to show, and what the next page comes after."""
    return (rows[:limit], key(rows[limit - 1])) if len(rows) > limit else (rows, None)


ContextOf = Annotated[Context, Depends(context_of)]
ReleaseId = Annotated[str, Depends(named_release)]
Reader = Annotated[Caller, Depends(allow(Action.READ))]
Lister = Annotated[Caller, Depends(allow(Action.READ, listing=True))]
PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "Problem details", "content": {"application/problem+json": {}}},
    "5XX": {"description": "Problem details", "content": {"application/problem+json": {}}},
}
