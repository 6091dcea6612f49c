"""`interlock serve` with its store on a real PostgreSQL: killed, refused beside another, and the database gone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.postgres_stage import Server, programs, running
from tests.demo.parts import answers, free_ports, wait_until
from tests.demo.stage import stage
from tests.e2e.conftest import Actor
from tests.parts import missing

LEFT_OUT = missing("haproxy", "prometheus")
pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("stage"),
    pytest.mark.skipif(LEFT_OUT is not None, reason=str(LEFT_OUT)),
    pytest.mark.skipif(programs() is None, reason="left out, see the end of the run"),
]

GONE_S = 20.0
KILLED_S = 2.0
"""Users are counted by seconds."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    folder = programs()
    assert folder is not None
    with running(folder) as started:
        yield started


@pytest.fixture(scope="module")
def on_postgres(server: Server) -> Iterator[Actor]:
    with stage(lambda _line: None, {"store": server.url()}) as on:
        user = Actor(on)
        assert user.interlock("apply", str(on.parts.directory / "shop.yaml")).returncode == 0
        user.deploy("v1")
        assert user.ended()["phase"] == "succeeded"
        on.load.start()
        time.sleep(2)
        yield user
        verified = user.interlock("audit", "verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr


def test_nothing_of_the_store_is_in_the_data_directory(on_postgres: Actor, server: Server) -> None:
    assert not list((on_postgres.on.parts.directory / "data").glob("interlock.db*"))
    assert int(server.sql("SELECT count(*) FROM releases").out[0]) >= 1


def test_a_second_controller_is_refused_with_what_to_do(on_postgres: Actor, server: Server) -> None:
    epoch = server.sql("SELECT epoch FROM anchor").out
    (port,) = free_ports(1)
    settings = on_postgres.on.parts.directory / "second.yaml"
    directory = str(on_postgres.on.parts.directory / "second")
    settings.write_text(yaml.safe_dump({"dataDir": directory, "port": port, "store": server.url()}))
    command = [sys.executable, "-m", "api.cli", "serve", "--config", str(settings)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "another interlock runs on the store" in " ".join(ended.stderr.split())
    assert server.sql("SELECT epoch FROM anchor").out == epoch, "it has not led"


def test_a_controller_killed_in_the_middle_goes_on_with_its_release_at_the_next_start(on_postgres: Actor) -> None:
    since_s = time.time()
    release_id = on_postgres.deploy(on_postgres.good_version())
    on_postgres.carrying(5)
    on_postgres.on.controller.part.kill()
    on_postgres.restart_controller()
    ended = on_postgres.ended(120.0)
    assert (ended["id"], ended["phase"]) == (release_id, "succeeded"), ended["explain"]
    time.sleep(1)
    assert on_postgres.report(since_s).bad == 0


def test_with_the_database_gone_nothing_rises_and_afterwards_the_release_goes_on(
    on_postgres: Actor, server: Server
) -> None:
    since_s = time.time()
    release_id = on_postgres.deploy(on_postgres.good_version())
    on_postgres.carrying(5)
    before, epoch = len(on_postgres.audit(release_id)), server.sql("SELECT epoch FROM anchor").out
    server.stop()
    gone_s = time.time()
    time.sleep(GONE_S)
    shown = [share for second, share in on_postgres.report(gone_s + 2.0).canary_share]
    server.start()
    assert shown
    assert max(shown) < 0.15, "5 % with the noise of a second; the next step has 25 %"
    url = on_postgres.on.controller.url
    wait_until(on_postgres.on.controller.part, lambda: answers(f"{url}/healthz"))
    ended = on_postgres.ended(120.0)
    assert (ended["id"], ended["phase"]) == (release_id, "succeeded"), ended["explain"]
    assert len(on_postgres.audit(release_id)) > before, "what was on record still is, and more"
    time.sleep(1)
    assert on_postgres.report(since_s).bad == 0
    assert server.sql("SELECT epoch FROM anchor").out == epoch, "the same controller led all the time"


def test_a_kill_stops_traffic_within_seconds_while_the_database_says_nothing(
    on_postgres: Actor, server: Server
) -> None:
    on_postgres.deploy(on_postgres.good_version())
    on_postgres.carrying(5)
    with silent(server), ThreadPoolExecutor(1) as pool:
        pressed_s = time.time()
        answer = pool.submit(press, on_postgres, "application:shop")
        time.sleep(KILLED_S + 3.0)
        last_s = on_postgres.report(pressed_s).last_canary_s
        engaged = answer.result(60.0)
    states = {path["path"]: path["state"] for path in engaged["paths"]}
    assert (states["memory"], states["route:shop"], states["file"]) == ("effective",) * 3, states
    assert states["store"] == "failed", "and it says so"
    assert last_s is None or last_s - pressed_s < KILLED_S
    assert on_postgres.interlock("unkill", engaged["kill"]["id"], "--reason", "the test is over").returncode == 0
    on_postgres.interlock("abort", "shop")
    assert on_postgres.ended()["phase"] in ("rolled_back", "failed")


def press(actor: Actor, scope: str) -> dict[str, Any]:
    """The button itself, without the time that the command line takes to start."""
    headers = {"Authorization": f"Bearer {actor.on.controller.token}", "Content-Type": "application/json"}
    body = json.dumps({"scope": scope, "verb": "revert"}).encode()
    request = urllib.request.Request(f"{actor.on.controller.url}/v1/kill-switch", body, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        engaged: dict[str, Any] = json.load(answer)
    return engaged


@contextmanager
def silent(server: Server) -> Iterator[None]:
    """Every process of the server stands still: connections stay open, and nobody answers."""
    first = int((server.data / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    pids = [first, *(int(child) for child in children)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
