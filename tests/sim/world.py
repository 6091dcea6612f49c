"""The truth: proxy, guard, instances, requests, disk and clock. Controllers see it through ports only; it never asks
them anything. Whatever moves traffic here is reported to ``moved`` at that moment."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from analysis.model import Role
from controller.core.model import Application
from controller.core.targets import HaproxyRoute
from controller.guard.model import ProxyTrouble, Shown
from controller.ports import Commit, Store, StoredApplication, Unavailable
from controller.runtime.killfile import KillFile, _replay
from gates.audit import Draft
from gates.kill import KillState
from tests.fakes.router import MemoryHaproxy
from tests.fakes.workload import Behaviour, FakeWorkload
from tests.sim.cluster import NotedRouter, behind
from tests.sim.scenario import AppPlan, Health, Scenario, Version
from tests.sim.traffic import Prometheus

EPOCH_S = 1_790_000_000.0
"""UTC at the start of every run; any fixed time will do."""

IDLE_TICK_S = 3
"""How often the guard looks at routes that stand at 0 and are well. It is a saving of the simulation only."""

Moved = Callable[[str, float, float, float], None]
"""Told the backend and the canary's share before, after, and the highest in between."""


class SimHaproxy(MemoryHaproxy):
    """Reports every change of a share. ``next_push`` lets the next group of commands fail, or land unanswered."""

    def __init__(self, moved: Moved) -> None:
        super().__init__()
        self._moved = moved
        self._top = 0.0
        self.next_push = ""

    def push(self, backend: str, commands: tuple[str, ...]) -> Shown:
        if not commands or not self.up or backend not in self.running:
            return super().push(backend, commands)
        trouble, self.next_push = self.next_push, ""
        if trouble == "fails":
            raise ProxyTrouble("HAProxy's socket: timed out before it took the commands")
        before = self._top = self.share_pct(backend)
        shown = super().push(backend, commands)
        after = self.share_pct(backend)
        if after != before:
            self._moved(backend, before, after, self._top)
        if trouble == "lost":
            raise ProxyTrouble("HAProxy's socket: timed out waiting for the answer")
        return shown

    def run(self, command: str) -> str:
        said = super().run(command)
        self._top = max(self._top, self.share_pct(command.split()[2].partition("/")[0]))
        return said


class SimRouter(NotedRouter):
    """The guard on the reporting proxy."""

    def __init__(self, clock: Callable[[], float], moved: Moved) -> None:
        super().__init__(clock)
        self.haproxy: SimHaproxy = SimHaproxy(moved)
        self.restart()

    @property
    def busy(self) -> bool:
        """Whether the guard's loop could have anything to do: a route that is up, unsure or unsaved."""
        routes = self._keeper._routes.values()
        return self._keeper._unsaved or any(r.weight_pct or not (r.settled and r.pushed) or r.trouble for r in routes)


class SimKillFile(KillFile):
    """The production journal on a disk in memory."""

    def __init__(self, full: Callable[[], bool]) -> None:
        super().__init__(Path("/kills"))
        self._full = full
        self._data = b""
        self._read: tuple[int, KillState] = (0, KillState())

    def read(self) -> KillState:
        if len(self._data) != self._read[0]:
            self._read = (len(self._data), _replay(self._data))
        return self._read[1]

    def _append(self, line: dict[str, Any]) -> None:
        if self._full():
            raise Unavailable("the kill file cannot be written: No space left on device")
        self._data += json.dumps(line, separators=(",", ":")).encode() + b"\n"


