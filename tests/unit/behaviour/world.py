"""One application with its traffic, on fakes, driven second by second through the real loop and the real commands.

Versions behave as scripted; requests flow by the weights that the proxy has; nothing waits and nothing is random.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from analysis.model import AnalysisSpec, CounterQuery, Role
from controller.commands import Commands
from controller.core.explain import explain
from controller.core.model import Application, CanaryPlan, IntentKind, Phase, Release, RouteState
from controller.core.moves import ENDED
from controller.messages import messages_of
from controller.ports import AuditFilter, Commit, Page, Ports, Router, Store, StoredApplication, Workload
from controller.reconcile import Reconciler
from controller.runtime.killfile import KillFile
from controller.runtime.killswitch import KillSwitch
from controller.wishes import Done, Submission
from gates.audit import Draft
from tests.fakes.clock import ManualClock
from tests.fakes.metrics import FakeMetrics
from tests.fakes.router import FakeRouter
from tests.fakes.store import MemoryStore
from tests.fakes.trouble import Troubled
from tests.fakes.workload import Behaviour, FakeWorkload
from tests.unit.core.build import an_app

OLD, NEW, NEXT = "v1", "v2", "v3"
REQUESTS_PER_S = 1_000
PLAN = CanaryPlan(
    steps=(10, 20, 30), min_bake_s=5.0, max_weight_pct=50, max_duration_s=600.0, prepare_deadline_s=30.0,
    promote_deadline_s=60.0, drain_s=3.0, lease_s=20.0, poll_s=1.0,
)  # fmt: skip
SPEC = AnalysisSpec(
    "http://127.0.0.1:9090",
    (CounterQuery("errors", ("total",), ("bad",)),),
    min_canary_requests=50, warmup_s=1.0, stale_after_s=5.0, no_data_timeout_s=20.0, window_s=30.0, block_s=1.0,
    settle_s=0.0,
)  # fmt: skip


@dataclass(frozen=True)
class Moment:
    """What the users and the release had in one second."""

    at_s: float
    phase: Phase | None
    live_pct: int | None
    canary_running: int


class World:
    loop: Reconciler

    def __init__(self, directory: Path, stable: str | None = OLD, **plan: Any) -> None:
        self.clock, self.memory = ManualClock(), MemoryStore()
        self.store = Troubled(self.memory)
        self.fake_router = FakeRouter(self.clock.monotonic_s)
        self.router = Troubled(self.fake_router)
        self.fake_workload = FakeWorkload()
        self.workload = Troubled(self.fake_workload)
        self.metrics = FakeMetrics()
        self.kill_file = KillFile(directory / "kill.jsonl")
        self.told: list[dict[str, Any]] = []
        self.errors: dict[str, float] = {}
        self.scraping = True
        self.history: list[Moment] = []
        self._ids = itertools.count(1)
        self.app = an_app(canary=replace(PLAN, **plan), analysis=SPEC)
        self.fake_router.add(self.app)
        self.memory.commit(Commit(application=StoredApplication(self.app, stable)))
        if stable is not None:
            self._bring_up(stable)
        self.epoch = 0
        self.lead()

    def lead(self) -> None:
        """A new controller process on the same world; the one before has stopped or does not know yet."""
        self.epoch = self.memory.lead(f"controller-{self.epoch + 1}", self.clock.now_s())
        store, router = cast(Store, self.store), cast(Router, self.router)
        known = (lambda: [self.app], self._app_of, self._log, lambda: self.loop.running())
        self.switch = KillSwitch(store, router, self.kill_file, self.clock, *known)
        self.switch.load()
        self.ports = Ports(
            store,
            router,
            lambda _app: cast(Workload, self.workload),
            self.metrics,
            self.switch.state,
            self.clock,
            self._log,
        )
        self.loop = Reconciler(self.ports, self.epoch, messages_of(("http://127.0.0.1:1/chat",)))
        self.commands = Commands(
            self.ports,
            lambda _id: None,
            lambda: self.epoch,
            self.loop.last_seen,
            lambda app: f"{app}-{next(self._ids)}",
        )

    # what people do

    def deploy(self, version: str = NEW, **wish: Any) -> Release:
        return self.commands.submit(Submission("shop", version, "ci", **wish)).release

    def ask(self, kind: IntentKind, actor: str = "ann", reason: str = "", step: int | None = None) -> Done:
        return self.commands.intend(self.newest().id, kind, actor, reason, step)

    # time passes

    def second(self, controller: bool = True) -> None:
        """One second: requests, the guard's tick, the instances, a scrape, then one pass over everything."""
        self.clock.advance(1.0)
        self.fake_router.tick()
        self.fake_workload.tick()
        self._requests()
        if self.scraping:
            self.metrics.scrape(self.clock.now_s())
        if controller:
            self.turn()
        self._note()

    def turn(self) -> None:
        """What a node does when it looks: every release that has not ended, then the application at rest."""
        for release in self.memory.active("shop"):
            self.loop.run(release.id)
        self.loop.rest("shop")

    def seconds(self, count: int, controller: bool = True) -> None:
        for _ in range(count):
            self.second(controller)

    def until(self, happened: Callable[[], bool], limit_s: int = 300) -> None:
        """Let time pass until it happened."""
        for _ in range(limit_s):
            if happened():
                return
            self.second()
        raise AssertionError(f"it did not happen within {limit_s} s: {self.sentence()}")

    def until_phase(self, phase: Phase, limit_s: int = 300) -> None:
        self.until(lambda: self.newest().phase is phase, limit_s)

    def until_live(self, weight_pct: int) -> None:
        """The weight is on the route, was seen there, and bakes."""
        self.until(lambda: self.live() == weight_pct and self.newest().baking_since_s is not None)

    # what can be seen

    def newest(self) -> Release:
        return self.memory.releases(Page(limit=1))[0]

    def release(self, release_id: str) -> Release:
        found = self.memory.release(release_id)
        assert found is not None
        return found

    def route(self) -> RouteState:
        return self.fake_router.read(self.app)

    def live(self) -> int | None:
        """The canary's share as the proxy has it, however the guard is."""
        return round(self.fake_router.haproxy.share_pct(self.app.haproxy.backend))

    def running(self, role: Role) -> list[str]:
        return [one.version for one in self.fake_workload.instances("shop", role)]

    def stable_version(self) -> str | None:
        stored = self.memory.application("shop")
        assert stored is not None
        return stored.stable_version

    def sentence(self) -> str:
        return explain(self.newest(), self.clock.now_s())

    def records(self, kind: str | None = None) -> list[Draft]:
        return [record.draft for record in self.memory.audit(Page(limit=500), AuditFilter(type=kind))]

    def weights(self) -> list[int | None]:
        """The weights the users had, each named once when it changed."""
        return [pct for pct, _ in itertools.groupby(moment.live_pct for moment in self.history)]

    def phases(self) -> list[str]:
        return [phase.value for phase, _ in itertools.groupby(moment.phase for moment in self.history) if phase]

    def _bring_up(self, version: str) -> None:
        for _ in range(20):
            self.fake_workload.ensure(self.app, Role.STABLE, version, 0)
            self.fake_workload.tick()

    def _requests(self) -> None:
        canary_pct = self.live() or 0
        for role, share in ((Role.STABLE, 100 - canary_pct), (Role.CANARY, canary_pct)):
            versions = self.running(role)
            if versions:
                total = REQUESTS_PER_S * share / 100
                bad = sum(total / len(versions) * self.errors.get(version, 0.0) for version in versions)
                self.metrics.serve(role, round(total), round(bad))
            elif role is Role.CANARY:
                self.metrics.forget(role)

    def _note(self) -> None:
        releases = self.memory.releases(Page(limit=1))
        phase = releases[0].phase if releases else None
        running = len(self.fake_workload.instances("shop", Role.CANARY))
        self.history.append(Moment(self.clock.now_s(), phase, self.live(), running))

    def _app_of(self, release_id: str) -> Application | None:
        release = self.store.release(release_id)
        return release.app if release is not None and release.phase not in ENDED else None

    def _log(self, event: str, **fields: Any) -> None:
        self.told.append({"event": event, **fields})


NEVER_READY = Behaviour(never_ready=True)
CRASHES_EARLY = Behaviour(crash_after=4)
