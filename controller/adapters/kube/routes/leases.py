"""The lease of a weight, in an object of its own, so that a renewal makes no proxy reload. It decides nothing about the
weight: who finds a lease too old takes the traffic back."""

from __future__ import annotations

import math
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.errors import Exists, Foreign, Missing
from controller.adapters.kube.kinds import LEASE, Raw
from controller.adapters.kube.routes.patching import annotations_of, labels_of, look_into
from controller.adapters.kube.routes.strategy import MANAGED
from controller.core.model import Application
from controller.core.targets import KubernetesRoute
from controller.ports import Clock, Conflict, Fenced, Unknown

EPOCH = "interlock.dev/epoch"
YOUNG_PARTS = 6
"""A lease is not renewed again in its first sixth: with two minutes and a look every 5 s, one write in 20 s."""

TRIES_MAX = 4


@dataclass(frozen=True, slots=True)
class Held:
    """A lease as it was written (``ours``) or read last. ``version`` is that of the object."""

    release_id: str
    epoch: int
    lease_s: int
    renewed_s: float
    version: str = ""
    ours: bool = False

    def left_s(self, now_s: float) -> float:
        """Never more than all of it, wherever the clock was that wrote it."""
        return min(float(self.lease_s), self.renewed_s + self.lease_s - now_s)


class Leases:
    """Remembers what it wrote, so that a look at a running release costs no call for its lease. Safe for threads."""

    def __init__(self, api: KubeApi, clock: Clock) -> None:
        self._api, self._clock = api, clock
        self._lock = threading.Lock()
        self._held: dict[tuple[str, str], Held] = {}

    def young(self, app: Application, route: KubernetesRoute, release_id: str, epoch: int, lease_s: float) -> bool:
        """Whether this very lease was renewed a moment ago."""
        held = self.remembered(app, route)
        if held is None or (held.ours, held.release_id, held.epoch) != (True, release_id, epoch):
            return False
        if held.lease_s != math.ceil(lease_s):
            return False
        return 0 <= self._clock.now_s() - held.renewed_s < held.lease_s / YOUNG_PARTS

    def hold(self, app: Application, route: KubernetesRoute, release_id: str, epoch: int, lease_s: float) -> None:
        """From now for ``lease_s``. Raises Fenced, Refused, Unavailable, Conflict or Unknown."""
        if self.young(app, route, release_id, epoch, lease_s):
            return
        held = self.remembered(app, route)
        for tries_left in reversed(range(TRIES_MAX)):
            try:
                self._written(app, route, held, Held(release_id, epoch, math.ceil(lease_s), self._clock.now_s()))
                return
            except (Conflict, Unknown, Missing):
                # Read before it is written again: each write is conditional on what was read.
                if not tries_left:
                    raise
                held = None

    def left_s(self, app: Application, route: KubernetesRoute, release_id: str | None, epoch: int) -> float | None:
        """None when there is no lease of ours. Asks the cluster unless it was this process that held it last."""
        held = self.remembered(app, route)
        if held is None or (held.ours, held.release_id, held.epoch) != (True, release_id, epoch):
            try:
                held = self._read(app, route)
            except Foreign:
                return None
        return None if held is None else held.left_s(self._clock.now_s())

    def remembered(self, app: Application, route: KubernetesRoute) -> Held | None:
        with self._lock:
            return self._held.get((route.namespace, app.name))

    def unremember(self, app: Application, route: KubernetesRoute) -> None:
        with self._lock:
            self._held.pop((route.namespace, app.name), None)

    def forget(self, app: Application, route: KubernetesRoute) -> None:
        """What is not ours stays."""
        self.unremember(app, route)
        for tries_left in reversed(range(TRIES_MAX)):
            try:
                version = self._found(app, route)["metadata"]["resourceVersion"]
                self._api.delete(LEASE, route.namespace, name_of(app), resource_version=version)
                return
            except (Missing, Foreign):
                return
            except Conflict:
                if not tries_left:
                    raise

    def rehearse(self, app: Application, route: KubernetesRoute) -> None:
        """Ask the server whether a lease could be made and renewed. Raises what it says against it."""
        body = self._body(app, Held("-", 0, 1, self._clock.now_s()))
        with suppress(Exists):
            self._api.create(LEASE, route.namespace, body, dry_run=True)
        with suppress(Missing):
            self._api.patch(LEASE, route.namespace, name_of(app), {"spec": {}}, dry_run=True)
        with suppress(Missing):
            self._found(app, route)

    def _written(self, app: Application, route: KubernetesRoute, before: Held | None, wanted: Held) -> None:
        before = before or self._read(app, route)
        if before is not None and before.epoch > wanted.epoch:
            raise Fenced(f"the lease of {app.name} is held by epoch {before.epoch}; ours is {wanted.epoch}")
        body = self._body(app, wanted)
        self.unremember(app, route)
        if before is None:
            answer = self._api.create(LEASE, route.namespace, body)
        else:
            meta = {"resourceVersion": before.version, "annotations": body["metadata"]["annotations"]}
            answer = self._api.patch(LEASE, route.namespace, name_of(app), {"metadata": meta, "spec": body["spec"]})
        self._remember(app, route, replace(_decoded(answer), ours=True))

    def _read(self, app: Application, route: KubernetesRoute) -> Held | None:
        try:
            return self._remember(app, route, _decoded(self._found(app, route)))
        except Missing:
            self.unremember(app, route)
            return None
        except Foreign:
            self.unremember(app, route)
            raise

    def _found(self, app: Application, route: KubernetesRoute) -> Raw:
        """The lease as the server has it. Raises Missing, or Foreign when somebody else has one of its name."""
        raw = self._api.get(LEASE, route.namespace, name_of(app))
        if not _labels(app).items() <= labels_of(raw).items():
            name = f"{route.namespace}/{name_of(app)}"
            raise Foreign(f"the Lease {name} is not Interlock's, and is left as it is: rename or delete it")
        return raw

    def _remember(self, app: Application, route: KubernetesRoute, held: Held) -> Held:
        with self._lock:
            self._held[(route.namespace, app.name)] = held
        return held

    def _body(self, app: Application, held: Held) -> Raw:
        meta = {"name": name_of(app), "labels": _labels(app), "annotations": {EPOCH: str(held.epoch)}}
        spec = {
            "holderIdentity": held.release_id,
            "leaseDurationSeconds": held.lease_s,
            "renewTime": datetime.fromtimestamp(held.renewed_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        return {"apiVersion": LEASE.api_version, "kind": LEASE.name, "metadata": meta, "spec": spec}


def name_of(app: Application) -> str:
    return f"interlock-{app.name}"


def _labels(app: Application) -> dict[str, str]:
    return MANAGED | {"interlock.dev/application": app.name}


def _decoded(raw: Raw) -> Held:
    """What somebody else made of it is a lease that ran out long ago."""
    epoch = annotations_of(raw).get(EPOCH, "")
    duration = look_into(raw, "spec", "leaseDurationSeconds")
    return Held(
        release_id=str(look_into(raw, "spec", "holderIdentity") or ""),
        epoch=int(epoch) if epoch.isascii() and epoch.isdigit() else 0,
        lease_s=duration if isinstance(duration, int) else 0,
        renewed_s=_moment_s(look_into(raw, "spec", "renewTime")),
        version=str(look_into(raw, "metadata", "resourceVersion") or ""),
    )


def _moment_s(text: object) -> float:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return 0.0
