"""Log lines: structured, with who and what, and never a token."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from api.http.app import build_app
from api.http.logs import configure_logs
from controller.settings import Settings
from tests.api.http_stage import AppClient, Stage


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    yield stream
    structlog.reset_defaults()


def test_a_line_is_json_with_utc_time_level_and_fields(written: io.StringIO) -> None:
    configure_logs(Settings(), written)
    structlog.get_logger("x").info("release_moved", release_id="shop-1", weight_pct=10)
    line = json.loads(written.getvalue())
    assert (line["event"], line["level"], line["release_id"], line["weight_pct"]) == (
        "release_moved",
        "info",
        "shop-1",
        10,
    )
    assert line["timestamp"].endswith("Z")


def test_what_is_below_the_level_is_not_written(written: io.StringIO) -> None:
    configure_logs(Settings.model_validate({"logLevel": "warning"}), written)
    structlog.get_logger("x").info("quiet")
    structlog.get_logger("x").warning("loud")
    assert "quiet" not in written.getvalue()
    assert "loud" in written.getvalue()


def test_text_lines_are_for_people(written: io.StringIO) -> None:
    configure_logs(Settings.model_validate({"logFormat": "text"}), written)
    structlog.get_logger("x").info("release_moved", release_id="shop-1")
    assert "release_id=shop-1" in written.getvalue()


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_no_token_leaves_whoever_logs_it(stage: Stage, written: io.StringIO, log_format: str) -> None:
    configure_logs(Settings.model_validate({"logFormat": log_format}), written)
    token = stage.tokens["admin"]
    log = structlog.get_logger("x")
    log.info(f"event {token}", a=token, b=[token], c={"d": (token,)}, e=ValueError(token), f={token: 1})
    assert token not in written.getvalue()
    assert token.split("_", 2)[2] not in written.getvalue()
    assert "il_***" in written.getvalue()


def test_a_whole_session_writes_no_token_and_names_actor_and_request(stage: Stage, written: io.StringIO) -> None:
    configure_logs(Settings.model_validate({"logLevel": "debug"}), written)
    client = AppClient(build_app(stage.doors, stage.settings))
    stage.add_application()
    secrets = [*stage.tokens.values()]
    for number, (method, path, body) in enumerate(
        [
            ("POST", "/v1/tokens", {"name": "new", "role": "ci"}),
            ("POST", "/v1/releases", {"application": "shop", "version": "v2"}),
            ("GET", f"/v1/releases?token={stage.tokens['ci']}", None),
            ("GET", f"/v1/{stage.tokens['ci']}", None),
            ("POST", "/v1/kill-switch", {"scope": "fleet", "reason": stage.tokens["ci"]}),
            ("POST", "/v1/kill-switch", {"scope": stage.tokens["ci"]}),
        ]
    ):
        headers = {"Authorization": f"Bearer {stage.tokens['admin']}", "Idempotency-Key": f"k{number}"}
        answer = client.request(method, path, json=body, headers=headers)
        if path == "/v1/tokens":
            secrets.append(answer.json()["secret"])
    client.close()
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert len([line for line in lines if line["event"] == "request"]) == 6
    assert all(line["request_id"] for line in lines if line["event"] == "request")
    assert {line.get("actor") for line in lines if line["event"] == "request"} == {"admin", None}
    for secret in secrets:
        assert secret.split("_", 2)[2] not in written.getvalue()
