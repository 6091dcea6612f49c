"""Starting, showing and steering releases over HTTP; the world after each is checked, not the calls."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from analysis.judge import new_state
from analysis.model import MetricState
from controller.core.model import Intent, IntentKind, Phase, Reason
from controller.ports import AuditFilter, Commit, Page, RouteWrite
from tests.api.http_stage import Stage
from tests.unit.core.build import T0, an_app, an_external_app


def start(stage: Stage, version: str = "v2", role: str = "ci", **more: object) -> str:
    answer = stage.call("POST", "/v1/releases", role, json={"application": "shop", "version": version, **more})
    assert answer.status_code == 202, answer.text
    release_id: str = answer.json()["release"]["id"]
    return release_id


def test_a_started_release_is_pending_and_belongs_to_the_credential(stage: Stage) -> None:
    stage.add_application()
    release_id = start(stage)
    stored = stage.store.release(release_id)
    assert (stored.phase, stored.actor, stored.canary, stored.stable) == (Phase.PENDING, "ci", "v2", "v1")
    assert stage.woken == [release_id]
    record = stage.store.audit(Page(), AuditFilter(release_id=release_id))[0].draft
    assert (record.type, record.actor) == ("requested", "ci")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"application": "none", "version": "v2"}, 404, "unknown_application"),
        ({"application": "shop", "version": "v1"}, 409, "already_stable"),
        ({"application": "shop", "version": "-x"}, 422, "invalid_version"),
    ],
)
def test_a_release_that_cannot_start_says_why(stage: Stage, body: dict[str, str], status: int, code: str) -> None:
    stage.add_application()
    answer = stage.call("POST", "/v1/releases", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert stage.call("GET", "/v1/releases").json()["items"] == []


def test_a_second_release_is_refused_and_names_the_first(stage: Stage) -> None:
    stage.add_application()
    first = start(stage)
    answer = stage.call("POST", "/v1/releases", json={"application": "shop", "version": "v3"})
    assert (answer.status_code, answer.json()["code"]) == (409, "active_release")
    assert answer.json()["facts"] == {"release": first}


def test_replace_takes_the_place_of_the_running_release(stage: Stage) -> None:
    stage.add_application()
    first = start(stage)
    second = start(stage, "v3", replace=True)
    shown = stage.call("GET", f"/v1/releases/{first}").json()
    assert shown["superseded_by"] == second
    assert shown["intent"]["kind"] == "abort"


def test_a_kill_refuses_a_release(stage: Stage) -> None:
    stage.add_application()
    kill = stage.call("POST", "/v1/kill-switch", json={"scope": "application:shop"}).json()["kill"]["id"]
    answer = stage.call("POST", "/v1/releases", json={"application": "shop", "version": "v2"})
    assert (answer.status_code, answer.json()["code"]) == (423, "killed")
    assert answer.json()["facts"]["kill"] == kill


def test_a_release_is_shown_with_its_evidence_and_one_sentence(stage: Stage) -> None:
    stage.add_application()
    judge = replace(
        new_state(T0),
        fresh_at_s=T0 + 5,
        step_canary_total=200.0,
        metrics=(MetricState("errors", 200.0, 3.0, 1_800.0, 2.0),),
    )
    stage.add_release(judge=judge, reason=Reason("baking", "10 % is live; minimum bake", T0 + 60))
    shown = stage.call("GET", "/v1/releases/shop-1", "viewer").json()
    assert (shown["phase"], shown["exit"], shown["weight_pct"], shown["step"]) == ("progressing", "running", 10, 0)
    assert shown["explain"] == "shop v2 is at step 1 of 3 (10 %): 10 % is live; minimum bake; 1m left."
    assert shown["weight_live_since"] == "1970-01-12T13:46:40.000Z"
    assert shown["reason"]["until"] == "1970-01-12T13:47:40.000Z"
    assert shown["verdict"]["judgement"] == "watching"
    metric = shown["evidence"]["metrics"][0]
    assert (metric["canary_requests"], metric["canary_bad_pct"]) == (200.0, 1.5)
    assert shown["evidence"]["numbers"]["evidence_needed"] > 1
    explained = stage.call("GET", "/v1/releases/shop-1/explain", "viewer").json()
    assert (explained["explain"], explained["left_s"]) == (shown["explain"], 60.0)


@pytest.mark.parametrize(("tripped", "judgement"), [(True, "trip"), (False, "fail")])
def test_a_final_verdict_is_shown_as_such(stage: Stage, tripped: bool, judgement: str) -> None:
    judge = replace(new_state(T0), failed="too many errors", failed_code="worse_than_stable", tripped=tripped)
    stage.add_release(judge=judge)
    verdict = stage.call("GET", "/v1/releases/shop-1").json()["verdict"]
    assert verdict == {"judgement": judgement, "code": "worse_than_stable", "text": "too many errors"}


FULL = Intent(IntentKind.PROMOTE_FULL, "eve", T0)
FIRST_STEP = Intent(IntentKind.PROMOTE_STEP, "eve", T0, step=0)
LAST_STEP = Intent(IntentKind.PROMOTE_STEP, "eve", T0, step=2)


@pytest.mark.parametrize(
    ("changes", "judgement", "text"),
    [
        ({"phase": Phase.SUCCEEDED}, "pass", "the evidence sufficed"),
        ({"phase": Phase.PROMOTING}, "pass", "the evidence sufficed"),
        (
            {"phase": Phase.SUCCEEDED, "bypassed": (FIRST_STEP,)},
            "pass",
            "the evidence sufficed; 1 earlier passed by hand",
        ),
        ({"phase": Phase.SUCCEEDED, "bypassed": (LAST_STEP,)}, "bypass", "eve passed the evidence"),
        ({"phase": Phase.SUCCEEDED, "bypassed": (FULL,)}, "bypass", "eve passed the evidence"),
        ({"phase": Phase.SUCCEEDED, "stable": None}, "none", "the first version is not judged"),
        ({"phase": Phase.ROLLED_BACK}, "none", "it was ended before the evidence decided"),
        ({"phase": Phase.ROLLING_BACK}, "none", "it was ended before the evidence decided"),
        ({"phase": Phase.ROLLED_BACK, "bypassed": (FULL,)}, "none", "it was ended before the evidence decided"),
    ],
)
def test_the_verdict_of_a_release_past_its_steps_is_not_open(
    stage: Stage, changes: dict[str, Any], judgement: str, text: str
) -> None:
    stage.add_release(judge=new_state(T0), **changes)
    verdict = stage.call("GET", "/v1/releases/shop-1").json()["verdict"]
    assert (verdict["judgement"], verdict["text"]) == (judgement, text)


@pytest.mark.parametrize(
    ("phase", "exit_word", "ended"),
    [
        (Phase.PENDING, "running", False),
        (Phase.ROLLING_BACK, "running", False),
        (Phase.PAUSED, "paused", False),
        (Phase.HALTED, "halted", False),
        (Phase.SUCCEEDED, "done", True),
        (Phase.ROLLED_BACK, "failed", True),
        (Phase.FAILED, "failed", True),
    ],
)
def test_exit_says_what_a_waiting_client_needs(stage: Stage, phase: Phase, exit_word: str, ended: bool) -> None:
    stage.add_release(phase=phase)
    shown = stage.call("GET", "/v1/releases/shop-1").json()
    assert (shown["exit"], shown["ended"]) == (exit_word, ended)


def test_an_external_release_says_which_versions_are_wanted_where(stage: Stage) -> None:
    stage.add_release(app=an_external_app())
    wants = stage.call("GET", "/v1/releases/shop-1").json()["wants"]
    assert wants == [{"role": "stable", "version": "v1"}, {"role": "canary", "version": "v2"}]


def test_releases_are_listed_newest_first_in_pages_without_gap_or_overlap(stage: Stage) -> None:
    for number in range(7):
        stage.add_release(id=f"shop-{number}", phase=Phase.FAILED, created_at_s=T0 + number)
    seen: list[str] = []
    after = ""
    while True:
        page = stage.call("GET", "/v1/releases", params={"limit": 3, "after": after}).json()
        seen += [release["id"] for release in page["items"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert seen == [f"shop-{number}" for number in reversed(range(7))]


def test_a_full_last_page_has_no_next(stage: Stage) -> None:
    for number in range(3):
        stage.add_release(id=f"shop-{number}", phase=Phase.FAILED)
    assert stage.call("GET", "/v1/releases?limit=3").json()["next"] is None


def test_releases_are_filtered_by_application_and_phase(stage: Stage) -> None:
    stage.add_release(id="shop-1")
    stage.add_release(id="shop-2", phase=Phase.FAILED)
    stage.add_release(id="cart-1", app=an_app(name="cart"))

    def found(query: str) -> set[str]:
        return {release["id"] for release in stage.call("GET", f"/v1/releases?{query}").json()["items"]}

    assert found("application=shop") == {"shop-1", "shop-2"}
    assert found("phase=failed") == {"shop-2"}
    assert found("application=cart&phase=progressing") == {"cart-1"}


@pytest.mark.parametrize(
    ("verb", "body", "kind"),
    [
        ("pause", {"reason": "lunch"}, IntentKind.PAUSE),
        ("promote", {}, IntentKind.PROMOTE_STEP),
        ("promote", {"full": True, "reason": "sure"}, IntentKind.PROMOTE_FULL),
        ("abort", None, IntentKind.ABORT),
    ],
)
def test_a_wish_is_recorded_for_the_controller(
    stage: Stage, verb: str, body: dict[str, object] | None, kind: IntentKind
) -> None:
    stage.add_application()
    stage.add_release()
    answer = stage.call("POST", f"/v1/releases/shop-1/{verb}", "operator", json=body)
    assert answer.status_code == 202, answer.text
    intent = stage.store.release("shop-1").intent
    assert (intent.kind, intent.actor) == (kind, "operator")
    assert intent.reason == (body or {}).get("reason", "")
    assert stage.woken == ["shop-1"]


def test_promote_pins_the_step_that_the_caller_saw(stage: Stage) -> None:
    stage.add_release(step=1, weight_pct=20)
    stage.call("POST", "/v1/releases/shop-1/promote", json={"step": 0})
    assert stage.store.release("shop-1").intent.step == 0


def test_resume_goes_on_after_a_pause(stage: Stage) -> None:
    stage.add_release(phase=Phase.PAUSED)
    answer = stage.call("POST", "/v1/releases/shop-1/resume", "operator")
    assert answer.status_code == 202
    assert stage.store.release("shop-1").intent.kind is IntentKind.RESUME


def test_what_does_not_fit_the_phase_is_refused_and_says_what_would(stage: Stage) -> None:
    stage.add_release(phase=Phase.PROMOTING)
    answer = stage.call("POST", "/v1/releases/shop-1/pause")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_possible")
    assert answer.json()["facts"] == {"phase": "promoting"}


def test_pausing_what_is_paused_is_no_error_and_says_so(stage: Stage) -> None:
    stage.add_release(phase=Phase.PAUSED)
    answer = stage.call("POST", "/v1/releases/shop-1/pause")
    assert (answer.status_code, answer.json()["text"]) == (202, "shop-1 is already paused")


def test_aborting_what_has_ended_is_no_error(stage: Stage) -> None:
    stage.add_release(phase=Phase.ROLLED_BACK)
    answer = stage.call("POST", "/v1/releases/shop-1/abort")
    assert answer.status_code == 202
    assert "already ended" in answer.json()["text"]


def test_an_abort_takes_traffic_back_before_it_is_recorded(stage: Stage) -> None:
    app = stage.add_application()
    stage.add_release()
    route = stage.router.claim(app, 1)
    stage.router.write(app, RouteWrite(10, "shop-1", 1, route.revision, 120.0))
    assert stage.router.haproxy.share_pct("shop") == pytest.approx(10)
    stage.call("POST", "/v1/releases/shop-1/abort", json={"reason": "smoke"})
    assert stage.router.haproxy.share_pct("shop") == 0


def test_an_abort_works_while_the_store_is_down_and_says_so(stage: Stage) -> None:
    app = stage.add_application()
    stage.last_seen["shop-1"] = stage.add_release()
    route = stage.router.claim(app, 1)
    stage.router.write(app, RouteWrite(10, "shop-1", 1, route.revision, 120.0))
    stage.call("GET", "/v1/releases")
    stage.clock.advance(3_600)
    stage.break_store()
    answer = stage.call("POST", "/v1/releases/shop-1/abort", "ci", json={"reason": "smoke"})
    assert answer.status_code == 202, answer.text
    assert answer.json()["durable"] is False
    assert stage.router.haproxy.share_pct("shop") == 0


def test_retry_is_a_new_release_of_the_same_version(stage: Stage) -> None:
    stage.add_application()
    stage.add_release(phase=Phase.ROLLED_BACK)
    answer = stage.call("POST", "/v1/releases/shop-1/retry", "ci")
    assert answer.status_code == 202, answer.text
    release = answer.json()["release"]
    assert (release["retry_of"], release["canary"], release["actor"]) == ("shop-1", "v2", "ci")


def test_a_running_release_is_not_retried(stage: Stage) -> None:
    stage.add_application()
    stage.add_release()
    answer = stage.call("POST", "/v1/releases/shop-1/retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "active_release")


def test_the_answer_shows_the_revision_that_the_store_has(stage: Stage) -> None:
    stage.add_application()
    release_id = start(stage)
    first = stage.call("GET", f"/v1/releases/{release_id}").json()
    assert first["revision"] == stage.store.release(release_id).revision == 1
    paused = stage.call("POST", f"/v1/releases/{release_id}/pause").json()["release"]
    assert paused["revision"] == stage.store.release(release_id).revision == 2


def test_the_release_id_is_in_the_log_line(stage: Stage) -> None:
    stage.add_release()
    stage.call("GET", "/v1/releases/shop-1", "viewer")
    line = stage.logged("request")[-1]
    assert (line["release_id"], line["actor"], line["status"]) == ("shop-1", "viewer", 200)


def test_a_release_whose_commit_conflicts_is_tried_again(stage: Stage) -> None:
    stage.add_application()
    stage.add_release()
    stored = stage.store.release("shop-1")
    stage.store.commit(Commit(release=replace(stored, reason=Reason("moved", "moved"))))
    assert stage.call("POST", "/v1/releases/shop-1/pause").status_code == 202
