"""Reads an application's objects. Its last look serves the moves that follow it at once; it never writes."""

from __future__ import annotations

import threading
from dataclasses import replace

from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.errors import Missing
from controller.adapters.kube.kinds import DEPLOYMENT, POD, REPLICA_SET, Kind, Raw
from controller.adapters.kube.workload import selectors
from controller.adapters.kube.workload.names import baseline_name, canary_selector, selector_text
from controller.adapters.kube.workload.seen import Deployed, PodSeen, ReplicaSetSeen, deployed, pod, replica_set
from controller.adapters.kube.workload.sight import Sight
from controller.core.model import Application
from controller.core.targets import KubernetesTarget
from controller.ports import Clock

RECENT_S = 1.0
"""How old a look may be that a move goes by. Every write is refused when the object has changed since."""


SETS_S = 30.0
"""How long ReplicaSets count as known while no Deployment has changed. Their controller tells of whatever becomes
of them in its Deployment's status."""


class Reader:
    """Thread-safe. What it remembers is a convenience: without it everything is read again."""

    def __init__(self, api: KubeApi, clock: Clock) -> None:
        self._api, self._clock = api, clock
        self._lock = threading.Lock()
        self._recent: dict[str, tuple[float, Sight]] = {}
        self._asked: dict[str, str] = {}
        self._known_sets: dict[str, tuple[float, tuple[tuple[str, str], ...], tuple[ReplicaSetSeen, ...]]] = {}

    def whole(self, app: Application) -> Sight:
        """Everything that says how both roles are: two objects, a list of pods, and one of ReplicaSets unless they are
        known; a list more of each where one query cannot name the pods of both roles."""
        at_s = self._clock.monotonic_s()
        sight = self._deployments(app)
        sight = replace(sight, replica_sets=self._sets_of(sight, at_s), pods=self._pods(sight))
        with self._lock:
            # A look holds whole templates: those that nobody may go by any more are let go at once.
            self._recent = {name: kept for name, kept in self._recent.items() if at_s - kept[0] < RECENT_S}
            self._recent[app.name] = (at_s, sight)
        return sight

    def recent(self, app: Application) -> Sight:
        """The look of a moment ago, if there was one, else a new one."""
        with self._lock:
            at_s, sight = self._recent.get(app.name, (0.0, None))
        if sight is None or self._clock.monotonic_s() - at_s >= RECENT_S or sight.target != app.target:
            return self.anew(app)
        return sight

    def anew(self, app: Application) -> Sight:
        """What moves are made by: the Deployments, and what runs where a template alone does not tell it."""
        sight = self._deployments(app)
        return replace(sight, replica_sets=self._sets(sight)) if sight.by_template else sight

    def canary_alone(self, app: Application) -> Sight:
        """Enough to take it away."""
        target = target_of(app)
        return Sight(app.name, target, None, self._deployment(target.namespace, target.canary_name))

    def stale(self, application: str) -> None:
        """Something was written: the last look is over."""
        with self._lock:
            self._recent.pop(application, None)

    def forget(self, application: str) -> None:
        self.stale(application)
        self.ask(application, None)

    def ask(self, application: str, version: str | None) -> None:
        """Remember what was asked of stable; None: a release begins, and what an earlier one asked is over."""
        with self._lock:
            if version is None:
                self._asked.pop(application, None)
            else:
                self._asked[application] = version

    def _deployments(self, app: Application) -> Sight:
        target = target_of(app)
        guarded = self._deployment(target.namespace, target.deployment)
        canary = self._deployment(target.namespace, target.canary_name)
        name = baseline_name(target.deployment)
        baseline = self._deployment(target.namespace, name) if app.canary.baseline and canary is not None else None
        with self._lock:
            asked = self._asked.get(app.name)
        return Sight(app.name, target, guarded, canary, asked=asked, baseline=baseline)

    def _deployment(self, namespace: str, name: str) -> Deployed | None:
        try:
            return deployed(self._api.get(DEPLOYMENT, namespace, name))
        except Missing:
            return None

    def _sets(self, sight: Sight) -> tuple[ReplicaSetSeen, ...]:
        texts = _queries(sight)
        return tuple(replica_set(raw) for text in texts for raw in self._list(REPLICA_SET, sight, text))

    def _sets_of(self, sight: Sight, at_s: float) -> tuple[ReplicaSetSeen, ...]:
        """As they were found before, while all the Deployments stand as they stood then and have nothing left to do."""
        standing = [one for one in (sight.guarded, sight.canary, sight.baseline) if one is not None]
        if len(standing) < 2 or not all(one.rolled_out and one.trouble is None for one in standing):
            return self._sets(sight)
        versions = tuple([(one.uid, one.resource_version) for one in standing])
        with self._lock:
            self._known_sets = {name: kept for name, kept in self._known_sets.items() if at_s - kept[0] < SETS_S}
            kept = self._known_sets.get(sight.application)
        if kept is not None and kept[1] == versions:
            return kept[2]
        found = self._sets(sight)
        with self._lock:
            self._known_sets[sight.application] = (at_s, versions, found)
        return found

    def _pods(self, sight: Sight) -> tuple[PodSeen, ...]:
        now_s = self._clock.now_s()
        return tuple(pod(raw, now_s) for text in _queries(sight) for raw in self._list(POD, sight, text))

    def _list(self, kind: Kind, sight: Sight, query: str) -> list[Raw]:
        return self._api.list(kind, sight.target.namespace, query).items


def _queries(sight: Sight) -> list[str]:
    """One query for the pods of both roles where there is one, else one for each."""
    canary = selector_text(canary_selector(sight.application))
    if sight.guarded is None:
        return [canary]
    if sight.ours is not None:
        both = selectors.text_of_both(sight.guarded.selector, sight.ours.pod_labels)
        if both is not None:
            return [both]
    return [selectors.text_of(sight.guarded.selector), canary]


def target_of(app: Application) -> KubernetesTarget:
    assert isinstance(app.target, KubernetesTarget), "the composition root picks the workload by the target"
    return app.target