class World:
    """One instance per run. Time is in seconds since the start; ``utc_s`` is what clocks show, and may step."""

    def __init__(self, scenario: Scenario, store: Store, moved: Moved) -> None:
        self.scenario = scenario
        self.time_s = 0.0
        self.clock_offset_s = 0.0
        self.forward_s = 0.0
        self.store = store
        self.store_up, self.disk_full = True, False
        self.incidents: set[str] = set()
        self.unconfirmed: set[str] = set()
        self.apps = {plan.app.name: plan for plan in scenario.apps}
        self.backends = {behind(plan.app).haproxy.backend: plan.app.name for plan in scenario.apps}
        self.router = SimRouter(lambda: self.time_s, moved)
        self.prometheus = Prometheus()
        self.kill_file = SimKillFile(lambda: self.disk_full)
        self.workloads = {plan.app.name: FakeWorkload() for plan in scenario.apps}
        self._random = random.Random(f"{scenario.seed}:traffic")
        for plan in scenario.apps:
            self._set_up(plan)

    def _set_up(self, plan: AppPlan) -> None:
        app, workload = plan.app, self.workloads[plan.app.name]
        self.router.add(app)
        for version in plan.versions:
            workload.script(version.name, _behaviour(version))
        if plan.stable is not None:
            workload.ensure(app, Role.STABLE, plan.stable, 0)
            workload.tick(5)
        draft = Draft("application_registered", EPOCH_S, "setup", app.name, application=app.name)
        self.store.commit(Commit(records=(draft,), application=StoredApplication(app, plan.stable)))

    @property
    def utc_s(self) -> float:
        return EPOCH_S + self.time_s + self.clock_offset_s

    def sicken(self, application: str, sick: bool) -> None:
        """What stable runs now is up but not ready, whatever starts it again; or it is as it always was."""
        workload = self.workloads[application]
        if not sick:
            for version in self.apps[application].versions:
                workload.script(version.name, _behaviour(version))
            return
        for one in workload.instances(application, Role.STABLE):
            workload.script(one.version, Behaviour(never_ready=True))

    def shorten(self, application: str, count: int, for_s: int) -> None:
        """Some instances of stable are gone, and nothing starts them again for a while."""
        for one in self.workloads[application].instances(application, Role.STABLE)[:count]:
            one.crashed, one.age, one.wait = True, 0, for_s

    def lengthen(self, application: str) -> None:
        """Whatever is gone may be started again."""
        for one in self.workloads[application].instances(application, Role.STABLE):
            one.wait = min(one.wait, 1)

    def step_clock(self, by_s: float) -> None:
        self.clock_offset_s += by_s
        self.forward_s += max(0.0, by_s)

    def share_pct(self, application: str) -> float:
        return self.router.haproxy.share_pct(self.route(application).backend)

    def app(self, application: str) -> Application:
        return self.apps[application].app

    def route(self, application: str) -> HaproxyRoute:
        """What carries the application's traffic here, whatever the controller takes it for."""
        return behind(self.app(application)).haproxy

    def ready(self, application: str, role: Role) -> dict[str, int]:
        """How many instances of each version of a role can serve now."""
        found: dict[str, int] = {}
        workload = self.workloads[application]
        for one in workload.instances(application, role):
            if workload.is_ready(one):
                found[one.version] = found.get(one.version, 0) + 1
        return found

    def running(self, application: str, role: Role) -> frozenset[str]:
        """The versions of which an instance is there and does not just wait to be started again."""
        return frozenset(o.version for o in self.workloads[application].instances(application, role) if not o.crashed)

    def advance(self, dt_s: float) -> None:
        """Time passes: requests, scrapes, instances, and the guard's own loop."""
        whole = int(self.time_s + dt_s) - int(self.time_s)
        self.time_s += dt_s
        for plan in self.scenario.apps:
            if whole:
                self.workloads[plan.app.name].tick(whole)
            self._serve(plan, dt_s)
        if self.prometheus.due(self.time_s):
            alive = frozenset((name, role, v) for name in self.apps for role in Role for v in self.running(name, role))
            # Prometheus has a clock of its own, which is right.
            self.prometheus.scrape(self.time_s, EPOCH_S + self.time_s, alive)
        if self.router.busy or int(self.time_s) % IDLE_TICK_S == 0:
            self.router.tick()

    def _serve(self, plan: AppPlan, dt_s: float) -> None:
        if not self.router.haproxy.up:
            return
        name = plan.app.name
        share = self.share_pct(name)
        wanted = plan.rate * dt_s * self._random.uniform(0.8, 1.2)
        for role, part in ((Role.CANARY, share), (Role.STABLE, 100 - share)):
            ready = self.ready(name, role)
            serving = sum(ready.values())
            for version, count in ready.items():
                done = wanted * part / 100 * count / serving
                bad = self._bad_fraction(name, role, version, share)
                counters = self.prometheus.counters(name, role, version)
                counters.history.append((self.time_s - dt_s, counters.total))
                if bad is not None:
                    counters.total += done
                    counters.bad += done * bad

    def _bad_fraction(self, name: str, role: Role, version: str, share: float) -> float | None:
        """The part of requests that fail; None when they never complete."""
        incident = 0.3 if name in self.incidents else 0.0
        made = self.scenario.version(name, version)
        if role is Role.CANARY and made.bad_traffic and share >= made.from_pct:
            if made.health is Health.HANG:
                return None
            return 0.95 if made.health is Health.CATASTROPHIC else max(incident, 0.15)
        return max(incident, 0.001)


def _behaviour(version: Version) -> Behaviour:
    return Behaviour(
        ready_after=version.ready_after_s,
        never_ready=version.health is Health.NEVER_READY,
        crash_after=9 if version.health is Health.CRASHES else None,
    )
