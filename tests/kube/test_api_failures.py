"""What every failure of the wire and every answer means for a read, a write and a dry run."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.errors import Busy, Exists, Gone, Missing
from controller.adapters.kube.kinds import CONFIG_MAP, DEPLOYMENT, POD, SECRET
from controller.ports import Conflict, PortError, Refused, Unavailable, Unknown
from tests.kube.scripted import Heard, Script, Wire, certificate, client, scripted, serving, status

Calling = Callable[[KubeApi], object]

READS: dict[str, Calling] = {
    "get": lambda api: api.get(CONFIG_MAP, "shop", "a"),
    "list": lambda api: api.list(CONFIG_MAP, "shop"),
    "stream": lambda api: api.stream(CONFIG_MAP, "shop", "1", 1),
    "dry run": lambda api: api.patch(CONFIG_MAP, "shop", "a", {}, dry_run=True),
    "dry create": lambda api: api.create(CONFIG_MAP, "shop", {"metadata": {"name": "a"}}, dry_run=True),
}
WRITES: dict[str, Calling] = {
    "create": lambda api: api.create(CONFIG_MAP, "shop", {"metadata": {"name": "a"}}),
    "patch": lambda api: api.patch(CONFIG_MAP, "shop", "a", {"data": {"x": "1"}}),
    "json patch": lambda api: api.patch(CONFIG_MAP, "shop", "a", [{"op": "test", "path": "/a", "value": 1}]),
    "delete": lambda api: api.delete(CONFIG_MAP, "shop", "a"),
}
ALL = READS | WRITES


def failing(tmp_path: Path, script: Script, call: Calling) -> PortError:
    with scripted(script) as server, client(tmp_path, server.url) as api, pytest.raises(PortError) as caught:
        call(api)
    return caught.value


def hang(_heard: Heard, wire: Wire) -> None:
    wire.hang()


def reset(_heard: Heard, wire: Wire) -> None:
    wire.reset()


def end(_heard: Heard, wire: Wire) -> None:
    wire.close()


def half(_heard: Heard, wire: Wire) -> None:
    wire.send(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"kind"')
    wire.close()


def noise(_heard: Heard, wire: Wire) -> None:
    wire.send(b"\x15\x03\x01 this is no HTTP\r\n\r\n")
    wire.close()


def page(_heard: Heard, wire: Wire) -> None:
    wire.answer(200, b"<html>Please log in</html>")


def array(_heard: Heard, wire: Wire) -> None:
    wire.answer(200, [1, 2])


def not_a_number(_heard: Heard, wire: Wire) -> None:
    wire.answer(200, b'{"a": NaN}')


def nested(_heard: Heard, wire: Wire) -> None:
    wire.answer(200, b"[" * 200_000)


BROKEN = [hang, reset, end, half, noise]
UNREADABLE = [page, array, not_a_number, nested]


@pytest.mark.parametrize("script", BROKEN)
@pytest.mark.parametrize("call", WRITES)
def test_a_write_that_was_sent_and_not_answered_is_unknown(tmp_path: Path, call: str, script: Script) -> None:
    error = failing(tmp_path, script, WRITES[call])
    assert isinstance(error, Unknown)
    assert "may have been applied" in str(error)


@pytest.mark.parametrize("script", BROKEN)
@pytest.mark.parametrize("call", [name for name in READS if name != "stream"])
def test_a_read_or_dry_run_that_is_not_answered_is_unavailable(tmp_path: Path, call: str, script: Script) -> None:
    assert isinstance(failing(tmp_path, script, READS[call]), Unavailable)


@pytest.mark.parametrize("script", UNREADABLE)
@pytest.mark.parametrize("call", WRITES)
def test_a_write_whose_answer_cannot_be_read_is_unknown(tmp_path: Path, call: str, script: Script) -> None:
    assert isinstance(failing(tmp_path, script, WRITES[call]), Unknown)


@pytest.mark.parametrize("script", UNREADABLE)
def test_a_read_whose_answer_cannot_be_read_is_unavailable(tmp_path: Path, script: Script) -> None:
    assert isinstance(failing(tmp_path, script, READS["get"]), Unavailable)


@pytest.mark.parametrize("call", ALL)
def test_whatever_was_refused_a_connection_was_surely_not_done(tmp_path: Path, call: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with client(tmp_path, f"http://127.0.0.1:{port}") as api, pytest.raises(Unavailable, match="Connection refused"):
        ALL[call](api)


@pytest.mark.parametrize("call", ALL)
def test_whatever_finds_no_host_was_surely_not_done(tmp_path: Path, call: str) -> None:
    with client(tmp_path, "https://no.such.host.invalid") as api, pytest.raises(Unavailable, match="reached"):
        ALL[call](api)


def talk(wire: Wire) -> None:
    wire.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    wire.hang(0.6)


SPOILERS: list[Callable[[Wire], None]] = [Wire.reset, Wire.close, Wire.hang, talk]


@pytest.mark.parametrize("spoil", SPOILERS)
@pytest.mark.parametrize("call", ALL)
def test_a_handshake_that_fails_was_before_anything_was_sent(
    tmp_path: Path, call: str, spoil: Callable[[Wire], None]
) -> None:
    """A load balancer without a server behind it takes the connection and drops it: no write is in doubt."""
    with (
        scripted(page, spoil=spoil) as server,
        client(tmp_path, server.url.replace("http", "https"), connect_s=0.3) as api,
        pytest.raises(Unavailable, match="cannot be reached"),
    ):
        ALL[call](api)


@pytest.mark.parametrize("call", ["get", "patch"])
def test_a_certificate_that_nobody_vouches_for_is_said_to_be_that(tmp_path: Path, call: str) -> None:
    with (
        scripted(page, serving(*certificate(tmp_path))) as server,
        client(tmp_path, server.url) as api,
        pytest.raises(Unavailable, match="its certificate is not trusted: self-signed certificate"),
    ):
        ALL[call](api)
    assert server.heard == []


ANSWERS: list[tuple[int, Any, type[PortError], type[PortError]]] = [
    (400, status(400, "BadRequest", "cannot be handled"), Refused, Refused),
    (401, status(401, "Unauthorized", "Unauthorized"), Unavailable, Unavailable),
    (403, status(403, "Forbidden", "is forbidden"), Refused, Refused),
    (404, status(404, "NotFound", "not found", name="a"), Missing, Missing),
    (404, b"404 page not found", Missing, Missing),
    (405, status(405, "MethodNotAllowed", "no such method"), Refused, Refused),
    (409, status(409, "AlreadyExists", "already exists"), Exists, Exists),
    (409, status(409, "Conflict", "has been modified"), Conflict, Conflict),
    (412, status(412, "Conflict", "precondition failed"), Conflict, Conflict),
    (413, status(413, "RequestEntityTooLarge", "too large"), Refused, Refused),
    (415, status(415, "UnsupportedMediaType", "no such patch"), Refused, Refused),
    (429, b"Too many requests, please try again later.", Busy, Busy),
    (503, status(503, "ServiceUnavailable", "the server is starting"), Busy, Busy),
    (503, b"upstream connect error or disconnect/reset before headers", Unavailable, Unknown),
    (408, b"", Unavailable, Unknown),
    (500, status(500, "InternalError", "etcdserver: leader changed"), Unavailable, Unknown),
    (500, status(500, "ServerTimeout", "try again"), Unavailable, Unknown),
    (502, b"<html>bad gateway</html>", Unavailable, Unknown),
    (504, status(504, "Timeout", "request did not complete"), Unavailable, Unknown),
    (302, b"", Refused, Refused),
    (101, b"", Unavailable, Unknown),
]


@pytest.mark.parametrize(("code", "told", "read", "written"), ANSWERS)
def test_each_answer_says_whether_it_was_done(
    tmp_path: Path, code: int, told: Any, read: type[PortError], written: type[PortError]
) -> None:
    def script(_heard: Heard, wire: Wire) -> None:
        wire.answer(code, told)
        wire.close()

    for calls, expected in ((READS, read), (WRITES, written)):
        for call in calls.values():
            assert type(failing(tmp_path, script, call)) is expected


@pytest.mark.parametrize("call", ALL)
def test_a_proxys_503_that_names_a_time_says_when_to_read_again_and_nothing_about_a_write(
    tmp_path: Path, call: str
) -> None:
    error = failing(tmp_path, lambda _, wire: wire.answer(503, b"draining", Retry_After="7"), ALL[call])
    if call in WRITES:
        assert isinstance(error, Unknown)
        assert "may have been applied" in str(error)
    else:
        assert isinstance(error, Busy)
        assert error.retry_after_s == 7.0


def test_the_servers_own_503_was_not_done_and_says_when_to_come_again(tmp_path: Path) -> None:
    own = status(503, "ServiceUnavailable", "the server is starting")
    error = failing(tmp_path, lambda _, wire: wire.answer(503, own, Retry_After="7"), WRITES["patch"])
    assert isinstance(error, Busy)
    assert error.retry_after_s == 7.0


@pytest.mark.parametrize(("header", "seconds"), [("3", 3.0), ("86400", 60.0), ("soon", 1.0), ("-5", 1.0), ("", 1.0)])
def test_how_long_the_server_wants_us_to_wait_is_bounded(tmp_path: Path, header: str, seconds: float) -> None:
    error = failing(tmp_path, lambda _, wire: wire.answer(429, b"", Retry_After=header), WRITES["patch"])
    assert isinstance(error, Busy)
    assert error.retry_after_s == seconds


def test_a_test_that_fails_in_a_json_patch_is_a_conflict_and_an_invalid_object_is_refused(tmp_path: Path) -> None:
    bare = status(422, "Invalid", "the server rejected our request due to an error in our request")
    full = status(422, "Invalid", "weight too large", causes=[{"field": "spec.rules[0]", "message": "too large"}])
    assert isinstance(failing(tmp_path, lambda _, wire: wire.answer(422, bare), WRITES["json patch"]), Conflict)
    assert isinstance(failing(tmp_path, lambda _, wire: wire.answer(422, full), WRITES["json patch"]), Refused)
    assert isinstance(failing(tmp_path, lambda _, wire: wire.answer(422, bare), WRITES["patch"]), Refused)


def test_a_dropped_list_version_is_told_apart(tmp_path: Path) -> None:
    gone = status(410, "Expired", "The resourceVersion for the provided list is too old")
    assert isinstance(failing(tmp_path, lambda _, wire: wire.answer(410, gone), READS["stream"]), Gone)


@pytest.mark.parametrize("call", ["get", "patch"])
def test_a_refusal_whose_text_never_comes_is_still_a_refusal(tmp_path: Path, call: str) -> None:
    def script(_heard: Heard, wire: Wire) -> None:
        wire.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 50\r\n\r\nhalf")
        wire.close()

    assert isinstance(failing(tmp_path, script, ALL[call]), Refused)


def test_a_refusal_by_rbac_names_the_role_that_is_missing(tmp_path: Path) -> None:
    said = 'deployments.apps "shop" is forbidden: User "system:serviceaccount:interlock:interlock" cannot patch '
    said += 'resource "deployments/scale" in API group "apps" in the namespace "shop"'

    def call(api: KubeApi) -> object:
        return api.patch(DEPLOYMENT, "shop", "shop", {}, subresource="scale")

    error = failing(tmp_path, lambda _, wire: wire.answer(403, status(403, "Forbidden", said)), call)
    assert 'A Role must allow patch on deployments/scale in apiGroup "apps" in namespace shop' in str(error)


def test_a_refusal_by_a_webhook_gives_its_reason_and_no_advice_about_roles(tmp_path: Path) -> None:
    said = 'admission webhook "policy.example.com" denied the request:\n images must be signed'
    error = failing(tmp_path, lambda _, wire: wire.answer(403, status(403, "Forbidden", said)), WRITES["patch"])
    assert "denied the request: images must be signed" in str(error)
    assert "Role" not in str(error)


def test_a_long_message_with_control_characters_becomes_one_short_line(tmp_path: Path) -> None:
    said = "first\x1b[31m\nsecond\t" + "x" * 10_000
    error = failing(tmp_path, lambda _, wire: wire.answer(400, status(400, "BadRequest", said)), WRITES["patch"])
    assert str(error).startswith("patch configmaps shop/a: first [31m second xxx")
    assert str(error).isprintable()
    assert len(str(error)) < 500


def test_nothing_of_a_secret_is_told(tmp_path: Path) -> None:
    said = 'Secret "s" is invalid: data[key]: Invalid value: "hunter2"'
    told = status(422, "Invalid", said, causes=[{"field": "data[key]", "message": 'Invalid value: "hunter2"'}])

    def call(api: KubeApi) -> object:
        return api.create(SECRET, "shop", {"metadata": {"name": "s"}, "data": {"key": "hunter2"}})

    error = failing(tmp_path, lambda _, wire: wire.answer(422, told), call)
    assert "hunter2" not in str(error)
    assert "answered 422 Invalid data[key]" in str(error)


def test_what_a_decoder_quotes_of_an_object_is_left_out(tmp_path: Path) -> None:
    place = "#" + "10"
    said = f"json: cannot unmarshal string, error found in {place} byte of ...|PASSWORD=hunter2|..., bigger context"
    error = failing(tmp_path, lambda _, wire: wire.answer(400, status(400, "BadRequest", said)), WRITES["patch"])
    assert "hunter2" not in str(error)
    assert "cannot unmarshal string" in str(error)


def test_a_token_is_in_no_error(tmp_path: Path) -> None:
    token = "a-very-secret-token"

    def echo(heard: Heard, wire: Wire) -> None:
        wire.answer(500, heard.headers)

    for script in (*BROKEN, *UNREADABLE, echo):
        with scripted(script) as server, client(tmp_path, server.url, token=token) as api:
            with pytest.raises(PortError) as caught:
                api.get(POD, "shop", "a")
            assert server.heard[0].headers["authorization"] == f"Bearer {token}"
        error: BaseException | None = caught.value
        while error is not None:
            assert token not in str(error)
            error = error.__cause__


def test_the_time_is_what_was_set_and_not_a_multiple(tmp_path: Path) -> None:
    """The client's HTTP library would try a read four times, each with its own time-out."""
    started = time.perf_counter()
    with scripted(hang) as server, client(tmp_path, server.url, read_s=0.4) as api:
        with pytest.raises(Unavailable):
            api.get(CONFIG_MAP, "shop", "a")
        assert time.perf_counter() - started < 1.5
        assert len(server.heard) == 1
