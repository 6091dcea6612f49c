"""Register, change, list and forget applications. A running release keeps the application it started with."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query, Request
from starlette.responses import Response

from api.http.auth import Caller
from api.http.context import PROBLEMS, Context, ContextOf, Lister, PageQuery, Reader, allow, shown
from api.http.errors import ProblemError
from api.http.once import Reply, json_response
from api.http.permissions import Action
from api.http.schemas import ApplicationView, PageView
from api.http.schemas_analysis import ForecastView
from api.http.views import application_view
from api.http.views_analysis import forecast_view
from controller.ports import StoredApplication
from controller.spec import InvalidDocument, application_from
from controller.wishes import Rejected

router = APIRouter(prefix="/v1/applications", tags=["applications"], responses=PROBLEMS)

Registrar = Annotated[Caller, Depends(allow(Action.APPLICATIONS))]
REVISION = re.compile(r'"?([0-9]{1,18})"?')


@router.get("", response_model=PageView[ApplicationView])
def list_applications(context: ContextOf, caller: Lister, query: Annotated[PageQuery, Query()]) -> object:
    """By name."""
    rows = list(context.doors.store.applications(query.one_more()))
    page, following = shown(rows, query.limit, lambda stored: stored.app.name)
    return PageView[ApplicationView](items=[_view(context, caller, stored) for stored in page], next=following)


@router.get("/{name}", response_model=ApplicationView)
def show(context: ContextOf, caller: Reader, name: str, response: Response) -> object:
    """Environments of processes and hook addresses are shown to an admin only: they often hold secrets."""
    stored = _stored(context, name)
    response.headers["ETag"] = f'"{stored.revision}"'
    return _view(context, caller, stored)


@router.get("/{name}/forecast", response_model=ForecastView)
def forecast(context: ContextOf, caller: Reader, name: str) -> object:
    """What a release could find at today's traffic, how long a healthy one takes, and what would keep it from starting.

    Asks Prometheus now.
    """
    stored = _stored(context, name)
    return forecast_view(stored, context.doors.outlook(stored))


@router.put("/{name}", response_model=ApplicationView)
def register(
    request: Request, context: ContextOf, caller: Registrar, name: str, document: Annotated[Any, Body()]
) -> Response:
    """The body is the application document. With If-Match, only if nobody changed it since you read it."""
    app = application_from(document)
    if app.name != name:
        raise InvalidDocument((("name", f"the document is of {app.name}, the path says {name[:80]}: make them equal"),))
    revision = _if_match(request)

    def run(reply: Reply) -> Response:
        before = context.doors.store.application(name)
        status = 201 if before is None or before.deleted else 200

        def answer(stored: StoredApplication) -> tuple[int, ApplicationView]:
            return status, _view(context, caller, stored)

        stored = context.doors.commands.register(
            app, caller.name, revision, lambda stored: reply.stored(*answer(stored))
        )
        response = json_response(*answer(stored))
        response.headers["ETag"] = f'"{stored.revision}"'
        return response

    return context.once.run(request, caller, run)


@router.delete("/{name}", status_code=204, response_model=None)
def unregister(request: Request, context: ContextOf, caller: Registrar, name: str) -> Response:
    """Forget it. Refused while a release of it is running."""

    def run(reply: Reply) -> Response:
        context.doors.commands.unregister(name, caller.name, reply.stored(204, None))
        return Response(status_code=204)

    return context.once.run(request, caller, run)


def _stored(context: Context, name: str) -> StoredApplication:
    stored = context.doors.store.application(name)
    if stored is None or stored.deleted:
        raise Rejected("unknown_application", f"there is no application {name[:80]!r}: register it first")
    return stored


def _view(context: Context, caller: Caller, stored: StoredApplication) -> ApplicationView:
    active = next((r.id for r in context.doors.store.active(stored.app.name) if r.superseded_by is None), None)
    return application_view(stored, active, caller.sees_secrets)


def _if_match(request: Request) -> int | None:
    given = request.headers.get("if-match")
    if given is None:
        return None
    found = REVISION.fullmatch(given.strip())
    if found is None:
        raise ProblemError(
            400, "bad_if_match", "If-Match not understood", "If-Match holds the revision that you read, such as 3."
        )
    return int(found[1])
