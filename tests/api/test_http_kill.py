"""The kill switch over HTTP: loud, honest, open to everyone, and in nobody's queue."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from functools import partial
from typing import Any

import httpx
import pytest

from controller.core.model import Mark
from controller.ports import AuditFilter, Page, RouteWrite, Unavailable
from controller.runtime.lanes import PathAnswer
from controller.runtime.selftest import SelfTested
from gates.kill import KillAnswerKind, Target, answer
from tests.api.http_stage import Stage, a_document

PATH = "/v1/kill-switch"
SHOP = Target("production", "shop", "shop-1")


def give_traffic(stage: Stage, weight_pct: int = 10) -> None:
    app = stage.add_application()
    stage.add_release()
    route = stage.router.claim(app, 1)
    stage.router.write(app, RouteWrite(weight_pct, "shop-1", 1, route.revision, 120.0))
    assert stage.router.haproxy.share_pct("shop") == pytest.approx(weight_pct)


@pytest.mark.parametrize(
    "scope", ["fleet", "environment:production", "environment:prod", "application:shop", "release:shop-1"]
)
def test_a_bare_kill_sends_all_traffic_to_stable(stage: Stage, scope: str) -> None:
    give_traffic(stage)
    pressed = stage.call("POST", PATH, "viewer", json={"scope": scope})
    assert pressed.status_code == 200, pressed.text
    assert pressed.json()["effective"] is True
    assert stage.router.haproxy.share_pct("shop") == 0
    assert answer(stage.kills.state(), SHOP).kind is KillAnswerKind.REVERT


def test_a_halt_freezes_without_moving_traffic(stage: Stage) -> None:
    give_traffic(stage)
    pressed = stage.call("POST", PATH, json={"scope": "application:shop", "verb": "halt", "reason": "looking"})
    assert pressed.json()["kill"]["verb"] == "halt"
    assert stage.router.haproxy.share_pct("shop") == pytest.approx(10)
    assert answer(stage.kills.state(), SHOP).kind is KillAnswerKind.HALT


def test_the_answer_names_every_path(stage: Stage) -> None:
    give_traffic(stage)
    paths = stage.call("POST", PATH, json={"scope": "fleet"}).json()["paths"]
    assert {path["path"]: path["state"] for path in paths} == dict.fromkeys(
        ("memory", "route:shop", "file", "store"), "effective"
    )


def test_a_route_that_cannot_be_reached_makes_it_202_and_not_effective(stage: Stage) -> None:
    give_traffic(stage)
    stage.router.guard_up = False
    pressed = stage.call("POST", PATH, json={"scope": "fleet"})
    assert (pressed.status_code, pressed.json()["effective"]) == (202, False)
    route = next(path for path in pressed.json()["paths"] if path["path"] == "route:shop")
    assert route["state"] == "failed"
    assert "cannot be reached" in route["text"]
    assert answer(stage.kills.state(), SHOP).kind is KillAnswerKind.REVERT


def test_it_works_while_the_store_is_down(stage: Stage) -> None:
    give_traffic(stage)
    stage.call("GET", PATH)
    stage.clock.advance(86_400)
    stage.break_store()
    pressed = stage.call("POST", PATH, "viewer", json={"scope": "application:shop"})
    assert pressed.status_code == 200, pressed.text
    states = {path["path"]: path["state"] for path in pressed.json()["paths"]}
    assert (states["store"], states["file"], states["route:shop"]) == ("failed", "effective", "effective")
    assert stage.router.haproxy.share_pct("shop") == 0


@pytest.mark.parametrize(
    "scope",
    [
        "shop",
        "app:shop",
        "application:",
        "application:shpo",
        "environment:prodution",
        "release:none",
        "fleet:",
        "FLEET",
        "*",
    ],
)
def test_a_scope_that_names_nothing_is_loud(stage: Stage, scope: str) -> None:
    give_traffic(stage)
    refused = stage.call("POST", PATH, json={"scope": scope})
    assert (refused.status_code, refused.json()["code"]) == (400, "unknown_scope"), refused.text
    assert "NOTHING WAS STOPPED" in refused.json()["title"]
    assert "nothing was engaged" in refused.json()["detail"]
    assert stage.kills.state().engaged == ()


def test_in_doubt_whether_a_scope_exists_it_engages(stage: Stage) -> None:
    stage.call("GET", PATH)
    stage.break_store()
    pressed = stage.call("POST", PATH, json={"scope": "application:unheard"})
    assert (pressed.status_code, pressed.json()["effective"]) == (202, False)
    assert [str(e.scope) for e in stage.kills.state().engaged] == ["application:unheard"]


def test_an_application_of_this_very_moment_is_killed_without_claiming_its_route(stage: Stage) -> None:
    stage.call("PUT", "/v1/applications/shop", json=a_document())
    pressed = stage.call("POST", PATH, json={"scope": "application:shop"})
    assert (pressed.status_code, pressed.json()["effective"]) == (202, False)
    assert pressed.json()["paths"][-1]["path"] == "route:*"
    assert answer(stage.kills.state(), SHOP).kind is KillAnswerKind.REVERT


def test_what_is_engaged_is_listed_newest_first(stage: Stage) -> None:
    stage.add_application()
    first = stage.call("POST", PATH, json={"scope": "application:shop", "reason": "one"}).json()["kill"]
    stage.clock.advance(10)
    second = stage.call("POST", PATH, json={"scope": "fleet"}).json()["kill"]
    listed = stage.call("GET", PATH, "viewer").json()
    assert listed == {"items": [second, first], "next": None, "readable": True, "trouble": "", "self_test": None}


def test_the_newest_self_test_is_listed_with_what_failed(stage: Stage) -> None:
    paths = (PathAnswer("memory", "effective"), PathAnswer("route:shop", "failed", "the guard is away"))
    stage.tested = SelfTested(stage.clock.now_s(), 0.0123, paths)
    shown = stage.call("GET", PATH, "viewer").json()["self_test"]
    assert (shown["ok"], shown["took_ms"], shown["text"]) == (False, 12.3, "route:shop: the guard is away")
    assert [(path["path"], path["state"]) for path in shown["paths"]] == [
        ("memory", "effective"),
        ("route:shop", "failed"),
    ]


def test_a_switch_that_cannot_be_read_says_so(stage: Stage) -> None:
    stage.call("GET", PATH)
    stage.break_store(Unavailable("the disk is away"))
    listed = stage.call("GET", PATH).json()
    assert listed["readable"] is False
    assert "the disk is away" in listed["trouble"]


def kill(stage: Stage, scope: str) -> str:
    identifier: str = stage.call("POST", PATH, json={"scope": scope}).json()["kill"]["id"]
    return identifier


def test_letting_go_is_recorded_with_who_and_why(stage: Stage) -> None:
    identifier = kill(stage, "fleet")
    released = stage.call("POST", f"{PATH}/{identifier}/release", "approver", json={"reason": "all well"})
    assert released.status_code == 200, released.text
    assert released.json()["released_by"] == "approver"
    assert stage.kills.state().engaged == ()
    record = stage.store.audit(Page(), AuditFilter(type="kill_released"))[0].draft
    assert record.actor == "approver"
    assert "all well" in record.text


@pytest.mark.parametrize(
    ("scope", "status"),
    [("fleet", 403), ("environment:production", 403), ("application:shop", 200), ("release:shop-1", 200)],
)
def test_an_operator_lets_go_of_one_application_but_not_of_more(stage: Stage, scope: str, status: int) -> None:
    give_traffic(stage)
    identifier = kill(stage, scope)
    released = stage.call("POST", f"{PATH}/{identifier}/release", "operator", json={"reason": "all well"})
    assert released.status_code == status, released.text
    assert bool(stage.kills.state().engaged) is (status == 403)


def test_letting_go_of_what_is_not_engaged(stage: Stage) -> None:
    unknown = stage.call("POST", f"{PATH}/k-1/release", json={"reason": "x"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_kill")
    identifier = kill(stage, "fleet")
    stage.call("POST", f"{PATH}/{identifier}/release", json={"reason": "x"})
    again = stage.call("POST", f"{PATH}/{identifier}/release", json={"reason": "x"})
    assert (again.status_code, again.json()["code"]) == (409, "already_released")


def a_kill_of_a_dead_process(stage: Stage) -> str:
    """Only the route remembers it."""
    give_traffic(stage)
    app = stage.catalogue.applications()[0]
    stage.router.halt(app, Mark(None, "killed", "kill k-dead by ann", "k-dead"), True)
    return "k-dead"


def test_a_kill_that_only_a_route_remembers_is_listed(stage: Stage) -> None:
    name = a_kill_of_a_dead_process(stage)
    stage.kills.sync()
    (listed,) = stage.call("GET", PATH, "viewer").json()["items"]
    assert (listed["id"], listed["verb"], listed["scope"]) == (name, "revert", "application:shop")


def test_a_kill_that_only_a_route_remembers_can_be_let_go_even_before_it_is_listed(stage: Stage) -> None:
    name = a_kill_of_a_dead_process(stage)
    released = stage.call("POST", f"{PATH}/{name}/release", "operator", json={"reason": "looked at it"})
    assert released.status_code == 200, released.text
    assert name in stage.store.kills().released
    stage.kills.sync()
    assert stage.call("GET", PATH).json()["items"] == []


def test_letting_go_needs_the_store(stage: Stage) -> None:
    identifier = kill(stage, "fleet")
    stage.break_store()
    refused = stage.call("POST", f"{PATH}/{identifier}/release", json={"reason": "x"})
    assert refused.status_code == 503
    stage.mend_store()
    assert [e.id for e in stage.kills.state().engaged] == [identifier]


class Stuck:
    """Occupies the shared threads: every listing of releases waits until it is let go."""

    def __init__(self, stage: Stage) -> None:
        self.let_go = threading.Event()
        self.waiting = threading.Semaphore(0)
        self._stage, self._futures = stage, list[Future[httpx.Response]]()
        stage.store.inner.releases = self._releases

    def _releases(self, *_given: Any) -> list[Any]:
        self.waiting.release()
        assert self.let_go.wait(9)
        return []

    def occupy(self, threads: int) -> None:
        for _ in range(threads):
            self._futures.append(self.ask("GET", "/v1/releases"))
        for _ in range(threads):
            assert self.waiting.acquire(timeout=5), "every thread is stuck"

    def ask(self, method: str, path: str, **given: Any) -> Future[httpx.Response]:
        client = self._stage.client
        headers = {"Authorization": f"Bearer {self._stage.tokens['ci']}"}
        call = partial(client.http.request, method, path, headers=headers, **given)
        return client.portal.start_task_soon(call)

    def end(self) -> None:
        self.let_go.set()
        assert all(future.result(5).status_code == 200 for future in self._futures)


def test_stops_go_through_while_every_shared_thread_is_stuck(stage: Stage) -> None:
    give_traffic(stage)
    stuck = Stuck(stage)
    stuck.occupy(40)
    queued = stuck.ask("GET", "/v1/audit")
    paused = stuck.ask("POST", "/v1/releases/shop-1/pause", json={}).result(5)
    killed = stuck.ask("POST", PATH, json={"scope": "fleet"}).result(5)
    aborted = stuck.ask("POST", "/v1/releases/shop-1/abort", json={}).result(5)
    assert [paused.status_code, killed.status_code, aborted.status_code] == [202, 200, 202]
    assert not queued.done(), "an ordinary request waits, so the threads really were stuck"
    assert stage.router.haproxy.share_pct("shop") == 0
    stuck.end()
    assert queued.result(5).status_code == 200


def test_a_flood_of_wrong_tokens_holds_up_no_kill(stage: Stage) -> None:
    give_traffic(stage)
    for _ in range(60):
        stage.call(
            "POST", PATH, "", json={"scope": "fleet"}, headers={"Authorization": "Bearer il_000000000000_" + "x" * 43}
        )
    assert stage.kills.state().engaged == ()
    assert stage.call("POST", PATH, "viewer", json={"scope": "fleet"}).status_code == 200
