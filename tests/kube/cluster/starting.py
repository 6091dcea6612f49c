"""Starts a level with its definitions and stand-ins, and makes fresh namespaces in it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kube.cluster.builders import deployment
from tests.kube.cluster.client import Client
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.definitions import install
from tests.kube.cluster.levels import ADMIN, STAND_INS, TESTED, Level, RealLevel, SmallLevel
from tests.kube.cluster.raw import Raw, Resource, built_in
from tests.kube.cluster.real import Real, absent
from tests.kube.cluster.standins.crew import Crew

CONTROLLERS_S = 40.0


@dataclass(slots=True)
class Started:
    level: Level
    kinds: dict[str, Resource]
    crew: Crew

    @contextmanager
    def fresh(self, namespace: str, folder: Path) -> Iterator[Cluster]:
        """A namespace for one test, given up after it, with every trouble ended."""
        body: Raw = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        cluster = Cluster(self.level, namespace, folder, self.kinds, self.crew)
        cluster.client.create(built_in("namespaces"), "", body)
        bugs: list[str] = []
        try:
            yield cluster
        finally:
            self.crew.reset()
            if isinstance(self.level, SmallLevel):
                self.level.server.faults.clear()
                self.level.server.come_back()
                bugs = self.level.server.take_bugs()
            cluster.close()
        assert not bugs, f"the small API server could not handle a request: {bugs[0]}"


@contextmanager
def start_small() -> Iterator[Started]:
    with running(SmallLevel()) as started:
        yield started


@contextmanager
def start_real() -> Iterator[Started]:
    missing = absent()
    if missing:
        pytest.skip(missing)
    users = (ADMIN, STAND_INS, TESTED, "controller-manager")
    real = Real({user: secrets.token_hex(16) for user in users})
    real.start()
    with running(RealLevel(real)) as started:
        yield started


def until_controllers_work(client: Client) -> None:
    """A controller manager that has started does not work at once; the first test should not wait for it."""
    kind, name = built_in("deployments"), "first"
    client.create(kind, "default", deployment(name, replicas=0))
    end_s = time.monotonic() + CONTROLLERS_S
    while not client.get(kind, "default", name)["status"].get("observedGeneration"):
        assert time.monotonic() < end_s, f"the controllers do not work after {CONTROLLERS_S:g} s"
        time.sleep(0.05)
    client.delete(kind, "default", name)


@contextmanager
def running(level: Level) -> Iterator[Started]:
    client = Client(level.endpoint(ADMIN))
    try:
        kinds = install(client)
        crew = Crew(level.endpoint(STAND_INS), kinds, controllers=level.controllers)
        try:
            crew.start()
            if level.controllers:
                until_controllers_work(client)
            yield Started(level, kinds, crew)
        finally:
            crew.close()
    finally:
        client.close()
        level.close()
