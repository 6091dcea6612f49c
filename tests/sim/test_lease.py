"""With every controller gone, the guard alone brings traffic back within the lease."""

from __future__ import annotations

import pytest

from tests.fakes.store import MemoryStore
from tests.sim.crash_points import STORIES
from tests.sim.oracles import TICKS_S
from tests.sim.sim import Simulation


@pytest.mark.parametrize("died_s", [9, 12, 16, 21])
def test_traffic_is_back_on_stable_within_the_lease_once_nobody_leads(died_s: int) -> None:
    sim = Simulation(STORIES[0].scenario, MemoryStore())
    while sim.world.time_s < died_s:
        sim.step()
    assert sim.world.share_pct("shop") > 0
    sim.kill_node(sim.nodes[0])
    sim.restart_at_s = 1e9
    lease_s = sim.world.app("shop").canary.lease_s
    while sim.world.time_s < died_s + lease_s + TICKS_S:
        sim.step()
    assert sim.world.share_pct("shop") == 0
