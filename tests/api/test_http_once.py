"""Idempotency-Key: the same request again gets the same answer and is carried out once, also after a lost reply."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.core.model import Phase
from controller.ports import Commit, Page
from tests.api.http_stage import Stage, a_document

DEPLOY = {"application": "shop", "version": "v2"}
KEYED = [
    ("POST", "/v1/releases", DEPLOY),
    ("POST", "/v1/releases/shop-1/promote", {}),
    ("POST", "/v1/releases/shop-1/resume", {}),
    ("POST", "/v1/releases/shop-1/retry", None),
    ("PUT", "/v1/applications/shop", a_document()),
    ("DELETE", "/v1/applications/shop", None),
    ("POST", "/v1/kill-switch/k-1/release", {"reason": "over"}),
    ("POST", "/v1/tokens", {"name": "new", "role": "ci"}),
    ("POST", "/v1/tokens/0/rotate", {}),
    ("DELETE", "/v1/tokens/0", None),
]


@pytest.mark.parametrize(("method", "path", "body"), KEYED, ids=lambda value: str(value)[:40])
@pytest.mark.parametrize("key", [None, "", "x" * 201, "a b"])
def test_a_change_without_a_usable_key_is_refused_and_says_how(
    stage: Stage, method: str, path: str, body: Any, key: str | None
) -> None:
    stage.add_application()
    answer = stage.call(method, path, key=key, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_needed")
    assert "UUID" in answer.json()["detail"]
    assert stage.store.audit(Page()) == []


@pytest.mark.parametrize("path", ["/v1/releases/shop-1/abort", "/v1/releases/shop-1/pause", "/v1/kill-switch"])
def test_a_stop_needs_no_key(stage: Stage, path: str) -> None:
    stage.add_application()
    stage.add_release()
    body = {"scope": "fleet"} if "kill" in path else {}
    assert stage.call("POST", path, key=None, json=body).status_code in (200, 202)


def test_a_release_asked_for_twice_is_started_once(stage: Stage) -> None:
    stage.add_application()
    first = stage.call("POST", "/v1/releases", key="k1", json=DEPLOY)
    again = stage.call("POST", "/v1/releases", key="k1", json=DEPLOY)
    assert again.status_code == first.status_code == 202
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert len(stage.call("GET", "/v1/releases").json()["items"]) == 1


def test_a_key_used_for_another_request_is_refused(stage: Stage) -> None:
    stage.add_application()
    stage.call("POST", "/v1/releases", key="k1", json=DEPLOY)
    for method, path, body in (
        ("POST", "/v1/releases", {**DEPLOY, "version": "v3"}),
        ("POST", "/v1/tokens", {"name": "x", "role": "ci"}),
    ):
        answer = stage.call(method, path, key="k1", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_the_key_of_one_caller_says_nothing_to_another(stage: Stage) -> None:
    stage.add_application()
    stage.call("POST", "/v1/releases", "ci", key="k1", json=DEPLOY)
    answer = stage.call("POST", "/v1/releases", "operator", key="k1", json=DEPLOY)
    assert (answer.status_code, answer.json()["code"]) == (409, "active_release")


def test_a_refused_request_may_be_tried_again_under_its_key(stage: Stage) -> None:
    stage.add_application()
    stage.add_release(phase=Phase.PROGRESSING)
    assert stage.call("POST", "/v1/releases", key="k1", json=DEPLOY).status_code == 409
    stored = stage.store.release("shop-1")
    stage.store.commit(Commit(release=replace(stored, phase=Phase.FAILED)))
    assert stage.call("POST", "/v1/releases", key="k1", json=DEPLOY).status_code == 202


def test_a_promotion_sent_twice_passes_one_step(stage: Stage) -> None:
    stage.add_release()
    first = stage.call("POST", "/v1/releases/shop-1/promote", key="k1", json={})
    stored = stage.store.release("shop-1")
    stage.store.commit(Commit(release=replace(stored, intent=None, step=1, weight_pct=20)))
    again = stage.call("POST", "/v1/releases/shop-1/promote", key="k1", json={})
    assert again.content == first.content
    assert stage.store.release("shop-1").intent is None


def test_an_answer_lives_and_dies_with_its_change(stage: Stage) -> None:
    """The store loses the commit's reply: the answer is there exactly when the release is."""
    stage.add_application()
    commit = stage.store.inner.commit

    def lost(change: Any) -> Any:
        commit(change)
        raise ConnectionResetError

    stage.store.inner.commit = lost
    assert stage.call("POST", "/v1/releases", key="k1", json=DEPLOY).status_code == 500
    stage.store.inner.commit = commit
    again = stage.call("POST", "/v1/releases", key="k1", json=DEPLOY)
    assert again.status_code == 202
    assert again.headers["idempotency-replayed"] == "true"
    assert [r.id for r in stage.store.releases(Page())] == [again.json()["release"]["id"]]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "/v1/applications/shop", a_document(environment="staging"), 200),
        ("DELETE", "/v1/applications/shop", None, 204),
    ],
)
def test_changes_of_applications_are_answered_again(
    stage: Stage, method: str, path: str, body: Any, status: int
) -> None:
    stage.add_application()
    first = stage.call(method, path, key="k1", json=body)
    again = stage.call(method, path, key="k1", json=body)
    assert (first.status_code, again.status_code) == (status, status)
    assert first.content == again.content
    assert again.headers["idempotency-replayed"] == "true"


def test_the_release_of_a_kill_is_answered_again(stage: Stage) -> None:
    kill = stage.call("POST", "/v1/kill-switch", json={"scope": "fleet"}).json()["kill"]["id"]
    path = f"/v1/kill-switch/{kill}/release"
    first = stage.call("POST", path, key="k1", json={"reason": "over"})
    again = stage.call("POST", path, key="k1", json={"reason": "over"})
    assert (first.status_code, again.status_code, again.content) == (200, 200, first.content)


def test_an_answer_with_a_secret_is_neither_kept_nor_given_again(stage: Stage) -> None:
    first = stage.call("POST", "/v1/tokens", key="k1", json={"name": "new", "role": "ci"})
    secret = first.json()["secret"]
    assert secret not in str(vars(stage.store.inner))
    again = stage.call("POST", "/v1/tokens", key="k1", json={"name": "new", "role": "ci"})
    assert (again.status_code, again.json()["code"]) == (409, "shown_once")
    assert len([t for t in stage.store.tokens() if t.name == "new"]) == 1
