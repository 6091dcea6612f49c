"""What must hold of two things that keep a release where it is without harm: a note of a newer leader on its route in a
cluster, and a stable that is too small to take everything back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from controller.core.model import HaltCause, Phase, Release
from controller.core.scene import CARRIES
from controller.core.targets import ProcessesTarget
from controller.ports import Commit, Fenced, PortError
from gates.audit import Record

if TYPE_CHECKING:
    from tests.sim.node import Node
    from tests.sim.oracles import Oracles
    from tests.sim.sim import Simulation

BY_ITSELF = frozenset({"breaker", "worse_than_stable", "outside_slo", "requests_lost", "no_data", "promote_deadline"})
"""What the controller rolls back for without being asked."""
LATE_S = 10.0
"""How much later than its wait a release may go back, of seconds in which somebody could decide that: passes fail."""
BY_A_KILL = frozenset({"killed", "kill_unreadable"})
"""What keeps everything where it is, a wait for stable too, for as long as a person wants."""
ASLEEP_S = 30.0
"""How long after a clock was set back by its 20 s a leader may sleep until its old wake-up times."""


class Held:
    def __init__(self, sim: Simulation, oracles: Oracles) -> None:
        self._sim, self._oracles = sim, oracles
        self._over_s: dict[str, float] = {}
        self._clock = (0.0, -ASLEEP_S)

    def stops_leading(self, node: Node) -> None:
        """A note concerns one application: nobody who leads by the store lets go of the others for it."""
        epoch = self._sim.store.epoch()
        if epoch == node.epoch:
            self._oracles.fail("fence", f"{node.name} stopped leading, and the store still names its epoch {epoch}")

    def refused(self, node: Node, name: str, args: tuple[Any, ...], error: PortError) -> None:
        noted = name == "router.lower" and isinstance(error, Fenced) and self._sim.world.router.noted(args[0])
        node.look.stop_held |= noted
        node.look.troubled |= not noted

    def passed(self, node: Node) -> None:
        """A stop that met a note goes past it in the same pass, unless something else was in its way too."""
        if node.look.stop_held and not node.look.troubled:
            self._oracles.fail("fence", f"{node.name} leads by the store, and a note kept its stop from the route")

    def rises(self, node: Node, release: Release) -> None:
        if node.look.outranked:
            self._oracles.fail("fence", f"{release.id} decided to rise on a route whose note names a newer leader")

    def risen(self, name: str) -> None:
        if name in self._sim.world.router.notes:
            self._oracles.fail("fence", f"{name} rose while its note names a newer leader")

    def phase(self, node: Node, commit: Commit, release: Release, record: Record) -> None:
        """Waiting for stable is for rollbacks that nobody asked for, and those do it."""
        numbers = record.draft.numbers
        before, after = Phase(str(numbers["from_phase"])), Phase(str(numbers["to_phase"]))
        if after is Phase.HALTED and release.halt is HaltCause.STABLE_SHORT:
            if self._oracles.was_aborted(release.id):
                self._oracles.fail("overload", f"{release.id} waits for stable although a person aborted it")
            return
        carried = any(r.type == "weight" and int(str(r.numbers["from_pct"])) > 0 for r in commit.records)
        if before not in CARRIES or after is not Phase.ROLLING_BACK or numbers["code"] not in BY_ITSELF:
            return
        look, wait_s = node.look, release.app.canary.overload.wait_s
        ready = 0 <= look.stable_ready < _needed(release) and look.canary_ready > 0
        if carried and wait_s > 0 and ready and look.share_pct and not look.marked:
            text = f"{release.id} goes back to {look.stable_ready} of {_needed(release)} instances of stable at once"
            self._oracles.fail("overload", f"{text}, and its plan says to wait {wait_s:g} s")

    def stepped(self) -> None:
        """No wait is longer than the plan says, counted while there is somebody who could end it."""
        sim, world = self._sim, self._sim.world
        offset_s, back_s = self._clock
        back_s = world.time_s if world.clock_offset_s < offset_s else back_s
        self._clock = world.clock_offset_s, back_s
        able = world.store_up and not world.disk_full and sim.depth == 0 and world.time_s > back_s + ASLEEP_S
        able = able and world.clock_offset_s >= 0 and any(not node.frozen for node in sim.nodes)
        for name in world.apps:
            for release in sim.store.active(name):
                waits = release.phase is Phase.HALTED and release.halt is HaltCause.STABLE_SHORT
                waits = waits and release.reason.code not in BY_A_KILL
                until_s = release.entered_at_s + release.app.canary.overload.wait_s
                if not waits or not able or world.utc_s <= until_s:
                    self._over_s.pop(release.id, None)
                elif world.time_s - self._over_s.setdefault(release.id, world.time_s) > LATE_S:
                    self._oracles.fail("overload", f"{release.id} still waits for stable {LATE_S:g} s after its time")


def _needed(release: Release) -> int:
    target = release.app.target
    assert isinstance(target, ProcessesTarget)
    return -(-target.replicas * release.app.canary.overload.ready_pct // 100)
