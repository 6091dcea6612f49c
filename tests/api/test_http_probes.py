"""Health, readiness, metrics, the description, and the record: what machines and auditors read."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from controller.core.model import Phase
from controller.ports import Commit, Page
from controller.runtime.health import Beat
from controller.runtime.selftest import SelfTested
from gates.audit import TYPES, Draft
from tests.api.http_stage import HEALTHY, Stage


def samples(stage: Stage) -> dict[str, float]:
    stage.clock.advance(3)
    text = stage.call("GET", "/metrics", "").text
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def test_alive_needs_neither_token_nor_store(stage: Stage) -> None:
    stage.break_store()
    assert stage.call("GET", "/healthz", "").json() == {"status": "alive"}


def test_ready_while_leading_and_every_heartbeat_is_young(stage: Stage) -> None:
    answer = stage.call("GET", "/readyz", "")
    assert (answer.status_code, answer.json()["ready"], answer.json()["reasons"]) == (200, True, [])


@pytest.mark.parametrize(
    ("health", "reason"),
    [
        (replace(HEALTHY, leading=False), "does not lead"),
        (
            replace(HEALTHY, beats=(Beat("sweep", 31.0, 30.0, 4, "secret://inside"),)),
            "heartbeat sweep: last success 31 s",
        ),
    ],
)
def test_not_ready_says_why_and_shows_nothing_from_inside(stage: Stage, health: object, reason: str) -> None:
    stage.health = health  # type: ignore[assignment]
    answer = stage.call("GET", "/readyz", "")
    assert (answer.status_code, answer.json()["ready"]) == (503, False)
    assert reason in answer.json()["reasons"][0]
    assert "secret" not in answer.text


@pytest.mark.parametrize(("leading", "status"), [(True, 200), (False, 503)])
def test_whoever_asks_for_the_status_alone_gets_it_without_a_body(stage: Stage, leading: bool, status: int) -> None:
    stage.health = replace(HEALTHY, leading=leading)
    alive, ready = stage.call("HEAD", "/healthz", ""), stage.call("HEAD", "/readyz", "")
    assert [(answer.status_code, answer.content) for answer in (alive, ready)] == [(200, b""), (status, b"")]


def test_a_parked_release_is_counted_but_the_node_serves_on(stage: Stage) -> None:
    stage.health = replace(HEALTHY, parked=("shop-1",))
    answer = stage.call("GET", "/readyz", "")
    assert (answer.status_code, answer.json()["parked"]) == (200, 1)
    assert samples(stage)["interlock_parked_releases{}"] == 1


def test_the_self_test_of_the_switch_is_told_with_its_age_and_missing_before_the_first(stage: Stage) -> None:
    assert not any("self_test" in name for name in samples(stage))
    stage.clock.advance(10)
    stage.tested = SelfTested(stage.clock.now_s() - 90, 0.01, ())
    found = samples(stage)
    assert found["interlock_kill_self_test_ok{}"] == 1
    assert 90 <= found["interlock_kill_self_test_age_seconds{}"] < 100, "this clock goes on whenever it is read"


def test_how_late_the_looks_at_releases_are_is_told(stage: Stage) -> None:
    stage.health = replace(HEALTHY, lag_s=12.5)
    assert samples(stage)["interlock_loop_lag_seconds{}"] == 12.5


def test_metrics_show_releases_weights_kills_beats_and_the_record(stage: Stage) -> None:
    stage.add_application()
    stage.add_release()
    stage.add_release(id="old", phase=Phase.FAILED)
    stage.call("POST", "/v1/kill-switch", json={"scope": "fleet"})
    found = samples(stage)
    assert found["interlock_releases{phase=progressing}"] == 1
    assert found["interlock_releases{phase=pending}"] == 0
    assert found["interlock_canary_weight_pct{application=shop,environment=production}"] == 10
    assert found["interlock_kills_engaged{}"] == 1
    assert found["interlock_beat_age_seconds{beat=sweep}"] == 0.5
    assert found["interlock_audit_head_seq{}"] == 1
    assert found["interlock_leading{}"] == 1
    assert found["interlock_http_requests_total{method=POST,route=/v1/kill-switch,status=200}"] == 1
    assert found["interlock_http_request_duration_seconds_count{method=POST,route=/v1/kill-switch}"] == 1


def test_what_cannot_be_read_is_left_out_of_the_metrics_and_never_zero(stage: Stage) -> None:
    stage.add_release()
    stage.break_store()
    found = samples(stage)
    assert found["interlock_store_up{}"] == 0
    assert found["interlock_kills_readable{}"] == 0
    assert not [name for name in found if name.startswith(("interlock_releases", "interlock_audit"))]


def test_strange_paths_and_methods_make_no_new_series(stage: Stage) -> None:
    stage.call("GET", "/one", "")
    stage.call("BREW", "/two", "")
    found = samples(stage)
    assert found["interlock_http_requests_total{method=GET,route=unmatched,status=404}"] == 1
    assert found["interlock_http_requests_total{method=other,route=unmatched,status=404}"] == 1


def test_the_description_says_how_to_get_in_and_where_a_key_is_needed(stage: Stage) -> None:
    paths = stage.call("GET", "/v1/openapi.json", "viewer").json()["paths"]

    def keyed(path: str, method: str) -> bool:
        return any(p["name"] == "Idempotency-Key" for p in paths[path][method].get("parameters", []))

    assert keyed("/v1/releases", "post")
    assert keyed("/v1/applications/{name}", "delete")
    assert not keyed("/v1/kill-switch", "post")
    assert not keyed("/v1/releases/{release_id}/abort", "post")
    assert paths["/healthz"]["get"]["security"] == []


def record(stage: Stage, number: int, **more: str) -> None:
    stage.store.commit(Commit(records=(Draft("reason", 1_000.0 + number, "tester", f"record {number}", **more),)))  # type: ignore[arg-type]


def test_the_record_is_read_in_pages_both_ways(stage: Stage) -> None:
    for number in range(1, 6):
        record(stage, number)
    first = stage.call("GET", "/v1/audit?limit=3", "viewer").json()
    assert ([r["seq"] for r in first["items"]], first["next"]) == ([1, 2, 3], "3")
    rest = stage.call("GET", "/v1/audit?limit=3&after=3").json()
    assert ([r["seq"] for r in rest["items"]], rest["next"]) == ([4, 5], None)
    newest = stage.call("GET", "/v1/audit?limit=2&newest_first=true").json()
    assert [r["seq"] for r in newest["items"]] == [5, 4]
    older = stage.call("GET", "/v1/audit", params={"limit": 2, "newest_first": True, "after": newest["next"]}).json()
    assert [r["seq"] for r in older["items"]] == [3, 2]


def test_the_record_is_filtered(stage: Stage) -> None:
    record(stage, 1, release_id="shop-1", application="shop")
    record(stage, 2, release_id="cart-1", application="cart")

    def found(query: str) -> list[int]:
        return [r["seq"] for r in stage.call("GET", f"/v1/audit?{query}").json()["items"]]

    assert found("release=shop-1") == [1]
    assert found("application=cart") == [2]
    assert found("type=reason") == [1, 2]
    assert found("type=drift") == []


def test_a_type_of_record_that_does_not_exist_is_an_error_that_names_those_that_do(stage: Stage) -> None:
    answer = stage.call("GET", "/v1/audit?type=kill")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    [mistake] = answer.json()["errors"]
    assert mistake["field"] == "query.type"
    assert all(f"'{name}'" in mistake["text"] for name in TYPES)


def test_the_chain_is_verified(stage: Stage) -> None:
    record(stage, 1)
    checked = stage.call("GET", "/v1/audit/verify", "viewer").json()
    assert (checked["ok"], checked["records"], checked["trouble"]) == (True, 1, "")
    head = stage.store.audit(Page())[0].hash
    assert checked["head"] == head


def test_a_broken_chain_is_said_to_be_broken(stage: Stage) -> None:
    for number in range(3):
        record(stage, number)
    del stage.store.inner._audit[1]
    checked = stage.call("GET", "/v1/audit/verify").json()
    assert checked["ok"] is False
    assert "missing" in checked["trouble"]


def test_one_walk_over_the_chain_at_a_time(stage: Stage) -> None:
    lock: threading.Lock = stage.app.state.context.verifying
    with lock:
        busy = stage.call("GET", "/v1/audit/verify")
        assert (busy.status_code, busy.json()["code"]) == (429, "verifying")
    assert stage.call("GET", "/v1/audit/verify").status_code == 200
