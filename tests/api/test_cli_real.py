"""The command line against the real HTTP door on a socket, and `interlock serve` as a process."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from typer.testing import CliRunner, Result

from api.cli.exits import Exit
from api.cli.logs import LINES_MAX, lines_to
from api.cli.main import build
from api.cli.pace import RealPace
from api.cli.session import Parts
from controller.core.model import Phase, Reason
from controller.ports import Commit, Unavailable
from controller.spec import application_document
from tests.api.http_stage import Stage

DEADLINE_S = 20.0
START_S = 120.0
"""A start takes some three seconds of computing; on a machine that others load that may be a minute and more."""


@dataclass
class Door:
    """A stage behind a socket, and the command line with a token of a role."""

    stage: Stage
    url: str

    def run(self, *args: str, role: str = "admin", stdin: str | None = None) -> Result:
        env = {"INTERLOCK_URL": self.url, "INTERLOCK_TOKEN": self.stage.tokens[role]}
        parts = Parts(RealPace(), None, env, Path("/nonexistent/config.yaml"))
        return CliRunner().invoke(build(), list(args), input=stdin, obj=parts, catch_exceptions=False)


@pytest.fixture
def door(stage: Stage) -> Iterator[Door]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(stage.app, log_config=None, lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Door(stage, f"http://127.0.0.1:{listener.getsockname()[1]}")
        finally:
            server.should_exit = True
            thread.join(DEADLINE_S)


def test_a_deploy_goes_from_apply_to_explain_promote_pause_resume_and_abort(door: Door) -> None:
    app = door.stage.add_application()
    document = application_document(app)
    document["metrics"]["counters"] = [
        {"name": "errors", "total": ['total{version="$version"}'], "bad": ['bad{version="$version"}']}
    ]
    applied = door.run("apply", "-", stdin=json.dumps(document))
    assert applied.exit_code == 0, applied.output
    deployed = door.run("deploy", app.name, "v2")
    assert deployed.exit_code == 0, deployed.output
    [release] = door.stage.store.active(app.name)
    assert release.canary == "v2"
    assert door.run("explain", app.name).stdout.startswith(f"{app.name} v2")
    assert door.run("pause", app.name, "--reason", "looking").exit_code == 0
    assert door.run("resume", app.name).exit_code == 0
    assert door.run("promote", app.name).exit_code == Exit.REFUSED
    assert "v2" in door.run("status").stdout
    assert door.run("status", release.id, "--json").exit_code == 0
    assert door.run("deploy", app.name, "v3").exit_code == Exit.REFUSED
    assert door.run("abort", app.name).exit_code == 0
    assert door.stage.store.release(release.id).intent.kind.value == "abort"
    assert door.run("deploy", app.name, "v1").exit_code == 0


def test_the_stable_version_needs_no_deploy(door: Door) -> None:
    app = door.stage.add_application(stable="v1")
    assert door.run("deploy", app.name, "v1", "--wait").exit_code == Exit.DONE


def test_a_type_of_record_that_does_not_exist_is_a_usage_error_that_names_those_that_do(door: Door) -> None:
    result = door.run("audit", "list", "--type", "foo")
    assert result.exit_code == Exit.USAGE
    assert "'kill_engaged'" in result.stderr
    assert door.run("audit", "list", "--type", "kill_engaged").exit_code == Exit.DONE


def test_deploy_wait_follows_the_release_to_its_end(door: Door) -> None:
    app = door.stage.add_application()

    def roll_back() -> None:
        until_s = time.monotonic() + DEADLINE_S
        while time.monotonic() < until_s:
            for release in door.stage.store.inner.active(app.name):
                reason = Reason("harm", "too many errors")
                ended = replace(release, phase=Phase.ROLLED_BACK, reason=reason, cause=reason)
                door.stage.store.inner.commit(Commit(release=ended))
                return
            time.sleep(0.05)

    controller = threading.Thread(target=roll_back)
    controller.start()
    result = door.run("deploy", app.name, "v2", "--wait", "--timeout", "15s")
    controller.join(DEADLINE_S)
    assert result.exit_code == Exit.FAILED, result.output
    assert "was rolled back: too many errors" in result.stdout


def test_a_kill_over_an_application_reaches_its_route_and_refuses_the_next_deploy(door: Door) -> None:
    app = door.stage.add_application()
    killed = door.run("kill", f"application:{app.name}", "--reason", "drill")
    assert killed.exit_code == Exit.DONE, killed.output
    assert f"route:{app.name} effective" in killed.stdout
    assert door.run("deploy", app.name, "v2").exit_code == Exit.REFUSED
    status = door.run("kill-status", "--json")
    [kill] = json.loads(status.stdout)["items"]
    assert kill["reason"] == "drill"
    assert door.run("unkill", kill["id"], "--reason", "drill over").exit_code == 0
    assert "no kill is engaged" in door.run("kill-status").stdout
    assert door.run("deploy", app.name, "v2").exit_code == 0


def test_a_kill_over_a_name_that_does_not_exist_is_loud(door: Door) -> None:
    result = door.run("kill", "application:shpo")
    assert result.exit_code == Exit.USAGE
    assert "nothing was engaged" in result.stderr


def test_a_stop_works_while_the_store_is_away(door: Door) -> None:
    app = door.stage.add_application()
    release = door.stage.add_release(app=app)
    door.stage.last_seen[release.id] = release
    assert door.run("status").exit_code == 0
    door.stage.break_store(Unavailable("the disk is away"))
    aborted = door.run("abort", release.id)
    assert aborted.exit_code == 0, aborted.output
    assert "not written down yet" in aborted.stderr
    assert door.run("status").exit_code == Exit.UNREACHABLE


@pytest.mark.parametrize(
    ("role", "args", "expected"),
    [
        ("viewer", ("status",), Exit.DONE),
        ("viewer", ("deploy", "shop", "v2"), Exit.REFUSED),
        ("viewer", ("token", "list"), Exit.REFUSED),
        ("ci", ("applications", "delete", "shop"), Exit.REFUSED),
        ("admin", ("token", "list"), Exit.DONE),
        ("admin", ("audit", "list", "--type", "token_created"), Exit.DONE),
        ("admin", ("audit", "list", "--oldest-first", "--limit", "1"), Exit.DONE),
        ("admin", ("audit", "verify"), Exit.DONE),
        ("admin", ("applications", "get", "nope"), Exit.USAGE),
        ("admin", ("token", "revoke", "nope"), Exit.USAGE),
    ],
    ids=str,
)
def test_what_a_role_may_do_is_what_the_exit_code_says(
    door: Door, role: str, args: tuple[str, ...], expected: Exit
) -> None:
    result = door.run(*args, role=role)
    assert result.exit_code == expected, result.output


def test_a_token_is_made_used_rotated_and_revoked(door: Door) -> None:
    made = door.run("token", "create", "pipeline", "--role", "ci", "--expires", "1h", "--json")
    assert made.exit_code == 0, made.output
    answer = json.loads(made.stdout)
    door.stage.tokens["pipeline"] = answer["secret"]
    assert door.run("status", role="pipeline").exit_code == Exit.DONE
    rotated = door.run("token", "rotate", answer["token"]["id"])
    assert rotated.exit_code == 0, rotated.output
    assert door.run("status", role="pipeline").exit_code == Exit.REFUSED
    door.stage.tokens["pipeline"] = rotated.stdout.strip()
    assert door.run("status", role="pipeline").exit_code == Exit.DONE


def test_a_wrong_token_is_refused_and_no_token_says_where_to_put_one(door: Door) -> None:
    door.stage.tokens["wrong"] = "il_000000000000_" + "x" * 43
    assert door.run("status", role="wrong").exit_code == Exit.REFUSED
    door.stage.tokens["none"] = ""
    result = door.run("status", role="none")
    assert result.exit_code == Exit.REFUSED
    assert "INTERLOCK_TOKEN" in result.stderr


class Served:
    """`interlock serve` as a process of its own."""

    def __init__(self, directory: Path, *flags: str) -> None:
        self.out, self.err = directory / "out", directory / "err"
        command = [sys.executable, "-m", "api.cli", "serve", "--data-dir", str(directory / "data"), *flags]
        env = {name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")}
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(command, stdout=out, stderr=err, env=env)

    def url(self) -> str:
        until_s = time.monotonic() + START_S
        while time.monotonic() < until_s:
            for line in self.err.read_text().splitlines():
                if '"listening"' in line:
                    url: str = json.loads(line)["url"]
                    return url
            assert self.process.poll() is None, self.err.read_text()
            time.sleep(0.1)
        raise AssertionError(self.err.read_text())

    def stop(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)


Serve = Callable[..., Served]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts `interlock serve` on one data directory; what a failed test has left running ends with it."""
    started: list[Served] = []

    def start(*flags: str) -> Served:
        started.append(Served(tmp_path, *flags))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait(DEADLINE_S)


