"""Opens the port and runs the application on it, with or without TLS. It knows no route."""

from __future__ import annotations

import socket

import uvicorn
from fastapi import FastAPI

from controller.settings import Settings

BACKLOG = 512
KEEP_ALIVE_S = 30
HEADER_BYTES_MAX = 16_384
STOP_S = 5
"""How long open requests and streams may take to end when the server stops."""


class CannotListen(Exception):
    """The port cannot be opened. The text says what to do."""


def bind(settings: Settings) -> socket.socket:
    """The listening socket. Raises CannotListen when the port is taken or may not be used."""
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        # asyncio sends small answers at once only when the protocol is named; else each waits 40 ms for an ACK.
        opened = socket.socket(family, kind, protocol)
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


def server_of(app: FastAPI, settings: Settings) -> uvicorn.Server:
    """Run it with ``server.run(sockets=[bind(settings)])``; set ``should_exit`` to stop it.

    There is no limit on connections here: it would also refuse the kill switch.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_S,
        h11_max_incomplete_event_size=HEADER_BYTES_MAX,
        ssl_certfile=str(settings.tls_certificate) if settings.tls_certificate else None,
        ssl_keyfile=str(settings.tls_key) if settings.tls_key else None,
    )
    return uvicorn.Server(config)
