"""What only real processes can show: ports, notes, clean ends, pools, troubles of the machine."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.model import Role
from controller.ports import PortError, Refused, Unavailable
from tests.contract.workload_stage import RealStage, drive, free_ports, settled, table_of, wait_until_gone

STABLE, CANARY = Role.STABLE, Role.CANARY


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[RealStage]:
    real = RealStage(tmp_path / "state", free_ports(16))
    yield real
    real.close()


def test_a_port_in_use_is_skipped(stage: RealStage) -> None:
    low, _ = stage.processes_target.ports
    with socket.create_server(("127.0.0.1", low)):
        drive(stage, [(STABLE, "v1")], settled("v1"))
        assert stage.endpoints.open_ports(STABLE) == {low + 1, low + 2}


def test_no_free_port_is_refused_and_says_which_range(stage: RealStage) -> None:
    low, _ = stage.processes_target.ports
    stage.target(replace(stage.processes_target, ports=(low, low)))
    with socket.create_server(("127.0.0.1", low)), pytest.raises(Refused, match=f"no free port.*{low}-{low}"):
        stage.workload.ensure(stage.app, STABLE, "v1", 1)
    assert "no free port" in stage.workload.observe(stage.app)[0].note


def test_a_missing_command_is_refused_and_the_note_says_what_to_fix(stage: RealStage) -> None:
    stage.target(replace(stage.processes_target, command=("no-such-program-here", "{version}")))
    with pytest.raises(Refused, match=r"no-such-program-here.*fix target\.command"):
        stage.workload.ensure(stage.app, CANARY, "v1", 1)
    canary = stage.workload.observe(stage.app)[1]
    assert (canary.running_any, "fix target.command" in canary.note) == (0, True)


def test_a_missing_directory_and_a_file_that_may_not_be_run_are_refused(stage: RealStage, tmp_path: Path) -> None:
    stage.target(replace(stage.processes_target, directory=str(tmp_path / "none")))
    with pytest.raises(Refused, match="is not a directory"):
        stage.workload.ensure(stage.app, CANARY, "v1", 1)
    plain = tmp_path / "plain.txt"
    plain.write_text("not a program")
    stage.target(replace(stage.processes_target, directory=None, command=(str(plain),)))
    with pytest.raises(Refused, match="make it executable"):
        stage.workload.ensure(stage.app, CANARY, "v1", 1)


def test_a_start_that_failed_is_tried_again_and_its_note_goes_away(stage: RealStage) -> None:
    good = stage.processes_target
    stage.target(replace(good, command=("no-such-program-here",)))
    with pytest.raises(Refused):
        stage.workload.ensure(stage.app, STABLE, "v1", 1)
    stage.target(good)
    assert drive(stage, [(STABLE, "v1")], settled("v1"))[-1][0].note == ""


def test_the_note_of_a_crash_holds_port_code_and_output_but_no_secret_and_no_control_characters(
    stage: RealStage,
) -> None:
    stage.target(replace(stage.processes_target, environment=(("DATABASE", "postgres://u:hunter2@db"),)))
    note = drive(stage, [(CANARY, "crash-1")], lambda _, c: "restarted once" in c.note)[-1][1].note
    low, high = stage.processes_target.ports
    assert any(f"port {port} exited with code 3" in note for port in range(low, high + 1))
    assert "last output:" in note
    assert "cannot open the" in note
    assert "hunter2" not in note
    assert "\x1b" not in note


def test_the_child_gets_the_environment_of_the_target_and_none_of_our_own_secrets(
    stage: RealStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUR_DATABASE_PASSWORD", "hunter2")
    stage.target(replace(stage.processes_target, environment=(("COLOUR", "blue"),)))
    drive(stage, [(STABLE, "v1")], settled("v1"))
    environment = Path(f"/proc/{stage.pids()[0]}/environ").read_bytes().split(b"\0")
    assert b"COLOUR=blue" in environment
    assert not any(b"hunter2" in entry for entry in environment)


def test_a_version_is_data_and_is_neither_expanded_nor_run_by_a_shell(stage: RealStage, tmp_path: Path) -> None:
    version = f"v1 {{port}}; touch {tmp_path}/owned"
    drive(stage, [(STABLE, version)], settled(version))
    arguments = Path(f"/proc/{stage.pids()[0]}/cmdline").read_bytes().split(b"\0")
    assert version.encode() in arguments
    assert not (tmp_path / "owned").exists()


def test_an_instance_that_ignores_sigterm_is_killed_after_the_grace(stage: RealStage) -> None:
    drive(stage, [(STABLE, "stubborn-1")], settled("stubborn-1"))
    drive(stage, [(STABLE, None)], lambda s, _: s.running_any == 0)
    wait_until_gone(stage)


def test_children_that_an_instance_leaves_behind_are_ended_too(stage: RealStage) -> None:
    drive(stage, [(STABLE, "parent-1")], settled("parent-1"))
    assert len(stage.pids()) == 4
    drive(stage, [(STABLE, None)], lambda s, _: s.running_any == 0)
    stage.workload.ensure(stage.app, STABLE, None, 1)
    wait_until_gone(stage)


def test_no_zombie_is_left(stage: RealStage) -> None:
    before = zombies()
    drive(stage, [(CANARY, "crash-1")], lambda _, c: "restarted once" in c.note)
    drive(stage, [(CANARY, None)], lambda _, c: c.running_any == 0)
    stage.workload.ensure(stage.app, CANARY, None, 1)
    assert not zombies() - before


def zombies() -> set[str]:
    """The dead children of this process that nobody has waited for; other tests may have left some."""
    found = set()
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == os.getpid() and fields[0] == "Z":
                found.add(entry.name)
    return found


def test_the_pool_is_never_empty_while_stable_is_replaced(stage: RealStage) -> None:
    drive(stage, [(STABLE, "v1")], settled("v1"))
    stage.endpoints.history.clear()
    drive(stage, [(STABLE, "v2")], settled("v2"))
    open_ports = [[one for one in pool if not one.drain] for _, pool in stage.endpoints.history]
    assert min(len(pool) for pool in open_ports) >= 2


def test_an_instance_is_drained_before_it_is_ended(stage: RealStage) -> None:
    drive(stage, [(STABLE, "v1")], settled("v1"))
    ports = stage.endpoints.open_ports(STABLE)
    stage.endpoints.history.clear()
    drive(stage, [(STABLE, None)], lambda s, _: s.running_any == 0)
    drained = {one.port for _, pool in stage.endpoints.history for one in pool if one.drain}
    assert drained == ports


def test_when_the_pool_cannot_be_set_nothing_that_serves_is_taken_away_and_the_trouble_is_told(
    stage: RealStage,
) -> None:
    drive(stage, [(STABLE, "v1")], settled("v1"))
    stage.endpoints.trouble = Unavailable("the guard does not answer")
    for _ in range(20):
        with pytest.raises(Unavailable, match="guard"):
            stage.workload.ensure(stage.app, STABLE, "v2", 1)
        assert stage.workload.observe(stage.app)[0].ready_of("v1") == 2
        stage.advance()
    assert stage.workload.observe(stage.app)[0].ready_of("v2") == 0
    stage.endpoints.trouble = None
    drive(stage, [(STABLE, "v2")], settled("v2"))


def test_an_instance_gone_bad_leaves_the_canary_pool_but_the_last_of_stable_stays(
    stage: RealStage, tmp_path: Path
) -> None:
    sick = tmp_path / "sick"
    version = f"sick-if:{sick}:1"
    both = ((STABLE, version), (CANARY, version))
    drive(stage, both, lambda s, c: s.settled_on(version) and c.settled_on(version))
    sick.touch()
    last = drive(stage, both, lambda s, c: s.ready_any == c.ready_any == 0)[-1]
    stage.workload.ensure(stage.app, CANARY, version, 1)
    stage.workload.ensure(stage.app, STABLE, version, 1)
    assert stage.endpoints.open_ports(CANARY) == set()
    assert len(stage.endpoints.open_ports(STABLE)) == 2
    assert "answered 503" in last[0].note
    sick.unlink()
    drive(stage, both, lambda s, c: s.settled_on(version) and c.settled_on(version))


def test_an_instance_that_accepts_and_never_answers_does_not_slow_the_look_at_the_others(stage: RealStage) -> None:
    drive(stage, [(STABLE, "v1"), (CANARY, "deaf-1")], lambda s, c: s.settled_on("v1") and "no answer" in c.note)
    began = time.monotonic()
    for _ in range(3):
        assert stage.workload.observe(stage.app)[0].settled_on("v1")
    assert time.monotonic() - began < 3 * stage.processes_target.health_timeout_s


def test_a_disk_that_cannot_be_written_starts_nothing_but_still_stops(stage: RealStage) -> None:
    drive(stage, [(STABLE, "v1")], settled("v1"))
    blocked = stage.directory / f".{table_of(stage).name}.new"
    blocked.mkdir()  # the scratch file cannot be made, for root neither
    with pytest.raises(Unavailable, match="cannot write"):
        stage.workload.ensure(stage.app, STABLE, "v2", 1)
    assert len(stage.pids()) == 2
    for _ in range(100):
        with suppress(PortError):
            stage.workload.ensure(stage.app, STABLE, None, 1)
        stage.advance()
    wait_until_gone(stage)
    blocked.rmdir()
    stage.workload.ensure(stage.app, STABLE, None, 1)


def test_the_discovery_file_lists_what_runs_by_application_version_and_role(stage: RealStage, tmp_path: Path) -> None:
    file = tmp_path / "targets.json"
    stage.target(replace(stage.processes_target, discovery_file=str(file)))
    drive(stage, [(STABLE, "v1"), (CANARY, "v2")], lambda s, c: s.settled_on("v1") and c.settled_on("v2"))
    groups = json.loads(file.read_text())
    assert sorted((group["labels"]["version"], group["labels"]["role"]) for group in groups) == [
        ("v1", "stable"),
        ("v1", "stable"),
        ("v2", "canary"),
    ]
    assert {group["labels"]["app"] for group in groups} == {"shop"}
    stable = {group["targets"][0] for group in groups if group["labels"]["role"] == "stable"}
    assert stable == {f"127.0.0.1:{port}" for port in stage.endpoints.open_ports(STABLE)}
    drive(stage, [(STABLE, "v1"), (CANARY, None)], lambda _, c: c.running_any == 0)
    stage.workload.ensure(stage.app, CANARY, None, 1)
    assert {group["labels"]["role"] for group in json.loads(file.read_text())} == {"stable"}


def test_no_pool_is_filled_for_a_route_that_names_none(stage: RealStage) -> None:
    stage.app = replace(stage.app, router=replace(stage.app.haproxy, stable_pool=None))
    drive(stage, [(STABLE, "v1")], settled("v1"))
    assert stage.endpoints.history == []
