"""What must hold, asked of the world at the moment it changes: never of what the program believes.

Codes are those of the invariants (I1 to I8) and a few names of their own; docs/simulation.md has the list.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from analysis.model import Role
from controller.core.model import Phase, RouteState
from controller.core.moves import ENDED
from controller.ports import RouteWrite
from gates.kill import Engagement, Scope, ScopeKind, Target, Verb, covers, union
from tests.sim.decided import Decided
from tests.sim.held import Held
from tests.sim.ledger import Ledger

if TYPE_CHECKING:
    from tests.sim.node import Look, Node
    from tests.sim.sim import Simulation

TICKS_S = 2.0
"""Two periods of the guard's loop, which is how late it may notice something."""
DRIFT_S = 5.0
ABOVE_S = 6.0
"""How long a route may stand above its release: some passes of a second each, of which a few may fail."""
NUDGE = 1e-6

HALT_FILE = Engagement("file:HALT", Verb.REVERT, Scope(ScopeKind.FLEET), "somebody", 0.0)
"""What the file HALT amounts to."""


class Failed(BaseException):
    """An oracle does not hold. No ``except`` of the product may swallow it."""

    def __init__(self, oracle: str, text: str) -> None:
        super().__init__(f"{oracle}: {text}")
        self.oracle, self.text = oracle, text


@dataclass(slots=True)
class Lane:
    """What the oracles remember of one application's route."""

    touched: int = 0
    writer: tuple[int, str] | None = None
    lease_until_s: float = 0.0
    lived: dict[tuple[str, int, int], float] = field(default_factory=dict)
    disturbed_s: float = -100.0
    reachable_since_s: float = 0.0
    equal_s: float = 0.0
    standing_pct: float = 0.0
    above_since_s: float | None = None
    stable: str | None = None
    started: set[str] = field(default_factory=set)


