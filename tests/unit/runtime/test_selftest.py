"""The self-test of the kill switch: every path is tried, a broken one is named, and nothing of it stays engaged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from controller.core.targets import HaproxyRoute
from controller.ports import Ports, Router, Store, Unavailable
from controller.runtime.killfile import KillFile
from controller.runtime.lanes import EFFECTIVE, FAILED
from controller.runtime.selftest import RECORD_EVERY_S, SCRATCH_FILE, SelfTest
from gates.kill import KillState, Verb, parse_scope
from tests.fakes.metrics import FakeMetrics
from tests.fakes.workload import FakeWorkload
from tests.unit.runtime.switch_stage import DOWN, SwitchStage


class Trial:
    def __init__(self, path: Path) -> None:
        self.stage = SwitchStage(path)
        self.state: KillState | None = None
        stage = self.stage
        stage.apps[1] = replace(stage.pay, router=HaproxyRoute("/run/other.sock", "pay"))
        stage.fake_router.add(stage.apps[1])
        store, router = cast(Store, stage.store), cast(Router, stage.router)
        workload, metrics = FakeWorkload(), FakeMetrics()
        ports = Ports(store, router, lambda _app: workload, metrics, self._state, stage.clock, stage._log)
        self.test = SelfTest(ports, path, lambda: stage.apps)

    def _state(self) -> KillState:
        return self.stage.switch.state() if self.state is None else self.state

    def paths(self) -> dict[str, str]:
        return {path.path: path.state for path in self.test.run().paths}

    def records(self) -> list[str]:
        store = self.stage.memory_store
        return [one.draft.text for one in store._audit if one.draft.type == "kill_self_test"]

    def pages(self) -> int:
        return sum(line["event"] == "kill_self_test_failed" for line in self.stage.told)


@pytest.fixture
def tested(tmp_path: Path) -> Iterator[Trial]:
    tested = Trial(tmp_path)
    yield tested
    tested.stage.switch.close()


def test_every_path_is_tried_and_nothing_is_left_behind(tested: Trial) -> None:
    before = (tested.stage.switch.state(), tested.stage.weight(tested.stage.shop))
    assert tested.paths() == dict.fromkeys(("memory", "file", "store", "route:shop", "route:pay"), EFFECTIVE)
    assert (tested.stage.switch.state(), tested.stage.weight(tested.stage.shop)) == before
    assert [one.name for one in tested.stage.path.iterdir() if one.name == SCRATCH_FILE] == []
    last = tested.test.last()
    assert last is not None
    assert last.ok


def test_a_guard_with_many_applications_is_asked_once(tested: Trial) -> None:
    tested.stage.apps = [tested.stage.shop, replace(tested.stage.shop, name="second")]
    assert [one for one in tested.paths() if one.startswith("route:")] == ["route:shop"]


def test_a_real_kill_that_is_engaged_is_no_failure(tested: Trial) -> None:
    tested.stage.switch.engage(Verb.HALT, parse_scope("fleet"), "ann")
    assert set(tested.paths().values()) == {EFFECTIVE}


@pytest.mark.parametrize("path", ["store", "memory", "route:shop"])
def test_a_path_that_would_not_take_a_kill_is_named(tested: Trial, path: str) -> None:
    if path == "store":
        tested.stage.store.fail(DOWN, "rehearse_kill")
    elif path == "memory":
        tested.state = KillState(readable=False, trouble="planted by the test")
    else:
        tested.stage.router.fail(DOWN, "read")
    found = tested.test.run()
    failed = {one.path for one in found.paths if one.state == FAILED}
    assert path in failed
    assert failed <= {path, "route:pay"}
    assert not found.ok
    assert f"{path}: planted by the test" in found.text


def test_a_disk_that_takes_no_kill_file_is_named(tested: Trial) -> None:
    (tested.stage.path / SCRATCH_FILE).mkdir()
    assert tested.paths()["file"] == FAILED


def test_a_file_that_gives_nothing_back_is_named(tested: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KillFile, "read", lambda _self: KillState())
    found = tested.test.run()
    assert "file: what was written to the file is not read from it" in found.text


def test_a_result_is_recorded_when_it_changes_and_once_an_hour(tested: Trial) -> None:
    for _ in range(3):
        tested.test.run()
        tested.stage.clock.advance(60)
    assert len(tested.records()) == 1
    tested.stage.router.fail(Unavailable("the guard is away"), "read")
    tested.test.run()
    tested.test.run()
    assert len(tested.records()) == 2
    assert "FAILED" in tested.records()[-1]
    assert tested.pages() == 1
    tested.stage.router.heal()
    tested.test.run()
    tested.stage.clock.advance(RECORD_EVERY_S)
    tested.test.run()
    assert [("FAILED" in text) for text in tested.records()] == [False, True, False, False]


def test_a_store_that_takes_no_record_is_tried_again_the_next_time(tested: Trial) -> None:
    tested.stage.store.fail(DOWN, "commit")
    tested.test.run()
    tested.stage.store.heal()
    tested.test.run()
    assert len(tested.records()) == 1