def answer_of(url: str, token: str) -> httpx.Response:
    return httpx.get(f"{url}/v1/releases", headers={"Authorization": f"Bearer {token}"}, timeout=5.0)


@pytest.mark.timeout(300)
def test_serve_prints_its_first_token_once_and_stops_cleanly(serve: Serve) -> None:
    first = serve("--port", "0")
    url = first.url()
    token = first.out.read_text().strip()
    assert answer_of(url, token).status_code == 200
    assert first.stop(signal.SIGTERM) == 0, first.err.read_text()
    second = serve("--port", "0")
    url = second.url()
    assert second.out.read_text() == ""
    assert answer_of(url, token).status_code == 200
    assert second.stop(signal.SIGINT) == 0, second.err.read_text()
    assert "Traceback" not in first.err.read_text() + second.err.read_text()
    assert token not in first.err.read_text() + second.err.read_text()


def test_a_start_that_fails_after_the_first_token_was_made_has_shown_it_and_says_why_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_self: object) -> None:
        raise Unavailable("the disk went away")

    monkeypatch.setattr("controller.runtime.directory.Directory.refresh", failing)
    args = ["serve", "--data-dir", str(tmp_path / "data"), "--port", "0"]
    result = CliRunner().invoke(build(), args, catch_exceptions=False)
    assert result.exit_code == Exit.FAILED
    assert result.stdout.startswith("il_")
    assert result.stderr.splitlines()[-1].endswith("the disk went away")
    assert "Traceback" not in result.stderr


