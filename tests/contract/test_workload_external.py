"""Versions that someone else runs, seen through real HTTP answers of every kind, good and bad."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from analysis.model import Role
from controller.adapters.clock import SystemClock
from controller.adapters.workloads.external import ExternalWorkload
from controller.adapters.workloads.health import MAX_BODY_BYTES, health_client
from controller.core.model import Application, RoleState
from controller.core.targets import ExternalTarget
from controller.ports import Fenced
from tests.contract.workload_stage import application, processes_target

STABLE, CANARY = Role.STABLE, Role.CANARY


class World(ThreadingHTTPServer):
    """Answers /stable and /canary with what is set; counts what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[str] = []
        self.hang = threading.Event()
        self.hang.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        world = self.server
        assert isinstance(world, World)
        world.asked.append(self.path)
        world.hang.wait(10)
        status, body = world.answers.get(self.path, (404, b""))
        self.send_response(status)
        if status == 302:
            self.send_header("Location", f"{world.url}/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        with suppress(OSError):
            self.end_headers()
            self.wfile.write(body)

    def finish(self) -> None:
        with suppress(OSError):  # an asker that gave up waiting closed the connection
            super().finish()

    def log_message(self, *_: object) -> None:
        """Nothing on standard error in tests."""


@pytest.fixture
def world() -> Iterator[World]:
    with World() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.hang.set()
        server.shutdown()
        thread.join(5)


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with health_client() as client:
        yield client


@pytest.fixture
def workload(http: httpx.Client) -> Iterator[ExternalWorkload]:
    external = ExternalWorkload(SystemClock(), http, check_interval_s=0.0)
    yield external
    external.close()


def app_of(world: World, version_field: str | None = "version", hook_url: str | None = None) -> Application:
    target = ExternalTarget(f"{world.url}/stable", f"{world.url}/canary", version_field, hook_url, 0.5)
    return application(target)


def look_until(workload: ExternalWorkload, app: Application, role: Role, ready: bool) -> RoleState:
    """Look until the role is as wanted. The deadline only bounds a test that fails."""
    deadline_s = time.monotonic() + 5
    while time.monotonic() < deadline_s:
        state = workload.observe(app)[0 if role is STABLE else 1]
        if bool(state.ready_any) == ready:
            return state
        time.sleep(0.01)
    raise AssertionError(f"the {role} did not come to ready={ready}")


def test_the_version_comes_from_the_field_of_the_health_answer(world: World, workload: ExternalWorkload) -> None:
    world.answers = {"/stable": (200, b'{"version": "v1"}'), "/canary": (200, b'{"version": "v2"}')}
    stable, canary = workload.observe(app_of(world))
    assert stable.settled_on("v1")
    assert canary.settled_on("v2")


def test_without_a_field_the_version_is_assumed_to_be_the_one_asked_for(
    world: World, workload: ExternalWorkload
) -> None:
    world.answers = {"/stable": (200, b"fine")}
    app = app_of(world, version_field=None)
    first = workload.observe(app)[0]
    assert (first.ready_any, first.ready_of("v1"), "set target.external.versionField" in first.note) == (1, 0, True)
    workload.ensure(app, STABLE, "v1", 1)
    assert workload.observe(app)[0].settled_on("v1")


def test_another_version_than_the_one_asked_for_is_told(world: World, workload: ExternalWorkload) -> None:
    world.answers = {"/canary": (200, b'{"version": "v1"}')}
    app = app_of(world)
    workload.ensure(app, CANARY, "v2", 1)
    canary = workload.observe(app)[1]
    assert (canary.ready_of("v2"), canary.ready_of("v1")) == (0, 1)
    assert canary.note == "canary runs v1; v2 was asked for"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((503, b'{"version": "v1"}'), "answered 503"),
        ((302, b""), "answered 302"),
        ((200, b"<html>"), "not JSON"),
        ((200, b'["v1"]'), "no version in the field"),
        ((200, b'{"version": 1}'), "no version in the field"),
        ((200, b'{"version": ""}'), "no version in the field"),
        ((200, b"x" * (MAX_BODY_BYTES + 1)), "larger than"),
        ((200, b"[" * 60_000), "not JSON"),
    ],
)
def test_an_answer_that_is_not_good_is_never_ready_and_says_why(
    world: World, workload: ExternalWorkload, answer: tuple[int, bytes], told: str
) -> None:
    world.answers = {"/stable": answer}
    stable = workload.observe(app_of(world))[0]
    assert (stable.ready, stable.running) == ((), ())
    assert told in stable.note
    assert "/elsewhere" not in world.asked


def test_an_address_where_nobody_listens_and_one_that_hangs_are_not_ready(
    world: World, workload: ExternalWorkload
) -> None:
    world.hang.clear()
    app = app_of(world)
    assert isinstance(app.target, ExternalTarget)
    app = replace(app, target=replace(app.target, canary_health_url="http://127.0.0.1:1/"))
    began_s = time.monotonic()
    stable, canary = workload.observe(app)
    assert time.monotonic() - began_s < 5
    assert stable.ready_any == canary.ready_any == 0
    assert "no answer within 0.5 s" in stable.note
    assert "cannot connect" in canary.note


def test_readiness_is_lost_after_bad_answers_and_comes_back(world: World, workload: ExternalWorkload) -> None:
    app = app_of(world)
    world.answers = {"/stable": (200, b'{"version": "v1"}')}
    look_until(workload, app, STABLE, ready=True)
    world.answers = {"/stable": (500, b"")}
    assert "answered 500" in look_until(workload, app, STABLE, ready=False).note
    world.answers = {"/stable": (200, b'{"version": "v1"}')}
    look_until(workload, app, STABLE, ready=True)


def test_what_is_not_wanted_any_more_is_not_waited_for_although_it_still_answers(
    world: World, workload: ExternalWorkload
) -> None:
    app = app_of(world)
    world.answers = {"/canary": (200, b'{"version": "v2"}')}
    workload.ensure(app, CANARY, "v2", 1)
    assert workload.wants(app, CANARY) == "v2"
    workload.ensure(app, CANARY, None, 1)
    assert workload.wants(app, CANARY) is None
    assert workload.observe(app)[1].running_any == 0


def test_an_older_leader_is_fenced(world: World, workload: ExternalWorkload) -> None:
    app = app_of(world)
    workload.ensure(app, STABLE, "v2", 3)
    with pytest.raises(Fenced):
        workload.ensure(app, STABLE, "v1", 2)
    assert workload.wants(app, STABLE) == "v2"


def test_ensure_sends_nothing(world: World, workload: ExternalWorkload) -> None:
    workload.ensure(app_of(world, hook_url=f"{world.url}/hook"), STABLE, "v1", 1)
    assert world.asked == []


def test_the_workload_refuses_a_target_of_another_kind_as_a_bug(workload: ExternalWorkload) -> None:
    with pytest.raises(AssertionError):
        workload.observe(application(processes_target((1, 2))))
