"""`interlock serve` with its store on a real PostgreSQL: killed, refused beside another, and the database gone."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

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
    (port,) = free_ports(1)
    settings = on_postgres.on.parts.directory / "second.yaml"
    directory = str(on_postgres.on.parts.directory / "second")
    settings.write_text(yaml.safe_dump({"dataDir": directory, "port": port, "store": server.url()}))
    command = [sys.executable, "-m", "api.cli", "serve", "--config", str(settings)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "another interlock runs on the store" in " ".join(ended.stderr.split())
    assert server.sql("SELECT epoch FROM anchor").out == ["1"], "it has not led"


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
    before = len(on_postgres.audit(release_id))
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
    assert server.sql("SELECT epoch FROM anchor").out == ["2"], "the same controller led all the time"
