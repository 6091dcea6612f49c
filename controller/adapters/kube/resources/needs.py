"""What the bridge needs of the controller and of the cluster, as narrow Protocols. No implementation lives here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from controller.adapters.kube.kinds import Raw
from controller.adapters.kube.resources.objects import ApplicationObject, DeploymentSeen, Place, ReleaseObject
from controller.core.model import Application, IntentKind, Release
from controller.ports import AuditFilter, Clock, Commit, Page, StoredApplication
from controller.wishes import Done, Submission
from gates.audit import Record
from gates.kill import KillState

EVERY_RECORD = AuditFilter()


class Orders(Protocol):
    """The write side of the controller. Every call raises Rejected or a PortError."""

    def register(self, app: Application, actor: str) -> StoredApplication:
        """What an edit no longer names is given back first. Refused while a release runs on it."""

    def unregister(self, name: str, actor: str) -> None:
        """Give back what the application runs on as it serves now, then forget it. Refused while a release runs."""

    def submit(self, wish: Submission) -> Done: ...

    def intend(self, release_id: str, kind: IntentKind, actor: str, reason: str = "") -> Done: ...


class Memory(Protocol):
    """What is read of the store, and the records that are added to it. See controller.ports.Store."""

    def application(self, name: str) -> StoredApplication | None: ...

    def release(self, release_id: str) -> Release | None: ...

    def active(self, application: str) -> Sequence[Release]: ...

    def releases(self, page: Page, application: str | None = None) -> Sequence[Release]: ...

    def audit(self, page: Page, wanted: AuditFilter = EVERY_RECORD, newest_first: bool = False) -> Sequence[Record]: ...

    def commit(self, commit: Commit) -> tuple[Record, ...]: ...


class Guarded(Protocol):
    """The Deployment that is guarded."""

    def pending_version(self, app: Application) -> str | None:
        """The version of the paused Deployment's template while its pods run another one; None when they run it.

        Also None while the controller itself is rolling them. Raises PortError.
        """


def alone_already(_application: str) -> AbstractContextManager[object]:
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Controller:
    """The running controller as the bridge sees it.

    ``applications`` and ``running`` answer from memory. ``leading`` is False on a node that was overtaken: it writes
    nothing. ``alone`` keeps the controller's own passes away from one application; commands take it themselves.
    """

    commands: Orders
    store: Memory
    workload: Guarded
    kills: Callable[[], KillState]
    applications: Callable[[], Sequence[Application]]
    running: Callable[[], Sequence[Release]]
    clock: Clock
    log: Callable[..., None] = lambda *_args, **_fields: None
    leading: Callable[[], bool] = lambda: True
    alone: Callable[[str], AbstractContextManager[object]] = alone_already


class Cluster(Protocol):
    """The objects as the watches keep them, and the few writes. Reads cost no call; writes raise a PortError."""

    def fresh(self, namespace: str) -> bool:
        """Whether the Application objects of the namespace are known as they are now."""

    def mirrors(self, namespace: str) -> bool:
        """The same of the Release objects."""

    def covers(self, namespace: str) -> bool:
        """Whether its objects are watched at all."""

    def hints(self) -> frozenset[Place]:
        """Applications whose object, or one of whose Release objects, has changed since the last call."""

    def applications(self) -> Mapping[Place, ApplicationObject]:
        """As they were last heard of, also where that is not ``fresh``."""

    def release(self, namespace: str, name: str) -> ReleaseObject | None: ...

    def releases_of(self, place: Place) -> Sequence[ReleaseObject]:
        """The Release objects that carry this application's label."""

    def mirrored(self) -> frozenset[Place]:
        """The applications that Release objects are labelled with."""

    def deployment(self, namespace: str, name: str) -> DeploymentSeen | None:
        """None when there is none, or while the Deployments are not known: ask ``guards`` first."""

    def guards(self, namespace: str) -> bool:
        """Whether the Deployments of the namespace are known. The first call begins to watch them, everywhere."""

    def deployment_hints(self) -> frozenset[Place]:
        """Deployments whose template, pause or roll-out has changed since the last call."""

    def show(self, seen: ApplicationObject, patch: Raw) -> None:
        """A merge patch of the Application's status."""

    def hold(self, seen: ApplicationObject) -> None:
        """Put our finalizer on."""

    def let_go(self, seen: ApplicationObject) -> None:
        """Take our finalizer off; one that is off, or an object that is gone, is done."""

    def create_release(self, namespace: str, body: Raw, status: Raw) -> None: ...

    def correct_release(self, seen: ReleaseObject, patch: Raw | None, status: Raw | None) -> None: ...

    def remove_release(self, seen: ReleaseObject) -> None: ...

    def unpaused(self, namespace: str, name: str) -> str | None:
        """The version of a Deployment that is not paused and rolls nothing out, read from the server; else None."""

    def pause(self, namespace: str, name: str, version: str) -> None:
        """Pause the Deployment if it is still as it was at ``version``. Raises Conflict when it is not."""
