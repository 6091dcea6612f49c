"""The bridge between real commands on a store in memory and a cluster. Releases move when the test says so, as the loop
would record it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

from controller.adapters.kube.kinds import Raw
from controller.adapters.kube.resources.bridge import Bridge
from controller.adapters.kube.resources.needs import Cluster, Controller, Memory
from controller.adapters.kube.resources.objects import Place
from controller.commands import Commands
from controller.core.model import Application, Mark, Phase, Reason, Release, RouteState
from controller.core.moves import ENDED
from controller.ports import AuditFilter, Clock, Commit, Page, Ports, Store, StoredApplication
from controller.spec import application_from
from controller.wishes import Done, Submission
from gates.audit import Draft, Record
from gates.kill import Engagement, KillState, Verb, parse_scope
from tests.fakes.clock import ManualClock
from tests.fakes.store import MemoryStore
from tests.fakes.trouble import Troubled
from tests.unit.kube_resources.memory import SHOP, MemoryCluster, spec

V1, V2, V3 = "shop:1", "shop:2", "shop:3"


class World:
    """What serves, what the templates say, and what was done to it."""

    def __init__(self) -> None:
        self.serves: str | None = V1
        self.template: dict[str, str | None] = {}
        self.lowered: list[str] = []
        self.given_back: list[tuple[str, Application]] = []
        self.asked = 0


class Routes:
    def __init__(self, world: World) -> None:
        self._world = world

    def read(self, app: Application, hint: bool = False, lease: bool = True) -> RouteState:
        return RouteState(1, 1, 0, 0)

    def lower(self, app: Application, mark: Mark, epoch: int) -> RouteState:
        self._world.lowered.append(mark.text)
        return self.read(app)

    def forget(self, app: Application) -> None:
        self._world.given_back.append(("routes", app))


class Work:
    def __init__(self, world: World) -> None:
        self._world = world

    def pending_version(self, app: Application) -> str | None:
        self._world.asked += 1
        return self._world.template.get(app.name)

    def resolve(self, app: Application, version: str) -> str:
        return version

    def running(self, app: Application) -> str | None:
        return self._world.serves

    def require_forgettable(self, app: Application) -> None:
        """Always; a test plants the refusal."""

    def forget(self, app: Application) -> None:
        self._world.given_back.append(("workload", app))


class Bench:
    """Commands, store and world around a bridge on any cluster."""

    def __init__(self, api: Any, clock: Clock, workload: Any = None) -> None:
        self.clock, self.memory, self.api = clock, MemoryStore(), api
        self.store = Troubled(self.memory)
        self.world = World()
        self.router, self.workload = Troubled(Routes(self.world)), Troubled(workload or Work(self.world))
        self.kill_state = KillState()
        self.leads = True
        self.logged: list[tuple[str, dict[str, Any]]] = []
        self.locked: list[str] = []
        ids = itertools.count(1)
        self.memory.lead("test", self.clock.now_s())
        ports = Ports(
            cast(Store, self.store),
            cast(Any, self.router),
            lambda _app: cast(Any, self.workload),
            cast(Any, None),
            lambda: self.kill_state,
            self.clock,
        )
        self.plain = Commands(
            ports, lambda _id: None, lambda: 1, new_id=lambda name: f"{name}-{next(ids)}", alone=self._alone
        )
        self.commands = Troubled(self.plain)
        self.restart()

    def restart(self) -> None:
        """A new controller: whatever the bridge remembered is gone."""
        controller = Controller(
            cast(Commands, self.commands),
            cast(Memory, self.store),
            cast(Any, self.workload),
            lambda: self.kill_state,
            lambda: [one.app for one in self.memory.applications(Page(limit=1000))],
            self.running,
            self.clock,
            lambda event, **fields: self.logged.append((event, fields)),
            lambda: self.leads,
            self._alone,
        )
        self.bridge = Bridge(controller, cast(Cluster, self.api))

    @contextmanager
    def _alone(self, application: str) -> Iterator[None]:
        self.locked.append(application)
        yield

    def running(self) -> Sequence[Release]:
        found = self.memory.releases(Page(limit=1000))
        return [one for one in found if one.phase not in ENDED]

    # what people and the loop do

    def register(self, document: Raw, actor: str = "ci") -> Application:
        """As the HTTP door does."""
        app = application_from(document)
        self.plain.register(app, actor)
        return app

    def deploy(self, version: str = V2, application: str = "shop", actor: str = "ci", **wish: Any) -> Done:
        return self.plain.submit(Submission(application, version, actor, **wish))

    def move(self, release_id: str, phase: Phase, reason: Reason | None = None, **changes: Any) -> Release:
        """What the loop commits when a release moves."""
        release = self.memory.release(release_id)
        assert release is not None
        told = reason or Reason(phase.value, f"it is {phase.value}")
        after = replace(release, phase=phase, entered_at_s=self.clock.now_s(), reason=told, **changes)
        numbers = {"from_phase": release.phase.value, "to_phase": phase.value}
        draft = Draft(
            "phase", self.clock.now_s(), "controller", told.text, release.id, release.app.name, numbers=numbers
        )
        application: StoredApplication | None = None
        if phase is Phase.SUCCEEDED:
            stored = self.memory.application(release.app.name)
            assert stored is not None
            application = replace(stored, stable_version=release.canary)
            self.world.serves, self.world.template[release.app.name] = release.canary, None
        self.memory.commit(Commit((draft,), release=after, application=application))
        found = self.memory.release(release_id)
        assert found is not None
        return found

    def reword(self, release_id: str, text: str) -> None:
        """What the loop commits without a record: only what a release waits for has changed."""
        release = self.memory.release(release_id)
        assert release is not None
        self.memory.commit(Commit(release=replace(release, reason=Reason(release.reason.code, text))))

    def kill(self, engaged: bool = True, scope: str = "fleet") -> None:
        one = Engagement("k1", Verb.REVERT, parse_scope(scope), "ann", self.clock.now_s())
        self.kill_state = KillState((one,)) if engaged else KillState((), frozenset({"k1"}))

    # what is seen after

    def newest(self, application: str = "shop") -> Release:
        return self.memory.releases(Page(limit=1), application)[0]

    def releases(self, application: str = "shop") -> list[str]:
        """The versions that were released, oldest first."""
        return [one.canary for one in reversed(self.memory.releases(Page(limit=100), application))]

    def records(self, kind: str) -> Sequence[Record]:
        return self.memory.audit(Page(limit=1000), AuditFilter(type=kind))

    def registered(self, name: str = "shop") -> StoredApplication | None:
        return self.memory.application(name)


class Stage(Bench):
    """On a cluster in memory, beat by beat."""

    clock: ManualClock

    def __init__(self) -> None:
        self.cluster = MemoryCluster()
        super().__init__(Troubled(self.cluster), ManualClock())

    def beat(self, count: int = 1) -> None:
        for _ in range(count):
            self.clock.advance(4.0)
            self.bridge.sync()

    def settle(self) -> None:
        """Until nothing more is written."""
        for _ in range(20):
            before = len(self.cluster.writes)
            self.beat()
            if len(self.cluster.writes) == before:
                return
        raise AssertionError("it never comes to rest")

    def status(self, place: Place = SHOP) -> Raw:
        return self.cluster.objects[place].status

    def condition(self, name: str, place: Place = SHOP) -> Raw:
        return next(one for one in self.status(place)["conditions"] if one["type"] == name)

    def writes(self, kind: str = "") -> list[tuple[str, str, Any]]:
        return [one for one in self.cluster.writes if kind in ("", one[0])]


def in_http(deployment: str, name: str = "", namespace: str = "") -> Raw:
    """A document for this Deployment; with a name and a namespace as an HTTP caller has to write it."""
    document = spec(deployment)
    if namespace:
        document["target"]["kubernetes"]["namespace"] = namespace
    return document | ({"name": name} if name else {})
