"""One controller process: the production parts, put together over ports that the simulation may break."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from analysis.model import Role
from controller.commands import Commands
from controller.core.model import Application, Release, RoleState
from controller.ports import Clock, Metrics, Page, PortError, Ports, Router, Store, Workload
from controller.reconcile import Reconciler
from controller.runtime.killfile import KillFile
from controller.runtime.killswitch import KillSwitch
from gates.kill import KillState

if TYPE_CHECKING:
    from tests.sim.sim import Simulation

Answer = TypeVar("Answer")

SWEEP_S = 2.0
REST_S = 5.0
SYNC_S = 4.0
PASSES_PER_STEP = 4
"""Passes of one release in one step of the world; more only repeat AGAIN_S."""


@dataclass(slots=True)
class Look:
    """What the world truly was when this pass or command asked for it. Oracles compare decisions with this."""

    leads: bool = False
    canary_ready: int = -1
    stable_ready: int = -1
    readings_ok: bool | None = None
    check_ok: bool | None = None
    share_pct: float | None = None
    unconfirmed: bool = False
    outranked: bool = False
    marked: bool = False
    troubled: bool = False
    stop_held: bool = False
    kills_seen: tuple[str, ...] | None = None
    fresh_route: str = ""
    begun_s: float = 0.0


@dataclass(slots=True)
class NodeClock:
    utc: Callable[[], float]
    monotonic: Callable[[], float]

    def now_s(self) -> float:
        return self.utc()

    def monotonic_s(self) -> float:
        return self.monotonic()


class Faulty:
    """A port whose every call goes through the simulation first."""

    def __init__(self, node: Node, name: str, target: object) -> None:
        self._node, self._name, self._target = node, name, target

    def __getattr__(self, method: str) -> Callable[..., Any]:
        node, real = self._node, getattr(self._target, method)
        name = f"{self._name}.{method}"

        def call(*args: Any, **fields: Any) -> Any:
            return node.sim.call(node, name, lambda: real(*args, **fields), (*args, *fields.values()))

        setattr(self, method, call)
        return call


class Sized:
    """What a workload's adapter keeps in its process: why its last move toward a canary failed."""

    def __init__(self, workload: Workload) -> None:
        self._workload, self.unsized = workload, ""

    def __getattr__(self, method: str) -> Any:
        return getattr(self._workload, method)

    def observe(self, app: Application) -> tuple[RoleState, RoleState]:
        stable, canary = self._workload.observe(app)
        return stable, replace(canary, unsized=self.unsized)

    def ensure(self, app: Application, role: Role, version: str | None, epoch: int, share_pct: int = 100) -> None:
        if role is Role.STABLE:
            self._workload.ensure(app, role, version, epoch, share_pct)
            return
        self.unsized = "it was not asked for"
        try:
            self._workload.ensure(app, role, version, epoch, share_pct)
        except PortError as error:
            self.unsized = str(error)
            raise
        self.unsized = ""


class Inline:
    """An executor that runs what it is given at once, so that one seed is one order of events."""

    def submit(self, run: Callable[[Application], Any], app: Application) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(run(app))
        return future

    def shutdown(self, wait: bool = True, cancel_futures: bool = False) -> None:
        pass


@dataclass(slots=True)
class Due:
    """When this process does what next; nothing of it outlives the process."""

    passes: dict[str, float] = field(default_factory=dict)
    sweep_s: float = 0.0
    rest_s: float = 0.0
    sync_s: float = 0.0


