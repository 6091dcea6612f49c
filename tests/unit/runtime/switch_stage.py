"""A kill switch over two applications, on a real file and on stores and routes in memory that can be broken."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from controller.core.model import Application, Release
from controller.core.targets import HaproxyRoute
from controller.ports import Commit, PortError, Router, RouteWrite, Store, StoredApplication, Unavailable
from controller.runtime.killfile import KillFile
from controller.runtime.killswitch import KillSwitch
from tests.fakes.clock import ManualClock
from tests.fakes.router import FakeRouter
from tests.fakes.store import MemoryStore
from tests.fakes.trouble import Troubled
from tests.unit.core.build import an_app

DOWN = Unavailable("planted by the test")


@dataclass
class SwitchStage:
    path: Path
    clock: ManualClock = field(default_factory=ManualClock)
    told: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.memory_store, self.fake_router = MemoryStore(), FakeRouter(self.clock.monotonic_s)
        self.store, self.router = Troubled(self.memory_store), Troubled(self.fake_router)
        self.kill_file = KillFile(self.path / "kill.jsonl")
        self.file = Troubled(self.kill_file)
        self.shop = an_app()
        self.pay = an_app(name="pay", environment="staging", router=HaproxyRoute("/run/guard.sock", "pay"))
        self.apps: list[Application] = [self.shop, self.pay]
        for app in self.apps:
            self.fake_router.add(app)
            self.memory_store.commit(Commit(application=StoredApplication(app)))
            self.give(app, 20)
        self.releases: dict[str, Application] = {"shop-1": self.shop}
        self.running: list[Release] = []
        self.lookup_error: PortError | None = None
        self.switch = self.start()

    def start(self) -> KillSwitch:
        """A new process on the same file, store and routes."""
        file, router = cast(KillFile, self.file), cast(Router, self.router)
        store = cast(Store, self.store)
        ways = (self._applications, self._of_release, self._log, lambda: self.running)
        return KillSwitch(store, router, file, self.clock, *ways)

    def give(self, app: Application, weight_pct: int) -> None:
        route = self.fake_router.claim(app, 1)
        self.fake_router.write(app, RouteWrite(weight_pct, f"{app.name}-1", 1, route.revision, 600.0))

    def weight(self, app: Application) -> int | None:
        return self.fake_router.read(app).live_pct

    def halts(self, app: Application) -> list[str | None]:
        return [mark.engagement for mark in self.fake_router.read(app).halts]

    def _applications(self) -> list[Application]:
        self._lookup()
        return self.apps

    def _of_release(self, release_id: str) -> Application | None:
        self._lookup()
        return self.releases.get(release_id)

    def _lookup(self) -> None:
        if self.lookup_error is not None:
            raise self.lookup_error

    def _log(self, event: str, **fields: Any) -> None:
        self.told.append({"event": event, **fields})


def renamed(app: Application, name: str, guard: str = "/run/guard.sock") -> Application:
    return replace(app, name=name, router=HaproxyRoute(guard, name))
