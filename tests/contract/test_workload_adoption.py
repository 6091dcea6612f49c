"""Real processes and the controllers that come and go over them: adoption, lost records, pid reuse, rivals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.model import Role
from controller.ports import Fenced, PortError, Refused, Unavailable
from tests.contract.workload_stage import RealStage, drive, free_ports, settled, table_of, wait_until_gone

STABLE, CANARY = Role.STABLE, Role.CANARY


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[RealStage]:
    real = RealStage(tmp_path / "state", free_ports(16))
    yield real
    real.close()


CONTROLLER = """
import os, signal, sys
from pathlib import Path
from analysis.model import Role
from tests.contract.workload_stage import RealStage, drive, settled
stage = RealStage(Path(sys.argv[1]), (int(sys.argv[2]), int(sys.argv[3])))
drive(stage, [(Role.STABLE, "v1")], settled("v1"))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_instances_outlive_a_killed_controller_and_a_new_one_takes_them_over(stage: RealStage) -> None:
    low, high = stage.processes_target.ports
    arguments = [sys.executable, "-c", CONTROLLER, str(stage.directory), str(low), str(high)]
    ended = subprocess.run(arguments, cwd=Path(__file__).parents[2], timeout=30, capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    before = stage.pids()
    assert len(before) == 2
    first = stage.workload.observe(stage.app)[0]
    assert first.settled_on("v1"), "ready at the first look, so that nobody believes stable to be down"
    drive(stage, [(STABLE, "v1")], settled("v1"), epoch=2)
    assert stage.pids() == before
    drive(stage, [(STABLE, None)], lambda s, _: s.running_any == 0, epoch=2)
    wait_until_gone(stage)


def test_a_restarted_controller_fills_the_pool_before_it_has_asked_anybody(stage: RealStage) -> None:
    drive(stage, [(STABLE, "v1")], settled("v1"))
    ports = stage.endpoints.open_ports(STABLE)
    stage.endpoints.history.clear()
    stage.restart()
    stage.workload.ensure(stage.app, STABLE, "v1", 2)
    assert {endpoint.port for endpoint in stage.endpoints.history[0][1] if not endpoint.drain} == ports


def test_a_crash_between_start_and_record_neither_loses_nor_doubles_the_process(stage: RealStage) -> None:
    drive(stage, [(STABLE, "v1")], settled("v1"))
    record = json.loads(table_of(stage).read_text())
    for instance in record["instances"]:
        instance.update(pid=None, born=None, state="starting")
    stage.restart()
    table_of(stage).write_text(json.dumps(record))
    before = stage.pids()
    drive(stage, [(STABLE, "v1")], settled("v1"))
    assert stage.pids() == before


def test_a_crash_between_intent_and_start_leaves_no_ghost(stage: RealStage) -> None:
    drive(stage, [(STABLE, "v1")], settled("v1"))
    record = json.loads(table_of(stage).read_text())
    ghost = {**record["instances"][0], "id": "0" * 16, "pid": None, "born": None, "state": "starting"}
    record["instances"].append(ghost)
    stage.restart()
    table_of(stage).write_text(json.dumps(record))
    drive(stage, [(STABLE, "v1")], settled("v1"))
    assert len(stage.pids()) == 2


def test_a_lost_table_costs_no_running_instance(stage: RealStage) -> None:
    drive(stage, [(STABLE, "v1")], settled("v1"))
    before = stage.pids()
    table_of(stage).unlink()
    stage.restart()
    drive(stage, [(STABLE, "v1")], settled("v1"))
    assert stage.pids() == before


def test_a_damaged_table_is_refused_with_what_to_do_and_nothing_is_started(stage: RealStage) -> None:
    drive(stage, [(STABLE, "v1")], settled("v1"))
    before = stage.pids()
    stage.restart()
    table_of(stage).write_text('{"application": "shop", "role": "stable", "surprise": 1}')
    with pytest.raises(Refused, match="Move it away"):
        stage.workload.ensure(stage.app, STABLE, "v1", 1)
    with pytest.raises(Refused, match="Move it away"):
        stage.workload.observe(stage.app)
    assert stage.pids() == before


def test_a_reused_pid_is_not_taken_for_ours_and_never_signalled(stage: RealStage) -> None:
    drive(stage, [(STABLE, "v1")], settled("v1"))
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"]) as stranger:
        try:
            record = json.loads(table_of(stage).read_text())
            ours = record["instances"][0]["pid"]
            os.kill(ours, signal.SIGKILL)
            os.waitpid(ours, 0)
            record["instances"][0]["pid"] = stranger.pid
            stage.restart()
            table_of(stage).write_text(json.dumps(record))
            assert stage.workload.observe(stage.app)[0].running == (("v1", 1),)
            drive(stage, [(STABLE, None)], lambda s, _: s.running_any == 0)
            wait_until_gone(stage)
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_the_epoch_is_remembered_across_a_restart(stage: RealStage) -> None:
    drive(stage, [(STABLE, "v1")], settled("v1"), epoch=5)
    stage.restart()
    with pytest.raises(Fenced):
        stage.workload.ensure(stage.app, STABLE, "v2", 4)


def test_a_second_controller_at_the_same_moment_is_kept_out(stage: RealStage) -> None:
    other = RealStage(stage.directory, stage.processes_target.ports)
    inside, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        inside.set()
        go_on.wait(5)

    stage.endpoints.hold = hold
    first = threading.Thread(target=lambda: stage.workload.ensure(stage.app, STABLE, "v1", 1))
    first.start()
    try:
        assert inside.wait(5)
        with pytest.raises(Unavailable, match="another controller"):
            other.workload.ensure(other.app, STABLE, "v1", 1)
    finally:
        go_on.set()
        first.join(5)
        other.processes.close()


def test_many_callers_at_once_start_nothing_twice(stage: RealStage) -> None:
    troubles: list[PortError] = []

    def call() -> None:
        for _ in range(10):
            try:
                stage.workload.ensure(stage.app, STABLE, "v1", 1)
                stage.workload.observe(stage.app)
            except PortError as error:
                troubles.append(error)

    callers = [threading.Thread(target=call) for _ in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(30)
    drive(stage, [(STABLE, "v1")], settled("v1"))
    assert len(stage.pids()) == 2
    assert troubles == []