class Node:
    """Started by ``start``, which takes leadership; it may fail and is then tried again by the simulation."""

    def __init__(self, sim: Simulation, name: str) -> None:
        self.sim, self.name = sim, name
        self.alive, self.frozen, self.epoch = True, 0, 0
        self.doing: set[str] = set()
        self.looks: list[Look] = [Look()]
        self.due = Due()
        world = sim.world
        self.clock: Clock = NodeClock(lambda: world.utc_s, lambda: world.time_s)
        self.store = cast(Store, Faulty(self, "store", world.store))
        self.router = cast(Router, Faulty(self, "router", world.router))
        self._applications: Sequence[Application] = ()
        file = cast(KillFile, Faulty(self, "file", world.kill_file))
        self.switch = KillSwitch(
            self.store, self.router, file, self.clock, self.applications, self.application_of, self.log, self.running
        )
        self.switch.close()
        self.switch._pool = Inline()  # type: ignore[assignment]
        self.sized = {name: Sized(cast(Workload, Faulty(self, "workload", w))) for name, w in world.workloads.items()}
        self.ports = Ports(
            store=self.store,
            router=self.router,
            workload=lambda app: cast(Workload, self.sized[app.name]),
            metrics=cast(Metrics, Faulty(self, "metrics", world.prometheus)),
            kills=self.kills,
            clock=self.clock,
            log=self.log,
        )

    def start(self) -> None:
        self._applications = tuple(s.app for s in self.store.applications(Page(limit=50)))
        self.switch.load()
        self.epoch = self.store.lead(self.name, self.clock.now_s())
        self.reconciler = Reconciler(self.ports, self.epoch)
        self.due.passes |= dict(self.reconciler.recall())
        self.switch.wakes(self.wake)
        self.commands = Commands(
            self.ports, self.wake, lambda: self.epoch, self.reconciler.last_seen, self.sim.new_release_id
        )

    @property
    def look(self) -> Look:
        return self.looks[-1]

    def kills(self) -> KillState:
        seen = self.sim.oracles.engaged_ids()
        state = self.switch.state()
        self.look.kills_seen = seen
        return state

    def log(self, event: str, **fields: Any) -> None:
        if event == "application_fenced":
            self.sim.note("HELD", fields["application"], fields["trouble"])
        if event == "release_parked":
            self.sim.oracles.fail("parked", f"{fields['release_id']}: {fields['trouble']}")

    def wake(self, release_id: str) -> None:
        self.due.passes[release_id] = self.clock.now_s()

    def applications(self) -> Sequence[Application]:
        with contextlib.suppress(PortError):
            self._applications = tuple(s.app for s in self.store.applications(Page(limit=50)))
        return self._applications

    def running(self) -> Sequence[Release]:
        return self.reconciler.running() if self.epoch else ()

    def application_of(self, release_id: str) -> Application | None:
        try:
            release = self.store.release(release_id)
        except PortError:
            release = self.reconciler.last_seen(release_id)
        return release.app if release is not None else None

    def step(self) -> None:
        """What the heartbeat and the workers of this process do now."""
        now_s, due = self.clock.now_s(), self.due
        self._every("sweep_s", SWEEP_S, lambda: self._alone("sweep", Look(), self._sweep))
        self._every("sync_s", SYNC_S, lambda: self._alone("kill switch", Look(), self.switch.sync))
        for release_id in sorted(key for key, at_s in due.passes.items() if at_s <= now_s):
            self._passes(release_id)
        self._every("rest_s", REST_S, self._rest)

    def _alone(self, key: str, look: Look, work: Callable[[], Answer]) -> Answer | None:
        """What is under way in a slow call is not begun a second time: a release and the rest of its application take
        turns, different applications do not wait for each other."""
        if key in self.doing:
            return None
        self.doing.add(key)
        self.looks.append(look)
        try:
            return work()
        finally:
            self.looks.pop()
            self.doing.discard(key)

    def _every(self, name: str, period_s: float, job: Callable[[], object]) -> None:
        if self.sim.world.time_s >= getattr(self.due, name):
            setattr(self.due, name, self.sim.world.time_s + period_s)
            job()

    def _sweep(self) -> None:
        try:
            found = self.store.due(self.clock.now_s(), 100)
        except PortError:
            return
        for release_id, at_s in found:
            self.due.passes.setdefault(release_id, at_s)

    def _rest(self) -> None:
        for app in self._applications:
            self._alone(app.name, Look(leads=True), partial(self.reconciler.rest, app.name))

    def _passes(self, release_id: str) -> None:
        application = self.sim.application_of(release_id)
        if application in self.doing:
            return
        for _ in range(PASSES_PER_STEP):
            self.due.passes.pop(release_id, None)
            look = Look(leads=True, begun_s=self.sim.world.time_s)
            wake_at_s = self._alone(application, look, partial(self._pass, release_id))
            if wake_at_s is None:
                return
            if wake_at_s > self.clock.now_s() + 0.5:
                self.due.passes[release_id] = min(wake_at_s, self.due.passes.get(release_id, wake_at_s))
                return
        self.due.passes[release_id] = self.clock.now_s()

    def _pass(self, release_id: str) -> float | None:
        wake_at_s = self.reconciler.run(release_id)
        self.sim.oracles.passed(self)
        return wake_at_s
