"""The small API server as a whole: a store behind two doors, one for what is tested and one for the stand-ins."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.kube.cluster.small.access import MASTERS, Access, Identity
from tests.kube.cluster.small.door import Door
from tests.kube.cluster.small.faults import Faults
from tests.kube.cluster.small.handling import Handling
from tests.kube.cluster.small.inside import Inside
from tests.kube.cluster.small.journal import Journal
from tests.kube.cluster.small.kinds import Kinds
from tests.kube.cluster.small.objects import Objects
from tests.kube.cluster.small.store import Store


class SmallServer:
    """Serves on loopback from the moment it is made until ``close``."""

    def __init__(self, *, bookmark_every_s: float = 60.0) -> None:
        self.store = Store()
        self.faults, self.journal = Faults(), Journal()
        kinds = Kinds()
        objects = Objects(self.store, kinds, lambda: datetime.now(UTC))
        self.access = Access(self.store)
        self._handling = Handling(kinds, objects, self.access, bookmark_every_s)
        for name in ("default", "kube-system"):
            self.store.put(("", "namespaces"), namespace(objects, name))
        self.inside = Inside(self._handling)
        self._inner = Door(0, self._handling, Faults(), Journal())
        self._door: Door | None = Door(0, self._handling, self.faults, self.journal)
        self._port = self._door.port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def inner_url(self) -> str:
        """The stand-ins' own door, which no fault closes and no journal counts."""
        return f"http://127.0.0.1:{self._inner.port}"

    def admit(self, token: str, user: str, *groups: str) -> None:
        """Let a token in. The group system:masters may do everything."""
        self.access.tokens[token] = Identity(user, (*groups, "system:authenticated"))

    def admit_master(self, token: str, user: str) -> None:
        self.admit(token, user, MASTERS)

    def take_bugs(self) -> list[str]:
        """What went wrong inside, for a test to fail with."""
        found, self._handling.bugs = self._handling.bugs, []
        return found

    def go(self) -> None:
        """Refuse connections and end those that are open."""
        if self._door is not None:
            self._door.close()
            self._door = None

    def come_back(self) -> None:
        """Be there again, at the same address."""
        if self._door is None:
            self._door = Door(self._port, self._handling, self.faults, self.journal)

    def cut_connections(self) -> None:
        if self._door is not None:
            self._door.cut()

    def compact(self) -> None:
        """Forget every change until now: watches and pages of earlier versions get 410."""
        self.store.compact()

    def close(self) -> None:
        self.go()
        self._inner.close()


def namespace(objects: Objects, name: str) -> dict[str, object]:
    metadata = {"name": name, "uid": f"uid-of-{name}", "creationTimestamp": objects.now()}
    labels = {"kubernetes.io/metadata.name": name}
    body: dict[str, object] = {"kind": "Namespace", "apiVersion": "v1", "metadata": {**metadata, "labels": labels}}
    return {**body, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
