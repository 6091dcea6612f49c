"""Every exit code of the command line, one table: what the controller says, and what the shell sees."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.cli.exits import MEANINGS, Exit
from api.cli.session import Parts
from tests.api.cli_stub import (
    Answer,
    StubController,
    StubPace,
    Terminal,
    action,
    ok,
    page,
    problem,
    release_json,
    rolled_back,
    succeeded,
)

RELEASE = "/v1/releases/shop-0a1b2c3d4e"


def held_by(code: str) -> dict[str, Any]:
    return release_json("pending", step=-1, weight_pct=0, reason={"code": code, "text": code, "until": None})


ENDS: list[tuple[str, dict[str, Any], Exit]] = [
    ("succeeded", succeeded(), Exit.DONE),
    ("rolled back", rolled_back(), Exit.FAILED),
    ("failed before any weight", release_json("failed"), Exit.FAILED),
    ("superseded", rolled_back(superseded_by="shop-ffffffffff"), Exit.FAILED),
    ("paused", release_json("paused"), Exit.PAUSED),
    ("halted", release_json("halted"), Exit.HALTED),
    ("paused before the first weight", held_by("paused"), Exit.PAUSED),
    ("killed before the first weight", held_by("killed"), Exit.HALTED),
    ("still running at the time-out", release_json(), Exit.TIMED_OUT),
]


@pytest.mark.parametrize(("release", "expected"), [row[1:] for row in ENDS], ids=[row[0] for row in ENDS])
def test_deploy_wait_exits_with_the_outcome_of_the_release(release: dict[str, Any], expected: Exit) -> None:
    stub = StubController().on("POST", "/v1/releases", ok(action(release_json()), 202)).on("GET", RELEASE, ok(release))
    result = Terminal(stub).run("deploy", "shop", "1.4.2", "--wait", "--timeout", "10s")
    assert result.exit_code == expected, result.output


@pytest.mark.parametrize(
    ("version", "release", "expected"),
    [
        ("1.4.1", rolled_back(), Exit.DONE),
        ("1.4.1", release_json("failed"), Exit.DONE),
        ("1.4.2", rolled_back(), Exit.FAILED),
    ],
)
def test_deploying_the_stable_version_is_done_when_traffic_is_back_on_it(
    version: str, release: dict[str, Any], expected: Exit
) -> None:
    stub = StubController().on("POST", "/v1/releases", ok(action(release_json()), 202)).on("GET", RELEASE, ok(release))
    assert Terminal(stub).run("deploy", "shop", version, "--wait").exit_code == expected


REFUSALS: list[tuple[Answer, Exit]] = [
    (problem(423, "killed", "no deploy of shop: kill k-1 is engaged"), Exit.REFUSED),
    (problem(423, "frozen", "no deploy on a Sunday"), Exit.REFUSED),
    (problem(403, "forbidden", "the role viewer may not deploy"), Exit.REFUSED),
    (problem(401, "unauthenticated", "the token is not known"), Exit.REFUSED),
    (problem(409, "active_release", "shop-1 is progressing", release="shop-1"), Exit.REFUSED),
    (problem(409, "approval_required", "it waits for an approval"), Exit.HELD),
    (problem(409, "conflict", "shop keeps changing: try again"), Exit.FAILED),
    (problem(404, "unknown_application", "there is no application 'shop'"), Exit.USAGE),
    (problem(422, "invalid_version", "a version is 1 to 255 of ..."), Exit.USAGE),
    (problem(413, "too_large", "the body is too large"), Exit.USAGE),
    (problem(429, "rate_limited", "too many requests"), Exit.FAILED),
    (problem(500, "internal_error", "this is a bug of Interlock"), Exit.FAILED),
    (problem(503, "unavailable", "the store cannot be reached"), Exit.UNREACHABLE),
    (httpx.Response(502, html="<h1>Bad Gateway</h1>"), Exit.UNREACHABLE),
    (httpx.Response(200, html="<h1>It works!</h1>"), Exit.UNREACHABLE),
    (httpx.Response(302, headers={"Location": "https://login.example"}), Exit.UNREACHABLE),
    (httpx.ConnectError("[Errno 111] Connection refused"), Exit.UNREACHABLE),
    (httpx.ReadTimeout("slow"), Exit.UNREACHABLE),
    (ok({"release": {"id": "shop-1"}, "text": "", "durable": True}, 202), Exit.FAILED),
]


@pytest.mark.parametrize(("answer", "expected"), REFUSALS)
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_a_deploy_that_is_not_accepted_exits_by_the_reason_and_says_it(
    answer: Answer, expected: Exit, as_json: bool
) -> None:
    stub = StubController().on("POST", "/v1/releases", answer)
    result = Terminal(stub).run("deploy", "shop", "1.4.2", *(["--json"] if as_json else []))
    assert result.exit_code == expected, result.output
    assert result.stderr.startswith("interlock: ")
    if as_json:
        error = json.loads(result.stdout)["error"]
        assert error["exit_code"] == expected
        assert error["text"]
    else:
        assert result.stdout == ""


@pytest.mark.parametrize(
    "args",
    [
        ("deploy", "shop"),
        ("deploy", "shop", "1", "--no-such-flag"),
        ("no-such-command",),
        ("deploy", "shop", "1", "--wait", "--timeout", "soon"),
        ("deploy", "shop", "1", "--wait", "--timeout", "0s"),
        ("status", "--limit", "0"),
        ("status", "--url", "ftp://host"),
        ("status", "--url", "http://user:password@host"),
        ("status", "--url", "http://"),
        ("status", "--request-timeout", "0"),
        ("status", "--token-file", "/no/such/file"),
        ("status", "--ca-file", "/no/such/file"),
        ("apply", "/no/such/file"),
        ("unkill", "k-1"),
        ("unkill", "k-1", "--reason", " "),
        ("token", "create", "x", "--role", "king"),
        ("kill",),
        ("kill", "shop"),
        ("kill", "fleet"),
        ("kill", "everything:now"),
        ("kill", "application:shop", "--fleet"),
    ],
    ids=" ".join,
)
def test_a_command_written_wrongly_exits_2_and_asks_the_controller_nothing(args: tuple[str, ...]) -> None:
    stub = StubController()
    assert Terminal(stub).run(*args).exit_code == Exit.USAGE
    assert stub.seen == []


def test_ctrl_c_while_waiting_exits_130_and_says_that_the_release_goes_on() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    pace = StubPace()
    pace.at.append((3.0, interrupt))
    stub = StubController().on("POST", "/v1/releases", ok(action(release_json()), 202))
    stub.on("GET", RELEASE, ok(release_json()))
    result = Terminal(stub, pace).run("deploy", "shop", "1.4.2", "--wait")
    assert result.exit_code == Exit.INTERRUPTED
    assert "shop-0a1b2c3d4e goes on in the controller" in result.stdout
    assert "interlock abort shop-0a1b2c3d4e" in result.stderr
    assert [r.method for r in stub.seen if r.url.path.endswith("/abort")] == []


def test_ctrl_c_during_a_request_exits_130() -> None:
    def interrupted(_request: httpx.Request) -> httpx.Response:
        raise KeyboardInterrupt

    assert Terminal(StubController().on("GET", "/v1/releases", interrupted)).run("status").exit_code == 130


@pytest.mark.parametrize(
    ("effective", "expected"), [(True, Exit.DONE), (False, Exit.FAILED)], ids=["effective", "not effective"]
)
def test_kill_exits_0_only_when_all_of_it_is_effective(effective: bool, expected: Exit) -> None:
    state = "effective" if effective else "failed"
    answer = {
        "kill": {
            "id": "k-1",
            "verb": "revert",
            "scope": "application:shop",
            "actor": "eve",
            "at": "2026-11-21T11:58:00Z",
            "reason": "",
        },
        "effective": effective,
        "paths": [{"path": "memory", "state": "effective", "text": ""}, {"path": "route:shop", "state": state}],
    }
    stub = StubController().on("POST", "/v1/kill-switch", ok(answer, 201))
    assert Terminal(stub).run("kill", "application:shop").exit_code == expected


@pytest.mark.parametrize(("good", "expected"), [(True, Exit.DONE), (False, Exit.FAILED)], ids=["whole", "broken"])
def test_audit_verify_exits_by_the_chain(good: bool, expected: Exit) -> None:
    answer = {"ok": good, "records": 8, "head": "sha256:00", "trouble": "" if good else "record 9 was changed"}
    stub = StubController().on("GET", "/v1/audit/verify", ok(answer))
    result = Terminal(stub).run("audit", "verify")
    assert result.exit_code == expected
    assert ("is broken" in result.stdout) is not good


@pytest.mark.parametrize(("readable", "expected"), [(True, Exit.DONE), (False, Exit.FAILED)])
def test_kill_status_exits_1_when_the_switch_cannot_be_read(readable: bool, expected: Exit) -> None:
    answer: dict[str, Any] = {
        "items": [],
        "next": None,
        "readable": readable,
        "trouble": "" if readable else "the file is damaged",
    }
    stub = StubController().on("GET", "/v1/kill-switch", ok(answer))
    result = Terminal(stub).run("kill-status")
    assert result.exit_code == expected
    assert ("the file is damaged" in result.stderr) is not readable


def test_a_name_that_nothing_has_exits_2_and_says_where_to_look() -> None:
    stub = StubController().on("GET", "/v1/releases", page())
    stub.on("GET", "/v1/releases/nope", problem(404, "unknown_release", "there is no release 'nope'"))
    stub.on("GET", "/v1/applications/nope", problem(404, "unknown_application", "there is no application 'nope'"))
    result = Terminal(stub).run("explain", "nope")
    assert result.exit_code == Exit.USAGE
    assert "interlock applications" in result.stderr


def test_every_exit_code_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    for code in Exit:
        assert f"| {int(code)} |" in text, code
    assert set(MEANINGS) == set(Exit)


def test_parts_default_to_the_real_world() -> None:
    parts = Parts()
    assert parts.transport is None
    assert parts.output is None
    assert parts.env is os.environ
