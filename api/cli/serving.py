"""`interlock serve`: the controller and its HTTP door in one process, from settings to a clean stop. It only wires."""

from __future__ import annotations

import contextlib
import signal
import ssl
import sys
from collections.abc import Iterator

import structlog

from api.cli.exits import Exit
from api.cli.logs import lines_to
from api.cli.output import Output
from api.http.app import build_app
from api.http.connections import Listener
from api.http.logs import configure_logs
from api.http.server import CannotListen, bind, server_of
from api.http.tokens import bootstrap_token, recovery_token
from controller.adapters.clock import SystemClock
from controller.main import DataDirectoryBusy, RunningNode, build, migrate_store, opened_store
from controller.ports import PortError
from controller.settings import Settings


class NotStarted(Exception):
    """The text is the one line that says why."""


def run(settings: Settings, out: Output, min_epoch: int = 0) -> Exit:
    """Serve until SIGTERM or SIGINT. DONE after a clean stop, FAILED with one line when it could not start.

    The port comes first: a second controller on the same port must not take the lead before it finds out.
    """
    with lines_to(sys.stderr) as lines:
        configure_logs(settings, lines)
        try:
            _check_tls(settings)
            with bind(settings) as listener, _node(settings, min_epoch) as node:
                return _serve(node, settings, listener, out)
        except (NotStarted, CannotListen) as error:
            out.error(str(error))
            return Exit.FAILED
        finally:
            structlog.reset_defaults()


def _check_tls(settings: Settings) -> None:
    if settings.tls_certificate is None:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(settings.tls_certificate, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        text = f"the TLS certificate {settings.tls_certificate} and key {settings.tls_key} cannot be used"
        raise NotStarted(f"{text}: {error.strerror or error}") from error


def new_admin_token(settings: Settings, out: Output) -> Exit:
    """Print a further admin token, for when all are lost. Whoever may write the data directory may do this; the
    controller must be stopped, and the record shows it."""
    try:
        with _opened(settings), opened_store(settings) as held:
            token = recovery_token(held.store, SystemClock())
    except NotStarted as error:
        out.error(str(error))
        return Exit.FAILED
    out.note("a new admin token, shown only now; revoke those that were lost:")
    out.secret(token)
    return Exit.DONE


def migrate(settings: Settings, out: Output, apply: bool) -> Exit:
    """What the store lacks; with ``apply`` it is applied first."""
    try:
        with _opened(settings):
            found = migrate_store(settings, apply)
    except NotStarted as error:
        out.error(str(error))
        return Exit.FAILED
    had = f"schema {found.found}" if found.found is not None else "nothing yet"
    if not found.pending:
        out.note(f"{found.name}: {had}, which is what this version needs; nothing to apply")
    elif apply:
        out.note(f"{found.name}: {had} before, applied {', '.join(found.pending)}")
    else:
        out.note(f"{found.name}: {had}; to apply: {', '.join(found.pending)} (interlock migrate --apply)")
    return Exit.DONE


@contextlib.contextmanager
def _opened(settings: Settings) -> Iterator[None]:
    """Turns what can go wrong with the data directory into one line."""
    try:
        yield
    except (DataDirectoryBusy, PortError) as error:
        raise NotStarted(str(error)) from error
    except OSError as error:
        raise NotStarted(f"the data directory {settings.data_dir} cannot be used: {error.strerror or error}") from error


@contextlib.contextmanager
def _node(settings: Settings, min_epoch: int) -> Iterator[RunningNode]:
    with _opened(settings):
        node = build(settings, min_epoch)
    try:
        yield node
    finally:
        node.stop()


def _serve(node: RunningNode, settings: Settings, listener: Listener, out: Output) -> Exit:
    log = structlog.get_logger("interlock.serve")
    try:
        token = bootstrap_token(node.doors.store, node.doors.clock)
        if token is not None:
            # At once: what fails after this must not lose the only token.
            out.note("the first admin token, shown only now:")
            out.secret(token)
        server = server_of(build_app(node.doors, settings), settings, listener)
        node.start()
    except (PortError, OSError) as error:
        raise NotStarted(str(error)) from error
    listening = settings.model_copy(update={"port": listener.getsockname()[1]})
    log.info("listening", url=listening.url, data_dir=str(settings.data_dir), store=settings.store or "sqlite")

    def stop(_number: int, _frame: object) -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    server.run(sockets=[listener])
    log.info("stopping", note="weights stay as they are")
    return Exit.DONE if server.started else Exit.FAILED
