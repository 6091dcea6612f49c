"""The router's side of the guard's socket: what is sent once, what may be sent again, and how each loss is named."""

from __future__ import annotations

import json
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.adapters.routers import haproxy
from controller.adapters.routers.haproxy import ERRORS, IDLE_CONNECTIONS, HaproxyRouter
from controller.core.model import Application, Mark
from controller.guard.model import Names, Route
from controller.guard.reply import encode_route
from controller.guard.wire import encode_line
from controller.ports import PortError, RouteWrite, Unavailable, Unknown
from tests.contract.router_fixtures import application

ROUTE = encode_line({"ok": True, "route": encode_route(Route(Names("shop")), 0.0)})
HANG_UP = b""
WRITE = RouteWrite(1, "r1", 1, 1, 60.0)
MARK = Mark("r1", "kill", "x", "k1")

Script = list[list[bytes]]
"""For each connection, what it answers line by line; HANG_UP closes, and so does the end of a list."""


@contextmanager
def guard(script: Script) -> Iterator[tuple[Application, HaproxyRouter, list[str]]]:
    heard: list[str] = []
    with tempfile.TemporaryDirectory(prefix="guard") as directory:
        path = str(Path(directory) / "s")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        thread = threading.Thread(target=_serve, args=(listener, script, heard), daemon=True)
        thread.start()
        router = HaproxyRouter(timeout_s=2.0)
        try:
            yield application(path), router, heard
        finally:
            router.close()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            listener.close()


def _serve(listener: socket.socket, script: Script, heard: list[str]) -> None:
    for answers in script:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, connection.makefile("rb") as reader:
            for answer in answers:
                line = reader.readline()
                if not line:
                    break
                heard.append(json.loads(line)["op"])
                if answer is HANG_UP:
                    break
                connection.sendall(answer)


def test_one_connection_is_used_again() -> None:
    with guard([[ROUTE, ROUTE, ROUTE]]) as (app, router, heard):
        router.read(app)
        router.claim(app, 1)
        router.write(app, WRITE)
    assert heard == ["read", "claim", "write"]


def test_a_connection_the_guard_closed_is_noticed_before_anything_is_sent() -> None:
    with guard([[ROUTE], [ROUTE]]) as (app, router, heard):
        router.read(app)
        _wait_until_closed(router, app)
        router.write(app, WRITE)
    assert heard == ["read", "write"]


def _wait_until_closed(router: HaproxyRouter, app: Application) -> None:
    (connection,) = router._idle[app.haproxy.guard]
    assert connection.recv(1, socket.MSG_PEEK) == b""


Call = Callable[[HaproxyRouter, Application], object]
ONCE: list[Call] = [
    lambda r, a: r.write(a, WRITE),
    lambda r, a: r.claim(a, 1),
    lambda r, a: r.renew(a, "r1", 1, 60.0),
    lambda r, a: r.unhalt(a, frozenset({"k1"}), 1),
]
AGAIN: list[Call] = [
    lambda r, a: r.read(a),
    lambda r, a: r.lower(a, MARK, 1),
    lambda r, a: r.halt(a, MARK, True),
]


@pytest.mark.parametrize("call", ONCE)
def test_what_is_not_downward_is_never_sent_twice(call: Call) -> None:
    with guard([[HANG_UP], [ROUTE]]) as (app, router, heard):
        with pytest.raises(Unknown, match="lost"):
            call(router, app)
        assert len(heard) == 1


@pytest.mark.parametrize("call", AGAIN)
def test_reading_and_going_down_are_sent_once_more(call: Call) -> None:
    with guard([[HANG_UP], [ROUTE]]) as (app, router, heard):
        call(router, app)
        assert len(heard) == 2


@pytest.mark.parametrize("call", AGAIN)
def test_but_not_for_ever(call: Call) -> None:
    with guard([[HANG_UP], [HANG_UP], [ROUTE]]) as (app, router, heard):
        with pytest.raises(Unknown):
            call(router, app)
        assert len(heard) == 2


@pytest.mark.parametrize(
    "said", [b"not json\n", b"[]\n", b'{"ok":true}\n', b'{"ok":true,"route":{"revision":1}}\n', b'{"ok":true', b"{}\n"]
)
def test_an_answer_of_another_form_is_unknown(said: bytes) -> None:
    with guard([[said, HANG_UP]]) as (app, router, _), pytest.raises(Unknown):
        router.write(app, WRITE)


@pytest.mark.parametrize(("kind", "error"), [*ERRORS.items(), ("new in a later version", Unknown)])
def test_every_refusal_of_the_guard_has_its_error(kind: str, error: type[PortError]) -> None:
    line = encode_line({"ok": False, "error": kind, "text": "because"})
    with guard([[line]]) as (app, router, _), pytest.raises(error, match="because") as raised:
        router.write(app, WRITE)
    assert type(raised.value) is error


def test_a_stop_waits_no_full_time_out_for_a_hung_guard_and_is_not_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(haproxy, "HALT_TIMEOUT_S", 0.05)
    with tempfile.TemporaryDirectory(prefix="guard") as directory:
        path = str(Path(directory) / "s")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            with pytest.raises(Unknown, match="timed out"):
                HaproxyRouter(timeout_s=60.0).halt(application(path), MARK, True)
            listener.settimeout(0.0)
            listener.accept()[0].close()
            with pytest.raises(BlockingIOError):
                listener.accept()


def test_a_guard_that_is_silent_is_unknown_after_the_time_out() -> None:
    with tempfile.TemporaryDirectory(prefix="guard") as directory:
        path = str(Path(directory) / "s")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            with pytest.raises(Unknown, match="timed out"):
                HaproxyRouter(timeout_s=0.05).write(application(path), WRITE)


@pytest.mark.parametrize("call", ONCE + AGAIN)
def test_without_a_guard_nothing_was_sent(call: Call) -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        call(HaproxyRouter(), application("/nowhere/guard.sock"))


def test_a_path_too_long_for_a_socket_is_unavailable_and_not_a_crash() -> None:
    with pytest.raises(Unavailable):
        HaproxyRouter().read(application("/tmp/" + "x" * 200))


def test_idle_connections_are_limited() -> None:
    count = IDLE_CONNECTIONS + 4
    gate = threading.Barrier(count)
    with tempfile.TemporaryDirectory(prefix="guard") as directory:
        path = str(Path(directory) / "s")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(count)
            router = HaproxyRouter(timeout_s=5.0)
            callers = [threading.Thread(target=router.read, args=(application(path),)) for _ in range(count)]
            for caller in callers:
                caller.start()
            servers = [threading.Thread(target=_answer_one, args=(listener.accept()[0], gate)) for _ in range(count)]
            for thread in servers:
                thread.start()
            for thread in (*servers, *callers):
                thread.join(5)
            assert len(router._idle[path]) == IDLE_CONNECTIONS
            router.close()


def _answer_one(connection: socket.socket, gate: threading.Barrier) -> None:
    """All callers are inside their call at the same moment, so that none takes over the connection of another."""
    with connection:
        connection.recv(4096)
        gate.wait(5)
        connection.sendall(ROUTE)
