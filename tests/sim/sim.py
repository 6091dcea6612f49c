"""One run: the world, the controllers on it, people, and faults at every port call, all on one thread.

A port call may run the world, people and a rival's whole passes inside itself, which gives every interleaving without
threads. Nothing here judges; the oracles do.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from controller.core.model import RouteState
from controller.ports import Fenced, PortError, Store, Unavailable, Unknown
from controller.runtime import killswitch
from gates.kill import KillState
from tests.sim.faults import DANGER, RISE, Crashed, Fault, Kind, Tape
from tests.sim.node import Node
from tests.sim.oracles import Failed, Oracles
from tests.sim.people import People
from tests.sim.scenario import Event, Scenario
from tests.sim.trouble import happen
from tests.sim.world import World

STEP_S = 1.0
DEPTH_MAX = 3
"""Calls within calls; deeper nesting adds no order of events that this does not have."""
RESTART_S = (1.0, 5.0, 30.0)
"""How long a crashed controller is away: less than a lease, or more."""

WRITES = frozenset(
    {"store.commit", "store.lead", "router.claim", "router.write", "router.renew", "router.lower", "router.halt"}
    | {"router.unhalt", "workload.ensure", "file.engage", "file.release"}
)
HURRY = 0.5
"""How often a slow call at a dangerous place draws somebody's wish into itself."""
HURRIED = frozenset({"abort", "kill", "unkill", "deploy", "promote_full", "promote_step", "pause", "reload"})
STORE_WRITES = frozenset({"store.commit", "store.lead", "store.outbox_done", "store.outbox_failed"})


class _Ids:
    """Stands in for ``secrets`` where an id would otherwise differ from run to run."""

    def __init__(self, rng: random.Random) -> None:
        self._random = rng

    def token_hex(self, count: int) -> str:
        return f"{self._random.getrandbits(8 * count):0{2 * count}x}"


@dataclass(slots=True)
class Counts:
    calls: int = 0
    steps: int = 0
    releases: int = 0


