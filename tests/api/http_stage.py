"""A whole HTTP door on a store, a router and clocks in memory, with a token for each role and a switch for trouble."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI
from httpx import Response

from analysis.samples import GateStats
from api.http.app import build_app
from api.http.permissions import Role
from api.http.tokens import mint
from controller.commands import Commands
from controller.core.model import Application, Release
from controller.forecasts import outlook_of
from controller.ports import Commit, PortError, Ports, StoredApplication, Unavailable
from controller.runtime.directory import Directory
from controller.runtime.doors import Doors
from controller.runtime.health import Beat, Health
from controller.runtime.killfile import KillFile
from controller.runtime.killswitch import KillSwitch
from controller.runtime.selftest import SelfTested
from controller.settings import HttpSettings
from tests.fakes.clock import ManualClock
from tests.fakes.metrics import FakeMetrics
from tests.fakes.router import FakeRouter
from tests.fakes.store import MemoryStore
from tests.fakes.workload import FakeWorkload
from tests.unit.core.build import a_release, an_app

HEALTHY = Health((Beat("sweep", 0.5, 30.0, 0, ""),), True, (), 1)


def a_document(**changes: Any) -> dict[str, Any]:
    """An application document as a client sends it, of the application that ``add_application`` adds."""
    return {
        "name": "shop",
        "environment": "production",
        "target": {"processes": {"command": ["serve", "{version}", "{port}"], "environment": {"PASSWORD": "hunter2"}}},
        "router": {"haproxy": {"guard": "/run/guard.sock", "backend": "shop"}},
        "canary": {"steps": [10, 20, 30], "minBake": "1m"},
        "metrics": {"prometheus": "http://127.0.0.1:9090", "preset": "generic"},
    } | changes


class AppClient:
    """Sends requests to an application object, without a socket, on an event loop that lives as long as it does."""

    def __init__(self, app: FastAPI) -> None:
        self._exit = ExitStack()
        self.portal: BlockingPortal = self._exit.enter_context(start_blocking_portal())
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("192.0.2.7", 1234))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://door", timeout=10.0)

    def request(self, method: str, path: str, **given: Any) -> Response:
        response: Response = self.portal.call(partial(self.http.request, method, path, **given))
        return response

    def close(self) -> None:
        self.portal.call(self.http.aclose)
        self._exit.close()


class TroubledStore:
    """The store in memory; while ``trouble`` is set, every call raises it."""

    def __init__(self) -> None:
        self.inner = MemoryStore()
        self.trouble: Exception | None = None
        self.raised = 0

    def __getattr__(self, name: str) -> Any:
        if self.trouble is not None:
            self.raised += 1
            raise self.trouble
        return getattr(self.inner, name)


@dataclass
class Stage:
    """What a test drives. ``tokens`` has the bearer text of each role."""

    directory: Path
    settings: HttpSettings = field(default_factory=lambda: HttpSettings.model_validate({"rateBurst": 10_000}))
    clock: ManualClock = field(default_factory=ManualClock)
    store: Any = field(default_factory=TroubledStore)
    health: Health = HEALTHY
    lines: list[dict[str, Any]] = field(default_factory=list)
    woken: list[str] = field(default_factory=list)
    last_seen: dict[str, Release] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.router = FakeRouter(self.clock.monotonic_s)
        self.tokens = {role.value: self.add_token(role.value, role.value) for role in Role}
        self.catalogue = Directory(self.store, self.last_seen.get)
        self.kills = KillSwitch(
            self.store,
            self.router,
            KillFile(self.directory / "kill.jsonl"),
            self.clock,
            self.catalogue.applications,
            self.catalogue.of_release,
            self.log,
        )
        workload = FakeWorkload()
        self.metrics, self.asked = FakeMetrics(), tuple[GateStats, ...]()
        self.tested: SelfTested | None = None
        ports = Ports(
            self.store, self.router, lambda _app: workload, self.metrics, self.kills.state, self.clock, self.log
        )
        commands = Commands(ports, self.woken.append, lambda: 1, self.last_seen.get)
        self.doors = Doors(
            commands,
            self.kills,
            self.store,
            self.clock,
            lambda: self.health,
            lambda stored: outlook_of(ports, stored),
            lambda: self.asked,
            lambda: self.tested,
        )
        self.app: FastAPI = build_app(self.doors, self.settings, self.log)
        self.client = AppClient(self.app)

    def close(self) -> None:
        self.client.close()
        self.kills.close()

    def log(self, event: str, **fields: Any) -> None:
        self.lines.append({"event": event, **fields})

    def logged(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == event]

    def add_token(self, name: str, role: str) -> str:
        minted = mint(name, role, self.clock.now_s())
        self.store.commit(Commit(tokens=(minted.token,)))
        return minted.text

    def add_application(self, stable: str | None = "v1", **changes: Any) -> Application:
        app = an_app(**changes)
        self.store.commit(Commit(application=StoredApplication(app, stable)))
        self.router.add(app)
        self.catalogue.refresh()
        return app

    def add_release(self, **changes: Any) -> Release:
        """A release with 10 % on the canary, started by the credential "ci"."""
        release = replace(a_release(), **changes)
        self.store.commit(Commit(create=release))
        stored: Release = self.store.release(release.id)
        return stored

    def break_store(self, trouble: PortError | None = None) -> None:
        self.store.trouble = trouble or Unavailable("the disk is away")

    def mend_store(self) -> None:
        self.store.trouble = None

    def call(self, method: str, path: str, role: str = "admin", **given: Any) -> Response:
        """One request as ``role``, with a fresh Idempotency-Key unless ``key`` says otherwise (None: without)."""
        key = given.pop("key", f"key-{len(self.lines)}")
        headers = {"Authorization": f"Bearer {self.tokens[role]}"} if role else {}
        headers |= {"Idempotency-Key": key} if key is not None and method != "GET" else {}
        headers |= given.pop("headers", {})
        return self.client.request(method, path, headers=headers, **given)
