"""Opens the port and runs the application on it, with or without TLS. It knows no route."""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from typing import cast

import uvicorn
from fastapi import FastAPI

from api.http.connections import IDLE_S, BoundedProtocol, Keeper, Listener, open_max, raise_file_limit
from controller.settings import Settings

BACKLOG = 512
HEADER_BYTES_MAX = 16_384
STOP_S = 5
"""How long open requests and streams may take to end when the server stops."""


class CannotListen(Exception):
    """The port cannot be opened. The text says what to do."""


def bind(settings: Settings) -> Listener:
    """The listening socket with its bounds. Raises CannotListen when the port is taken or may not be used."""
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        # asyncio sends small answers at once only when the protocol is named; else each waits 40 ms for an ACK.
        opened = Listener(family, kind, protocol)
        opened.keeper = Keeper(open_max(raise_file_limit()))
    except OSError as error:
        raise CannotListen(f"the host {settings.host!r} cannot be used: {error.strerror}") from None
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(BACKLOG)
    except OSError as error:
        opened.close()
        text = f"port {settings.port} of {settings.host} cannot be opened: {error.strerror}; stop what holds it, or set"
        raise CannotListen(f"{text} another with --port or INTERLOCK_PORT") from None
    return opened


def server_of(app: FastAPI, settings: Settings, listener: Listener) -> uvicorn.Server:
    """Run it with ``server.run(sockets=[listener])``; set ``should_exit`` to stop it.

    uvicorn's own limit on connections is not used: it would also refuse the kill switch.
    """
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=cast(type[asyncio.Protocol], partial(BoundedProtocol, listener.keeper)),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=STOP_S,
        h11_max_incomplete_event_size=HEADER_BYTES_MAX,
        ssl_certfile=str(settings.tls_certificate) if settings.tls_certificate else None,
        ssl_keyfile=str(settings.tls_key) if settings.tls_key else None,
    )
    return uvicorn.Server(config)
