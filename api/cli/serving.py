"""`interlock serve`: the controller and its HTTP door in one process, from settings to a clean stop. It only wires."""

from __future__ import annotations

import contextlib
import errno
import signal
import socket
import ssl
import sys
from collections.abc import Iterator

import structlog
import uvicorn

from api.cli.exits import Exit
from api.cli.logs import logging_to
from api.cli.output import Output
from api.http.app import build_app
from api.http.tokens import bootstrap_token
from controller.main import DataDirectoryBusy, RunningNode, build
from controller.ports import PortError
from controller.settings import Settings

STOP_S = 5
"""How long open requests may take to end; event streams never end by themselves and are cut then."""
CONNECTIONS_MAX = 900
"""Below the 1,024 file descriptors that a process usually has, so that the store and the routes keep theirs."""
BACKLOG = 512


class NotStarted(Exception):
    """The text is the one line that says why."""


def run(settings: Settings, out: Output) -> Exit:
    """Serve until SIGTERM or SIGINT. DONE after a clean stop, FAILED with one line when it could not start."""
    with logging_to(sys.stderr, settings.log_level, settings.log_format):
        try:
            with _listening(settings) as listener, _node(settings) as node:
                return _serve(node, settings, listener, out)
        except NotStarted as error:
            out.error(str(error))
            return Exit.FAILED


@contextlib.contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """The bound socket, before anything else: a second controller on the same port must not take the lead first."""
    _check_tls(settings)
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        listener = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise NotStarted(_why_not(settings, error)) from error
    with listener:
        yield listener


def _why_not(settings: Settings, error: OSError) -> str:
    place = f"port {settings.port} of {settings.host}"
    if error.errno == errno.EADDRINUSE:
        return f"{place} is in use: stop what listens there, or choose another one with --port"
    if error.errno == errno.EACCES:
        return f"{place} may not be used by this user: choose a port above 1023 with --port"
    return f"{place} cannot be listened on: {error.strerror or error}"


def _check_tls(settings: Settings) -> None:
    if settings.tls_certificate is None:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(settings.tls_certificate, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        text = f"the TLS certificate {settings.tls_certificate} and key {settings.tls_key} cannot be used"
        raise NotStarted(f"{text}: {error.strerror or error}") from error


@contextlib.contextmanager
def _node(settings: Settings) -> Iterator[RunningNode]:
    try:
        node = build(settings)
    except (DataDirectoryBusy, PortError) as error:
        raise NotStarted(str(error)) from error
    except OSError as error:
        raise NotStarted(f"the data directory {settings.data_dir} cannot be used: {error.strerror or error}") from error
    try:
        yield node
    finally:
        node.stop()


def _serve(node: RunningNode, settings: Settings, listener: socket.socket, out: Output) -> Exit:
    log = structlog.get_logger("interlock.serve")
    try:
        token = bootstrap_token(node.doors.store, node.doors.clock)
        server = _server(node, settings)
        node.start()
    except PortError as error:
        raise NotStarted(str(error)) from error
    if token is not None:
        out.note("the first admin token, shown only now:")
        out.secret(token)
    url = settings.url if settings.port else settings.url[: -len(":0")] + f":{listener.getsockname()[1]}"
    log.info("listening", url=url, data_dir=str(settings.data_dir))

    def stop(_number: int, _frame: object) -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    server.run(sockets=[listener])
    log.info("stopping", note="weights stay as they are")
    return Exit.DONE if server.started else Exit.FAILED


def _server(node: RunningNode, settings: Settings) -> uvicorn.Server:
    config = uvicorn.Config(
        build_app(node.doors, settings),
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_graceful_shutdown=STOP_S,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=str(settings.tls_key) if settings.tls_key else None,
    )
    return uvicorn.Server(config)