@dataclass(slots=True)
class Simulation:
    """``given`` and ``events`` replay a choice of a seed's faults and events."""

    scenario: Scenario
    store: Store
    given: Mapping[int, Fault] | None = None
    world: World = field(init=False)
    oracles: Oracles = field(init=False)
    people: People = field(init=False)
    tape: Tape = field(init=False)
    nodes: list[Node] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    trace: list[str] = field(default_factory=list)
    pending: list[Event] = field(default_factory=list)
    random: random.Random = field(init=False)
    restart_at_s: float | None = 0.0
    depth: int = 0
    safe_calls: int = 0
    writes: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(f"{self.scenario.seed}:run")
        self.oracles = Oracles(self)
        self.world = World(self.scenario, self.store, self.oracles.moved)
        self.oracles.begin()
        self.tape = Tape(self.scenario.seed, self.scenario.mix, self.given)
        self.people = People(self)
        self.pending = list(self.scenario.events)
        ids = _Ids(random.Random(f"{self.scenario.seed}:ids"))
        killswitch.secrets = ids  # type: ignore[assignment, attr-defined]

    def new_release_id(self, application: str) -> str:
        self.counts.releases += 1
        return f"{application}-{self.counts.releases}"

    def application_of(self, release_id: str) -> str:
        return release_id.rpartition("-")[0]

    def note(self, *what: object) -> None:
        self.trace.append(f"{self.world.time_s:8.2f} {'  ' * self.depth}{' '.join(str(part) for part in what)}")

    def digest(self) -> str:
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()

    def call(self, node: Node, name: str, effect: Callable[[], Any], args: tuple[Any, ...]) -> Any:
        """One port call of ``node``: what the tape has for it, and the effect if it comes to that."""
        self.counts.calls += 1
        if name in WRITES:
            self.writes.append(self.counts.calls)
        self.oracles.before_call(node, name)
        rise = name == "router.write" and args[1].weight_pct > 0
        fault = self.tape.at(self.counts.calls, RISE if rise else name)
        if fault is None:
            return self._land(node, name, effect, args)
        if self.depth >= DEPTH_MAX and fault.kind in (Kind.SLOW, Kind.SLOW_ANSWER, Kind.FREEZE):
            return self._land(node, name, effect, args)
        node.look.troubled = True
        self.note("FAULT", self.counts.calls, node.name, name, fault.kind.value, fault.amount)
        return self._faulty(node, name, effect, args, fault)

    def _faulty(self, node: Node, name: str, effect: Callable[[], Any], args: tuple[Any, ...], fault: Fault) -> Any:
        match fault.kind:
            case Kind.ERROR:
                return self._refuse(name, args, Unavailable(f"{name} is not reachable"))
            case Kind.LOST:
                self._land(node, name, effect, args)
                node.look.fresh_route = ""  # a leader that got no answer has not read the route
                if name == "workload.observe":
                    node.look.stable_ready = node.look.canary_ready = -1
                kind = Unknown if name in WRITES else Unavailable
                return self._refuse(name, args, kind(f"the answer of {name} was lost"))
            case Kind.CRASH_BEFORE:
                self._crash(node)
            case Kind.CRASH_AFTER:
                self._land(node, name, effect, args)
                self._crash(node)
            case Kind.SLOW:
                self._meanwhile(node, name, fault.amount)
            case Kind.SLOW_ANSWER:
                answer = self._land(node, name, effect, args)
                self._meanwhile(node, name, fault.amount)
                if not node.alive:
                    raise Crashed
                return answer
            case Kind.FREEZE:
                self._meanwhile(node, name, fault.amount, rival=True)
        return self._land(node, name, effect, args)

    def _crash(self, node: Node) -> None:
        self.kill_node(node)
        raise Crashed

    def kill_node(self, node: Node) -> None:
        self.note("CRASH", node.name)
        node.alive = False
        if node not in self.nodes:
            return
        self.nodes.remove(node)
        if not self.nodes and self.restart_at_s is None:
            self.restart_at_s = self.world.time_s + (self.random.choice(RESTART_S) if self.tape.open else 1.0)

    def _refuse(self, name: str, args: tuple[Any, ...], error: PortError) -> Any:
        """A failed call as its port reports it: readings and the kill file say so in their answer."""
        match name:
            case "metrics.read" | "metrics.look":
                return self.world.prometheus.unreadable(args[3])
            case "metrics.learn":
                return None
            case "metrics.check":
                return str(error)
            case "file.read":
                return KillState(readable=False, trouble=str(error))
        raise error

    def _land(self, node: Node, name: str, effect: Callable[[], Any], args: tuple[Any, ...]) -> Any:
        """The effect on the world, now. A process that died while it was frozen does nothing any more."""
        if not node.alive:
            raise Crashed
        world = self.world
        if name.startswith("store.") and not world.store_up:
            node.look.troubled = True
            raise Unavailable("the store cannot be reached")
        if name in STORE_WRITES and world.disk_full:
            raise Unavailable("the disk is full")
        self.oracles.landing(node, name, args)
        try:
            answer = effect()
        except PortError as error:
            self.note(node.name, name, type(error).__name__, error)
            self.oracles.held.refused(node, name, args, error)
            raise
        finally:
            self.oracles.writing = None
        if isinstance(answer, RouteState) and args[0].name in world.unconfirmed:
            answer = replace(answer, unconfirmed="the proxy has not said yet that it took it")
        self.oracles.landed(node, name, args, answer)
        if name in WRITES and name != "workload.ensure":
            self.note(node.name, name, *_brief(args))
        return answer

    def _meanwhile(self, node: Node, name: str, steps: int, rival: bool = False) -> None:
        """The world goes on while one thread of ``node`` waits in a call.

        With ``rival`` the whole process stands still, people cannot use it, and somebody else takes the lead.
        """
        node.frozen += rival
        self.depth += 1
        try:
            if rival:
                self.start_node()
            if name in DANGER and self.random.random() < HURRY:
                self._hurry()
            for _ in range(steps):
                self.step()
        finally:
            self.depth -= 1
            node.frozen -= rival

    def _hurry(self) -> None:
        """What a person was going to do later happens now: right when it does most harm."""
        chosen = next((n for n, event in enumerate(self.pending) if event.kind in HURRIED), None)
        if chosen is not None:
            self.pending.insert(0, replace(self.pending.pop(chosen), at_s=self.world.time_s))

    def start_node(self) -> None:
        """A new process takes the lead. When it cannot, the supervisor tries again later."""
        node = Node(self, f"n{len(self.oracles.started) + 1}")
        self.oracles.started.append(node.name)
        try:
            self.nodes.append(node)
            node.frozen += 1
            node.start()
        except (PortError, Crashed) as trouble:
            self.note("START FAILED", node.name, trouble)
            if node in self.nodes:
                self.kill_node(node)
        else:
            self.note("LEADS", node.name, node.epoch)
        finally:
            node.frozen -= 1

    def step(self) -> None:
        """One second of the world, and what everybody who is free does in it."""
        self.counts.steps += 1
        self.world.advance(STEP_S)
        self.oracles.stepped()
        while self.pending and self.pending[0].at_s <= self.world.time_s:
            self._happen(self.pending.pop(0))
        self.people.step()
        if self.restart_at_s is not None and self.world.time_s >= self.restart_at_s:
            self.restart_at_s = None
            self.start_node()
        if not self.nodes and self.restart_at_s is None:
            self.restart_at_s = self.world.time_s + 1.0
        for node in list(self.nodes):
            self.run_node(node)

    def run_node(self, node: Node) -> None:
        if not node.alive or node.frozen:
            return
        depth = len(node.looks)
        try:
            node.step()
        except Crashed:
            pass
        except Fenced as fenced:
            self.note("FENCED", node.name, fenced)
            self.oracles.held.stops_leading(node)
            self._retire(node)
        finally:
            del node.looks[depth:]

    def _retire(self, node: Node) -> None:
        """It leads no more and begins nothing; what it has in flight may still land, or be refused."""
        if node in self.nodes:
            self.nodes.remove(node)
        if not self.nodes and self.restart_at_s is None:
            self.restart_at_s = self.world.time_s + 1.0

    def _happen(self, event: Event) -> None:
        self.note("EVENT", event.kind, *event.args)
        if not self.people.does(event):
            happen(self, event)


def _brief(args: tuple[Any, ...]) -> tuple[object, ...]:
    """The arguments of a call in a line: objects with a name are shown by it."""
    shown: list[object] = []
    for arg in args:
        if hasattr(arg, "records"):
            shown += [f"{r.type}:{r.release_id}:{dict(r.numbers)}" for r in arg.records]
        elif isinstance(arg, frozenset):
            shown.append(sorted(arg))
        else:
            shown.append(arg.name if hasattr(arg, "router") else arg)
    return tuple(shown)


__all__ = ["Crashed", "Failed", "Simulation"]
