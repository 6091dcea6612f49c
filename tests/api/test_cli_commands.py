"""Each command: what it sends, and what it shows of the answer as text and as JSON."""

from __future__ import annotations

import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.cli.exits import Exit
from controller.settings import Settings
from tests.api.cli_stub import StubController, Terminal, action, ok, page, problem, release_json, rolled_back

ID = "shop-0a1b2c3d4e"
RELEASE = f"/v1/releases/{ID}"
KILL = {
    "id": "k-1",
    "verb": "revert",
    "scope": "application:shop",
    "actor": "eve",
    "at": "2026-11-21T11:58:00Z",
    "reason": "it burns",
}
TOKEN = {
    "id": "1a2b3c",
    "name": "gh",
    "role": "ci",
    "state": "active",
    "created_at": "2026-11-21T11:58:00Z",
    "expires_at": None,
    "revoked_at": None,
}
APPLICATION = {
    "name": "shop",
    "environment": "production",
    "stable_version": "1.4.1",
    "revision": 3,
    "active_release": ID,
    "spec": {"name": "shop"},
}
KEY = re.compile(r"[0-9a-f]{32}")


@pytest.mark.parametrize(
    ("args", "method", "path", "body"),
    [
        (
            ("deploy", "shop", "2"),
            "POST",
            "/v1/releases",
            {"application": "shop", "version": "2", "replace": False},
        ),
        (
            ("deploy", "shop", "2", "--replace"),
            "POST",
            "/v1/releases",
            {"application": "shop", "version": "2", "replace": True},
        ),
        (("promote", ID), "POST", f"{RELEASE}/promote", {"full": False, "step": 1, "reason": ""}),
        (
            ("promote", ID, "--full", "--reason", "checked"),
            "POST",
            f"{RELEASE}/promote",
            {"full": True, "step": 1, "reason": "checked"},
        ),
        (("resume", ID), "POST", f"{RELEASE}/resume", {"reason": ""}),
        (("retry", ID), "POST", f"{RELEASE}/retry", None),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_a_change_is_sent_once_under_a_fresh_key_and_its_answer_is_shown(
    args: tuple[str, ...], method: str, path: str, body: Any, as_json: bool
) -> None:
    answer = action(release_json(), "it is recorded")
    stub = StubController().on("GET", RELEASE, ok(release_json())).on(method, path, ok(answer, 202))
    result = Terminal(stub).run(*args, *(["--json"] if as_json else []))
    assert result.exit_code == 0, result.output
    sent = [request for request in stub.seen if request.method == method]
    assert len(sent) == 1
    assert KEY.fullmatch(sent[0].headers["Idempotency-Key"])
    assert sent[0].headers["Authorization"] == "Bearer il_000000000000_secret"
    if body is not None:
        assert stub.bodies(method, path) == [body]
    if as_json:
        assert json.loads(result.stdout) == answer
    else:
        assert "✓ it is recorded" in result.stdout


@pytest.mark.parametrize("verb", ["abort", "pause"])
def test_a_stop_is_sent_to_the_id_at_once_without_looking_anything_up(verb: str) -> None:
    stub = StubController().on("POST", f"{RELEASE}/{verb}", ok(action(release_json(), "recorded"), 202))
    assert Terminal(stub).run(verb, ID, "--reason", "odd").exit_code == 0
    assert [(request.method, request.url.path) for request in stub.seen] == [("POST", f"{RELEASE}/{verb}")]


def test_a_stop_by_application_goes_to_its_newest_release() -> None:
    unknown = problem(404, "unknown_release", "there is no release 'shop'")
    stub = StubController().on("POST", f"{RELEASE}/abort", ok(action(release_json(), "recorded"), 202))
    stub.on("POST", "/v1/releases/shop/abort", unknown).on("GET", "/v1/releases/shop", unknown)
    stub.on("GET", "/v1/releases", page(release_json()))
    result = Terminal(stub).run("abort", "shop")
    assert result.exit_code == 0, result.output
    assert stub.seen[-1].url.path == f"{RELEASE}/abort"


def test_an_abort_that_could_not_be_written_down_says_so() -> None:
    answer = action(release_json(), "traffic was sent back", durable=False)
    result = Terminal(StubController().on("POST", f"{RELEASE}/abort", ok(answer, 202))).run("abort", ID)
    assert result.exit_code == 0
    assert "not written down yet" in result.stderr


def test_deploying_what_stable_already_runs_is_done_for_a_pipeline_that_runs_twice() -> None:
    stub = StubController().on("POST", "/v1/releases", problem(409, "already_stable", "shop already runs 2"))
    result = Terminal(stub).run("deploy", "shop", "2", "--wait")
    assert result.exit_code == Exit.DONE
    assert "nothing to do" in result.stdout
    event = json.loads(Terminal(stub).run("deploy", "shop", "2", "--json").stdout)
    assert (event["outcome"], event["exit_code"]) == ("already_stable", 0)


def test_a_refusal_names_the_release_that_is_in_the_way_and_what_to_type() -> None:
    stub = StubController().on("POST", "/v1/releases", problem(409, "active_release", "busy", release="shop-9"))
    result = Terminal(stub).run("deploy", "shop", "2")
    assert "interlock watch shop-9" in result.stderr
    assert "interlock abort shop-9" in result.stderr


def test_every_mistake_in_a_document_is_listed() -> None:
    answer = json.loads(problem(422, "invalid_application", "correct what errors lists").content)
    answer["errors"] = [{"field": "canary.steps", "text": "must rise"}, {"field": "router", "text": "is missing"}]
    stub = StubController().on("PUT", "/v1/applications/shop", httpx.Response(422, json=answer))
    result = Terminal(stub).run("apply", "-", stdin="name: shop\n")
    assert result.exit_code == Exit.USAGE
    assert "canary.steps: must rise" in result.stderr
    assert "router: is missing" in result.stderr


def test_apply_sends_the_document_and_the_revision_it_was_based_on(tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text("name: shop\ncanary: {steps: [1, 5]}\n")
    stub = StubController().on("PUT", "/v1/applications/shop", ok(APPLICATION))
    result = Terminal(stub).run("apply", str(file), "--revision", "2")
    assert result.exit_code == 0, result.output
    assert stub.bodies("PUT", "/v1/applications/shop") == [{"name": "shop", "canary": {"steps": [1, 5]}}]
    assert stub.seen[0].headers["If-Match"] == '"2"'
    assert "revision 3" in result.stdout
    assert f"{ID} is running and keeps what it started with" in result.stderr


@pytest.mark.parametrize(
    "text", ["", "just text", "- a\n- b\n", "a: [", "environment: x\n", "name: 7\n", "name: a\nname: b\n", "x" * 70_000]
)
def test_a_file_that_is_no_application_document_is_refused_before_anything_is_sent(text: str) -> None:
    stub = StubController()
    assert Terminal(stub).run("apply", "-", stdin=text).exit_code == Exit.USAGE
    assert stub.seen == []


def test_applications_lists_by_default_gets_and_deletes() -> None:
    stub = StubController().on("GET", "/v1/applications", page(APPLICATION, more="shop"))
    stub.on("GET", "/v1/applications/shop", ok(APPLICATION))
    stub.on("DELETE", "/v1/applications/shop", httpx.Response(204))
    terminal = Terminal(stub)
    listed = terminal.run("applications")
    assert "1.4.1" in listed.stdout
    assert "--after shop" in listed.stderr
    assert json.loads(terminal.run("applications", "--json").stdout)["items"] == [APPLICATION]
    assert json.loads(terminal.run("applications", "get", "shop").stdout) == {"name": "shop"}
    deleted = terminal.run("applications", "delete", "shop")
    assert "shop is deleted" in deleted.stdout
    assert "its instances go on running, and nobody looks after them any more" in deleted.stderr
    assert json.loads(terminal.run("applications", "delete", "shop", "--json").stdout)["deleted"] is True


def test_a_forecast_says_what_can_be_found_what_was_learned_and_what_stops_a_start() -> None:
    learned = {"errors": 2.5, "latency": 1.1, "pods": 12, "windows": 36, "made_at": "x", "proposal": "more is needed"}
    told = {"text": "At 20 requests a second ...", "start_trouble": "no such series", "calibration": learned}
    terminal = Terminal(StubController().on("GET", "/v1/applications/shop/forecast", ok(told)))
    said = terminal.run("forecast", "shop")
    assert "At 20 requests a second" in said.stdout
    assert "a release would not start now: no such series" in said.stdout
    assert "12 of stable's own" in said.stderr
    assert "more is needed" in said.stderr
    assert json.loads(terminal.run("forecast", "shop", "--json").stdout) == told


@pytest.mark.parametrize(
    ("args", "body"),
    [
        (("application:shop",), {"scope": "application:shop", "verb": "revert", "reason": ""}),
        (("environment:prod",), {"scope": "environment:production", "verb": "revert", "reason": ""}),
        (("--fleet", "--halt"), {"scope": "fleet", "verb": "halt", "reason": ""}),
        (("fleet", "--fleet"), {"scope": "fleet", "verb": "revert", "reason": ""}),
        (("release:shop-1", "--reason", "x"), {"scope": "release:shop-1", "verb": "revert", "reason": "x"}),
    ],
)
def test_kill_sends_the_scope_and_reverts_unless_told_to_halt(args: tuple[str, ...], body: dict[str, str]) -> None:
    answer = {"kill": KILL, "effective": True, "paths": []}
    stub = StubController().on("POST", "/v1/kill-switch", ok(answer))
    assert Terminal(stub).run("kill", *args).exit_code == 0
    assert stub.bodies("POST", "/v1/kill-switch") == [body]


def test_kill_shows_the_honest_answer_of_every_path() -> None:
    paths = [
        {"path": "memory", "state": "effective", "text": ""},
        {"path": "route:shop", "state": "failed", "text": "the guard does not answer"},
        {"path": "route:cart", "state": "pending", "text": "still trying"},
    ]
    stub = StubController().on("POST", "/v1/kill-switch", ok({"kill": KILL, "effective": False, "paths": paths}, 202))
    result = Terminal(stub).run("kill", "application:shop")
    assert result.exit_code == Exit.FAILED
    for line in ("✓ memory effective", "✗ route:shop failed: the guard does not answer", "✗ route:cart pending"):
        assert line in result.stdout
    assert "NOT fully effective" in result.stdout
    assert "interlock unkill k-1" in result.stderr
    as_json = Terminal(stub).run("kill", "application:shop", "--json")
    assert as_json.exit_code == Exit.FAILED
    assert json.loads(as_json.stdout)["paths"] == paths


def test_a_kill_without_an_answer_is_pressed_again_and_then_tells_the_way_without_the_controller() -> None:
    stub = StubController().on("POST", "/v1/kill-switch", httpx.ReadError("reset"))
    result = Terminal(stub).run("kill", "application:shop")
    assert result.exit_code == Exit.UNREACHABLE
    assert len(stub.seen) == 3
    assert "HALT" in result.stderr
    assert "twice" in result.stderr


def test_kill_status_and_unkill() -> None:
    stub = StubController().on("GET", "/v1/kill-switch", ok({"items": [KILL], "readable": True, "trouble": ""}))
    released = {"kill": KILL, "released_by": "eve", "text": "kill k-1 over application:shop is released; no other"}
    stub.on("POST", "/v1/kill-switch/k-1/release", ok(released))
    terminal = Terminal(stub)
    assert "application:shop" in terminal.run("kill-status").stdout
    said = terminal.run("unkill", "k-1", "--reason", "mended").stdout
    assert said == "✓ kill k-1 over application:shop is released; no other\n"
    assert stub.bodies("POST", "/v1/kill-switch/k-1/release") == [{"reason": "mended"}]


@pytest.mark.parametrize(
    ("tested", "shown"),
    [
        (None, "the self-test has not run yet"),
        (
            {"at": "2026-11-21T11:58:00Z", "ok": True, "text": "memory, file in 3 ms"},
            "✓ self-test passed at 2026-11-21",
        ),
        ({"at": "2026-11-21T11:58:00Z", "ok": False, "text": "file: full"}, "✗ self-test FAILED at 2026-11-21"),
    ],
)
def test_kill_status_shows_the_newest_self_test(tested: dict[str, object] | None, shown: str) -> None:
    listed = {"items": [], "readable": True, "trouble": "", "self_test": tested}
    result = Terminal(StubController().on("GET", "/v1/kill-switch", ok(listed))).run("kill-status")
    assert shown in result.stdout
    failed = tested is not None and not tested["ok"]
    assert result.exit_code == (Exit.FAILED if failed else Exit.DONE)


def test_status_shows_an_engaged_kill_first_and_the_releases_below() -> None:
    stub = StubController().on("GET", "/v1/kill-switch", ok({"items": [KILL], "readable": True, "trouble": ""}))
    stub.on("GET", "/v1/releases", page(release_json(), rolled_back(id="shop-1"), more="shop-1"))
    lines = Terminal(stub).run("status").stdout.splitlines()
    assert lines[0].startswith("KILL k-1 (revert) over application:shop by eve since 2026-11-21 11:58:00 UTC")
    assert lines[2].split()[:3] == [ID, "1.4.2", "progressing,"]
    assert "rolled back" in lines[3]


def test_status_as_json_is_the_controllers_own_document() -> None:
    stub = StubController().on("GET", "/v1/releases", page(release_json())).on("GET", RELEASE, ok(release_json()))
    assert json.loads(Terminal(stub).run("status", "--json").stdout) == {"items": [release_json()], "next": None}
    assert json.loads(Terminal(stub).run("status", ID, "--json").stdout) == release_json()


def test_status_of_one_release_works_without_the_right_to_see_the_kill_switch() -> None:
    stub = StubController().on("GET", RELEASE, ok(release_json(wants=[{"role": "canary", "version": "1.4.2"}])))
    stub.on("GET", "/v1/kill-switch", problem(403, "forbidden", "no"))
    result = Terminal(stub).run("status", ID)
    assert result.exit_code == 0
    assert "904 canary requests in this step" in result.stdout
    assert "1.4.2 as canary" in result.stdout


def test_explain_prints_the_one_sentence() -> None:
    answer = {"release": ID, "phase": "progressing", "explain": "it bakes; 5s left.", "reason": {}, "left_s": 5.0}
    stub = StubController().on("GET", RELEASE, ok(release_json())).on("GET", f"{RELEASE}/explain", ok(answer))
    assert Terminal(stub).run("explain", ID).stdout == "it bakes; 5s left.\n"
    assert json.loads(Terminal(stub).run("explain", ID, "--json").stdout) == answer


def test_audit_lists_the_newest_first_with_its_filters() -> None:
    record = {"seq": 9, "type": "kill_engaged", "at": "2026-11-21T11:58:00Z", "actor": "eve", "text": "kill\x1b[2J"}
    record |= {"release_id": None, "application": "shop", "late": True}
    stub = StubController().on("GET", "/v1/audit", page(record, more="9"))
    result = Terminal(stub).run("audit", "list", "--application", "shop", "--type", "kill_engaged", "--limit", "5")
    wanted = {"application": "shop", "type": "kill_engaged", "limit": "5", "newest_first": "true"}
    assert dict(stub.seen[0].url.params) == wanted
    assert "kill_engaged (late)" in result.stdout
    assert "\x1b" not in result.stdout
    assert "--after 9" in result.stderr
    Terminal(stub).run("audit", "--limit", "5")
    assert stub.seen[1].url.params["limit"] == "5"


def test_audit_rows_of_a_weight_or_a_phase_say_from_what_to_what() -> None:
    base = {"at": "2026-11-21T11:58:00.000Z", "actor": "controller", "release_id": ID, "application": "shop"}
    weight = {"seq": 9, "type": "weight", "text": "harm", "numbers": {"from_pct": 25, "to_pct": 0, "step": 1}}
    phase = {"seq": 8, "type": "phase", "text": "harm"}
    phase |= {"numbers": {"from_phase": "progressing", "to_phase": "rolling_back"}}
    rows = page(base | weight | {"late": False}, base | phase | {"late": False})
    result = Terminal(StubController().on("GET", "/v1/audit", rows)).run("audit")
    assert "25 % -> 0 %: harm" in result.stdout
    assert "progressing -> rolling_back: harm" in result.stdout


def test_a_token_secret_stands_alone_on_stdout() -> None:
    stub = StubController().on("POST", "/v1/tokens", ok({"token": TOKEN, "secret": "il_1_x"}, 201))
    stub.on("POST", "/v1/tokens/1a2b3c/rotate", ok({"token": TOKEN, "secret": "il_2_y"}, 201))
    stub.on("GET", "/v1/tokens", page(TOKEN)).on("DELETE", "/v1/tokens/1a2b3c", ok(TOKEN | {"state": "revoked"}))
    terminal = Terminal(stub)
    created = terminal.run("token", "create", "gh", "--role", "ci", "--expires", "90d")
    assert created.stdout == "il_1_x\n"
    assert stub.bodies("POST", "/v1/tokens") == [{"name": "gh", "role": "ci", "expires_in_s": 7_776_000}]
    assert terminal.run("token", "rotate", "1a2b3c", "--overlap", "1h").stdout == "il_2_y\n"
    assert stub.bodies("POST", "/v1/tokens/1a2b3c/rotate") == [{"overlap_s": 3600}]
    assert "gh" in terminal.run("token").stdout
    assert terminal.run("token", "revoke", "1a2b3c").exit_code == 0


def test_a_name_with_a_slash_or_dots_stays_one_part_of_the_path() -> None:
    stub = StubController()
    Terminal(stub).run("abort", "../../v1/kill-switch")
    assert stub.seen[0].url.raw_path == b"/v1/releases/..%2F..%2Fv1%2Fkill-switch/abort"


@pytest.mark.parametrize(
    ("phase", "hint"),
    [
        ("rolled_back", f"it has ended: bring it out again with `interlock deploy ...` or `interlock retry {ID}`"),
        ("succeeded", "it has ended"),
        ("halted", "kill k-0a1b holds it: see `interlock kill-status`. It goes on after `interlock unkill k-0a1b "),
        ("preparing", f"`interlock explain {ID}` says what it waits for"),
    ],
)
def test_the_hint_of_a_wish_that_does_not_fit_is_about_the_state_of_the_release(phase: str, hint: str) -> None:
    killed = {"code": "killed", "text": "kill k-0a1b by eve", "until": None}
    stub = StubController().on("GET", RELEASE, ok(release_json("halted", reason=killed)))
    stub.on("POST", f"{RELEASE}/resume", problem(409, "not_possible", "no", phase=phase))
    assert hint in Terminal(stub).run("resume", ID).stderr


def test_pausing_what_is_paused_says_so() -> None:
    answer = action(release_json("paused"), f"{ID} is already paused")
    stub = StubController().on("POST", f"{RELEASE}/pause", ok(answer, 202))
    assert Terminal(stub).run("pause", ID).stdout == f"✓ {ID} is already paused\n"


def test_the_version_is_told_without_a_controller() -> None:
    result = Terminal(StubController()).run("--version")
    assert (result.exit_code, result.stdout) == (0, f"interlock {version('interlock')}\n")


def test_the_guards_help_page_shows_its_flags_and_an_example() -> None:
    result = Terminal(StubController()).run("guard", "--help")
    assert result.exit_code == 0
    for part in ("--haproxy", "--listen", "--state", "--period", "Example: interlock guard"):
        assert part in result.stdout


def test_the_guard_is_given_what_the_command_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[list[str]] = []

    def main(arguments: list[str]) -> int:
        given.append(arguments)
        return 7

    monkeypatch.setattr("controller.guard.__main__.main", main)
    flags = ["--haproxy", "h:1", "--listen", "/l", "--state", "/s"]
    assert Terminal(StubController()).run("guard", *flags).exit_code == 7
    Terminal(StubController()).run("guard", *flags, "--period", "0.1")
    assert given == [flags, [*flags, "--period", "0.1"]]
    assert Terminal(StubController()).run("guard", *flags[:4]).exit_code == Exit.USAGE
    assert len(given) == 2


def test_the_help_of_serve_names_the_default_data_directory() -> None:
    assert f"./{Settings().data_dir}" in Terminal(StubController()).run("serve", "--help").stdout
