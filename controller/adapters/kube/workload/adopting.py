"""Puts the label on a guarded Deployment that says whose it is, so that admission policies know it. It is no part of a
release: none waits for it.

A label and no annotation: a Deployment's generation counts changes of its annotations, and its ReplicaSets copy them.
"""

from __future__ import annotations

import threading

from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.errors import Missing
from controller.adapters.kube.kinds import DEPLOYMENT
from controller.adapters.kube.workload.names import APPLICATION
from controller.adapters.kube.workload.patches import label_patch
from controller.adapters.kube.workload.reading import target_of
from controller.adapters.kube.workload.seen import deployed
from controller.core.model import Application
from controller.ports import Clock, Refused

Key = tuple[str, str]
"""Namespace and name of the Deployment."""

AGAIN_S = 60.0
"""Until what was refused is tried again: a right that is missing is told once a minute and not with every look."""


class Adopting:
    """Safe for threads. What was labelled once is not looked at again: an application at rest costs no call."""

    def __init__(self, api: KubeApi, clock: Clock) -> None:
        self._api, self._clock = api, clock
        self._lock = threading.Lock()
        self._labelled: dict[str, Key] = {}
        self._refused_s: dict[str, float] = {}

    def label(self, app: Application) -> None:
        """One that is not there yet is no trouble: the next look finds it. Raises a PortError."""
        target = target_of(app)
        key = target.namespace, target.deployment
        now_s = self._clock.monotonic_s()
        with self._lock:
            if self._labelled.get(app.name) == key or now_s < self._refused_s.get(app.name, now_s):
                return
        try:
            patch = label_patch(deployed(self._api.get(DEPLOYMENT, *key)), APPLICATION, app.name)
            if patch:
                self._api.patch(DEPLOYMENT, *key, patch)
        except Missing:
            return
        except Refused:
            with self._lock:
                self._refused_s[app.name] = now_s + AGAIN_S
            raise
        with self._lock:
            self._labelled[app.name] = key
            self._refused_s.pop(app.name, None)

    def forget(self, app: Application) -> None:
        with self._lock:
            self._labelled.pop(app.name, None)
            self._refused_s.pop(app.name, None)
