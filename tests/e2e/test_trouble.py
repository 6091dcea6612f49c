"""What goes wrong in production, done to the real parts in the middle of a release, and what must hold then."""

from __future__ import annotations

import os
import random
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from tests.e2e.conftest import LEASE_S, Actor

pytestmark = [pytest.mark.real, pytest.mark.timeout(180), pytest.mark.xdist_group("stage")]

WATCH_S = 2.0
"""Two periods of the guard's own loop, and a margin for a busy machine."""


def rises_without_a_record(records: list[dict[str, Any]], shown: list[tuple[float, float]]) -> list[float]:
    """Seconds in which users met the canary although no record of a weight above 0 had been written before."""
    times = (datetime.fromisoformat(r["at"]).timestamp() for r in records if r["type"] == "weight")
    first_s = min(times, default=float("inf"))
    return [second for second, share in shown if share > 0 and second + 1 < first_s]


def test_a_good_version_is_promoted_and_no_user_sees_anything_bad(actor: Actor) -> None:
    since_s = time.time()
    release_id = actor.deploy(actor.good_version())
    assert actor.ended()["phase"] == "succeeded"
    time.sleep(1)
    report = actor.report(since_s)
    assert report.bad == 0, report
    kinds = [record["type"] for record in actor.audit(release_id)]
    assert kinds.count("weight") >= 4, kinds


def test_a_controller_killed_at_any_moment_and_started_again_finishes_the_release(actor: Actor) -> None:
    since_s = time.time()
    dice = random.Random(7)
    release_id = actor.deploy(actor.good_version())
    for _ in range(6):
        time.sleep(dice.uniform(0.5, 5.0))
        actor.on.controller.part.kill()
        actor.restart_controller()
    ended = actor.ended(120.0)
    assert ended["phase"] == "succeeded", ended["explain"]
    time.sleep(1)
    report = actor.report(since_s)
    assert report.bad == 0, report
    assert rises_without_a_record(actor.audit(release_id), [(s, share) for s, share in report.canary_share]) == []


def test_with_the_controller_gone_traffic_is_back_on_stable_within_the_lease(actor: Actor) -> None:
    actor.deploy(actor.good_version())
    actor.carrying(25)
    gone_s = time.time()
    actor.on.controller.part.kill()
    time.sleep(LEASE_S + WATCH_S + 2.0)
    last_s = actor.report(gone_s).last_canary_s
    actor.restart_controller()
    assert last_s is not None
    assert last_s - gone_s <= LEASE_S + WATCH_S
    assert actor.ended(120.0)["phase"] == "succeeded", "it starts again at its first step and ends well"


def test_prometheus_gone_in_the_middle_holds_and_then_takes_traffic_back(actor: Actor) -> None:
    actor.deploy(actor.good_version())
    actor.carrying(5)
    part = actor.on.prometheus.part
    with stopped(part.process.pid):
        held = actor.until(lambda r: _says(r, "prometheus"), 20.0, "it says that Prometheus does not answer")
        ended = actor.ended(60.0)
    assert ended["phase"] == "rolled_back"
    assert ended["weight_pct"] == 0
    assert "no data" in ended["explain"], ended["explain"]
    assert held["weight_pct"] <= 5


@pytest.mark.timeout(330)
def test_haproxy_gone_in_the_middle_holds_and_goes_on_when_it_is_back(actor: Actor) -> None:
    actor.deploy(actor.good_version())
    actor.carrying(5)
    actor.on.haproxy.part.kill()
    held = actor.until(lambda r: r["reason"]["code"] in ("route_unreadable", "waiting_for_route"), 15.0, "it holds")
    assert held["weight_pct"] <= 25
    actor.on = actor.on.with_haproxy_again()
    # Stable's failures of the outage make the proof slow: it took from 90 s to 120 s here.
    assert actor.ended(240.0)["phase"] in ("succeeded", "rolled_back"), "it ends; the outage may count as harm"


def test_a_guard_killed_in_the_middle_holds_and_goes_on_when_it_is_back(actor: Actor) -> None:
    since_s = time.time()
    actor.deploy(actor.good_version())
    actor.carrying(5)
    actor.on.guard.part.kill()
    held = actor.until(lambda r: r["reason"]["code"] == "route_unreadable", 15.0, "it holds")
    assert "guard" in held["explain"], held["explain"]
    actor.on = actor.on.with_guard_again()
    assert actor.ended(120.0)["phase"] == "succeeded"
    time.sleep(1)
    assert actor.report(since_s).bad == 0


def test_a_full_disk_holds_a_good_release_and_loses_nothing(actor: Actor) -> None:
    release_id = actor.deploy(actor.good_version())
    actor.carrying(5)
    with full_disk(actor):
        time.sleep(4.0)
        shown = actor.report(time.time() - 2.0).canary_share
        assert all(share < 0.4 for _, share in shown), "no weight rises while nothing can be recorded"
    assert actor.ended(120.0)["phase"] == "succeeded"
    assert len(actor.audit(release_id)) >= 5


def test_harm_takes_traffic_back_although_the_disk_is_full(actor: Actor) -> None:
    release_id = actor.deploy("v7-load")  # it fails only under the load of the second step
    actor.carrying(25, within_s=60.0)
    with full_disk(actor):
        time.sleep(10.0)
        shown = actor.report(time.time() - 2.0).canary_share
        assert all(share == 0 for _, share in shown), shown
    ended = actor.ended(60.0)
    assert ended["phase"] == "rolled_back"
    assert any(record["late"] for record in actor.audit(release_id)), (
        "what could not be recorded in time is marked late"
    )


def test_a_version_that_never_becomes_healthy_never_gets_a_request(actor: Actor) -> None:
    since_s = time.time()
    actor.deploy("v5-crash")
    ended = actor.ended(60.0)
    assert ended["phase"] == "failed"
    assert ended["weight_pct"] == 0
    assert "v5-crash" not in actor.report(since_s).by_version


def test_a_port_in_use_is_one_clear_line(actor: Actor) -> None:
    port = actor.on.controller.url.rsplit(":", 1)[1]
    where = str(actor.on.parts.directory / "second")
    second = actor.interlock("serve", "--port", port, "--data-dir", where, timeout_s=30.0)
    assert second.returncode != 0
    told = (second.stdout + second.stderr).strip()
    assert "in use" in told, told
    assert "Traceback" not in told, told


def test_a_second_controller_on_the_same_data_is_refused(actor: Actor) -> None:
    where = str(actor.on.parts.directory / "data")
    second = actor.interlock("serve", "--port", "0", "--data-dir", where, timeout_s=30.0)
    assert second.returncode != 0
    assert "another interlock" in second.stdout + second.stderr


def _says(release: dict[str, Any], word: str) -> bool:
    return word in str(release["explain"]).lower()


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """SIGSTOP: the process is there and answers nothing, which is worse than being gone."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def full_disk(actor: Actor) -> Iterator[None]:
    """No file of the controller may grow: what a full disk is to a writer. Only the soft limit: it can go back."""
    pid = actor.on.controller.part.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
