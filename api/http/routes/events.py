"""The live stream of one release as server-sent events: its records, its state when it changes, and its end."""

from __future__ import annotations

import re

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.http.context import PROBLEMS, ContextOf, Reader, ReleaseId
from api.http.errors import ProblemError
from api.http.stream import EventStream, Follow

router = APIRouter(prefix="/v1/releases", tags=["releases"], responses=PROBLEMS)
SEQUENCE = re.compile(r"[0-9]{1,18}")


@router.get("/{release_id}/events", response_class=EventStream)
async def events(request: Request, context: ContextOf, caller: Reader, release_id: ReleaseId) -> Response:
    """``record`` events carry the audit sequence number as their id; send the last one back in Last-Event-ID."""
    given = request.headers.get("last-event-id", "0").strip()
    if not SEQUENCE.fullmatch(given):
        detail = "Last-Event-ID is the id of the last record event that you got, a number."
        raise ProblemError(400, "bad_last_event_id", "Last-Event-ID not understood", detail)
    return await context.streams.open(
        Follow(context.doors, release_id, int(given)), lambda: context.gate.still_valid(caller), caller.token_id
    )
