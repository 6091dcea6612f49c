"""Waiting for a release: what is shown, what a restart of the controller does to it, and when it gives up."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import httpx
import pytest
from rich.console import Console

from api.cli.exits import Exit
from api.cli.follow import RECONNECT_S
from api.cli.output import Output
from api.cli.views import STILL_S
from tests.api.cli_stub import StubController, Terminal, action, ok, page, problem, release_json, rolled_back, succeeded

RELEASE = "/v1/releases/shop-0a1b2c3d4e"
REFUSED = httpx.ConnectError("[Errno 111] Connection refused")


def accepted() -> dict[str, Any]:
    none = {"judgement": "none", "code": "", "text": ""}
    reason = {"code": "accepted", "text": "accepted from ci", "until": None}
    return release_json("pending", step=-1, weight_pct=0, evidence=None, verdict=none, reason=reason)


def deploying() -> StubController:
    return StubController().on("POST", "/v1/releases", ok(action(accepted()), 202))


def test_a_log_gets_one_line_per_change_with_the_time_in_utc() -> None:
    same = ok(release_json())
    stub = deploying().on("GET", RELEASE, same, same, same, ok(succeeded()))
    result = Terminal(stub).run("deploy", "shop", "1.4.2", "--wait")
    lines = result.stdout.splitlines()
    assert [line[:20] for line in lines] == [f"2026-11-21T12:00:0{second}Z" for second in (0, 1, 4, 4)]
    assert "pending" in lines[0]
    assert "progressing, step 2 of 4 | 5 % | 5 % is live, minimum bake" in lines[1]
    assert "errors: 3 bad of 1,204, stable 12 of 23,311" in lines[1]
    assert "minimum bake; 1m 34s left" in lines[1]
    assert "all traffic on 1.4.2" in lines[2]
    assert "is done" in lines[3]
    assert "\x1b" not in result.stdout


def test_a_log_without_a_change_shows_now_and_then_that_it_still_waits() -> None:
    stub = deploying().on("GET", RELEASE, ok(release_json()))
    timeout_s = round(2 * STILL_S + 10)
    result = Terminal(stub).run("deploy", "shop", "1.4.2", "--wait", "--timeout", f"{timeout_s}s")
    assert sum("progressing" in line for line in result.stdout.splitlines() if "no end within" not in line) == 3


def test_json_lines_carry_every_change_and_end_with_the_outcome() -> None:
    same = ok(release_json())
    stub = deploying().on("GET", RELEASE, same, same, REFUSED, ok(rolled_back()))
    result = Terminal(stub).run("deploy", "shop", "1.4.2", "--wait", "--json")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds == ["release", "release", "trouble", "trouble", "release", "outcome"]
    assert events[1]["release"] == release_json()
    assert events[-1]["outcome"] == "rolled_back"
    assert events[-1]["exit_code"] == result.exit_code == Exit.FAILED


def test_a_restart_of_the_controller_is_waited_out_and_told() -> None:
    stub = deploying().on("GET", RELEASE, ok(release_json()), REFUSED, REFUSED, REFUSED, ok(succeeded()))
    terminal = Terminal(stub)
    result = terminal.run("deploy", "shop", "1.4.2", "--wait")
    assert result.exit_code == Exit.DONE
    assert "Connection refused; the release goes on without us" in result.stdout
    assert "the controller answers again after 7s" in result.stdout
    assert terminal.pace.waits == [1.0, 1.0, 1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    "answer",
    [
        problem(503, "unavailable", "the store cannot be reached"),
        problem(429, "rate_limited", "too many requests"),
        httpx.Response(502, html="Bad Gateway"),
    ],
    ids=["store down", "rate limit", "proxy without a controller"],
)
def test_a_controller_that_cannot_answer_now_is_asked_again(answer: httpx.Response) -> None:
    stub = deploying().on("GET", RELEASE, answer, answer, ok(succeeded()))
    assert Terminal(stub).run("deploy", "shop", "1.4.2", "--wait").exit_code == Exit.DONE


def test_waiting_gives_up_with_5_when_the_controller_stays_away() -> None:
    stub = deploying().on("GET", RELEASE, ok(release_json()), REFUSED)
    terminal = Terminal(stub)
    result = terminal.run("deploy", "shop", "1.4.2", "--wait")
    assert result.exit_code == Exit.UNREACHABLE
    assert RECONNECT_S < terminal.pace.s < RECONNECT_S + 20
    assert "interlock watch shop-0a1b2c3d4e" in result.stdout


def test_a_token_revoked_while_waiting_ends_the_waiting_at_once() -> None:
    stub = deploying().on("GET", RELEASE, problem(401, "unauthenticated", "the token was revoked"))
    result = Terminal(stub).run("deploy", "shop", "1.4.2", "--wait")
    assert result.exit_code == Exit.REFUSED
    assert len(stub.seen) == 2


def test_the_timeout_counts_while_the_controller_is_away_and_leaves_the_release_alone() -> None:
    stub = deploying().on("GET", RELEASE, ok(release_json()), REFUSED)
    terminal = Terminal(stub)
    result = terminal.run("deploy", "shop", "1.4.2", "--wait", "--timeout", "20s")
    assert result.exit_code == Exit.TIMED_OUT
    assert terminal.pace.s == 20.0
    assert "shop-0a1b2c3d4e goes on" in result.stdout
    assert [r.method for r in stub.seen].count("POST") == 1


def test_the_time_left_is_right_on_a_machine_whose_clock_is_wrong() -> None:
    ahead = httpx.Response(200, json=release_json(), headers={"Date": "Sat, 21 Nov 2026 12:01:30 GMT"})
    stub = deploying().on("GET", RELEASE, ahead)
    result = Terminal(stub).run("deploy", "shop", "1.4.2", "--wait", "--timeout", "1s")
    line = next(line for line in result.stdout.splitlines() if "progressing" in line)
    assert line.startswith("2026-11-21T12:01:30Z")
    assert "minimum bake; 5s left" in line


def test_keep_waiting_goes_through_a_pause_and_a_halt() -> None:
    stub = deploying().on("GET", RELEASE, ok(release_json("paused")), ok(release_json("halted")), ok(succeeded()))
    assert Terminal(stub).run("deploy", "shop", "1.4.2", "--wait", "--keep-waiting").exit_code == Exit.DONE


def test_watch_goes_through_a_pause_and_ends_with_the_outcome() -> None:
    stub = StubController().on("GET", RELEASE, ok(release_json("paused")), ok(release_json()), ok(rolled_back()))
    result = Terminal(stub).run("watch", "shop-0a1b2c3d4e")
    assert result.exit_code == Exit.FAILED
    assert "was rolled back: errors: 5.1 % against 0.05 %" in result.stdout


def test_abort_wait_is_done_when_stable_serves_alone() -> None:
    stub = StubController().on("POST", f"{RELEASE}/abort", ok(action(release_json(), "abort is recorded"), 202))
    stub.on("GET", RELEASE, ok(release_json("rolling_back")), ok(rolled_back()))
    result = Terminal(stub).run("abort", "shop-0a1b2c3d4e", "--wait", "--reason", "wrong build")
    assert result.exit_code == Exit.DONE
    assert "all traffic of shop is on 1.4.1" in result.stdout
    assert "progressing" not in result.stdout
    assert stub.bodies("POST", f"{RELEASE}/abort") == [{"reason": "wrong build"}]


def test_abort_wait_shows_a_release_that_does_not_follow_the_abort() -> None:
    stub = StubController().on("POST", f"{RELEASE}/abort", ok(action(release_json(), "abort is recorded"), 202))
    stub.on("GET", RELEASE, ok(release_json()))
    result = Terminal(stub).run("abort", "shop-0a1b2c3d4e", "--wait", "--timeout", "30s")
    assert result.exit_code == Exit.TIMED_OUT
    assert "progressing, step 2 of 4" in result.stdout.splitlines()[0]


def test_an_application_name_follows_its_newest_release() -> None:
    stub = StubController().on("GET", "/v1/releases", page(succeeded()))
    stub.on("GET", "/v1/releases/shop", problem(404, "unknown_release", "there is no release 'shop'"))
    result = Terminal(stub).run("watch", "shop")
    assert result.exit_code == Exit.DONE
    assert dict(stub.seen[-1].url.params) == {"application": "shop", "limit": "1"}


def screen(width: int) -> tuple[Output, io.StringIO]:
    drawn = io.StringIO()
    console = Console(width=width, force_terminal=True, file=drawn, markup=False, highlight=False, no_color=True)
    return Output(False, console, Console(stderr=True)), drawn


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_screen_shows_weight_verdict_evidence_and_what_it_waits_for_within_its_width(width: int) -> None:
    out, drawn = screen(width)
    stub = StubController().on("GET", RELEASE, ok(release_json()), ok(succeeded()))
    assert Terminal(stub, output=out).run("watch", "shop-0a1b2c3d4e").exit_code == Exit.DONE
    moved = re.sub(r"\x1b\[\d*[AK]|\r", "\n", drawn.getvalue())
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", moved)
    for part in ("step 2 of 4", "5 %", "1 › [5] › 25 › 50", "watching: no harm seen", "3 bad of 1,204", "minimum bake"):
        assert part in " ".join(text.split()), part
    assert "interlock abort shop-0a1b2c3d4e" in " ".join(text.split())
    drawn_over = [line for line in text.splitlines() if "is done" not in line]
    assert max(len(line) for line in drawn_over) <= width


def test_texts_from_elsewhere_cannot_steer_the_terminal() -> None:
    evil = {"code": "baking", "text": "fine\x1b[2J\u202e[red]gone\r\nnext", "until": None}
    stub = StubController().on("GET", RELEASE, ok(release_json("rolled_back", cause=evil, canary="1\x1b]0;x\x07")))
    out, drawn = screen(100)
    Terminal(stub, output=out).run("watch", "shop-0a1b2c3d4e")
    text = drawn.getvalue()
    assert "\x1b[2J" not in text
    assert "\x1b]0" not in text
    assert "\u202e" not in text
    assert "[red]gone" in text
