"""Every error of the door as RFC 9457 problem details: a stable code, and a sentence that says what to do next.
It shows no stack trace, no secret and no input."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.http.note import note_of, redacted
from api.http.schemas import FieldError, ProblemView
from controller.ports import Conflict, Fenced, Halted, PortError, Refused, Unavailable, Unknown
from controller.spec import InvalidDocument, sentence_of
from controller.wishes import Rejected

MEDIA_TYPE = "application/problem+json"
TEXT_CHARS_MAX = 2_000
ERRORS_MAX = 50
AGAIN_S = "1"
"""What Retry-After says while a part of us is down: soon, because most of that is over within seconds."""

REJECTED: Mapping[str, tuple[int, str]] = {
    "killed": (423, "The kill switch is engaged"),
    "active_release": (409, "A release is running"),
    "already_stable": (409, "Nothing to do"),
    "target_missing": (409, "Target not found"),
    "nothing_serves": (409, "Nothing serves yet"),
    "not_leading": (503, "This node does not lead"),
    "route_taken": (409, "The backend belongs to another application"),
    "not_given_back": (409, "Not given back"),
    "conflict": (409, "Changed meanwhile"),
    "not_possible": (409, "Not possible now"),
    "invalid_version": (422, "Invalid version"),
    "unknown_release": (404, "Unknown release"),
    "unknown_application": (404, "Unknown application"),
}
"""Status and title of every code that a command is rejected with."""

TROUBLES: tuple[tuple[type[PortError], int, str, str], ...] = (
    (Halted, 423, "halted", "The route is halted"),
    (Conflict, 409, "conflict", "Changed meanwhile"),
    (Refused, 409, "refused", "Refused"),
    (Fenced, 503, "not_leading", "This node does not lead"),
    (Unavailable, 503, "unavailable", "A part of the controller cannot be reached"),
    (Unknown, 503, "outcome_unknown", "May or may not have been done"),
    (PortError, 503, "trouble", "Trouble of the world"),
)

ADVICE: Mapping[str, str] = {
    "conflict": "Read it again and decide afresh.",
    "not_leading": "Send the request to the node that leads.",
    "unavailable": "Try again; with the same Idempotency-Key nothing is done twice.",
    "outcome_unknown": "Read the state before you try again; with the same Idempotency-Key nothing is done twice.",
    "trouble": "See the controller's log, then try again.",
}

PLAIN: Mapping[int, tuple[str, str]] = {
    400: ("bad_request", "The request cannot be read. Send a JSON object in UTF-8."),
    404: ("unknown_path", "There is nothing at this path. The paths are listed in /v1/openapi.json."),
    405: ("method_not_allowed", "This path does not take that method; Allow says which it takes."),
}


class ProblemError(Exception):
    """An answer that is an error. ``facts`` go with the code; ``headers`` such as Retry-After."""

    def __init__(self, status: int, code: str, title: str, detail: str, **facts: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.title, self.detail, self.facts = status, code, title, detail, facts
        self.errors: list[FieldError] = []
        self.headers: dict[str, str] = {}

    def with_headers(self, **headers: str) -> ProblemError:
        self.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
        return self


def problem_response(path: str, error: ProblemError) -> Response:
    view = ProblemView(
        type=f"urn:interlock:problem:{error.code}",
        title=error.title,
        status=error.status,
        detail=redacted(error.detail)[:TEXT_CHARS_MAX],
        instance=redacted(path)[:500],
        code=error.code,
        facts={name: redacted(value)[:500] for name, value in error.facts.items()},
        errors=error.errors[:ERRORS_MAX],
    )
    return Response(view.model_dump_json(), error.status, error.headers, MEDIA_TYPE)


def from_rejected(rejected: Rejected) -> ProblemError:
    status, title = REJECTED[rejected.code]
    return ProblemError(status, rejected.code, title, rejected.text, **rejected.facts)


def from_trouble(trouble: PortError) -> ProblemError:
    _, status, code, title = next(row for row in TROUBLES if isinstance(trouble, row[0]))
    text = str(trouble).rstrip(".")
    detail = f"{text}. {ADVICE[code]}" if code in ADVICE else f"{text}."
    error = ProblemError(status, code, title, detail)
    return error.with_headers(Retry_After=AGAIN_S) if status == HTTPStatus.SERVICE_UNAVAILABLE else error


def from_document(invalid: InvalidDocument) -> ProblemError:
    error = ProblemError(
        422, "invalid_application", "Invalid application", "The application cannot be used: correct what errors lists."
    )
    error.errors = [FieldError(field=redacted(place), text=redacted(text)) for place, text in invalid.mistakes]
    return error


def from_validation(invalid: RequestValidationError) -> ProblemError:
    items = invalid.errors()
    if any(item["type"] == "json_invalid" for item in items):
        return ProblemError(400, "invalid_json", "Not JSON", "The body is not JSON. Send a JSON object in UTF-8.")
    error = ProblemError(
        422, "invalid_request", "Invalid request", "The request cannot be used: correct what errors lists."
    )
    error.errors = [
        FieldError(field=_place(item["loc"]), text=redacted(sentence_of(item["type"], item["msg"]))) for item in items
    ]
    return error


def _place(location: tuple[object, ...]) -> str:
    parts = location[1:] if location[:1] == ("body",) else location
    return redacted(".".join(str(part) for part in parts))[:200] or "body"


def from_plain(error: HTTPException) -> ProblemError:
    code, detail = PLAIN.get(error.status_code, ("http_error", "The request was refused."))
    problem = ProblemError(error.status_code, code, HTTPStatus(error.status_code).phrase, detail)
    problem.headers.update(error.headers or {})
    return problem


def internal_error(request_id: str) -> ProblemError:
    return ProblemError(
        500,
        "internal_error",
        "A bug of ours",
        "This is a bug of Interlock. Look for the request id in the controller's log; traffic can "
        "still be stopped by touching a HALT file in the guard's state directory.",
        request_id=request_id,
    )


CONVERSIONS: tuple[tuple[type[Exception], Callable[[Any], ProblemError]], ...] = (
    (ProblemError, lambda error: error),
    (Rejected, from_rejected),
    (PortError, from_trouble),
    (InvalidDocument, from_document),
    (RequestValidationError, from_validation),
    (HTTPException, from_plain),
)


def install(app: FastAPI) -> None:
    """Answer every error that a route raises with problem details."""

    def answered(request: Request, error: ProblemError) -> Response:
        note_of(request).code = error.code
        return problem_response(request.url.path, error)

    def handler(convert: Callable[[Any], ProblemError]) -> Callable[[Request, Exception], Awaitable[Response]]:
        async def handle(request: Request, error: Exception) -> Response:
            return answered(request, convert(error))

        return handle

    for kind, convert in CONVERSIONS:
        app.add_exception_handler(kind, handler(convert))
