"""One stage for all end-to-end tests of a run: real HAProxy, guard, Prometheus, controller, instances and users.
Each test deploys a version of its own and leaves the stage at rest."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.demo.load import Report
from tests.demo.stage import Stage, restart_controller, stage
from tests.parts import missing

LEASE_S = 15.0
"""The stage's lease; see SHORT_SETTINGS."""


class Actor:
    """A user of the stage: deploys, looks, breaks things."""

    def __init__(self, on: Stage) -> None:
        self.on = on
        self._numbers = itertools.count(100)

    def good_version(self) -> str:
        return f"v{next(self._numbers)}"

    def interlock(self, *arguments: str, timeout_s: float = 90.0) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.on.interlock(), *arguments],
            env={**os.environ, **self.on.environment()},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def deploy(self, version: str) -> str:
        """Start a release and return its id."""
        done = self.interlock("deploy", "shop", version, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return str(self.latest()["id"])

    def latest(self) -> dict[str, Any]:
        items: list[dict[str, Any]] = self.on.get("/v1/releases?application=shop&limit=1")["items"]
        return items[0]

    def until(self, holds: Callable[[dict[str, Any]], bool], within_s: float, what: str) -> dict[str, Any]:
        """The newest release once ``holds``; a controller that does not answer is asked again."""
        end_s, seen = time.monotonic() + within_s, {}
        while time.monotonic() < end_s:
            try:
                seen = self.latest()
            except (OSError, urllib.error.URLError, json.JSONDecodeError):
                seen = {}
            if seen and holds(seen):
                return seen
            time.sleep(0.1)
        raise AssertionError(f"not within {within_s:g} s: {what}; last seen: {seen.get('phase')} {seen.get('explain')}")

    def ended(self, within_s: float = 60.0) -> dict[str, Any]:
        ends = ("succeeded", "rolled_back", "failed")
        return self.until(lambda r: r["phase"] in ends, within_s, "the release ends")

    def carrying(self, weight_pct: int = 5, within_s: float = 30.0) -> dict[str, Any]:
        return self.until(lambda r: r["weight_pct"] >= weight_pct, within_s, f"the canary has {weight_pct} %")

    def audit(self, release_id: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.on.get(f"/v1/audit?release={release_id}&limit=200")["items"]
        return items

    def report(self, since_s: float) -> Report:
        return self.on.load.records.report(since_s=since_s)

    def restart_controller(self) -> None:
        self.on = restart_controller(self.on)


@pytest.fixture(scope="session")
def _stage() -> Iterator[Actor]:
    absent = missing("haproxy", "prometheus")
    if absent:
        pytest.skip(absent)
    with stage(lambda _line: None) as on:
        actor = Actor(on)
        assert actor.interlock("apply", str(on.parts.directory / "shop.yaml")).returncode == 0
        actor.deploy("v1")
        assert actor.ended()["phase"] == "succeeded"
        on.load.start()
        time.sleep(2)
        yield actor


@pytest.fixture
def actor(_stage: Actor) -> Iterator[Actor]:
    """The user, on a stage at rest before and after."""
    yield _stage
    _stage.interlock("abort", "shop")
    _stage.ended()
    verified = _stage.interlock("audit", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
