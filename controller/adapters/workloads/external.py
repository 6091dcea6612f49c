"""Versions that someone else runs: we look at their health addresses, and say by message which version we want where.

It sends nothing itself. The asking is a message of the release's own transaction, so that it is neither lost nor early.
"""

from __future__ import annotations

import threading

import httpx

from analysis.model import Role
from controller.adapters.workloads.health import INTERVAL_S, Checks, Health, HttpAsk, Question
from controller.core.model import Application, RoleState
from controller.core.targets import ExternalTarget
from controller.ports import Clock, Fenced

UNKNOWN_VERSION = "unknown"
"""What runs when the health answer names no version and nothing was asked since this program started."""


class ExternalWorkload:
    """A Workload without hands. Thread-safe; it remembers nothing across a restart, as every pass asks again."""

    def __init__(self, clock: Clock, http: httpx.Client, check_interval_s: float = INTERVAL_S) -> None:
        self._checks = Checks(HttpAsk(http, clock), clock, check_interval_s)
        self._lock = threading.Lock()
        self._wants: dict[tuple[str, Role], str | None] = {}
        self._epochs: dict[tuple[str, Role], int] = {}

    def resolve(self, app: Application, version: str) -> str:
        """What was asked for: a version is only a word here."""
        return version

    def running(self, app: Application) -> str | None:
        """Nothing is taken over: the first deploy says what runs."""
        return None

    def require_forgettable(self, app: Application) -> None:
        """Always: there is nothing that could be left behind."""

    def forget(self, app: Application) -> None:
        """Nothing was made beside the instances, which are left as they are."""

    def observe(self, app: Application) -> tuple[RoleState, RoleState]:
        """Both roles by their health addresses. An address that does not answer is a role with nothing running."""
        target = _target(app)
        questions = {
            role: Question(url, target.health_timeout_s, target.version_field)
            for role, url in ((Role.STABLE, target.stable_health_url), (Role.CANARY, target.canary_health_url))
        }
        keys = {role: f"{app.name}/{role}/{question.url}" for role, question in questions.items()}
        self._checks.keep_only(f"{app.name}/", set(keys.values()))
        self._checks.ask((keys[role], question) for role, question in questions.items())
        self._checks.settle(set(keys.values()))
        stable, canary = (self._state(app, role, self._checks.health(keys[role])) for role in Role)
        return stable, canary

    def ensure(self, app: Application, role: Role, version: str | None, epoch: int, share_pct: int = 100) -> None:
        """Remember what is wanted. Raises Fenced for an older leader than the last one."""
        with self._lock:
            newest = self._epochs.get((app.name, role), epoch)
            if epoch < newest:
                raise Fenced(
                    f"a newer leader (epoch {newest}) decides about {role} of {app.name}; this one has {epoch}"
                )
            self._epochs[app.name, role] = epoch
            self._wants[app.name, role] = version

    def wants(self, app: Application, role: Role) -> str | None:
        """The version last asked for; None when none is wanted or nothing was asked yet."""
        with self._lock:
            return self._wants.get((app.name, role))

    def close(self) -> None:
        self._checks.close()

    def _state(self, app: Application, role: Role, health: Health) -> RoleState:
        with self._lock:
            asked = (app.name, role) in self._wants
            wanted = self._wants.get((app.name, role))
        if asked and wanted is None:
            # What still answers is not ours to stop, and nobody may wait for it to be gone.
            return RoleState(wanted=1, note="no version is wanted here; whoever runs it may stop it")
        if not health.ever or health.lost:
            return RoleState(wanted=1, note=f"the {role} health address: {health.text}")
        version = health.version or wanted or UNKNOWN_VERSION
        return RoleState(
            wanted=1,
            running=((version, 1),),
            ready=((version, 1),),
            note=_differs(role, version, wanted) if health.good else f"the {role} health address: {health.text}",
        )


def _differs(role: Role, version: str, wanted: str | None) -> str:
    if version == UNKNOWN_VERSION:
        return "it answers, but which version is not known: set target.external.versionField"
    if wanted is not None and version != wanted:
        return f"{role} runs {version}; {wanted} was asked for"
    return ""


def _target(app: Application) -> ExternalTarget:
    assert isinstance(app.target, ExternalTarget), "the composition root picks the workload by the target"
    return app.target
