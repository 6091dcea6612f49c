"""What must hold of a decision at the moment it is chained: against the chain so far, and against what the world truly
was when the deciding pass asked for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.model import Role
from controller.core.model import Phase, Release
from controller.core.moves import ENDED
from controller.ports import Commit
from gates.audit import Record
from tests.sim.ledger import rise_trouble
from tests.sim.scenario import Health

if TYPE_CHECKING:
    from tests.sim.node import Node
    from tests.sim.oracles import Oracles
    from tests.sim.sim import Simulation

CAUSES = frozenset(
    {"aborted", "superseded", "breaker", "worse_than_stable", "outside_slo", "requests_lost", "canary_gone"}
    | {"no_data", "prepare_deadline", "promote_deadline", "killed", "halt_file"}
)
"""What a release may be rolled back for. Anything else is trouble of ours that a good version must not pay for."""
LATE_S = 60.0
"""Samples may be counted so late for a step they do not belong to: when the store took none, or the clock stood."""
NUDGE = 1e-6


class Decided:
    """Called with every commit that landed."""

    def __init__(self, sim: Simulation, oracles: Oracles) -> None:
        self._sim, self._oracles = sim, oracles

    def committed(self, node: Node, commit: Commit, records: tuple[Record, ...]) -> None:
        if node.look.leads and node.epoch < self._oracles.led:
            self._oracles.fail("I7", f"a pass of epoch {node.epoch} committed in epoch {self._oracles.led}")
        for record in records:
            self._chained(node, commit, record)

    def _chained(self, node: Node, commit: Commit, record: Record) -> None:
        draft = record.draft
        self._oracles.ledger.last_seq = max(self._oracles.ledger.last_seq, record.seq)
        release = commit.release
        if release is not None and draft.release_id == release.id:
            if draft.type == "weight" and _rises(record):
                self._rise_decided(node, release, record)
            if draft.type == "phase":
                self._phase_decided(node, release, record)
                self._oracles.held.phase(node, commit, release, record)
        self._oracles.ledger.add(record)

    def _rise_decided(self, node: Node, release: Release, record: Record) -> None:
        """I1 to I4 at the decision: the chain's own order, and the truth that the pass was shown."""
        look, plan = node.look, release.app.canary
        trouble = rise_trouble(plan, self._oracles.ledger.entry(release.id), record)
        if trouble is not None:
            self._oracles.fail("I1", f"{release.id}: {trouble}")
        if self._oracles.was_aborted(release.id):
            self._oracles.fail("abort", f"{release.id} decided to rise after a person was told that it is aborted")
        self._oracles.held.rises(node, release)
        held = self._oracles.holding(self._oracles.target(release.app.name, release.id))
        seen = [kill.id for kill in held if kill.id in (look.kills_seen or ())]
        if seen:
            self._oracles.fail("I2", f"{release.id} decided to rise although {seen[0]} was engaged when it looked")
        before = _number(record, "from_pct")
        if look.share_pct is None or abs(look.share_pct - before) > NUDGE:
            self._oracles.fail("I4", f"{release.id} rises from {before} % while the route shows {look.share_pct} %")
        if look.unconfirmed:
            self._oracles.fail("I4", f"{release.id} rises from {before} %, which its route has not confirmed")
        if look.canary_ready < 1 or look.stable_ready < 1:
            self._oracles.fail(
                "I4", f"{release.id} rises with {look.canary_ready} canary, {look.stable_ready} stable ready"
            )
        self._sized(node, release)
        authority = record.draft.numbers["authority"]
        if authority == "start_check" and not look.check_ok:
            self._oracles.fail("I4", f"{release.id} starts without an answer from the metrics")
        if authority == "verdict_allows":
            self._evidence(node, release, before)

    def _sized(self, node: Node, release: Release) -> None:
        """A canary whose last move failed may be too small, however many of its instances are ready."""
        unsized = node.sized[release.app.name].unsized
        if unsized:
            self._oracles.fail("I4", f"{release.id} goes on although its canary was not sized: {unsized}")

    def _evidence(self, node: Node, release: Release, weight_pct: int) -> None:
        """A verdict needs readings that were there, a bake that was lived, and requests that were served."""
        world, lane = self._sim.world, self._oracles.lanes[release.app.name]
        if not node.look.readings_ok:
            self._oracles.fail("data", f"{release.id} advanced from {weight_pct} % on readings that were not there")
        live = lane.lived.get(self._oracles.stay(release.id, weight_pct))
        if live is None:
            self._oracles.fail("bake", f"{release.id} advanced from {weight_pct} %, which was never live")
        lived_s = world.time_s - live + world.forward_s
        if lived_s < release.app.canary.min_bake_s - NUDGE:
            self._oracles.fail("bake", f"{release.id} advanced from {weight_pct} % after {lived_s:g} s")
        served = world.prometheus.counters(release.app.name, Role.CANARY, release.canary).since(live - LATE_S)
        if served < 0.5 * release.app.analysis.min_canary_requests:
            self._oracles.fail("data", f"{release.id} advanced from {weight_pct} % after {served:.0f} requests")

    def _phase_decided(self, node: Node, release: Release, record: Record) -> None:
        numbers = record.draft.numbers
        before, after = Phase(str(numbers["from_phase"])), Phase(str(numbers["to_phase"]))
        name = release.app.name
        lane = self._oracles.lanes[name]
        if before is Phase.PENDING and after in (Phase.PREPARING, Phase.PROMOTING):
            self._begun(release)
        if after is Phase.PROMOTING:
            lane.started.add(release.canary)
            if release.stable is not None:
                self._promotion(node, release, record)
        if after is Phase.ROLLING_BACK and numbers["code"] not in CAUSES:
            self._oracles.fail("cause", f"{release.id} rolls back for {numbers['code']}, which is no harm")
        if after in ENDED and before is not Phase.PENDING:
            self._ended(node, release, after)
        if after is Phase.SUCCEEDED:
            lane.stable = release.canary

    def _begun(self, release: Release) -> None:
        others = [r for r in self._sim.store.active(release.app.name) if r.id != release.id]
        busy = [r.id for r in others if r.phase is not Phase.PENDING]
        if busy:
            self._oracles.fail("order", f"{release.id} starts while {busy[0]} has not ended")

    def _promotion(self, node: Node, release: Release, record: Record) -> None:
        """The last step's proof, or a person's bypass; never on a harmful verdict."""
        self._sized(node, release)
        numbers = record.draft.numbers
        if numbers.get("verdict") in ("fail", "trip"):
            self._oracles.fail("I4", f"{release.id} is promoted on the verdict {numbers['verdict']}")
        if numbers["code"] == "bypass" or self._oracles.ledger.entry(release.id).bypasses:
            if self._oracles.ledger.entry(release.id).bypasses > self._oracles.ledger.entry(release.id).bypasses_wished:
                self._oracles.fail("I4", f"{release.id} is promoted past evidence that nobody passed")
            return
        if release.weight_pct != release.app.canary.steps[-1]:
            self._oracles.fail("I4", f"{release.id} is promoted from {release.weight_pct} %, not from the last step")
        self._evidence(node, release, release.weight_pct)

    def _ended(self, node: Node, release: Release, phase: Phase) -> None:
        """I3. Not held against it: what an outsider broke during this very pass, or by hand while the guard was away,
        on a route that this release never asked anything of."""
        name = release.app.name
        lane = self._oracles.lanes[name]
        routed = bool(self._oracles.ledger.entry(release.id).allowed)
        if not routed and not self._sim.world.router.guard_up:
            return
        if routed and node.look.unconfirmed:
            self._oracles.fail("I3", f"{release.id} ended as {phase.value} on a route that has not confirmed its 0 %")
        trouble = self._oracles.end_trouble(name, release.canary if phase is Phase.SUCCEEDED else release.stable)
        if trouble is not None and lane.disturbed_s < node.look.begun_s - 1:
            self._oracles.fail("I3", f"{release.id} ended as {phase.value}, but {trouble}")
        if phase is Phase.SUCCEEDED and release.stable is not None:
            self._good(release)

    def _good(self, release: Release) -> None:
        """What was promoted had shown no harm, unless a person passed the evidence.

        A version that stops answering at the last weight alone is left out: see the page about what is not proven.
        """
        version = self._sim.world.scenario.version(release.app.name, release.canary)
        entry = self._oracles.ledger.entry(release.id)
        seen_pct = max((one.weight_pct for one in entry.allowed), default=0)
        late_hang = version.health is Health.HANG and version.from_pct >= release.app.canary.steps[-1]
        if version.bad_traffic and seen_pct >= version.from_pct and not entry.bypasses and not late_hang:
            text = f"{release.id} is {version.health.value} from {version.from_pct} % and was promoted"
            self._oracles.fail("bad", text)


def _rises(record: Record) -> bool:
    return _number(record, "to_pct") > _number(record, "from_pct")


def _number(record: Record, name: str) -> int:
    value = record.draft.numbers[name]
    assert isinstance(value, int), value
    return value
