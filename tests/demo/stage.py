"""The demo's whole surroundings, up and connected: HAProxy, its guard, Prometheus, the controller, the sample shop and
users. The stories are told on it; it tells none itself."""

from __future__ import annotations

import json
import re
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from tests.demo.load import LoadThread
from tests.demo.parts import Failed, Guard, Haproxy, Part, Parts, Prometheus, answers, free_ports, wait_until

RATE_PER_S = 300.0
USERS = 5_000
SLOW_S = 0.5

SHORT_SETTINGS = {
    "steps": [5, 25, 50],
    "minBake": "5s",
    "prepareDeadline": "20s",
    "promoteDeadline": "60s",
    "drain": "1s",
    "lease": "15s",
    "poll": "500ms",
}
"""Short, so that eight stories fit into four minutes; the README names them as such."""


def application(parts: Parts, haproxy: Haproxy, guard: Guard, prometheus: Prometheus) -> dict[str, Any]:
    """The shop as an application document. Errors are counted where users feel them, at the proxy's two servers."""
    replies = 'haproxy_server_http_responses_total{proxy="shop",server="$role"%s}'
    broken = [
        f'haproxy_server_{what}_total{{proxy="shop",server="$role"}}'
        for what in ("connection_errors", "response_errors", "redispatch_warnings")
    ]
    return {
        "name": "shop",
        "environment": "production",
        "target": {
            "processes": {
                "command": list(parts.shop_command),
                "replicas": 2,
                "canaryReplicas": 1,
                "healthPath": "/healthz",
                "environment": parts.environment,
                "discoveryFile": str(parts.discovery_file),
                "stopGrace": "3s",
            }
        },
        "router": {
            "haproxy": {
                "guard": str(guard.listen),
                "backend": "shop",
                "stablePool": "shop_stable",
                "canaryPool": "shop_canary",
            }
        },
        "canary": SHORT_SETTINGS,
        "metrics": {
            "prometheus": prometheus.url,
            "counters": [
                {
                    "name": "errors",
                    "total": [replies % "", *broken],
                    "bad": [replies % ',code="5xx"', *broken],
                    "sloBadFraction": 0.02,
                }
            ],
            "latency": [
                {
                    "name": "latency",
                    "buckets": ['http_request_duration_seconds_bucket{app="$application",version="$version"}'],
                    "slow": SLOW_S,
                }
            ],
        },
        "analysis": {
            "warmup": "1s",
            "latency": {"warmup": "1s"},
            "block": "1s",
            "minRequests": 30,
            "staleAfter": "5s",
            "noData": {"rollbackAfter": "20s"},
            "breaker": {"failSeconds": 2},
        },
    }


@dataclass(frozen=True, slots=True)
class Controller:
    part: Part
    url: str
    token: str
    settings: Path


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything a story needs."""

    parts: Parts
    haproxy: Haproxy
    guard: Guard
    prometheus: Prometheus
    controller: Controller
    load: LoadThread

    def with_haproxy_again(self) -> Stage:
        """The same configuration on the same ports, started again."""
        return replace(self, haproxy=replace(self.haproxy, part=self.parts.haproxy_again(self.haproxy)))

    def with_guard_again(self) -> Stage:
        """A new guard on the record of the old one."""
        return replace(self, guard=self.parts.guard(self.haproxy))

    def interlock(self) -> list[str]:
        """The command line, as a user would call it."""
        return [sys.executable, "-m", "api.cli"]

    def environment(self) -> dict[str, str]:
        return {
            "INTERLOCK_URL": self.controller.url,
            "INTERLOCK_TOKEN": self.controller.token,
            **self.parts.environment,
        }

    def get(self, path: str) -> Any:
        """One read from the controller's API."""
        headers = {"Authorization": f"Bearer {self.controller.token}"}
        request = urllib.request.Request(self.controller.url + path, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


def start_controller(parts: Parts, name: str = "controller", more: Mapping[str, Any] | None = None) -> Controller:
    """Start ``interlock serve`` and read the first admin token from what it prints once."""
    (port,) = free_ports(1)
    settings = parts.directory / "settings.yaml"
    said = {"dataDir": str(parts.directory / "data"), "port": port, "logFormat": "json", **(more or {})}
    settings.write_text(yaml.safe_dump(said))
    part = parts.start(name, [sys.executable, "-m", "api.cli", "serve", "--config", str(settings)])
    wait_until(part, lambda: answers(f"http://127.0.0.1:{port}/healthz"))
    found = re.search(r"\bil_[A-Za-z0-9_-]+", part.log.read_text())
    if found is None:
        raise Failed(f"the controller printed no first token: {part.tail()}")
    return Controller(part, f"http://127.0.0.1:{port}", found.group(0), settings)


def restart_controller(on: Stage) -> Stage:
    """A new controller on the old one's data directory and port, after the old one is gone."""
    old = on.controller
    old.part.stop()
    part = on.parts.start("controller-again", [sys.executable, "-m", "api.cli", "serve", "--config", str(old.settings)])
    wait_until(part, lambda: answers(f"{old.url}/healthz"))
    return replace(on, controller=replace(old, part=part))


@contextmanager
def stage(tell: Callable[[str], None], settings: Mapping[str, Any] | None = None) -> Iterator[Stage]:
    """Bring everything up, and take everything down however it ends. ``settings`` are more of the controller's."""
    with Parts() as parts:
        tell("starting HAProxy, its guard, Prometheus and the controller on free ports of loopback")
        haproxy = parts.haproxy()
        guard = parts.guard(haproxy)
        prometheus = parts.prometheus(haproxy)
        controller = start_controller(parts, more=settings)
        document = parts.directory / "shop.yaml"
        document.write_text(yaml.safe_dump(application(parts, haproxy, guard, prometheus), sort_keys=False))
        load = LoadThread(haproxy.port, RATE_PER_S, USERS)
        try:
            yield Stage(parts, haproxy, guard, prometheus, controller, load)
        finally:
            load.stop()


def settle(seconds: float) -> None:
    """Let users go on for a moment, so that what was counted includes the last answers."""
    time.sleep(seconds)
