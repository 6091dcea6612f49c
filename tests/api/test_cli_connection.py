"""How the command line finds the controller, which token it sends where, and what it repeats after a lost answer."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.cli.connection import DEFAULT_HOST, DEFAULT_PORT, DEFAULT_URL, Connection, Flags, connect
from api.client import Client, Endpoint, Misconfigured, Problem, Reply, Request, Unreachable
from controller.settings import Settings
from tests.api.cli_stub import START_S, Answer, StubController, StubPace, Terminal, ok, page, problem

POSIX = pytest.mark.skipif(os.name != "posix", reason="file permissions of POSIX")


def config(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_the_default_address_is_where_serve_listens_by_default() -> None:
    settings = Settings()
    assert (settings.host, settings.port) == (DEFAULT_HOST, DEFAULT_PORT)
    assert settings.url == DEFAULT_URL


@pytest.mark.parametrize(
    ("flag", "env", "text", "expected"),
    [
        ("https://flag", {"INTERLOCK_URL": "https://env"}, "url: https://file", "https://flag"),
        (None, {"INTERLOCK_URL": "https://env/"}, "url: https://file", "https://env"),
        (None, {}, "url: https://file", "https://file"),
        (None, {}, "", DEFAULT_URL),
    ],
)
def test_flags_win_over_the_environment_and_that_over_the_file(
    tmp_path: Path, flag: str | None, env: dict[str, str], text: str, expected: str
) -> None:
    assert connect(Flags(url=flag), env, config(tmp_path, text)).endpoint.url == expected


def token_of(tmp_path: Path, flags: Flags, env: dict[str, str], text: str) -> str:
    return connect(flags, env, config(tmp_path, text)).endpoint.token


def test_the_token_comes_from_the_nearest_source(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for file in (one, two):
        file.write_text(f"{file.name}\n")
        file.chmod(0o600)
    text = "token: file"
    both = {"INTERLOCK_TOKEN": "env", "INTERLOCK_TOKEN_FILE": str(two)}
    assert token_of(tmp_path, Flags(token_file=str(one)), both, text) == "one"
    assert token_of(tmp_path, Flags(), both, text) == "env"
    assert token_of(tmp_path, Flags(), {"INTERLOCK_TOKEN_FILE": str(two)}, text) == "two"
    assert token_of(tmp_path, Flags(), {}, text) == "file"
    assert token_of(tmp_path, Flags(), {}, f"token_file: {one}") == "one"


def test_the_files_token_is_never_sent_to_another_address(tmp_path: Path) -> None:
    text = "url: https://mine\ntoken: secret"
    assert token_of(tmp_path, Flags(), {}, text) == "secret"
    assert token_of(tmp_path, Flags(url="https://mine/"), {}, text) == "secret"
    assert token_of(tmp_path, Flags(url="https://other"), {}, text) == ""
    assert token_of(tmp_path, Flags(), {"INTERLOCK_URL": "https://other"}, text) == ""


@POSIX
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622])
def test_a_config_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(Misconfigured, match="chmod 600"):
        connect(Flags(), {}, config(tmp_path, "token: x", mode))


@POSIX
def test_a_token_file_that_others_may_read_is_used_with_a_warning_because_mounted_secrets_are_so(
    tmp_path: Path,
) -> None:
    file = tmp_path / "token"
    file.write_text("x")
    file.chmod(0o644)
    connection = connect(Flags(token_file=str(file)), {}, tmp_path / "none")
    assert "chmod 600" in connection.warnings[0]


def test_a_token_over_plain_http_beyond_this_machine_is_warned_of(tmp_path: Path) -> None:
    def warned(url: str) -> Connection:
        return connect(Flags(url=url), {"INTERLOCK_TOKEN": "x"}, tmp_path / "none")

    assert "unencrypted" in warned("http://controller.example:8460").warnings[0]
    assert warned("http://localhost:8460").warnings == ()
    assert warned("https://controller.example").warnings == ()


@pytest.mark.parametrize("text", ["- a", "url: [x]", "password: x", "url: {", "url: 7", "x" * 70_000])
def test_a_config_file_that_is_none_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    with pytest.raises(Misconfigured, match=r"config\.yaml"):
        connect(Flags(), {}, config(tmp_path, text))


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "żółw", "tab\there"])
def test_a_token_that_cannot_be_one_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        Client(Endpoint("http://127.0.0.1:1", token), StubPace().wait, StubPace().monotonic_s)
    assert token not in str(caught.value)


def test_the_token_is_in_no_representation_and_in_no_message() -> None:
    assert "secret" not in repr(Endpoint("http://127.0.0.1:1", "secret"))
    stub = StubController().on("GET", "/v1/releases", httpx.ReadError("broken"))
    result = Terminal(stub).run("status")
    assert "il_000000000000_secret" not in result.output


def client_of(stub: StubController, pace: StubPace | None = None) -> Client:
    pace = pace or StubPace()
    return Client(Endpoint("http://127.0.0.1:1", "t"), pace.wait, pace.monotonic_s, transport=httpx.MockTransport(stub))


REFUSED: Answer = httpx.ConnectError("refused")
LOST: Answer = httpx.ReadError("reset")
BUSY = problem(409, "in_progress", "still being handled")
DOWN = problem(503, "unavailable", "the store is away")


@pytest.mark.parametrize(
    ("method", "repeatable", "answers", "sent"),
    [
        ("GET", True, (REFUSED, LOST, ok({})), 3),
        ("POST", True, (REFUSED, LOST, ok({})), 3),
        ("POST", True, (DOWN, BUSY, ok({})), 3),
        ("POST", False, (REFUSED, REFUSED, ok({})), 3),
    ],
)
def test_a_blip_is_ridden_out_where_sending_again_is_safe(
    method: str, repeatable: bool, answers: tuple[Answer, ...], sent: int
) -> None:
    stub = StubController().on(method, "/v1/x", *answers)
    reply = client_of(stub).call(
        Request(method, "/v1/x", body={}, headers={"Idempotency-Key": "k"}, repeatable=repeatable)
    )
    assert reply.status == 200
    assert len(stub.seen) == sent
    assert {request.headers["Idempotency-Key"] for request in stub.seen} == {"k"}


@pytest.mark.parametrize("answer", [LOST, DOWN])
def test_a_write_that_may_have_happened_is_never_repeated_where_twice_is_not_once(answer: Answer) -> None:
    stub = StubController().on("POST", "/v1/x", answer)
    with pytest.raises((Unreachable, Problem)):
        client_of(stub).call(Request("POST", "/v1/x", repeatable=False))
    assert len(stub.seen) == 1


def test_a_controller_that_stays_away_is_given_up_after_three_tries() -> None:
    pace = StubPace()
    stub = StubController().on("GET", "/v1/x", REFUSED)
    with pytest.raises(Unreachable, match="refused"):
        client_of(stub, pace).call(Request("GET", "/v1/x"))
    assert len(stub.seen) == 3
    assert pace.s < 2


def limited(after: str) -> httpx.Response:
    response = problem(429, "rate_limited", "slow down")
    return httpx.Response(429, content=response.content, headers=dict(response.headers) | {"Retry-After": after})


def test_a_short_rate_limit_is_waited_for_and_a_long_one_is_told() -> None:
    pace = StubPace()
    stub = StubController().on("GET", "/v1/x", limited("2"), ok({}))
    assert client_of(stub, pace).call(Request("GET", "/v1/x")).status == 200
    assert pace.waits == [2.0]
    with pytest.raises(Problem):
        client_of(StubController().on("GET", "/v1/x", limited("600"))).call(Request("GET", "/v1/x"))


def test_the_whole_deploy_is_one_release_when_the_first_answer_is_lost() -> None:
    stub = StubController().on("POST", "/v1/releases", LOST, problem(409, "active_release", "busy"))
    Terminal(stub).run("deploy", "shop", "2")
    keys = {request.headers["Idempotency-Key"] for request in stub.seen}
    assert len(stub.seen) == 2
    assert len(keys) == 1


def test_a_given_key_is_the_one_that_is_sent_and_an_unknown_outcome_names_it() -> None:
    stub = StubController().on("POST", "/v1/releases", LOST)
    result = Terminal(stub).run("deploy", "shop", "2", "--idempotency-key", "pipeline-77")
    assert {request.headers["Idempotency-Key"] for request in stub.seen} == {"pipeline-77"}
    assert "not known whether it was done" in result.stderr
    assert "--idempotency-key pipeline-77" in result.stderr


def test_the_controllers_clock_is_read_from_its_answers() -> None:
    dated = httpx.Response(200, json={}, headers={"Date": "Sat, 21 Nov 2026 12:00:00 GMT"})
    reply = client_of(StubController().on("GET", "/v1/x", dated)).call(Request("GET", "/v1/x"))
    assert reply == Reply(200, {}, START_S)


def test_an_answer_without_end_is_cut_off() -> None:
    def endless(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b"x" * (17 * 1024 * 1024))

    with pytest.raises(Unreachable):
        client_of(StubController().on("GET", "/v1/x", endless)).once(Request("GET", "/v1/x"))


def test_a_certificate_nobody_vouches_for_names_the_flag_that_helps() -> None:
    error = httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
    with pytest.raises(Unreachable, match="--ca-file"):
        client_of(StubController().on("GET", "/v1/x", error)).once(Request("GET", "/v1/x"))


def test_a_ca_file_that_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("not a certificate")
    with pytest.raises(Misconfigured, match=r"ca\.pem"):
        Client(Endpoint("https://x", ca_file=str(file)), StubPace().wait, StubPace().monotonic_s)


def test_certificates_are_verified_also_when_no_ca_file_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(httpx, "Client", lambda **given: seen.append(given["verify"]))
    for url in ("https://x", "http://127.0.0.1:1"):
        Client(Endpoint(url), StubPace().wait, StubPace().monotonic_s)
    assert [context.verify_mode for context in seen] == [ssl.CERT_REQUIRED, ssl.CERT_REQUIRED]
    assert all(context.check_hostname for context in seen)


def test_the_command_line_loads_no_server() -> None:
    code = "import sys, json, api.cli.main as m; m.build(); print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert "httpx" in loaded
    heavy = {"fastapi", "starlette", "sqlalchemy", "uvicorn", "pydantic", "apscheduler", "alembic", "prometheus_client"}
    assert loaded & heavy == set()


def test_it_runs_as_a_module_and_colours_nothing_in_a_pipe() -> None:
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "INTERLOCK_URL": "http://127.0.0.1:9"}
    asked = [sys.executable, "-m", "api.cli", "status"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=30, env=env, check=False)
    assert done.returncode == 5
    assert done.stderr.startswith("interlock: no connection to http://127.0.0.1:9")
    assert "\x1b" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_a_terminal_that_knows_only_ascii_gets_ascii() -> None:
    code = (
        "from tests.api.cli_stub import *\n"
        "from api.cli.main import build\n"
        "from api.cli.session import Parts\n"
        "stub = StubController().on('GET', '/v1/kill-switch', ok({'items': [], 'readable': True, 'trouble': ''}))\n"
        "parts = Parts(StubPace(), httpx.MockTransport(stub), {}, Path('/nonexistent/config.yaml'))\n"
        "build()(['kill-status'], obj=parts)\n"
    )
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, env=env, check=True)
    assert done.stdout.splitlines()[0] == "ok no kill is engaged"
    assert done.stdout.isascii()


def test_listing_nothing_says_what_to_do_next() -> None:
    stub = StubController().on("GET", "/v1/releases", page())
    assert "interlock deploy" in Terminal(stub).run("status").stdout


def test_the_address_and_the_token_may_stand_before_the_command_and_behind_it_they_win(tmp_path: Path) -> None:
    files = [tmp_path / "first", tmp_path / "second"]
    for file in files:
        file.write_text(f"il_{file.name}")
        file.chmod(0o600)
    stub = StubController().on("GET", "/v1/releases", page())
    before = ("--url", "http://127.0.0.1:1111", "--token-file", str(files[0]))
    Terminal(stub).run(*before, "status", "--json")
    Terminal(stub).run(*before, "status", "--json", "--url", "http://127.0.0.1:2222", "--token-file", str(files[1]))
    sent = [(request.url.port, request.headers["Authorization"]) for request in stub.seen]
    assert sent == [(1111, "Bearer il_first"), (2222, "Bearer il_second")]