class Oracles:
    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self.ledger = Ledger()
        self.started: list[str] = []
        self.led = 0
        self.writing: tuple[int, str, str] | None = None
        self._kills: dict[str, Engagement] = {}
        self._kills_on_record: set[str] = set()
        self._aborted: set[str] = set()
        self._taken_back: set[str] = set()
        self.lanes: dict[str, Lane] = {}
        self.held = Held(sim, self)
        self._decided = Decided(sim, self)

    def begin(self) -> None:
        """The world is set up; its first records are part of the chain."""
        self.lanes = {name: Lane(stable=plan.stable) for name, plan in self._sim.world.apps.items()}
        self.ledger.last_seq = len(self._sim.world.apps)

    def fail(self, oracle: str, text: str) -> NoReturn:
        self._sim.note("FAILED", oracle, text)
        raise Failed(oracle, text)

    def disturbed(self, application: str) -> None:
        self.lanes[application].disturbed_s = self._sim.world.time_s

    def guard_began_anew(self) -> None:
        """A restarted guard gives every lease its full length again, which bounds it still."""
        for name, lane in self.lanes.items():
            lane.lease_until_s = self._sim.world.time_s + self._sim.world.app(name).canary.lease_s

    def engaged_ids(self) -> tuple[str, ...]:
        return tuple(self._kills)

    def pressed(self) -> tuple[str, ...]:
        """Every kill that is in force, effective or not, by the store and the journal themselves."""
        state = union((self._sim.store.kills(), self._sim.world.kill_file.read()))
        return tuple(sorted(engagement.id for engagement in state.engaged))

    def engaged(self, engagement: Engagement) -> None:
        """A person was told that this kill is effective."""
        self._kills[engagement.id] = engagement
        self._kills_on_record.add(engagement.id)
        stored = {kill.id: kill for kill in self._sim.store.kills().engaged}.get(engagement.id)
        if stored is not None and stored.scope != engagement.scope:
            self.fail("I2", f"{engagement.id} is effective over {engagement.scope}, the store has {stored.scope}")
        if engagement.verb is Verb.REVERT:
            for name, lane in self.lanes.items():
                share = self._sim.world.share_pct(name)
                if share > 0 and self._covers(engagement, name) and lane.disturbed_s < self._sim.world.time_s - 1:
                    self.fail("I2", f"{engagement.id} is effective and {name} still has {share:g} %")

    def halt_file(self, there: bool) -> None:
        """Somebody put the file HALT into the guard's directory, or took it away and told the guard so."""
        if there:
            self._kills[HALT_FILE.id] = HALT_FILE
        else:
            self._kills.pop(HALT_FILE.id, None)

    def aborted(self, release_id: str) -> None:
        """A person was told that this release is being aborted."""
        self._aborted.add(release_id)

    def was_aborted(self, release_id: str) -> bool:
        return release_id in self._aborted

    def before_call(self, node: Node, name: str) -> None:
        """A leader that has read a route and now does anything but claim it has touched it."""
        look = node.look
        if look.fresh_route and name != "router.read":
            if name not in ("router.claim", "store.epoch"):
                self._touch(look.fresh_route, node.epoch)
            look.fresh_route = ""

    def _touch(self, application: str, epoch: int) -> None:
        lane = self.lanes[application]
        lane.touched = max(lane.touched, epoch)

    def passed(self, node: Node) -> None:
        self.held.passed(node)
        look = node.look
        if look.fresh_route:
            self._touch(look.fresh_route, node.epoch)

    def landing(self, node: Node, name: str, args: tuple[Any, ...]) -> None:
        """Right before an effect."""
        part, _, verb = name.partition(".")
        if part == "router" and verb not in ("read", "halt"):
            app = args[0]
            release_id = args[1].release_id if verb == "write" else ""
            self.writing = (node.epoch, release_id, app.name)

    def landed(self, node: Node, name: str, args: tuple[Any, ...], answer: Any) -> None:
        """Right after an effect that was not refused."""
        part, _, verb = name.partition(".")
        if part == "router":
            self._routed(node, verb, args, answer)
            node.look.unconfirmed = isinstance(answer, RouteState) and bool(answer.unconfirmed)
        elif name == "store.commit":
            self._decided.committed(node, args[0], answer)
            if args[0].release_kill is not None:
                self._kills.pop(args[0].release_kill, None)
        elif name == "store.lead":
            self.led = max(self.led, answer)
        elif name == "workload.ensure":
            self._ensured(*args[:4])
        elif name == "workload.observe":
            self._observed(node.look, args[0].name, args)
        elif name == "metrics.read":
            node.look.readings_ok = all(item.outcome == "ok" for item in answer.items if item.metric == "total")
        elif name == "metrics.check":
            node.look.check_ok = answer is None

    def _observed(self, look: Look, application: str, _args: tuple[Any, ...]) -> None:
        world = self._sim.world
        look.canary_ready = sum(world.ready(application, Role.CANARY).values())
        look.stable_ready = sum(world.ready(application, Role.STABLE).values())

    def _routed(self, node: Node, verb: str, args: tuple[Any, ...], answer: Any) -> None:
        name = args[0].name
        lane, look = self.lanes[name], node.look
        if verb in ("read", "claim"):
            look.fresh_route = name if look.leads else ""
            look.share_pct = self._sim.world.share_pct(name)
            look.outranked, look.marked = self._sim.world.router.noted(args[0]), answer.mark is not None
        epoch = _epoch_of(verb, args)
        if epoch is not None and epoch < lane.touched:
            self.fail("I7", f"{verb} of epoch {epoch} landed on {name} after epoch {lane.touched} had touched it")
        if verb == "write":
            write: RouteWrite = args[1]
            lane.writer = (node.epoch, write.release_id)
            lane.lease_until_s = self._sim.world.time_s + write.lease_s
            lane.standing_pct = float(write.weight_pct)
        node.look.stop_held &= verb != "lower"
        if verb == "lower" and args[1].code == "aborted" and args[1].release_id is not None:
            self._taken_back.add(args[1].release_id)
        elif verb == "renew":
            lane.lease_until_s = self._sim.world.time_s + args[3]

    def moved(self, backend: str, before: float, after: float, top: float) -> None:
        """The guard changed what the canary gets."""
        world = self._sim.world
        name = world.backends[backend]
        lane = self.lanes[name]
        self._sim.note("TRAFFIC", name, f"{before:g} -> {after:g} %")
        if top > max(before, after) + NUDGE:
            self.fail("I1", f"{name} had {top:g} % on the way from {before:g} to {after:g} %")
        if after <= before + NUDGE:
            lane.standing_pct = min(lane.standing_pct, after)
            return
        plan = world.app(name).canary
        if after > plan.max_weight_pct + NUDGE:
            self.fail("I1", f"{name} rose to {after:g} % above the cap of {plan.max_weight_pct} %")
        if self.writing is not None and self.writing[1]:
            release_id = self._risen_by_a_write(name, self.writing[0], self.writing[1], after)
        else:
            release_id = self._repaired(name, lane, after)
        held = self.holding(self.target(name, release_id))
        if held:
            self.fail("I2", f"{name} rose from {before:g} to {after:g} % under {held[0].id} over {held[0].scope}")
        lane.lived.setdefault(self.stay(release_id, after), world.time_s)

    def stay(self, release_id: str, weight_pct: float) -> tuple[str, int, int]:
        """One stay at a weight: it begins when the weight of a record is first live, and ends with the next record."""
        return release_id, round(weight_pct), len(self.ledger.entry(release_id).allowed)

    def _risen_by_a_write(self, name: str, epoch: int, release_id: str, after: float) -> str:
        self.held.risen(name)
        ceiling_pct = self.ledger.entry(release_id).ceiling_pct(epoch)
        if after > ceiling_pct + NUDGE:
            self.fail("I4", f"{name} rose to {after:g} %, the chain allows {release_id} {ceiling_pct} %")
        if release_id in self._taken_back:
            self.fail("abort", f"{name} rose to {after:g} % after an abort of {release_id} had taken it to 0")
        return release_id

    def _repaired(self, name: str, lane: Lane, after: float) -> str:
        """The guard put back by itself what an outsider changed: at most what it was last told, and it was."""
        if after > lane.standing_pct + NUDGE:
            self.fail("I4", f"the guard brought {name} to {after:g} %, it was told {lane.standing_pct:g} %")
        return lane.writer[1] if lane.writer is not None else ""

    def target(self, application: str, release_id: str | None) -> Target:
        return Target(self._sim.world.app(application).environment, application, release_id)

    def holding(self, target: Target) -> list[Engagement]:
        return [kill for kill in self._kills.values() if covers(kill.scope, target)]

    def _covers(self, engagement: Engagement, application: str) -> bool:
        current = self._sim.people.current(application)
        return covers(engagement.scope, self.target(application, current.id if current else None))

    def _ensured(self, app: Any, role: Role, version: str | None, epoch: int) -> None:
        """I6 for instances: nothing of a new version starts before its record."""
        lane = self.lanes[app.name]
        if version is None or (role is Role.STABLE and version == lane.stable):
            return
        phase = Phase.PREPARING if role is Role.CANARY else Phase.PROMOTING
        releases = [r for r in self._sim.store.active(app.name) if r.canary == version or r.stable == version]
        back = role is Role.STABLE and any(r.stable == version for r in releases)
        if back or any(phase.value in self.ledger.entry(r.id).phases for r in releases):
            return
        if role is Role.STABLE and version in lane.started:
            return
        self.fail("I6", f"{role.value} instances of {version} start with no record of {phase.value}")

    def end_trouble(self, name: str, version: str | None) -> str | None:
        """What is half-moved in an application that has come to rest on ``version``."""
        world = self._sim.world
        if world.router.haproxy.up and (share := world.share_pct(name)) > 0:
            return f"the canary has {share:g} %"
        lasting = version is not None and world.scenario.version(name, version).lasting
        if version is not None and lasting and world.ready(name, Role.STABLE).get(version, 0) < 1:
            return f"no instance of {version} is ready"
        others = world.running(name, Role.STABLE) - {version}
        if version is not None and others:
            return f"stable still runs {sorted(others)}"
        if canaries := world.running(name, Role.CANARY):
            return f"canary instances of {sorted(canaries)} are left"
        return None

    def stepped(self) -> None:
        """Once a second: leases, drift, and reverts that stay reverted."""
        world = self._sim.world
        ready = world.router.guard_up and world.router.haproxy.up
        for name, lane in self.lanes.items():
            if not ready:
                lane.reachable_since_s = world.time_s
            share = world.share_pct(name)
            settled = world.time_s - max(lane.reachable_since_s, lane.disturbed_s) > DRIFT_S
            if not settled:
                continue
            record = world.router.record(world.route(name).backend)
            if record is None:
                continue  # nobody has asked the guard about this route yet, so it watches nothing there
            if abs(share - record.weight_pct) <= NUDGE:
                lane.equal_s = world.time_s
            if world.time_s - max(lane.equal_s, lane.reachable_since_s) > DRIFT_S:
                self.fail("drift", f"{name} shows {share:g} %, the guard's record is {record.weight_pct} %")
            if share > 0 and world.time_s > lane.lease_until_s + TICKS_S:
                self.fail("lease", f"{name} still has {share:g} %, {world.time_s - lane.lease_until_s:g} s over")
            if share > 0:
                self._reverted(name, share)
        self._above(ready)
        self.held.stepped()

    def _above(self, ready: bool) -> None:
        """No route stays above what is committed for its release while there is somebody who could lower it.

        A leader whose clock has stepped back sleeps until its old wake-up times; then only the lease bounds this.
        """
        sim = self._sim
        able = ready and sim.depth == 0 and sim.world.clock_offset_s >= 0 and any(not node.frozen for node in sim.nodes)
        for name, lane in self.lanes.items():
            release = sim.store.release(lane.writer[1]) if lane.writer else None
            allowed = 0 if release is None or release.id in self._aborted else release.weight_pct
            # Past a note a stop goes only with the word of the store.
            asked = sim.world.store_up or not sim.world.router.noted(sim.world.app(name))
            if not able or not asked or release is None or sim.world.share_pct(name) <= allowed + NUDGE:
                lane.above_since_s = None
                continue
            if lane.above_since_s is None:
                lane.above_since_s = sim.world.time_s
            if sim.world.time_s - lane.above_since_s > ABOVE_S:
                self.fail("back", f"{name} has {sim.world.share_pct(name):g} %, {release.id} may have {allowed} %")

    def _reverted(self, name: str, share: float) -> None:
        lane = self.lanes[name]
        writer = lane.writer[1] if lane.writer else None
        for kill in self.holding(self.target(name, writer)):
            if kill.verb is Verb.REVERT:
                self.fail("I2", f"{name} has {share:g} % under {kill.id}, which reverts {kill.scope}")

    def at_end(self) -> None:
        """When everything has come to rest."""
        sim = self._sim
        check = sim.store.verify_audit()
        if not check.ok or check.records != self.ledger.last_seq:
            self.fail("chain", f"{check.records} records of {self.ledger.last_seq}: {check.trouble}")
        for identifier in sorted(self._kills_on_record - self.ledger.killed):
            self.fail("I6", f"kill {identifier} was effective and is not on record")
        for release_id, entry in self.ledger.entries.items():
            release = sim.store.release(release_id)
            if release is not None and release.phase in ENDED and entry.weight_pct != 0:
                self.fail("I6", f"{release_id} has ended, and the chain still stands at {entry.weight_pct} %")
        for name, lane in self.lanes.items():
            record = sim.world.router.record(sim.world.route(name).backend)
            if record is not None and record.halts:
                self.fail("I8-released", f"every kill is released, and {name} still carries {record.halts[0].text}")
            if not sim.store.active(name) and (trouble := self.end_trouble(name, lane.stable)) is not None:
                self.fail("I3", f"{name} is at rest, but {trouble}")


def _epoch_of(verb: str, args: tuple[Any, ...]) -> int | None:
    """The epoch that a call on a route carries, which need not be its process's: a person's abort goes under the epoch
    of the route. Reading and halting carry none."""
    match verb:
        case "write":
            return int(args[1].epoch)
        case "claim":
            return int(args[1])
        case "renew" | "lower" | "unhalt":
            return int(args[2])
        case _:
            return None
