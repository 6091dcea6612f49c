"""What users and the record have of a release that reaches the end of its time without a decision."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.model import Inconclusive
from controller.core.model import Phase
from controller.ports import Commit
from tests.unit.behaviour.world import OLD, SPEC, World


def a_world(directory: Path, policy: Inconclusive) -> World:
    """So little error is allowed that no proof comes in time."""
    world = World(directory, max_duration_s=40.0, min_bake_s=5.0)
    world.app = replace(world.app, analysis=replace(SPEC, inconclusive=policy, beta=1e-13))
    stored = world.memory.application("shop")
    assert stored is not None
    world.memory.commit(Commit(application=replace(stored, app=world.app)))
    world.fake_router.add(world.app)
    return world


def test_a_healthy_canary_is_promoted_without_proof_where_that_is_wanted_and_the_record_says_so(tmp_path: Path) -> None:
    world = a_world(tmp_path, Inconclusive.PROMOTE)
    world.deploy()
    world.until_phase(Phase.PROMOTING)
    assert world.weights() == [0, 10, 20, 30]
    (record,) = [one for one in world.records("phase") if one.numbers["to_phase"] == "promoting"]
    assert record.numbers["code"] == "inconclusive"
    assert "promoted without proof" in record.text
    assert record.numbers["verdict"] == "ok"
    world.until_phase(Phase.SUCCEEDED)
    assert world.stable_version() == "v2"
    assert "promoted without proof" in world.sentence()


@pytest.mark.parametrize(("share", "phase"), [(0.025, Phase.PAUSED), (0.1, Phase.ROLLED_BACK)])
def test_a_canary_with_any_sign_of_harm_is_not(tmp_path: Path, share: float, phase: Phase) -> None:
    world = a_world(tmp_path, Inconclusive.PROMOTE)
    world.errors = {"v1": 0.02, "v2": share}
    world.deploy()
    world.until_phase(phase)
    assert world.stable_version() == OLD
    assert not any(one.numbers.get("to_phase") == "promoting" for one in world.records("phase"))


def test_without_data_it_is_not_promoted_but_goes_back(tmp_path: Path) -> None:
    world = a_world(tmp_path, Inconclusive.PROMOTE)
    world.deploy()
    world.until_live(30)
    world.scraping = False
    world.until_phase(Phase.ROLLED_BACK)
    assert world.stable_version() == OLD


def test_it_goes_back_where_that_is_wanted(tmp_path: Path) -> None:
    world = a_world(tmp_path, Inconclusive.ROLLBACK)
    world.deploy()
    world.until_phase(Phase.ROLLED_BACK)
    assert (world.live(), world.stable_version()) == (0, OLD)
    cause = world.newest().cause
    assert cause is not None
    assert cause.code == "inconclusive"
