"""Scenario 39: the controller dies before and after every write, on the way up and on the way back."""

from __future__ import annotations

import pytest

from analysis.model import Role
from controller.core.model import Phase
from tests.kube.cluster.raw import Raw, name_of
from tests.kube.scenarios.conftest import Make
from tests.kube.scenarios.deaths import Deaths, run_story
from tests.kube.scenarios.stage import NEW, NEXT, Stage

scenario = pytest.mark.scenario
KINDS = ("deployments", "services", "configmaps", "endpointslices", "ingresses")
OURS = {"app.kubernetes.io/managed-by": "interlock"}


@scenario(39)
@pytest.mark.timeout(60)
@pytest.mark.parametrize("bad", [False, True], ids=["promoted", "rolled_back"])
def test_a_controller_killed_before_and_after_every_write_comes_to_the_same_end(make: Make, bad: bool) -> None:
    stage = make(steps=(10, 20))
    ends = Phase.ROLLED_BACK if bad else Phase.SUCCEEDED
    stage.errors |= {NEW: 0.3, NEXT: 0.3} if bad else {}
    stage.deploy(NEW)
    run_story(stage, ends)
    undisturbed = left(stage)
    deaths = Deaths(stage)
    stage.deploy(NEXT)
    deaths.plant()
    run_story(stage, ends, lambda: serving(stage))
    deaths.heal()
    assert left(stage) == undisturbed
    assert set(stage.running(Role.STABLE)) == ({"v1"} if bad else {NEXT})
    assert len(deaths.before) > 20
    assert deaths.never_after() == set()


def serving(stage: Stage) -> None:
    """Whoever asks gets an answer, and the canary never has more than what is recorded for it."""
    live_pct = stage.live() or 0
    assert stage.running(Role.STABLE) or live_pct == 100
    assert stage.running(Role.CANARY) or live_pct == 0
    recorded = [int(str(record.numbers["to_pct"])) for record in stage.records("weight")]
    if stage.newest().phase in (Phase.PREPARING, Phase.PROGRESSING):
        assert live_pct <= max(map(stage.pct, recorded), default=0)


def left(stage: Stage) -> dict[str, object]:
    """What is there once the release has ended, whichever version it was."""
    names = {kind: sorted(name_of(one) for one in stage.cluster.list(kind) if _lasts(one)) for kind in KINDS}
    pods = len(stage.running(Role.STABLE)), len(stage.running(Role.CANARY))
    return {**names, "pods": pods, "live": stage.live(), "foreign": stage.kit.of_others(stage.cluster)}


def _lasts(raw: Raw) -> bool:
    """Not the slices of the cluster's own controllers, whose names are drawn."""
    return "generateName" not in raw["metadata"]
