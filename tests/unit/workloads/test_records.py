"""Adoption, notes, logs and the table on disk, each by itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.model import Role
from controller.adapters.workloads.adoption import adopt
from controller.adapters.workloads.health import Health
from controller.adapters.workloads.host import Found, Running
from controller.adapters.workloads.ports import Ports
from controller.adapters.workloads.process_logs import MAX_LOG_BYTES, TAIL_CHARACTERS, Logs
from controller.adapters.workloads.process_notes import Look, role_state
from controller.adapters.workloads.process_table import Instance, State, Table, TableFile, table_name
from controller.ports import Refused

EMPTY = Table("shop", Role.STABLE)
SERVING = Instance("a", "v1", 20_001, State.SERVING, 5.0, 11, "boot:1")
INTENT = Instance("b", "v2", 20_002, State.STARTING, 5.0)
WAITING = Instance("c", "v1", 20_003, State.WAITING, 5.0, restarts=4, last_end="exited with code 3")
FOUND_B = Found("b", "v2", 20_002, Running(12, "boot:2"))
WELL = Health(good=2, ever=True, at_s=1.0)


def test_an_intent_whose_process_is_found_becomes_a_start_and_one_without_is_dropped() -> None:
    there = replace(EMPTY, instances=(SERVING, INTENT))
    adopted = adopt(there, EMPTY, [FOUND_B], 9.0).instances
    assert adopted == (SERVING, replace(INTENT, pid=12, born="boot:2", since_s=9.0))
    assert adopt(there, EMPTY, [], 9.0).instances == (SERVING,)


def test_what_waits_for_its_restart_goes_on_waiting() -> None:
    there = replace(EMPTY, instances=(WAITING,))
    assert adopt(there, EMPTY, [], 9.0) == there


def test_a_process_that_no_record_knows_is_taken_in_as_serving() -> None:
    adopted = adopt(None, EMPTY, [FOUND_B], 9.0).instances
    assert adopted == (Instance("b", "v2", 20_002, State.SERVING, 9.0, 12, "boot:2"),)


@pytest.mark.parametrize(
    ("look", "note"),
    [
        (Look(SERVING, None, WELL), ""),
        (Look(replace(SERVING, last_end="exited with code 3"), None, WELL), ""),
        (
            Look(SERVING, "exited with code 3", WELL),
            "instance on port 20001 exited with code 3; not restarted yet; last output: boom",
        ),
        (
            Look(WAITING, "exited with code 3", Health()),
            "instance on port 20003 exited with code 3; restarted 4 times; last output: boom",
        ),
        (
            Look(SERVING, None, Health(bad=2, ever=True, at_s=1.0, text="answered 503")),
            "instance on port 20001 is not well: answered 503; last output: boom",
        ),
        (Look(replace(SERVING, state=State.STOPPING), "ended", WELL), ""),
        (Look(replace(SERVING, state=State.STARTING), None, Health()), ""),
    ],
)
def test_the_note_says_what_is_wrong_and_nothing_when_all_is_well(look: Look, note: str) -> None:
    assert role_state(EMPTY, [look], 1, lambda _: "boom").note == note


def test_a_start_that_is_impossible_is_told_before_anything_else() -> None:
    table = replace(EMPTY, trouble="no free port")
    assert role_state(table, [Look(WAITING, "ended", Health())], 1, lambda _: "").note == "no free port"


def test_one_that_drains_runs_but_is_not_ready() -> None:
    state = role_state(EMPTY, [Look(replace(SERVING, state=State.DRAINING), None, WELL)], 1, lambda _: "")
    assert (state.running, state.ready) == ((("v1", 1),), ())


def test_a_large_log_is_cut_and_its_end_is_kept_beside_it(tmp_path: Path) -> None:
    logs = Logs(tmp_path, "shop.stable")
    logs.path("a").write_bytes(b"x" * MAX_LOG_BYTES + b"the end")
    logs.trim(["a"])
    assert logs.path("a").stat().st_size == 0
    assert logs.path("a").with_suffix(".log.old").read_bytes().endswith(b"the end")


def test_only_the_newest_logs_of_ended_instances_are_kept(tmp_path: Path) -> None:
    logs = Logs(tmp_path, "shop.stable")
    for number in range(9):
        logs.path(f"old{number}").touch()
    (tmp_path / "shop.canary.other.log").touch()
    logs.trim([])
    assert len(list(tmp_path.glob("shop.stable.*.log"))) == 5
    assert (tmp_path / "shop.canary.other.log").exists()


def test_the_tail_is_short_clean_and_hides_what_it_is_told_to(tmp_path: Path) -> None:
    logs = Logs(tmp_path, "shop.stable")
    logs.path("a").write_bytes(b"y" * 900 + b"\x1b[31m pass\xff=hunter2\r\n")
    tail = logs.tail("a", ["hunter2", "yy"])
    assert len(tail) <= TAIL_CHARACTERS
    assert tail.endswith("=***")
    assert tail.isprintable()
    assert "y" in tail, "a value of two letters is not hidden: it would blank ordinary text"
    assert logs.tail("missing") == ""


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        '{"application": "other", "role": "stable"}',
        '{"application": "shop", "role": "stable", "format": 9}',
    ],
)
def test_a_table_that_does_not_fit_is_refused_and_never_read_as_empty(tmp_path: Path, content: str) -> None:
    path = tmp_path / "shop.stable.json"
    path.write_text(content)
    with pytest.raises(Refused, match="Move it away"):
        TableFile(path, "shop", Role.STABLE).load()


def test_a_table_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "shop.stable.json"
    table = replace(EMPTY, epoch=3, version="v1", instances=(SERVING, INTENT, WAITING))
    TableFile(path, "shop", Role.STABLE).save(table)
    assert TableFile(path, "shop", Role.STABLE).load() == table


def test_the_name_of_an_application_cannot_lead_out_of_the_directory() -> None:
    assert "/" not in table_name("../../etc/shop", Role.CANARY)


def test_two_starts_at_the_same_time_never_get_the_same_port() -> None:
    ports = Ports()
    first = ports.pick("a", 23_000, 23_999, 0)
    assert ports.pick("b", first, 23_999, 0) != first
    ports.give_back("a")
    assert ports.pick("c", first, 23_999, 0) == first
