"""What every Workload that owns its instances must do: the same tests on the fake and on real processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.model import Role
from controller.ports import Fenced
from tests.contract.workload_stage import FakeStage, RealStage, Stage, drive, free_ports, settled

STABLE, CANARY = Role.STABLE, Role.CANARY


@pytest.fixture(params=["fake", "real"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    if request.param == "fake":
        yield FakeStage()
        return
    real = RealStage(tmp_path / "state", free_ports(16))
    yield real
    real.close()


def test_nothing_runs_before_anything_is_asked(stage: Stage) -> None:
    stable, canary = stage.workload.observe(stage.app)
    assert (stable.running, stable.ready, stable.wanted) == ((), (), 2)
    assert (canary.running, canary.ready, canary.wanted) == ((), (), 1)


def test_a_version_is_started_with_the_wanted_number_of_instances_for_each_role(stage: Stage) -> None:
    wanted = ((STABLE, "v1"), (CANARY, "v2"))
    last = drive(stage, wanted, lambda s, c: s.settled_on("v1") and c.settled_on("v2"))[-1]
    assert last[0].running == last[0].ready == (("v1", 2),)
    assert last[1].running == last[1].ready == (("v2", 1),)


def test_asking_again_for_what_runs_starts_nothing_more(stage: Stage) -> None:
    drive(stage, [(STABLE, "v1")], settled("v1"))
    again = drive(stage, [(STABLE, "v1")], settled("v1"))
    for _ in range(5):
        again += drive(stage, [(STABLE, "v1")], settled("v1"))
        stage.advance()
    assert {state.running for state, _ in again} == {(("v1", 2),)}


def test_a_version_that_is_never_well_is_running_but_never_ready_and_says_so(stage: Stage) -> None:
    seen = drive(stage, [(CANARY, "never-1")], lambda _, c: c.running_any == 1 and bool(c.note))
    for _ in range(10):
        stage.advance()
        seen += drive(stage, [(CANARY, "never-1")], lambda _, c: c.running_any == 1)
    assert all(canary.ready_any == 0 for _, canary in seen)
    assert "not well" in seen[-1][1].note


def test_a_crash_loop_is_restarted_but_never_ready_and_the_note_counts(stage: Stage) -> None:
    seen = drive(stage, [(CANARY, "crash-1")], lambda _, c: "restarted 2 times" in c.note)
    assert all(canary.ready_any == 0 for _, canary in seen)
    assert "exited with code" in seen[-1][1].note
    assert all(canary.running_any <= 1 for _, canary in seen)


def test_instances_are_replaced_one_at_a_time_and_no_ready_one_goes_before_its_successor(stage: Stage) -> None:
    drive(stage, [(STABLE, "v1")], settled("v1"))
    seen = [stable for stable, _ in drive(stage, [(STABLE, "v2")], settled("v2"))]
    assert min(stable.ready_any for stable in seen) >= 2
    starting = [dict(stable.running).get("v2", 0) - dict(stable.ready).get("v2", 0) for stable in seen]
    assert max(starting) == 1


def test_a_replacement_that_is_never_ready_takes_no_ready_instance_away(stage: Stage) -> None:
    drive(stage, [(STABLE, "v1")], settled("v1"))
    seen = drive(stage, [(STABLE, "never-1")], lambda s, _: dict(s.running).get("never-1") == 1)
    for _ in range(10):
        stage.advance()
        seen += drive(stage, [(STABLE, "never-1")], lambda *_: True)
    assert all(stable.ready_of("v1") == 2 for stable, _ in seen)


def test_a_replacement_can_be_turned_back_in_the_middle(stage: Stage) -> None:
    drive(stage, [(STABLE, "v1")], settled("v1"))
    drive(stage, [(STABLE, "v2")], lambda s, _: s.ready_of("v2") >= 1)
    seen = drive(stage, [(STABLE, "v1")], settled("v1"))
    assert min(stable.ready_any for stable, _ in seen) >= 2


def test_asking_for_none_ends_every_instance_of_that_role_only(stage: Stage) -> None:
    drive(stage, [(STABLE, "v1"), (CANARY, "v2")], lambda s, c: s.settled_on("v1") and c.settled_on("v2"))
    last = drive(stage, [(STABLE, "v1"), (CANARY, None)], lambda _, c: c.running_any == 0)[-1]
    assert last[0].settled_on("v1")


def test_an_instance_that_crashes_is_started_again(stage: Stage) -> None:
    drive(stage, [(STABLE, "v1")], settled("v1"))
    stage.crash_one(STABLE)
    stage.advance()
    drive(stage, [(STABLE, "v1")], lambda s, _: s.ready_any == 1)
    drive(stage, [(STABLE, "v1")], settled("v1"))


def test_an_older_leader_is_fenced_and_changes_nothing(stage: Stage) -> None:
    drive(stage, [(STABLE, "v1")], settled("v1"), epoch=7)
    with pytest.raises(Fenced):
        stage.workload.ensure(stage.app, STABLE, None, 6)
    assert stage.workload.observe(stage.app)[0].settled_on("v1")
