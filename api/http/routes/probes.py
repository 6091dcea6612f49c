"""For machines that watch: is it alive, does it make progress, its metrics, and the description of this API."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from api.http.context import ContextOf, Reader
from api.http.describe import described
from api.http.once import json_response
from api.http.schemas import HealthView, ReadyView
from api.http.views import ready_view

router = APIRouter(tags=["probes"])


@router.get("/healthz", response_model=HealthView)
async def alive() -> object:
    """The process answers. Nothing else is looked at: restarting helps nothing but a hang."""
    return HealthView(status="alive")


@router.head("/healthz", include_in_schema=False)
async def alive_without_a_body() -> Response:
    """For load balancers that ask for the status alone."""
    return Response()


@router.get("/readyz", response_model=ReadyView, responses={503: {"model": ReadyView}})
def ready(request: Request, context: ContextOf) -> Response:
    """200 while this node leads and every heartbeat is young enough, else 503 with the reasons."""
    context.gate.limit_stranger(request)
    view = ready_view(context.doors.health())
    return json_response(200 if view.ready else 503, view)


@router.head("/readyz", include_in_schema=False)
def ready_without_a_body(request: Request, context: ContextOf) -> Response:
    """The same status, for those who ask for it alone."""
    return Response(status_code=ready(request, context).status_code)


@router.get("/metrics", response_class=Response)
def metrics(request: Request, context: ContextOf) -> Response:
    """For Prometheus."""
    context.gate.limit_stranger(request)
    return Response(context.measures.text(), media_type=CONTENT_TYPE_LATEST)


@router.get("/v1/openapi.json", include_in_schema=False)
def openapi(request: Request, caller: Reader) -> dict[str, Any]:
    return described(request.app)