@pytest.mark.timeout(300)
def test_whoever_holds_the_data_directory_can_make_an_admin_token_that_works_and_is_on_record(
    serve: Serve, tmp_path: Path
) -> None:
    first = serve("--port", "0")
    first.url()
    busy = refused(tmp_path, "--new-admin-token")
    assert (busy.returncode, busy.stdout) == (Exit.FAILED, "")
    assert "another interlock runs" in busy.stderr
    assert first.stop(signal.SIGTERM) == 0
    made = refused(tmp_path, "--new-admin-token")
    assert made.returncode == Exit.DONE, made.stderr
    second = serve("--port", "0")
    headers = {"Authorization": f"Bearer {made.stdout.strip()}"}
    audit = httpx.get(f"{second.url()}/v1/audit", params={"type": "token_created"}, headers=headers, timeout=5.0)
    assert second.stop(signal.SIGTERM) == 0
    assert "--new-admin-token" in audit.text


def refused(tmp_path: Path, *flags: str) -> Any:
    command = [sys.executable, "-m", "api.cli", "serve", "--data-dir", str(tmp_path / "data"), *flags]
    env = {name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")}
    return subprocess.run(command, capture_output=True, text=True, timeout=START_S, env=env, check=False)


@pytest.mark.timeout(300)
def test_a_port_in_use_is_one_clear_line_and_takes_no_lead(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = refused(tmp_path, "--port", str(taken.getsockname()[1]))
    assert done.returncode == Exit.FAILED
    assert done.stderr.count("\n") == 1
    assert "another with --port" in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("flags", "expected", "said"),
    [
        (("--port", "99999"), Exit.USAGE, "port"),
        (("--host", "0.0.0.0"), Exit.USAGE, "TLS"),
        (("--config", "/no/such/file"), Exit.USAGE, "cannot be read"),
        (("--port", "0", "--tls-certificate", __file__, "--tls-key", __file__), Exit.FAILED, "TLS"),
    ],
    ids=["port", "open to all without TLS", "no file", "no certificate"],
)
def test_settings_that_cannot_be_used_are_said_in_one_line(
    tmp_path: Path, flags: tuple[str, ...], expected: Exit, said: str
) -> None:
    result = CliRunner().invoke(
        build(), ["serve", "--data-dir", str(tmp_path / "data"), *flags], catch_exceptions=False
    )
    assert result.exit_code == expected
    assert said in result.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.timeout(300)
def test_a_second_controller_on_the_same_data_is_refused(serve: Serve, tmp_path: Path) -> None:
    first = serve("--port", "0")
    first.url()
    done = refused(tmp_path, "--port", "0")
    assert first.stop(signal.SIGTERM) == 0
    assert done.returncode == Exit.FAILED
    assert "another interlock runs" in done.stderr


class Stuck(io.StringIO):
    """A stderr whose reader does not read: the first write waits until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def write(self, text: str) -> int:
        assert self.let_go.wait(DEADLINE_S)
        return super().write(text)


def test_a_log_that_nobody_reads_holds_nothing_up_and_loses_only_what_is_too_much() -> None:
    stuck = Stuck()
    with lines_to(stuck) as lines:
        for number in range(2 * LINES_MAX):
            lines.write(f"{number}\n")
        stuck.let_go.set()
    written = stuck.getvalue().splitlines()
    assert written[:3] == ["0", "1", "2"]
    assert LINES_MAX <= len(written) <= LINES_MAX + 1
