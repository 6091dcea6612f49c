"""Idempotency keys: the same request again gets the same answer, and is not carried out again.

Where the command can, its answer is stored in its own transaction; a lost reply then costs nothing.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from api.http.auth import Caller
from api.http.errors import ProblemError
from api.http.note import note_of
from controller.ports import Answered, Clock, Commit, Conflict, PortError, Store
from controller.wishes import Rejected

KEY = re.compile(r"[!-~]{1,200}")
HEADER = "Idempotency-Key"
Log = Callable[..., None]


class Reply:
    """Makes the answer of one request, in the two forms that are needed: to store, and to send."""

    def __init__(self, key: str, actor: str, digest: str, at_s: float) -> None:
        self._key, self._actor, self._digest, self._at_s = key, actor, digest, at_s

    def stored(self, status: int, view: BaseModel | None) -> Answered:
        body = view.model_dump_json() if view is not None else ""
        return Answered(self._key, self._actor, self._digest, status, body, self._at_s)


class Once:
    """Remembers answers by key and actor in the store."""

    def __init__(self, store: Store, clock: Clock, log: Log) -> None:
        self._store, self._clock, self._log = store, clock, log
        self._lock = threading.Lock()
        self._busy: set[tuple[str, str]] = set()

    def run(self, request: Request, caller: Caller, act: Callable[[Reply], Response]) -> Response:
        """Carry out ``act``, unless this key was answered before. Raises ProblemError 400, 409 or 422."""
        key, digest = _key(request), note_of(request).body_digest
        with self._alone(caller.name, key):
            before = self._store.answered(key, caller.name)
            if before is not None:
                return _replayed(before, digest)
            try:
                return act(Reply(key, caller.name, digest, self._clock.now_s()))
            except (Rejected, Conflict):
                meanwhile = self._store.answered(key, caller.name)
                if meanwhile is None:
                    raise
                return _replayed(meanwhile, digest)

    def remember(self, answered: Answered) -> None:
        """For commands that cannot store it themselves. They are harmless twice, so a failure is only logged."""
        try:
            self._store.commit(Commit(answered=answered))
        except PortError as error:
            self._log("answer_not_remembered", trouble=str(error))

    @contextmanager
    def _alone(self, actor: str, key: str) -> Iterator[None]:
        with self._lock:
            if (actor, key) in self._busy:
                detail = (
                    "The first request with this Idempotency-Key is still being handled: send it again in a second."
                )
                raise ProblemError(409, "in_progress", "Still being handled", detail).with_headers(Retry_After="1")
            self._busy.add((actor, key))
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard((actor, key))


def _key(request: Request) -> str:
    key = request.headers.get(HEADER, "")
    if not KEY.fullmatch(key):
        detail = (
            f"Send the header {HEADER} with a fresh value of 1 to 200 visible characters, such as a UUID; "
            "when you do not get an answer, send the same request with the same key again."
        )
        raise ProblemError(400, "idempotency_key_needed", f"{HEADER} needed", detail)
    return key


def _replayed(before: Answered, digest: str) -> Response:
    if before.request_digest != digest:
        detail = f"This {HEADER} was used for another request: use a fresh key."
        raise ProblemError(422, "idempotency_key_reused", f"{HEADER} reused", detail)
    if before.status == SHOWN_ONCE:
        detail = "This was done. Its answer held a secret that is shown once: revoke that token and make another."
        raise ProblemError(409, "shown_once", "Shown once", detail)
    response = Response(before.body, before.status, media_type="application/json" if before.body else None)
    response.headers["Idempotency-Replayed"] = "true"
    return response


SHOWN_ONCE = 0
"""The stored status of an answer whose body must not be kept."""


def json_response(status: int, view: BaseModel) -> Response:
    return Response(view.model_dump_json(), status, media_type="application/json")
