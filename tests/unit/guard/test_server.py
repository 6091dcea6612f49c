"""The guard's socket: lines, limits, room for one more, and who may have the name."""

from __future__ import annotations

import json
import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.guard.model import Read, Request
from controller.guard.server import CONNECTIONS, InUse, Server, listen
from controller.guard.surroundings import Locked, lock, look_around
from controller.guard.wire import LINE_BYTES

READ = b'{"op":"read","backend":"shop"}\n'


@pytest.fixture
def directory() -> Iterator[Path]:
    """Short, since the name of a Unix socket has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="guard") as name:
        yield Path(name)


@pytest.fixture
def path(directory: Path) -> Iterator[Path]:
    """A running server that counts the requests it handled."""
    count = iter(range(10_000))
    ticks = iter(range(100_000))

    def handle(request: Request) -> dict[str, object]:
        assert isinstance(request, Read)
        return {"ok": True, "number": next(count)}

    server = Server(listen(directory / "s"), handle, lambda: float(next(ticks)))
    server.start()
    yield directory / "s"
    server.stop()


def connect(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(5.0)
    connection.connect(str(path))
    return connection


def answer(connection: socket.socket) -> dict[str, object]:
    received = b""
    while not received.endswith(b"\n"):
        chunk = connection.recv(65_536)
        assert chunk, "closed without an answer"
        received += chunk
    decoded: dict[str, object] = json.loads(received)
    return decoded


def test_a_connection_carries_any_number_of_lines_in_any_pieces(path: Path) -> None:
    with connect(path) as connection:
        for piece in (READ[:5], READ[5:]):
            connection.sendall(piece)
        assert answer(connection) == {"ok": True, "number": 0}
        connection.sendall(READ)
        assert answer(connection) == {"ok": True, "number": 1}


def test_a_line_that_never_ended_has_done_nothing(path: Path) -> None:
    with connect(path) as connection:
        connection.sendall(READ[:-1])
    with connect(path) as connection:
        connection.sendall(READ)
        assert answer(connection)["number"] == 0


def test_nonsense_is_refused_and_the_connection_lives_on(path: Path) -> None:
    with connect(path) as connection:
        connection.sendall(b"GET / HTTP/1.1\n")
        assert answer(connection)["error"] == "refused"
        connection.sendall(READ)
        assert answer(connection)["ok"] is True


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_beyond_the_limit_is_refused(path: Path, end: bytes) -> None:
    with connect(path) as connection:
        connection.sendall(b"x" * (LINE_BYTES + 1) + end)
        assert f"at most {LINE_BYTES} bytes" in str(answer(connection)["text"])


def test_with_every_place_taken_one_idle_connection_makes_room(path: Path) -> None:
    idle = [connect(path) for _ in range(CONNECTIONS)]
    try:
        for connection in idle:
            connection.sendall(READ)
            assert answer(connection)["ok"] is True
        with connect(path) as one_more:
            one_more.sendall(READ)
            assert answer(one_more)["ok"] is True
            assert [is_open(connection) for connection in idle].count(False) == 1
    finally:
        for connection in idle:
            connection.close()


def is_open(connection: socket.socket) -> bool:
    """Which one was idle longest is the server's to know: it notes the time after a client has its answer."""
    try:
        connection.sendall(READ)
        return answer(connection)["ok"] is True
    except (OSError, ValueError):
        return False


def test_the_socket_is_for_its_owner_alone(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_making_the_socket_leaves_the_process_with_its_own_umask(directory: Path) -> None:
    before = os.umask(0o022)
    listen(directory / "s").close()
    assert os.umask(before) == 0o022


def test_the_left_over_of_a_dead_guard_is_replaced(directory: Path) -> None:
    listen(directory / "s").close()
    assert (directory / "s").is_socket()
    listen(directory / "s").close()


def test_a_socket_that_someone_serves_is_not_taken(path: Path) -> None:
    with pytest.raises(InUse, match="another process listens"):
        listen(path)
    with connect(path) as connection:
        connection.sendall(READ)
        assert answer(connection)["ok"] is True


def test_something_that_is_no_socket_is_not_taken(directory: Path) -> None:
    (directory / "s").write_text("mine")
    (directory / "link").symlink_to(directory / "nothing")
    for name in ("s", "link"):
        with pytest.raises(InUse, match="not a socket"):
            listen(directory / name)
    assert (directory / "s").read_text() == "mine"


def test_a_lock_is_held_by_one(directory: Path) -> None:
    held = lock(directory / "lock")
    with pytest.raises(Locked, match="another guard holds"):
        lock(directory / "lock")
    os.close(held)
    os.close(lock(directory / "lock"))


def test_only_halt_files_are_seen_and_a_directory_that_is_gone_is_no_empty_one(directory: Path) -> None:
    for name in ("HALT", "HALT.shop", "guard.json", "UNHALT", "halt"):
        (directory / name).touch()
    seen = look_around(directory, lambda: 7.0)
    assert (seen.now_s, seen.files, seen.files_readable) == (7.0, frozenset({"HALT", "HALT.shop"}), True)
    gone = look_around(directory / "gone", lambda: 7.0)
    assert (gone.files, gone.files_readable) == (frozenset(), False)


def test_a_stopped_server_lets_its_clients_go(directory: Path) -> None:
    server = Server(listen(directory / "s"), lambda _: {"ok": True}, lambda: 0.0)
    server.start()
    with connect(directory / "s") as connection:
        connection.sendall(READ)
        assert answer(connection)["ok"] is True
        server.stop()
        assert connection.recv(1) == b""
