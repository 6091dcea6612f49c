"""Bearer tokens: made, used, rotated, revoked, expired. A secret is shown once and kept nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from api.http.auth import FRESH_S
from api.http.tokens import bootstrap_token, digest, matches, mint, parse
from controller.ports import AuditFilter, Commit, Page
from tests.api.http_stage import Stage
from tests.fakes.clock import ManualClock
from tests.fakes.store import MemoryStore

PATH = "/v1/tokens"


def create(stage: Stage, name: str = "new", role: str = "ci", **more: Any) -> tuple[str, str]:
    answer = stage.call("POST", PATH, json={"name": name, "role": role, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()["token"]["id"], answer.json()["secret"]


def status_of(stage: Stage, token: str, path: str = "/v1/releases") -> int:
    return stage.call("GET", path, "", headers={"Authorization": f"Bearer {token}"}).status_code


def test_a_new_token_works_with_its_role_and_name(stage: Stage) -> None:
    stage.add_application()
    _, secret = create(stage, "deployer", "ci")
    headers = {"Authorization": f"Bearer {secret}"}
    answer = stage.call("POST", "/v1/releases", "", json={"application": "shop", "version": "v2"}, headers=headers)
    assert answer.json()["release"]["actor"] == "deployer"
    assert stage.call("GET", PATH, "", headers=headers).status_code == 403


def test_only_a_digest_is_kept(stage: Stage) -> None:
    identifier, secret = create(stage)
    stored = next(token for token in stage.store.tokens() if token.id == identifier)
    parsed = parse(secret)
    assert parsed is not None
    assert stored.digest == digest(parsed[1])
    assert parsed[1] not in repr(stored)
    assert parsed[1] not in stage.call("GET", PATH).text
    assert stored.digest not in stage.call("GET", PATH).text


@pytest.mark.parametrize(
    "spoil", [lambda t: t[:-1], lambda t: t + "x", lambda t: t.upper(), lambda t: t[:-1] + "\u00e9", lambda t: ""]
)
def test_a_token_that_is_not_exactly_right_is_no_token(stage: Stage, spoil: Any) -> None:
    _, secret = create(stage)
    assert matches_text(stage, secret)
    assert not matches_text(stage, spoil(secret))


def matches_text(stage: Stage, text: str) -> bool:
    parsed = parse(text)
    if parsed is None:
        return False
    token = next((token for token in stage.store.tokens() if token.id == parsed[0]), None)
    return matches(token, parsed[1])


def test_the_secret_of_one_token_does_not_open_another() -> None:
    one, other = mint("a", "ci", 0.0), mint("b", "admin", 0.0)
    secret = (parse(one.text) or ("", ""))[1]
    assert matches(one.token, secret)
    assert not matches(other.token, secret)
    assert not matches(None, secret)


def test_a_revoked_token_ends_at_once(stage: Stage) -> None:
    identifier, secret = create(stage)
    assert status_of(stage, secret) == 200
    answer = stage.call("DELETE", f"{PATH}/{identifier}")
    assert (answer.status_code, answer.json()["state"]) == (200, "revoked")
    assert status_of(stage, secret) == 401
    again = stage.call("DELETE", f"{PATH}/{identifier}")
    assert (again.status_code, again.json()["code"]) == (409, "token_ended")


def test_a_revoked_token_cannot_even_stop(stage: Stage) -> None:
    identifier, secret = create(stage, role="viewer")
    stage.call("DELETE", f"{PATH}/{identifier}")
    stage.break_store()
    headers = {"Authorization": f"Bearer {secret}"}
    assert stage.call("POST", "/v1/kill-switch", "", json={"scope": "fleet"}, headers=headers).status_code == 401
    assert stage.kills.state().engaged == ()


def test_a_token_expires(stage: Stage) -> None:
    _, secret = create(stage, expires_in_s=60)
    assert status_of(stage, secret) == 200
    stage.clock.advance(60)
    assert status_of(stage, secret) == 401


def test_rotation_ends_the_old_secret_at_once_by_default(stage: Stage) -> None:
    identifier, old = create(stage)
    answer = stage.call("POST", f"{PATH}/{identifier}/rotate")
    assert answer.status_code == 201, answer.text
    new = answer.json()["secret"]
    assert (answer.json()["token"]["name"], answer.json()["token"]["role"]) == ("new", "ci")
    assert (status_of(stage, old), status_of(stage, new)) == (401, 200)


def test_rotation_with_an_overlap_keeps_the_old_secret_for_as_long(stage: Stage) -> None:
    identifier, old = create(stage)
    new = stage.call("POST", f"{PATH}/{identifier}/rotate", json={"overlap_s": 300}).json()["secret"]
    stage.clock.advance(299)
    assert (status_of(stage, old), status_of(stage, new)) == (200, 200)
    stage.clock.advance(1)
    assert (status_of(stage, old), status_of(stage, new)) == (401, 200)


def test_a_token_in_its_overlap_is_not_rotated_a_second_time(stage: Stage) -> None:
    identifier, _ = create(stage)
    stage.clock.advance(1)
    new = stage.call("POST", f"{PATH}/{identifier}/rotate", json={"overlap_s": 300}).json()["token"]["id"]
    again = stage.call("POST", f"{PATH}/{identifier}/rotate", json={"overlap_s": 300})
    assert (again.status_code, again.json()["code"]) == (409, "already_rotated")
    assert f"already rotated to {new}" in again.json()["detail"]
    stage.clock.advance(1)
    assert stage.call("POST", f"{PATH}/{new}/rotate").status_code == 201


def test_rotation_makes_no_token_live_longer_than_it_was_to(stage: Stage) -> None:
    identifier, old = create(stage, expires_in_s=100)
    new = stage.call("POST", f"{PATH}/{identifier}/rotate", json={"overlap_s": 3_600}).json()["secret"]
    stage.clock.advance(100)
    assert (status_of(stage, old), status_of(stage, new)) == (401, 401)


def test_a_name_is_one_actor(stage: Stage) -> None:
    create(stage, "deployer")
    answer = stage.call("POST", PATH, json={"name": "deployer", "role": "viewer"})
    assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")


def test_the_last_admin_token_is_not_revoked(stage: Stage) -> None:
    listed = stage.call("GET", PATH).json()["items"]
    admin = next(token["id"] for token in listed if token["role"] == "admin")
    refused = stage.call("DELETE", f"{PATH}/{admin}")
    assert (refused.status_code, refused.json()["code"]) == (409, "last_admin")
    create(stage, "second", "admin")
    assert stage.call("DELETE", f"{PATH}/{admin}").status_code == 200


def test_an_unknown_token_id(stage: Stage) -> None:
    for method, path in (("DELETE", f"{PATH}/none"), ("POST", f"{PATH}/none/rotate")):
        answer = stage.call(method, path)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_token")


def test_tokens_are_listed_in_pages(stage: Stage) -> None:
    first = stage.call("GET", f"{PATH}?limit=3").json()
    rest = stage.call("GET", PATH, params={"limit": 3, "after": first["next"]}).json()
    assert {token["role"] for token in first["items"] + rest["items"]} == set(stage.tokens)
    assert (len(first["items"]), rest["next"]) == (3, None)


def test_every_change_of_a_token_is_recorded_without_its_secret(stage: Stage) -> None:
    identifier, secret = create(stage)
    new = stage.call("POST", f"{PATH}/{identifier}/rotate").json()
    stage.call("DELETE", f"{PATH}/{new['token']['id']}")
    records = [record.draft for record in stage.store.audit(Page())]
    assert [record.type for record in records] == ["token_created", "token_rotated", "token_revoked"]
    assert {record.actor for record in records} == {"admin"}
    for text in (secret, new["secret"]):
        assert str(text).split("_", 2)[2] not in str(records)
        assert str(text).split("_", 2)[2] not in str(stage.lines)


def test_a_token_made_by_another_node_is_seen_within_a_second(stage: Stage) -> None:
    secret = stage.add_token("elsewhere", "viewer")
    stage.clock.advance(FRESH_S + 0.1)
    assert status_of(stage, secret) == 200


def test_without_any_token_in_memory_a_store_that_is_down_lets_nobody_in(stage: Stage) -> None:
    stage.app.state.context.tokens.__init__(stage.store, stage.clock)
    stage.break_store()
    assert status_of(stage, stage.tokens["admin"]) == 503


def test_the_first_token_is_made_once() -> None:
    store, clock = MemoryStore(), ManualClock()
    first = bootstrap_token(store, clock)
    assert first is not None
    assert parse(first) is not None
    assert bootstrap_token(store, clock) is None
    assert [(token.name, token.role) for token in store.tokens()] == [("admin", "admin")]
    assert [record.draft.type for record in store.audit(Page(), AuditFilter(type="token_created"))] == ["token_created"]


def test_no_first_token_is_made_beside_tokens_that_ended() -> None:
    """Else whoever revokes every token would get a new admin at the next start."""
    store, clock = MemoryStore(), ManualClock()
    store.commit(Commit(tokens=(mint("old", "admin", 0.0, expires_at_s=1.0).token,)))
    assert bootstrap_token(store, clock) is None
