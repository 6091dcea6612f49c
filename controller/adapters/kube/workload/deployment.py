"""The Workload over an ordinary Deployment of a cluster. It reads, lets the pure parts say what is to be done, and does
one move; it keeps nothing that a restart would miss."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from analysis.model import Role
from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.lists import SharedLists
from controller.adapters.kube.workload.adopting import Adopting
from controller.adapters.kube.workload.asking import Asking
from controller.adapters.kube.workload.baseline import BaselineMoves, baseline_state
from controller.adapters.kube.workload.canary_moves import CanaryMoves
from controller.adapters.kube.workload.copies import Copies
from controller.adapters.kube.workload.giving_back import GivingBack
from controller.adapters.kube.workload.reading import Reader, target_of
from controller.adapters.kube.workload.services import Services
from controller.adapters.kube.workload.sight import Sight, canary_state, stable_state
from controller.adapters.kube.workload.sizing import canary_replicas, measure
from controller.adapters.kube.workload.stable_moves import StableMoves
from controller.adapters.kube.workload.templates import Templates
from controller.core.model import Application, RoleState
from controller.core.targets import KubernetesRoute, RouteKind
from controller.ports import Clock, Conflict, Fenced, PortError

CHECK_EVERY_S = 30.0
"""How often a canary's Service and copies are looked after while its size stays. A lost one comes back within this."""

NOT_ASKED = "this controller has not asked for it yet, which its next look does"
"""After a restart too: another leader may have left a canary that it could not size."""


class Made(Protocol):
    """A watch over the Deployments that are ours; see controller.adapters.kube.watching.Cache."""

    def get(self, namespace: str, name: str) -> Any | None: ...

    def fresh(self) -> bool: ...


