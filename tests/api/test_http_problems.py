"""Every error is a problem document that says what to do, and none shows what is inside."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from httpx import Response

from api.http.edge import Body
from api.http.errors import PLAIN, REJECTED, TROUBLES
from api.http.note import KEY, Note
from controller import commands, forecasts, registering, versions, wishes
from controller.ports import Conflict, Fenced, Halted, PortError, Refused, Unavailable, Unknown
from tests.api.http_stage import Stage

ROOT = Path(__file__).parents[2]
MODULES = (commands, forecasts, registering, versions, wishes)
FIELDS = {"type", "title", "status", "detail", "instance", "code", "facts", "errors"}


MODULES = (commands, forecasts, registering, versions, wishes)
"""Where commands are rejected."""


def problem(answer: Response, status: int, code: str) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code), body
    assert set(body) == FIELDS
    assert body["type"] == f"urn:interlock:problem:{code}"
    assert len(body["detail"]) > 10
    return body


def test_every_code_that_a_command_rejects_with_has_its_status() -> None:
    trees = [ast.parse(Path(module.__file__ or "").read_text()) for module in MODULES]
    calls = [
        node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_rejected(node.func)
    ]
    codes = {argument.value for node in calls if isinstance(argument := node.args[0], ast.Constant)}
    assert len(codes) >= 8
    assert codes == set(REJECTED)


def _is_rejected(function: ast.expr) -> bool:
    return isinstance(function, ast.Name) and function.id == "Rejected"


@pytest.mark.parametrize(
    ("trouble", "status", "code"),
    [
        (Unavailable("the disk is away"), 503, "unavailable"),
        (Conflict("it moved"), 409, "conflict"),
        (Refused("the other side said no"), 409, "refused"),
        (Halted("a kill holds it"), 423, "halted"),
        (Fenced("epoch 3 is over"), 503, "not_leading"),
        (Unknown("no reply"), 503, "outcome_unknown"),
        (PortError("something else"), 503, "trouble"),
    ],
)
def test_each_trouble_of_the_world_has_its_answer(stage: Stage, trouble: PortError, status: int, code: str) -> None:
    stage.call("GET", "/v1/releases")
    stage.break_store(trouble)
    answer = stage.call("GET", "/v1/releases")
    body = problem(answer, status, code)
    assert str(trouble) in body["detail"]
    assert ("retry-after" in answer.headers) is (status == 503)


def test_every_kind_of_trouble_is_in_the_table_before_its_parents() -> None:
    kinds = [row[0] for row in TROUBLES]
    assert set(PortError.__subclasses__()) - set(kinds) <= {
        kind for kind in PortError.__subclasses__() if kind.__module__ != "controller.ports"
    }
    for index, kind in enumerate(kinds):
        assert not any(issubclass(later, kind) for later in kinds[index + 1 :])


def test_a_path_that_does_not_exist(stage: Stage) -> None:
    problem(stage.call("GET", "/v1/nothing"), 404, "unknown_path")


def test_a_method_that_the_path_does_not_take_says_which_it_takes(stage: Stage) -> None:
    answer = stage.call("PATCH", "/v1/releases", json={})
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"]


@pytest.mark.parametrize("path", ["/v1/releases/none", "/v1/releases/none/explain", "/v1/releases/none/events"])
def test_an_unknown_release(stage: Stage, path: str) -> None:
    problem(stage.call("GET", path), 404, "unknown_release")


@pytest.mark.parametrize("verb", ["promote", "abort", "pause", "resume", "retry"])
def test_steering_an_unknown_release(stage: Stage, verb: str) -> None:
    problem(stage.call("POST", f"/v1/releases/none/{verb}"), 404, "unknown_release")


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b'{"application": }', b"[" * 20_000, b"{" * 20_000, b"9" * 50_000])
def test_what_is_not_json_is_refused_without_harm(stage: Stage, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = stage.call("POST", "/v1/releases", content=body, headers=headers)
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml", ""])
def test_a_body_that_does_not_say_it_is_json(stage: Stage, kind: str) -> None:
    body = json.dumps({"application": "shop", "version": "v2"}).encode()
    answer = stage.call("POST", "/v1/releases", content=body, headers={"Content-Type": kind} if kind else {})
    problem(answer, 415, "not_json")


def test_a_body_that_declares_too_much(stage: Stage) -> None:
    answer = stage.call("POST", "/v1/releases", json={"application": "x" * 70_000, "version": "v2"})
    body = problem(answer, 413, "body_too_large")
    assert "65536" in body["detail"]


def test_a_body_that_becomes_too_much_while_it_is_read(stage: Stage) -> None:
    async def endless() -> Any:
        for _ in range(1_000):
            yield b"x" * 1_000

    headers = {"Content-Type": "application/json"}
    problem(stage.call("POST", "/v1/releases", content=endless(), headers=headers), 413, "body_too_large")


def test_a_body_that_never_ends_is_given_up() -> None:
    async def never(*_given: Any) -> Any:
        await anyio.sleep_forever()

    async def send(message: Any) -> None:
        sent.append(message)

    sent: list[dict[str, Any]] = []
    scope = {"type": "http", "method": "POST", "path": "/v1/releases", "headers": [], KEY: Note("r1")}
    anyio.run(Body(never, bytes_max=10, body_s=0.01), scope, never, send)
    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"])["code"] == "body_too_slow"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/releases", {"application": "shop", "version": "v2", "actor": "root"}),
        ("POST", "/v1/releases", {"application": "shop", "version": 2}),
        ("POST", "/v1/releases", {"application": "shop"}),
        ("POST", "/v1/releases", {"application": "shop", "version": "v2", "replace": "yes"}),
        ("POST", "/v1/releases", ["shop"]),
        ("POST", "/v1/releases/shop-1/promote", {"full": True, "force": True}),
        ("POST", "/v1/releases/shop-1/promote", {"step": "1"}),
        ("POST", "/v1/releases/shop-1/abort", {"why": "x"}),
        ("POST", "/v1/releases/shop-1/abort", {"reason": "x" * 1_001}),
        ("POST", "/v1/releases/shop-1/pause", {"why": "x"}),
        ("POST", "/v1/releases/shop-1/resume", {"why": "x"}),
        ("POST", "/v1/kill-switch", {}),
        ("POST", "/v1/kill-switch", {"scope": "fleet", "verb": "pause"}),
        ("POST", "/v1/kill-switch", {"scope": "fleet", "confirm": True}),
        ("POST", "/v1/kill-switch/k-1/release", {}),
        ("POST", "/v1/kill-switch/k-1/release", {"reason": ""}),
        ("POST", "/v1/kill-switch/k-1/release", {"reason": "   "}),
        ("POST", "/v1/tokens", {"name": "x", "role": "root"}),
        ("POST", "/v1/tokens", {"name": "-", "role": "ci"}),
        ("POST", "/v1/tokens", {"name": "x", "role": "ci", "expires_in_s": 0}),
        ("POST", "/v1/tokens", {"name": "x", "role": "ci", "secret": "mine"}),
        ("POST", "/v1/tokens/0/rotate", {"overlap_s": -1}),
        ("GET", "/v1/releases?sort=up", None),
        ("GET", "/v1/releases?phase=done", None),
        ("GET", "/v1/releases?limit=0", None),
        ("GET", "/v1/releases?limit=201", None),
        ("GET", "/v1/releases?limit=many", None),
        ("GET", "/v1/releases/shop-1?verbose=1", None),
        ("GET", "/v1/applications?name=shop", None),
        ("GET", "/v1/audit?after=abc", None),
        ("GET", "/v1/audit?since=1", None),
        ("GET", "/v1/tokens?role=ci", None),
        ("GET", "/v1/kill-switch?scope=fleet", None),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_no_route_knows_or_takes_is_refused(stage: Stage, method: str, path: str, body: Any) -> None:
    stage.add_application()
    stage.add_release()
    answer = stage.call(method, path, json=body)
    found = problem(answer, 422, "invalid_request")
    assert found["errors"] or "query" in found["detail"]
    assert stage.kills.state().engaged == ()


def test_a_mistake_names_its_field_and_quotes_no_value(stage: Stage) -> None:
    answer = stage.call("POST", "/v1/releases", json={"application": "shop", "version": "v2", "pass": "hunter2"})
    found = problem(answer, 422, "invalid_request")
    assert found["errors"] == [{"field": "pass", "text": "no such field; check its spelling"}]
    assert "hunter2" not in answer.text


def test_a_bug_of_ours_is_answered_without_its_text(stage: Stage) -> None:
    stage.call("GET", "/v1/releases")
    stage.store.trouble = RuntimeError("secret inside: il_00112233445566_abc")
    answer = stage.call("GET", "/v1/releases")
    found = problem(answer, 500, "internal_error")
    assert "secret inside" not in answer.text
    assert "Traceback" not in answer.text
    assert found["facts"]["request_id"] == answer.headers["x-request-id"]
    logged = stage.logged("request_failed")[0]
    assert logged["error"] == "RuntimeError"
    assert "secret inside" not in str(logged)
    assert "http_stage.py" in logged["frames"][-1]


def test_a_token_in_a_path_is_repeated_nowhere(stage: Stage) -> None:
    token = stage.tokens["admin"]
    for path in (f"/{token}", f"/v1/releases/{token}", f"/v1/applications/{token}?x={token}"):
        answer = stage.call("GET", path)
        assert token not in answer.text
    assert token not in str(stage.lines)


def test_every_answer_carries_the_security_headers_and_no_cors(stage: Stage) -> None:
    for path in ("/healthz", "/v1/releases", "/nothing"):
        headers = stage.call("GET", path, headers={"Origin": "http://evil"}).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert not [name for name in headers if name.startswith("access-control")]


def test_a_preflight_is_not_answered(stage: Stage) -> None:
    headers = {"Origin": "http://evil", "Access-Control-Request-Method": "POST"}
    answer = stage.call("OPTIONS", "/v1/kill-switch", headers=headers)
    assert answer.status_code == 405


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/v1/releases/", "/v1/../v1/releases//"])
def test_no_page_of_documentation_and_no_second_spelling_of_a_path(stage: Stage, path: str) -> None:
    assert stage.call("GET", path).status_code == 404


def test_a_request_id_is_taken_over_only_when_it_is_plain(stage: Stage) -> None:
    assert stage.call("GET", "/healthz", headers={"X-Request-Id": "abc-1"}).headers["x-request-id"] == "abc-1"
    for odd in ("a b", "x" * 65, "<script>", stage.tokens["ci"]):
        assert stage.call("GET", "/healthz", headers={"X-Request-Id": odd}).headers["x-request-id"] != odd


def test_every_code_is_in_the_page_for_users() -> None:
    sources = (ROOT / "api/http").rglob("*.py")
    calls = [node for path in sources for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    problems = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "ProblemError"]
    second = [call.args[1] for call in problems if len(call.args) > 1]
    literal = {str(argument.value) for argument in second if isinstance(argument, ast.Constant)}
    codes = literal | set(REJECTED) | {row[2] for row in TROUBLES} | {code for code, _ in PLAIN.values()}
    assert len(codes) > 30
    page = (ROOT / "docs/api.md").read_text()
    assert [code for code in sorted(codes) if f"`{code}`" not in page] == []
