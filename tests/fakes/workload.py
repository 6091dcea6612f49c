"""A Workload in memory for the simulation: versions behave as scripted, time is counted in ticks, nothing is started.

It is the world, not the controller: it outlives every controller that calls it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from analysis.model import Role
from controller.core.model import Application, RoleState
from controller.core.targets import ProcessesTarget
from controller.ports import Fenced


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What instances of a version do. ``crash_after`` counts ticks of life, and every restart begins anew."""

    ready_after: int = 2
    never_ready: bool = False
    crash_after: int | None = None


@dataclass(slots=True)
class FakeInstance:
    version: str
    age: int = 0
    crashed: bool = False
    restarts: int = 0
    wait: int = 0
    leaving: int | None = None


class FakeWorkload:
    """``script`` says how a version behaves, ``tick`` lets time pass, ``crash`` ends instances from outside."""

    def __init__(self, drain_ticks: int = 1, default: Behaviour = Behaviour()) -> None:
        self._drain_ticks = drain_ticks
        self._default = default
        self._behaviours: dict[str, Behaviour] = {}
        self._instances: dict[tuple[str, Role], list[FakeInstance]] = {}
        self._epochs: dict[tuple[str, Role], int] = {}

    def script(self, version: str, behaviour: Behaviour) -> None:
        self._behaviours[version] = behaviour

    def tick(self, count: int = 1) -> None:
        for _ in range(count):
            for instances in self._instances.values():
                for one in instances:
                    self._age(one)
                instances[:] = [one for one in instances if one.leaving is None or one.leaving > 0]

    def crash(self, application: str, role: Role, count: int | None = None) -> None:
        """End ``count`` instances of the role, or all; they are restarted by a later ``ensure``."""
        for one in self.instances(application, role)[:count]:
            one.crashed, one.age, one.wait = True, 0, 1

    def instances(self, application: str, role: Role) -> list[FakeInstance]:
        return self._instances.setdefault((application, role), [])

    def is_ready(self, one: FakeInstance) -> bool:
        behaviour = self._behaviour(one.version)
        up = not one.crashed and one.leaving is None and not behaviour.never_ready
        return up and one.age >= behaviour.ready_after

    def observe(self, app: Application) -> tuple[RoleState, RoleState]:
        return self._observe(app, Role.STABLE), self._observe(app, Role.CANARY)

    def resolve(self, app: Application, version: str) -> str:
        return version

    def running(self, app: Application) -> str | None:
        return None

    def require_forgettable(self, app: Application) -> None:
        """Always; a test plants the refusal."""

    def forget(self, app: Application) -> None:
        """Nothing is kept beside the instances."""

    def ensure(self, app: Application, role: Role, version: str | None, epoch: int, share_pct: int = 100) -> None:
        newest = self._epochs.get((app.name, role), 0)
        if epoch < newest:
            raise Fenced(f"a newer leader (epoch {newest}) runs the {role} instances; this one has {epoch}")
        self._epochs[app.name, role] = epoch
        instances = self.instances(app.name, role)
        if version is None:
            for one in instances:
                self._leave(one)
        else:
            self._replace(instances, version, _wanted(app, role))
        instances[:] = [one for one in instances if one.leaving is None or one.leaving > 0]

    def _replace(self, instances: list[FakeInstance], version: str, wanted: int) -> None:
        for one in instances:
            if one.crashed and one.wait == 0 and one.leaving is None:
                one.crashed, one.restarts = False, one.restarts + 1
        staying = [one for one in instances if one.leaving is None]
        new = [one for one in staying if one.version == version]
        old = sorted((one for one in staying if one.version != version), key=self.is_ready)
        ready_new = sum(self.is_ready(one) for one in new)
        for one in old[: max(0, len(old) - max(0, wanted - ready_new))]:
            self._leave(one)
        for one in sorted(new, key=self.is_ready)[: max(0, len(new) - wanted)]:
            self._leave(one)
        missing = max(0, wanted - len(new))
        if old:
            missing = min(missing, 1) if ready_new == len(new) else 0
        instances.extend(FakeInstance(version) for _ in range(missing))

    def _leave(self, one: FakeInstance) -> None:
        if one.leaving is None:
            one.leaving = 0 if one.crashed else self._drain_ticks

    def _age(self, one: FakeInstance) -> None:
        if one.leaving is not None:
            one.leaving -= 1
        elif one.crashed:
            one.wait = max(0, one.wait - 1)
        else:
            one.age += 1
            limit = self._behaviour(one.version).crash_after
            if limit is not None and one.age >= limit:
                one.crashed, one.age, one.wait = True, 0, min(8, 2**one.restarts)

    def _behaviour(self, version: str) -> Behaviour:
        return self._behaviours.get(version, self._default)

    def _observe(self, app: Application, role: Role) -> RoleState:
        instances = self.instances(app.name, role)
        running = Counter(one.version for one in instances if not one.crashed)
        ready = Counter(one.version for one in instances if self.is_ready(one))
        crashed = [one for one in instances if one.leaving is None and (one.crashed or one.restarts)]
        note = f"an instance exited with code 1; restarted {crashed[0].restarts} times" if crashed else ""
        if not note and any(one.leaving is None and not self.is_ready(one) for one in instances):
            note = "an instance is not well yet"
        return RoleState(_wanted(app, role), tuple(sorted(running.items())), tuple(sorted(ready.items())), note)


def _wanted(app: Application, role: Role) -> int:
    if not isinstance(app.target, ProcessesTarget):
        return 1
    return app.target.replicas if role is Role.STABLE else app.target.canary_replicas
