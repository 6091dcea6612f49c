"""The bridge on a real cluster: its watches, and the beat that the node gives it. It decides nothing."""

from __future__ import annotations

from collections.abc import Sequence

from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.resources.bridge import Bridge
from controller.adapters.kube.resources.needs import Controller
from controller.adapters.kube.resources.watched import USUAL, WatchedCluster
from controller.adapters.kube.watching import Pace

PERIOD_S = 2.0
"""How often ``sync`` is to be called. What people wrote is seen within it; nothing is asked when nothing changed."""


class Resources:
    """``namespaces`` are watched; empty: all of them. Start it after the store is open, stop it before that closes."""

    def __init__(
        self, api: KubeApi, controller: Controller, namespaces: Sequence[str] = (), pace: Pace = USUAL
    ) -> None:
        watched = tuple(namespaces) or (None,)
        self._cluster = WatchedCluster(api, controller.clock, watched, controller.log, pace)
        self._bridge = Bridge(controller, self._cluster)

    def start(self) -> None:
        self._cluster.start()

    def stop(self) -> None:
        """The watches end; a beat that is running ends by itself, at the latest with the time-out of its call."""
        self._cluster.stop()

    def sync(self) -> None:
        """Bring objects and store together where one of them has changed. One thread at a time."""
        self._bridge.sync()
