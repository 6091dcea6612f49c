"""Every role on every route: what the table says is what the door does, and there is no route outside the table."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.routing import APIRoute

from api.http.permissions import TABLE, Action, Reach, Role, reach, roles_with
from controller.ports import Page
from tests.api.http_stage import Stage

KILL = {"scope": "application:shop"}
ROUTES: tuple[tuple[str, str, dict[str, Any] | None, Action], ...] = (
    ("GET", "/v1/applications", None, Action.READ),
    ("GET", "/v1/applications/{name}", None, Action.READ),
    ("PUT", "/v1/applications/{name}", {}, Action.APPLICATIONS),
    ("GET", "/v1/applications/{name}/forecast", None, Action.READ),
    ("DELETE", "/v1/applications/{name}", None, Action.APPLICATIONS),
    ("GET", "/v1/releases", None, Action.READ),
    ("POST", "/v1/releases", {"application": "shop", "version": "v3"}, Action.DEPLOY),
    ("GET", "/v1/releases/{release_id}", None, Action.READ),
    ("GET", "/v1/releases/{release_id}/explain", None, Action.READ),
    ("GET", "/v1/releases/{release_id}/events", None, Action.READ),
    ("POST", "/v1/releases/{release_id}/promote", {}, Action.PROMOTE),
    ("POST", "/v1/releases/{release_id}/abort", {}, Action.ABORT),
    ("POST", "/v1/releases/{release_id}/pause", {}, Action.PAUSE),
    ("POST", "/v1/releases/{release_id}/resume", {}, Action.RESUME),
    ("POST", "/v1/releases/{release_id}/retry", None, Action.DEPLOY),
    ("POST", "/v1/kill-switch", KILL, Action.KILL),
    ("GET", "/v1/kill-switch", None, Action.READ),
    ("POST", "/v1/kill-switch/{kill_id}/release", {"reason": "over"}, Action.UNKILL),
    ("GET", "/v1/audit", None, Action.READ),
    ("GET", "/v1/audit/verify", None, Action.READ),
    ("GET", "/v1/tokens", None, Action.TOKENS),
    ("POST", "/v1/tokens", {"name": "new", "role": "ci"}, Action.TOKENS),
    ("POST", "/v1/tokens/{token_id}/rotate", None, Action.TOKENS),
    ("DELETE", "/v1/tokens/{token_id}", None, Action.TOKENS),
    ("GET", "/v1/openapi.json", None, Action.READ),
)
OPEN = {"/healthz", "/readyz", "/metrics"}
NEVER = "/v1/releases/{release_id}/events"
"""Its stream of a running release never ends; test_http_events.py follows it over a socket."""


def filled(path: str) -> str:
    names = {"{name}": "shop", "{release_id}": "shop-1", "{kill_id}": "k-none", "{token_id}": "000000000000"}
    for name, value in names.items():
        path = path.replace(name, value)
    return path


def routes_of(stage: Stage) -> set[tuple[str, str]]:
    document = stage.call("GET", "/v1/openapi.json").json()
    found = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    hidden = {("GET", "/v1/openapi.json")}
    return found | hidden


def test_the_table_of_this_test_names_every_route(stage: Stage) -> None:
    guarded = {(method, path) for method, path in routes_of(stage) if path not in OPEN}
    assert guarded == {(method, path) for method, path, _, _ in ROUTES}
    assert all(not isinstance(route, APIRoute) or route.methods for route in stage.app.routes)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(("method", "path", "body", "action"), ROUTES, ids=lambda value: str(value)[:40])
def test_a_role_gets_through_exactly_where_the_table_says(
    stage: Stage, role: Role, method: str, path: str, body: dict[str, Any] | None, action: Action
) -> None:
    if path == NEVER:
        path = "/v1/releases/{release_id}/explain"
    stage.add_application()
    stage.add_release(actor=role.value)
    answer = stage.call(method, filled(path), role.value, json=body)
    allowed = action in TABLE[role]
    assert (answer.status_code == 403) is not allowed, answer.text
    assert answer.status_code not in (401, 500), answer.text
    if not allowed:
        problem = answer.json()
        assert problem["code"] == "forbidden"
        assert problem["facts"] == {"role": role.value}
        assert "use a token of" in problem["detail"]


@pytest.mark.parametrize(("method", "path", "body", "action"), ROUTES, ids=lambda value: str(value)[:40])
@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Bearer il_000000000000_" + "x" * 43}, {"Authorization": "x"}]
)
def test_nobody_gets_in_without_a_valid_token(
    stage: Stage, method: str, path: str, body: dict[str, Any] | None, action: Action, header: dict[str, str]
) -> None:
    answer = stage.call(method, filled(path), "", json=body, headers=header)
    assert answer.status_code == 401, answer.text
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "Authorization: Bearer" in answer.json()["detail"]


def test_a_role_nobody_knows_may_do_nothing() -> None:
    assert all(reach("root", action) is None for action in Action)


def test_every_role_may_press_the_button() -> None:
    assert all(TABLE[role][Action.KILL] is Reach.ALL for role in Role)


def test_ci_steers_only_its_own_releases(stage: Stage) -> None:
    stage.add_application()
    stage.add_release(actor="somebody-else")
    for verb in ("abort", "pause"):
        refused = stage.call("POST", f"/v1/releases/shop-1/{verb}", "ci", json={})
        assert refused.status_code == 403
        assert "somebody-else" in refused.json()["detail"]
    assert stage.store.release("shop-1").intent is None


@pytest.mark.parametrize("body", [{"version": "v3", "replace": True}, {"version": "v1"}])
def test_ci_takes_back_no_foreign_release_by_deploying_over_it(stage: Stage, body: dict[str, Any]) -> None:
    stage.add_application()
    stage.add_release(actor="somebody-else")
    refused = stage.call("POST", "/v1/releases", "ci", json={"application": "shop", **body})
    assert refused.status_code == 403, refused.text
    assert stage.store.release("shop-1").intent is None
    allowed = stage.call("POST", "/v1/releases", "operator", json={"application": "shop", **body})
    assert allowed.status_code == 202


def test_a_viewer_may_stop_with_the_kill_switch_what_it_may_not_abort(stage: Stage) -> None:
    stage.add_application()
    stage.add_release()
    assert stage.call("POST", "/v1/releases/shop-1/abort", "viewer", json={}).status_code == 403
    killed = stage.call("POST", "/v1/kill-switch", "viewer", json={"scope": "application:shop"})
    assert killed.status_code == 200
    assert killed.json()["kill"]["actor"] == "viewer"


def test_refused_attempts_are_recorded_until_there_are_too_many(stage: Stage) -> None:
    for _ in range(30):
        stage.call("POST", "/v1/tokens", "viewer", json={"name": "mine", "role": "admin"})
    denied = [record for record in stage.store.audit(Page(limit=1000)) if record.draft.type == "denied"]
    assert len(denied) == 10
    assert denied[0].draft.actor == "viewer"
    assert denied[0].draft.numbers == {"path": "POST /v1/tokens"}
    assert len(stage.logged("denied")) == 30


@pytest.mark.parametrize(
    ("action", "sentence"),
    [
        (Action.TOKENS, "may not manage tokens: use a token of the role admin"),
        (Action.UNKILL, "may not release kills: use a token of the role operator, approver or admin"),
        (Action.APPLICATIONS, "may not change applications: use a token of the role admin"),
        (Action.PROMOTE, "may not promote: use a token of the role operator or admin"),
    ],
)
def test_a_refusal_is_an_english_sentence(action: Action, sentence: str) -> None:
    assert f"may not {action.value}: use a token of {roles_with(action)}" == sentence


def test_a_viewer_is_told_what_it_may_not_do_and_who_may(stage: Stage) -> None:
    detail = stage.call("GET", "/v1/tokens", "viewer").json()["detail"]
    assert detail == "the role viewer may not manage tokens: use a token of the role admin"
