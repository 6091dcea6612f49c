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

Key = tuple[str, str]
"""Namespace and name of the Deployment."""


class Adopting:
    """Safe for threads. What was labelled once is not looked at again: an application at rest costs no call."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api
        self._lock = threading.Lock()
        self._labelled: dict[str, Key] = {}

    def label(self, app: Application) -> None:
        """One that is not there yet is no trouble: the next look finds it. Raises a PortError."""
        target = target_of(app)
        key = target.namespace, target.deployment
        with self._lock:
            if self._labelled.get(app.name) == key:
                return
        try:
            guarded = deployed(self._api.get(DEPLOYMENT, *key))
        except Missing:
            return
        patch = label_patch(guarded, APPLICATION, app.name)
        if patch:
            self._api.patch(DEPLOYMENT, *key, patch)
        with self._lock:
            self._labelled[app.name] = key

    def forget(self, app: Application) -> None:
        with self._lock:
            self._labelled.pop(app.name, None)
