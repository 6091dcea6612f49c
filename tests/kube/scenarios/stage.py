"""One application on a cluster, driven second by second through the real loop and the real adapters of the cluster.

The controller's time is counted and never waited for; the cluster's own controllers run in theirs, and each second lets
them come to rest. Requests flow by the share that the cluster's objects give.
"""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from analysis.model import Role
from controller.adapters.clock import SystemClock
from controller.adapters.kube.connect import KubeSettings, connect
from controller.adapters.kube.routes.router import KubeRouter
from controller.adapters.kube.workload.deployment import DeploymentWorkload
from controller.adapters.store.sql import SqlStore
from controller.core.model import Phase, RouteState
from controller.ports import Commit, Page, StoredApplication
from controller.runtime.killfile import KillFile
from controller.spec import application_from
from tests.fakes.clock import ManualClock
from tests.fakes.metrics import FakeMetrics
from tests.fakes.trouble import Troubled
from tests.kube.cluster import builders
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.raw import Raw, is_ready
from tests.kube.scenarios.kits import CANARY, STABLE, Kit
from tests.unit.behaviour.world import PLAN, REQUESTS_PER_S, SPEC, Moment, World

REPOSITORY = "registry.test/web"
OLD, NEW, NEXT = "v1", "v2", "v3"
SETTLE_S = 5.0
"""Of real time, for the cluster's controllers to come to rest; a busy machine needs a part of it."""
POLL_S = 0.01
BEFORE_PROMOTION = (Phase.PREPARING, Phase.PROGRESSING)


def image_of(tag: str) -> str:
    """As the registry would pin it."""
    return f"{REPOSITORY}:{tag}@sha256:{hashlib.sha256(tag.encode()).hexdigest()}"


def tag_of(image: str) -> str:
    return image.partition("@")[0].rpartition(":")[2]


