"""Puts the HTTP door together from what it is given. It reads no settings, opens no port and starts no thread."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import structlog
from fastapi import FastAPI

from api.http import errors
from api.http.auth import Gate, Tokens
from api.http.context import Context
from api.http.edge import Body, Edge
from api.http.measure import Measures
from api.http.once import Once
from api.http.routes import applications, audit, events, kill, probes, releases, tokens
from api.http.stream import Streams
from controller.ports import PortError
from controller.runtime.doors import Doors
from controller.settings import HttpSettings

DESCRIPTION = "Guarded deploys with canary weights, automatic rollback and a kill switch. Errors are RFC 9457."
ROUTERS = (applications, releases, events, kill, audit, tokens, probes)
VERSION = "v1"

Log = Callable[..., None]


def build_app(doors: Doors, settings: HttpSettings, log: Log | None = None) -> FastAPI:
    """The application object. It reads the tokens once, so that a stop needs no store afterwards."""
    written = log or structlog.get_logger("interlock.http").info
    app = FastAPI(
        title="Interlock",
        description=DESCRIPTION,
        version=VERSION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    known = Tokens(doors.store, doors.clock)
    with suppress(PortError):
        known.refresh()
    measures = Measures(doors)
    app.state.context = Context(
        doors=doors,
        settings=settings,
        gate=Gate(known, doors.store, doors.clock, settings, written),
        tokens=known,
        once=Once(doors.store, doors.clock, written),
        measures=measures,
        streams=Streams(settings.stream_clients_max, doors.clock.monotonic_s),
        log=written,
    )
    errors.install(app)
    for module in ROUTERS:
        app.include_router(module.router)
    app.add_middleware(Body, bytes_max=settings.body_bytes_max)
    app.add_middleware(Edge, monotonic_s=doors.clock.monotonic_s, measures=measures, log=written)
    return app
