"""How long the loop takes from a verdict to HAProxy, and a kill from being accepted to HAProxy, through every layer on
real parts: a real guard, a real HAProxy, SQLite on disk. It prints; it tests nothing."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from analysis.judge import new_state
from analysis.model import AnalysisSpec, CounterQuery, Readings, Role
from controller.adapters.clock import SystemClock
from controller.adapters.routers.haproxy import HaproxyRouter
from controller.adapters.store.sql import SqlStore
from controller.core.model import Application, CanaryPlan, Phase, Reason, Release
from controller.ports import Commit, Ports, RouteWrite, StoredApplication
from controller.reconcile import Reconciler
from controller.runtime.killfile import KillFile
from controller.runtime.killswitch import KillSwitch
from gates.kill import ScopeKind, Verb, parse_scope
from tests.benchmarks.bench_kill import bare, quantile
from tests.contract.router_fixtures import HAPROXY, WITHOUT, RealWorld, real
from tests.fakes.metrics import FakeMetrics
from tests.fakes.workload import FakeWorkload

ROUNDS = 300
WARM_UP = 30


class TimedRouter(HaproxyRouter):
    """The real router, which also keeps when the guard had written HAProxy, by the machine's monotonic clock."""

    wrote_s = 0.0

    def ask(self, guard: str, body: Mapping[str, object]) -> dict[str, Any]:
        answer = super().ask(guard, body)
        self.wrote_s = float(answer.get("wrote_s") or self.wrote_s)
        return answer


class TimedMetrics(FakeMetrics):
    """Samples of a canary that fails, or of one that does well, and when they were handed over."""

    given_s = 0.0

    def read(self, spec: AnalysisSpec, versions: Mapping[Role, str], application: str, at_s: float) -> Readings:
        readings = super().read(spec, versions, application, at_s)
        self.given_s = time.monotonic()
        return readings


def run(rounds: int = ROUNDS) -> dict[str, object]:
    """One of each per round, beside a bare write of HAProxy's socket."""
    if HAPROXY is None:
        return {"skipped": WITHOUT}
    names = ("bare", "verdict_to_rollback", "verdict_to_rise", "kill_accepted_to_route")
    samples: dict[str, list[float]] = {name: [] for name in names}
    with real() as world:
        bench = Bench(world)
        for number in range(rounds + WARM_UP):
            taken = bench.round(number)
            if number >= WARM_UP:
                for name, seconds in taken.items():
                    samples[name].append(seconds)
        bench.close()
    figures: dict[str, object] = {"rounds": rounds}
    for name, values in samples.items():
        for percent in (50, 99):
            figures[f"{name}_p{percent}_ms"] = round(1000 * quantile(values, percent), 3)
    for name in names[1:]:
        for percent in (50, 99):
            ratio = quantile(samples[name], percent) / quantile(samples["bare"], percent)
            figures[f"{name}_to_bare_p{percent}"] = round(ratio, 2)
    return figures


class Bench:
    """A controller's loop on a store of its own, with releases put right before the moment that is measured."""

    def __init__(self, world: RealWorld) -> None:
        self.world, self.clock, self.router = world, SystemClock(), TimedRouter()
        self.store = SqlStore.open(Path(world.directory) / "interlock.db")
        self.epoch = self.store.lead("bench", self.clock.now_s())
        plan = CanaryPlan((5, 50), min_bake_s=0.0, drain_s=0.0)
        spec = AnalysisSpec(
            "http://127.0.0.1:9",
            (CounterQuery("errors", ('requests{role="$role"}',), ('requests{role="$role",code="500"}',)),),
            warmup_s=0.0,
        )
        self.app: Application = replace(world.app, canary=plan, analysis=spec)
        self.store.commit(Commit(application=StoredApplication(self.app, "v1")))
        self.metrics, self.workload = TimedMetrics(), FakeWorkload()
        self.switch = KillSwitch(
            self.store, self.router, KillFile(Path(world.directory) / "kill.jsonl"), self.clock,
            lambda: (self.app,), lambda _release: self.app, lambda *_args, **_fields: None,
        )  # fmt: skip
        ports = Ports(self.store, self.router, lambda _app: self.workload, self.metrics, self.switch.state, self.clock)
        self.reconciler = Reconciler(ports, self.epoch)
        self.router.claim(self.app, self.epoch)

    def round(self, number: int) -> Mapping[str, float]:
        return {
            "bare": timed(lambda: bare(str(self.world.directory / "haproxy.sock"))),
            "verdict_to_rise": self.rise(number),
            "verdict_to_rollback": self.roll_back(number),
            "kill_accepted_to_route": self.kill(number),
        }

    def rise(self, number: int) -> float:
        """A healthy canary whose bake is over: commit, then the next weight."""
        release = self._baking(f"up-{number}", bad=0)
        return self._verdict_to_route(release, 50)

    def roll_back(self, number: int) -> float:
        """A failing canary: traffic goes back before anything is committed."""
        release = self._baking(f"down-{number}", bad=400)
        return self._verdict_to_route(release, 0)

    def kill(self, number: int) -> float:
        release = self._baking(f"kill-{number}", bad=0)
        start_s = time.monotonic()
        engaged = self.switch.engage(Verb.REVERT, parse_scope(ScopeKind.FLEET.value), "bench")
        took_s = self.router.wrote_s - start_s
        assert engaged.effective, engaged
        assert self.router.read(self.app).live_pct == 0
        self.switch.release(engaged.engagement.id, "bench", "bench")
        self.router.unhalt(self.app, frozenset({engaged.engagement.id}), self.epoch)
        self._end(release)
        return took_s

    def _baking(self, name: str, bad: int) -> Release:
        """A release at 5 % whose next pass has everything it needs to decide."""
        now_s = self.clock.now_s()
        judge = new_state(now_s - 100.0)
        release = Release(
            name, self.app, "v1", "v2", Phase.PROGRESSING, "bench", now_s, now_s - 100.0, Reason("baking", "bench"),
            step=0, weight_pct=5, peak_weight_pct=5, baking_since_s=now_s - 90.0, progressing_since_s=now_s - 95.0,
            judge=judge,
        )  # fmt: skip
        self.store.commit(Commit(create=release))
        self.metrics.roles.clear()
        for at_s, total in ((now_s - 60, 0), (now_s - 30, 500), (now_s - 2, 500)):
            self.metrics.serve(Role.STABLE, 10 * total)
            self.metrics.serve(Role.CANARY, total, bad=bad if total else 0)
            self.metrics.scrape(at_s)
        for _ in range(4):
            self.workload.ensure(self.app, Role.STABLE, "v1", self.epoch)
            self.workload.ensure(self.app, Role.CANARY, "v2", self.epoch)
            self.workload.tick()
        route = self.router.read(self.app)
        self.router.write(self.app, RouteWrite(5, release.id, self.epoch, route.revision, 60.0))
        return release

    def _verdict_to_route(self, release: Release, expected_pct: int) -> float:
        self.reconciler.run(release.id)
        took_s = self.router.wrote_s - self.metrics.given_s
        live = self.router.read(self.app).live_pct
        assert live == expected_pct, (live, self.store.release(release.id))
        self._end(release)
        return took_s

    def _end(self, release: Release) -> None:
        current = self.store.release(release.id)
        assert current is not None
        self.store.commit(Commit(release=replace(current, phase=Phase.FAILED)))

    def close(self) -> None:
        self.switch.close()
        self.router.close()
        self.store.close()


def timed(call: Callable[[], object]) -> float:
    start_s = time.monotonic()
    call()
    return time.monotonic() - start_s


def main() -> int:
    sys.stdout.write(json.dumps(run(), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