class Stage(World):
    """``deploy``, ``ask``, ``second``, ``until`` and the others are those of the world on fakes."""

    def __init__(self, cluster: Cluster, kit: Kit, directory: Path, deployed: str | None = OLD, **plan: Any) -> None:
        self.cluster, self.kit = cluster, kit
        self.clock = ManualClock()
        self.memory: Any = SqlStore.open(":memory:")
        self.clock.advance(time.time() - self.clock.now_s())
        self.store = Troubled(self.memory)
        self.api = connect(KubeSettings(kubeconfig=str(cluster.kubeconfig)), SystemClock())
        self._adapters()
        self.metrics = FakeMetrics()
        self.kill_file = KillFile(directory / "kill.jsonl")
        self.told: list[dict[str, Any]] = []
        self.errors: dict[str, float] = {}
        self.scraping = True
        self.history: list[Moment] = []
        self.rested_pct: int | None = None
        self._ids = itertools.count(1)
        self.app = application_from(self._document())
        self.app = replace(self.app, canary=replace(PLAN, **plan), analysis=SPEC)
        self.store_application()
        self._set_up(deployed)
        self.epoch = 0
        self.lead()

    def _adapters(self) -> None:
        self.router = Troubled(KubeRouter(self.api, self.clock))
        self.workload = Troubled(DeploymentWorkload(self.api, self.clock, self._resolve))

    def restart(self) -> None:
        """A new process after the old one is gone: it knows what the store and the cluster tell it, and no more."""
        self._adapters()
        self.lead()

    def store_application(self) -> None:
        """As it is now: what is submitted later runs by it."""
        stored = self.memory.application("shop")
        after = StoredApplication(self.app) if stored is None else replace(stored, app=self.app)
        self.memory.commit(Commit(application=after))

    def close(self) -> None:
        self.switch.close()
        self.api.close()
        self.memory.close()

    def _document(self) -> Raw:
        target = {"namespace": self.cluster.namespace, "deployment": STABLE, "service": STABLE}
        return {
            "name": "shop",
            "environment": "production",
            "target": {"kubernetes": target},
            "router": self.kit.router,
            "canary": {"steps": [10, 20, 30]},
            "metrics": {"prometheus": "http://127.0.0.1:9", "preset": "generic"},
        }

    def _set_up(self, deployed: str | None) -> None:
        self.cluster.apply(builders.service(STABLE))
        self.kit.set_up(self.cluster)
        tag = deployed or OLD
        self.cluster.deployment(STABLE, image_of(tag), self.kit.replicas)
        self.cluster.rolled_out(STABLE)

    @staticmethod
    def _resolve(reference: str) -> str:
        return reference if "@" in reference else image_of(tag_of(reference))

    # time passes

    def second(self, controller: bool = True) -> None:
        self.clock.advance(1.0)
        self.settle()
        self.rested_pct = self.live()
        self._requests()
        if self.scraping:
            self.metrics.scrape(self.clock.now_s())
        if controller:
            self.turn()
        self._note()

    def settle(self) -> None:
        """Until every pod that can be ready is, and every one that has to go is gone."""
        end_s = time.monotonic() + SETTLE_S
        while time.monotonic() < end_s and not self._quiet():
            time.sleep(POLL_S)

    def _quiet(self) -> bool:
        deployments = self.cluster.list("deployments")
        pods = self.cluster.pods()
        if any("deletionTimestamp" in pod["metadata"] for pod in pods):
            return False
        wanted = sum(one["spec"].get("replicas", 1) for one in deployments if not one["spec"].get("paused"))
        seen = all(
            (one.get("status") or {}).get("observedGeneration") == one["metadata"]["generation"] for one in deployments
        )
        return seen and len(pods) >= wanted and all(_came_to_rest(pod) for pod in pods)

    # what can be seen

    def route(self) -> RouteState:
        return cast(RouteState, self.router.read(self.app))

    def live(self) -> int | None:
        return round(self.kit.share_pct(self.cluster))

    def pct(self, weight_pct: int) -> int:
        """What a weight of the plan is on this router."""
        return round(self.kit.weight_pct(weight_pct))

    def until_live(self, weight_pct: int) -> None:
        wanted = self.pct(weight_pct)
        self.until(lambda: self.live() == wanted and self.newest().baking_since_s is not None)

    def running(self, role: Role) -> list[str]:
        """The tags of the role's ready pods."""
        return [tag_of(image) for image, ready in self._images(role) if ready]

    def pods(self, role: Role) -> list[str]:
        return [tag_of(image) for image, _ in self._images(role)]

    def pods_of(self, role: Role) -> list[Raw]:
        """Those that nobody ended yet."""
        name = STABLE if role is Role.STABLE else CANARY
        found = [pod for pod in self.cluster.pods() if _deployment_of(pod) == name]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def _images(self, role: Role) -> Iterator[tuple[str, bool]]:
        for pod in self.pods_of(role):
            yield pod["spec"]["containers"][0]["image"], is_ready(pod)

    def _requests(self) -> None:
        share = self.kit.share_pct(self.cluster)
        for role, pct in ((Role.STABLE, 100 - share), (Role.CANARY, share)):
            tags = self.running(role)
            if tags:
                total = REQUESTS_PER_S * pct / 100
                bad = sum(total / len(tags) * self.errors.get(tag, 0.0) for tag in tags)
                self.metrics.serve(role, round(total), round(bad))
            elif role is Role.CANARY:
                self.metrics.forget(role)

    def rising(self) -> list[int]:
        """The weights that the users had before the promotion, each once when it changed. A share that counts instances
        goes up and down while stable rolls, and both sides run the new version by then."""
        before = [moment.live_pct for moment in self.history if moment.phase in BEFORE_PROMOTION]
        return [pct for pct, _ in itertools.groupby(before) if pct]

    def _note(self) -> None:
        releases = self.memory.releases(Page(limit=1))
        phase: Phase | None = releases[0].phase if releases else None
        # The share as the cluster came to rest with it: counted instances say nothing in the middle of a roll.
        self.history.append(Moment(self.clock.now_s(), phase, self.rested_pct, len(self.pods(Role.CANARY))))


def _deployment_of(pod: Raw) -> str:
    """Pods are named <deployment>-<hash>-<five letters> by whoever makes them."""
    return str(pod["metadata"]["name"]).rsplit("-", 2)[0]


def _came_to_rest(pod: Raw) -> bool:
    if is_ready(pod):
        return True
    status = pod.get("status") or {}
    stuck = [c for c in status.get("conditions") or [] if c["type"] == "PodScheduled" and c["status"] == "False"]
    waiting = [
        c for c in status.get("containerStatuses") or [] if (c.get("state") or {}).get("waiting", {}).get("reason")
    ]
    return bool(stuck or waiting)
