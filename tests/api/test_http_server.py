"""The door on a real socket: the event stream, TLS, and a port that is taken."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from api.http.server import CannotListen, bind, server_of
from api.http.stream import Streams
from controller.core.model import Phase, Reason
from controller.ports import Commit, Unavailable
from controller.settings import Settings
from gates.audit import Draft
from tests.api.http_stage import Stage

DEADLINE_S = 8.0


@contextmanager
def served(stage: Stage, **given: Any) -> Iterator[str]:
    """The stage's application on a free port of loopback; yields its address."""
    settings = Settings.model_validate({"port": 0, **given})
    sock = bind(settings)
    server: uvicorn.Server = server_of(stage.app, settings, sock)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        yield f"{'https' if settings.tls else 'http'}://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(DEADLINE_S)
        sock.close()
    assert not thread.is_alive()


def until(true: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def fast(stage: Stage) -> Stage:
    """The stage with streams that look often."""
    context = stage.app.state.context
    stage.app.state.context = replace(context, streams=Streams(2, stage.clock.monotonic_s, poll_s=0.02))
    return stage


class Events:
    """Reads one stream event by event."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()

    def next(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for line in self._lines:
            if not line and found:
                return found
            name, _, value = line.partition(": ")
            if line:
                found[name or "comment"] = value if name else line
        return found

    def until(self, kind: str) -> dict[str, str]:
        while found := self.next():
            if found.get("event") == kind:
                return found
        raise AssertionError(f"the stream ended without {kind}")


@contextmanager
def following(stage: Stage, address: str, **headers: str) -> Iterator[Events]:
    sent = {"Authorization": f"Bearer {stage.tokens['viewer']}", **headers}
    path = f"{address}/v1/releases/shop-1/events"
    with httpx.Client(timeout=DEADLINE_S) as client, client.stream("GET", path, headers=sent) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Events(response)


def note(stage: Stage, text: str) -> None:
    stage.store.commit(Commit(records=(Draft("note", 1.0, "tester", text, "shop-1"),)))


def move(stage: Stage, phase: Phase) -> None:
    stored = stage.store.release("shop-1")
    stage.store.commit(Commit(release=replace(stored, phase=phase, reason=Reason("moved", "moved"))))


def test_a_stream_shows_the_past_then_the_changes_then_the_end(fast: Stage) -> None:
    fast.add_release()
    note(fast, "before")
    with served(fast) as address, following(fast, address) as events:
        assert json.loads(events.until("record")["data"])["text"] == "before"
        assert json.loads(events.until("release")["data"])["phase"] == "progressing"
        note(fast, "while")
        record = events.until("record")
        assert (json.loads(record["data"])["text"], record["id"]) == ("while", "2")
        move(fast, Phase.ROLLED_BACK)
        assert json.loads(events.until("release")["data"])["exit"] == "failed"
        assert events.next()["event"] == "end"
        assert events.next() == {}


def test_a_client_that_comes_back_gets_what_it_missed_and_nothing_twice(fast: Stage) -> None:
    fast.add_release()
    for text in ("one", "two", "three"):
        note(fast, text)
    move(fast, Phase.FAILED)
    with served(fast) as address, following(fast, address, **{"Last-Event-ID": "2"}) as events:
        first = events.until("record")
        assert json.loads(first["data"])["text"] == "three"
        events.until("end")


def test_a_silent_stream_beats(fast: Stage) -> None:
    fast.add_release()
    with served(fast) as address, following(fast, address) as events:
        events.until("release")
        fast.clock.advance(20)
        assert events.next() == {"comment": ": still here"}


def test_a_stream_outlives_a_store_that_is_away_for_a_while(fast: Stage) -> None:
    fast.add_release()
    with served(fast) as address, following(fast, address) as events:
        events.until("release")
        fast.break_store(Unavailable("the disk is away"))
        until(lambda: fast.store.raised >= 2)
        fast.mend_store()
        note(fast, "after")
        assert json.loads(events.until("record")["data"])["text"] == "after"


def test_a_stream_ends_when_its_token_is_revoked(fast: Stage) -> None:
    fast.add_release()
    with served(fast) as address, following(fast, address) as events:
        events.until("release")
        token = next(t for t in fast.store.tokens() if t.role == "viewer")
        assert fast.call("DELETE", f"/v1/tokens/{token.id}").status_code == 200
        fast.clock.advance(20)
        assert events.next() == {}


def test_streams_are_capped_and_a_closed_one_makes_room(fast: Stage) -> None:
    fast.add_release()
    streams = fast.app.state.context.streams
    with served(fast) as address:
        path, headers = f"{address}/v1/releases/shop-1/events", {"Authorization": f"Bearer {fast.tokens['viewer']}"}
        with following(fast, address) as one, following(fast, address) as two:
            one.until("release")
            two.until("release")
            refused = httpx.get(path, headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (503, "too_many_streams")
            assert refused.headers["retry-after"]
        note(fast, "wake the streams, so that they see the closed sockets")
        until(lambda: streams.clients == 0)
        with following(fast, address) as again:
            again.until("release")


def test_one_credential_cannot_take_the_streams_of_the_others(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.http.stream.CREDENTIAL_MAX", 1)
    stage.add_release()
    with served(stage) as address, following(stage, address) as one:
        one.until("release")
        refused = httpx.get(
            f"{address}/v1/releases/shop-1/events", headers={"Authorization": f"Bearer {stage.tokens['viewer']}"}
        )
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
        with following(stage, address, Authorization=f"Bearer {stage.tokens['admin']}") as other:
            other.until("release")


def test_a_last_event_id_that_is_no_number_is_refused(stage: Stage) -> None:
    stage.add_release()
    answer = stage.call("GET", "/v1/releases/shop-1/events", headers={"Last-Event-ID": "abc"})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_last_event_id")


def test_a_taken_port_is_said_to_be_taken() -> None:
    taken = bind(Settings.model_validate({"port": 0}))
    with taken, pytest.raises(CannotListen, match=r"Address already in use.*--port"):
        bind(Settings.model_validate({"port": taken.getsockname()[1]}))


def test_small_answers_wait_for_no_acknowledgement() -> None:
    """asyncio switches Nagle's algorithm off only for sockets that name their protocol; else answers take 40 ms."""
    with bind(Settings.model_validate({"port": 0})) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_a_host_that_does_not_exist_is_said_not_to_exist() -> None:
    with pytest.raises(CannotListen, match="cannot be used"):
        bind(Settings.model_validate({"host": "no.such.host.invalid", "insecure": True}))


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("left out: TLS on a real socket (needs the openssl command to make a certificate)")
    key, crt = tmp_path / "key.pem", tmp_path / "crt.pem"
    command = [
        openssl,
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "1",
    ]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        [*command, *names, "-keyout", str(key), "-out", str(crt)], check=True, capture_output=True, timeout=30
    )
    return crt, key


def test_tls_is_spoken_when_a_certificate_is_set(stage: Stage, certificate: tuple[Path, Path]) -> None:
    crt, key = certificate
    with served(stage, tlsCertificate=crt, tlsKey=key) as address:
        trusted = ssl.create_default_context(cafile=str(crt))
        with httpx.Client(verify=trusted) as client:
            answer = client.get(f"{address}/healthz")
        assert answer.status_code == 200
        assert "max-age" in answer.headers["strict-transport-security"]
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{address.replace('https', 'http')}/healthz")


def test_the_server_does_not_say_what_it_is(stage: Stage) -> None:
    with served(stage) as address:
        assert "server" not in httpx.get(f"{address}/healthz").headers


def test_a_client_that_stops_in_the_middle_of_its_body_leaves_no_trace(stage: Stage) -> None:
    with served(stage) as address:
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as raw:
            raw.sendall(b"POST /v1/kill-switch HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
        until(lambda: len(stage.logged("request")) == 1)
    assert stage.kills.state().engaged == ()
    assert not stage.logged("request_failed")