class DeploymentWorkload:
    """Thread-safe. ``resolve_image`` pins a tag to its digest. With ``made`` an idle application costs no call."""

    def __init__(
        self, api: KubeApi, clock: Clock, resolve_image: Callable[[str], str], made: Made | None = None
    ) -> None:
        self._clock, self._made = clock, made
        self._reader = Reader(api, clock)
        lists = SharedLists(api, clock)
        templates, services, copies = Templates(api), Services(api, lists), Copies(api)
        self._stable_moves = StableMoves(api, lists, templates, copies)
        self._canary_moves = CanaryMoves(api, lists, templates, services, copies)
        self._baseline_moves = BaselineMoves(api, lists, templates, services)
        self._adopting = Adopting(api, clock)
        self._asking = Asking(self._reader, services, resolve_image)
        self._giving_back = GivingBack(api, self._canary_moves, templates, services, copies)
        self._lock = threading.Lock()
        self._checked_s: dict[str, float] = {}
        self._troubles: dict[tuple[str, Role], str] = {}
        self._unsized: dict[str, str] = {}
        self._sized: dict[str, int] = {}
        self._beside: dict[str, str] = {}

    def resolve(self, app: Application, version: str) -> str:
        return self._asking.resolve(app, version)

    def running(self, app: Application) -> str | None:
        return self._asking.running(app)

    def pending_version(self, app: Application) -> str | None:
        """The version of the paused Deployment's template while its pods run another one; else None."""
        return self._asking.pending(app)

    def observe(self, app: Application) -> tuple[RoleState, RoleState]:
        sight = self._reader.whole(app)
        with self._lock:
            stable, canary = (self._troubles.get((app.name, role), "") for role in (Role.STABLE, Role.CANARY))
            unsized, asked = self._unsized.get(app.name, NOT_ASKED), self._sized.get(app.name, 0)
            beside = self._beside.get(app.name, "")
        seen = canary_state(sight, canary, unsized, asked)
        if app.canary.baseline:
            seen = replace(seen, baseline=baseline_state(sight, beside))
        return stable_state(sight, stable), seen

    def ensure(self, app: Application, role: Role, version: str | None, epoch: int, share_pct: int = 100) -> None:
        if role is Role.CANARY and version is None and self._known_gone(app):
            self._adopting.label(app)
            return
        try:
            if role is Role.STABLE:
                self._ensure_stable(app, version, epoch)
            elif version is None:
                self._remove_canary(app, epoch)
            else:
                self._ensure_canary(app, version, epoch, share_pct)
            if role is Role.CANARY:
                self._adopting.label(app)
        except (Conflict, Fenced):
            raise
        except PortError as error:
            self._note(app, role, str(error))
            raise
        self._note(app, role, "")

    def require_forgettable(self, app: Application) -> None:
        self._giving_back.require(self._reader.anew(app))

    def forget(self, app: Application) -> None:
        try:
            self._giving_back.all_of(self._reader.anew(app))
        except Conflict:
            self._giving_back.all_of(self._reader.anew(app))
        self._reader.forget(app.name)
        self._adopting.forget(app)
        with self._lock:
            for kept in (self._checked_s, self._unsized, self._sized, self._beside):
                kept.pop(app.name, None)
            for role in Role:
                self._troubles.pop((app.name, role), None)

    def _known_gone(self, app: Application) -> bool:
        """The watch is a hint, but that of a whole namespace at rest is enough to leave it at rest."""
        target, made = target_of(app), self._made
        return made is not None and made.fresh() and made.get(target.namespace, target.canary_name) is None

    def _ensure_stable(self, app: Application, version: str | None, epoch: int) -> None:
        if version is None:
            return  # a first version that failed: there is nothing to go back to, and what runs is left as it is
        self._reader.ask(app.name, version)
        self._twice(app, lambda sight: self._stable_moves.toward(sight, version, epoch))

    def _ensure_canary(self, app: Application, version: str, epoch: int, share_pct: int) -> None:
        self._reader.ask(app.name, None)
        by_endpoints = isinstance(app.router, KubernetesRoute) and any(
            one.kind is RouteKind.ENDPOINT_SLICE for one in app.router.objects
        )

        replicas = 0

        def move(sight: Sight) -> bool:
            nonlocal replicas
            replicas = canary_replicas(_measured(sight), share_pct, by_endpoints)
            return self._canary_moves.toward(sight, version, epoch, replicas, self._check_is_due(app.name))

        try:
            self._twice(app, move)
        except PortError as error:
            with self._lock:
                self._unsized[app.name] = str(error)
            raise
        with self._lock:
            self._checked_s.setdefault(app.name, self._clock.monotonic_s())
            self._unsized[app.name], self._sized[app.name] = "", replicas
        if app.canary.baseline:
            self._ensure_baseline(app, epoch)

    def _ensure_baseline(self, app: Application, epoch: int) -> None:
        """After the canary: its trouble keeps no weight from the canary but the first one."""
        try:
            self._twice(app, lambda sight: self._baseline_moves.toward(sight, epoch))
        except (Conflict, Fenced):
            raise
        except PortError as error:
            with self._lock:
                self._beside[app.name] = str(error)
            raise
        with self._lock:
            self._beside.pop(app.name, None)

    def _remove_canary(self, app: Application, epoch: int) -> None:
        with self._lock:
            self._unsized.pop(app.name, None)
            self._sized.pop(app.name, None)
        try:
            self._canary_moves.away(self._reader.canary_alone(app), epoch)
        except Conflict:
            self._canary_moves.away(self._reader.canary_alone(app), epoch)
        finally:
            self._reader.stale(app.name)

    def _check_is_due(self, application: str) -> bool:
        with self._lock:
            checked_s = self._checked_s.get(application)
            due = checked_s is None or self._clock.monotonic_s() - checked_s >= CHECK_EVERY_S
            if due:
                self._checked_s.pop(application, None)
            return due

    def _twice(self, app: Application, move: Callable[[Sight], bool]) -> None:
        """By the last look, and once more by a new one when something has changed since; then the next pass may."""
        written = True
        try:
            try:
                written = move(self._reader.recent(app))
            except Conflict:
                written = move(self._reader.anew(app))
        finally:
            if written:
                self._reader.stale(app.name)

    def _note(self, app: Application, role: Role, trouble: str) -> None:
        """The last trouble with a role belongs to what is seen of it, until a move goes well."""
        with self._lock:
            if trouble:
                self._troubles[app.name, role] = trouble
            else:
                self._troubles.pop((app.name, role), None)


def _measured(sight: Sight) -> int:
    """How many instances of stable the canary's share is a share of."""
    records, guarded = sight.records, sight.guarded
    if guarded is None or records is None:
        return guarded.replicas if guarded is not None else 0
    return measure(records.stable.replicas, guarded.replicas, records.stable.autoscaled)
