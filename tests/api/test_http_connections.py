"""Connections that say nothing: they are closed in time, and they never keep a kill out."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.http import connections
from api.http.connections import Keeper, open_max, raise_file_limit
from tests.api.http_stage import Stage
from tests.api.test_http_server import certificate, served, until  # noqa: F401  a fixture is used by its name

HURRY_S = 0.3


def connect(address: str) -> socket.socket:
    host, port = address.partition("://")[2].split(":")
    return socket.create_connection((host, int(port)), timeout=8)


def ended(raw: socket.socket) -> bool:
    try:
        return raw.recv(1_000) == b""
    except ConnectionError:
        return True


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE_S", HURRY_S)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("said", [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"])
def test_a_connection_without_a_whole_header_is_closed(stage: Stage, said: bytes) -> None:
    with served(stage) as address, connect(address) as raw:
        raw.sendall(said)
        assert ended(raw)


@pytest.mark.usefixtures("hurried")
def test_a_trickle_of_bytes_does_not_keep_a_connection_after_an_answer(stage: Stage) -> None:
    with served(stage) as address, connect(address) as raw:
        raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert raw.recv(4_000).startswith(b"HTTP/1.1 200")
        raw.settimeout(0.1)
        stop_s, closed = time.monotonic() + 8, False
        while not closed and time.monotonic() < stop_s:
            with contextlib.suppress(ConnectionError):
                raw.sendall(b"G")
            with contextlib.suppress(TimeoutError):
                closed = ended(raw)
        assert closed


@pytest.mark.usefixtures("hurried")
def test_a_silent_tls_handshake_is_closed(
    stage: Stage,
    certificate: tuple[Path, Path],  # noqa: F811
) -> None:
    crt, key = certificate
    with served(stage, tlsCertificate=crt, tlsKey=key) as address:
        with connect(address) as raw:
            assert ended(raw)
        with httpx.Client(verify=ssl.create_default_context(cafile=str(crt))) as client:
            assert client.get(f"{address}/healthz").status_code == 200


def test_a_full_house_closes_whoever_waits_longest_and_lets_the_next_one_in(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "OPEN_MIN", 4)
    monkeypatch.setattr(connections, "OPEN_MAX", 4)
    with served(stage) as address, contextlib.ExitStack() as closing:
        held = [closing.enter_context(connect(address)) for _ in range(4)]
        assert httpx.get(f"{address}/healthz").status_code == 200
        assert ended(held[0])
        held[3].settimeout(0.05)
        with pytest.raises(TimeoutError):
            held[3].recv(1)


def test_one_address_holds_a_quarter_and_this_machine_everything() -> None:
    keeper = Keeper(40)
    keeper._counts.update({"198.51.100.7": 10, "198.51.100.8": 9, "127.0.0.1": 39})
    assert [keeper.full_for(name) for name in ("198.51.100.7", "198.51.100.8", "127.0.0.1")] == [True, False, False]


@pytest.mark.parametrize(("files", "most"), [(100, 16), (256, 160), (1_024, 768), (65_536, 8_192)])
def test_some_open_files_are_kept_for_the_store_and_the_routes(files: int, most: int) -> None:
    assert open_max(files) == most


def test_the_limit_of_open_files_is_raised_to_what_is_allowed() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert raise_file_limit() == (min(hard, 65_536) if hard != resource.RLIM_INFINITY else 65_536)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= raise_file_limit()


START_S = 120.0
"""A start takes some three seconds of computing; on a machine that others load that may be a minute and more."""


@pytest.fixture
def cramped(tmp_path: Path) -> Iterator[tuple[str, str, Path]]:
    """`interlock serve` with at most 256 open files: its address, its first token and its log."""
    out, err = tmp_path / "out", tmp_path / "err"
    serve = [sys.executable, "-m", "api.cli", "serve", "--data-dir", str(tmp_path / "data"), "--port", "0"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")}
    with out.open("wb") as to_out, err.open("wb") as to_err:
        command = ["sh", "-c", 'ulimit -n 256 && exec "$@"', "sh", *serve]
        process = subprocess.Popen(command, stdout=to_out, stderr=to_err, env=env)
    try:
        stop_s = time.monotonic() + START_S
        while '"listening"' not in err.read_text():
            assert process.poll() is None, err.read_text()
            assert time.monotonic() < stop_s, err.read_text()
            time.sleep(0.05)
        url = err.read_text().partition('"url": "')[2].partition('"')[0]
        yield url, out.read_text().strip(), err
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.timeout(200)
def test_three_hundred_silent_connections_at_a_limit_of_256_files_keep_no_kill_out(
    cramped: tuple[str, str, Path],
) -> None:
    url, token, log = cramped
    with contextlib.ExitStack() as closing:
        for _ in range(300):
            closing.enter_context(connect(url))
        answer = httpx.post(
            f"{url}/v1/kill-switch",
            json={"scope": "fleet", "verb": "halt"},
            headers={"Authorization": f"Bearer {token}"},
            timeout=5.0,
        )
        assert answer.status_code in (200, 201), answer.text
    assert len(log.read_text().splitlines()) < 50
    assert "Too many open files" not in log.read_text()
