"""The demo's environment with its real parts: traffic flows, no replacement loses a request, nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from analysis.model import AnalysisSpec, Role
from controller.adapters.clock import SystemClock
from controller.adapters.routers.haproxy import HaproxyRouter
from controller.adapters.workloads.processes import ProcessesWorkload
from controller.core.model import Application, CanaryPlan, RoleState
from controller.core.targets import HaproxyRoute, ProcessesTarget
from controller.ports import RouteWrite, Unknown
from tests.demo import parts as demo_parts
from tests.demo.load import LoadThread
from tests.demo.parts import Guard, Haproxy, Missing, Parts, Prometheus
from tests.demo.sweeper import marked

pytestmark = [pytest.mark.real, pytest.mark.timeout(90)]

STABLE, CANARY = Role.STABLE, Role.CANARY


@dataclass
class Shop:
    parts: Parts
    haproxy: Haproxy
    guard: Guard
    prometheus: Prometheus
    router: HaproxyRouter
    workload: ProcessesWorkload
    app: Application

    def drive(self, stable: str | None, canary: str | None, until: Callable[[RoleState, RoleState], bool]) -> None:
        deadline_s = time.monotonic() + 30
        while time.monotonic() < deadline_s:
            for role, version in ((STABLE, stable), (CANARY, canary)):
                try:
                    self.workload.ensure(self.app, role, version, 1)
                except Unknown:  # recorded by the guard, not in HAProxy yet: the next pass goes on
                    continue
            if until(*self.workload.observe(self.app)):
                return
            time.sleep(0.1)
        raise AssertionError(f"not reached: {self.workload.observe(self.app)}")

    def weight(self, weight_pct: int) -> None:
        seen = self.router.read(self.app)
        self.router.write(self.app, RouteWrite(weight_pct, "release-1", 1, seen.revision, 60.0))

    def query(self, promql: str) -> list[dict[str, object]]:
        url = f"{self.prometheus.url}/api/v1/query?{urllib.parse.urlencode({'query': promql})}"
        with urllib.request.urlopen(url, timeout=5) as response:
            result: list[dict[str, object]] = json.load(response)["data"]["result"]
            return result


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    for name in ("haproxy", "prometheus"):
        try:
            demo_parts.program_path(name)
        except Missing as missing:
            pytest.skip(f"the demo's real parts were left out: {missing}")
    with Parts() as parts:
        haproxy = parts.haproxy()
        guard, prometheus = parts.guard(haproxy), parts.prometheus(haproxy)
        router = HaproxyRouter()
        workload = ProcessesWorkload(parts.directory / "workload", router, SystemClock(), check_interval_s=0.2)
        target = ProcessesTarget(
            command=parts.shop_command,
            health_timeout_s=1.0,
            stop_grace_s=1.0,
            environment=tuple(parts.environment.items()),
            discovery_file=str(parts.discovery_file),
        )
        route = HaproxyRoute(str(guard.listen), "shop", stable_pool="shop_stable", canary_pool="shop_canary")
        spec = AnalysisSpec(prometheus.url, ())
        app = Application("shop", "production", target, route, CanaryPlan((10, 50)), spec)
        router.claim(app, 1)
        yield Shop(parts, haproxy, guard, prometheus, router, workload, app)
        workload.close()
        router.close()


def both(stable: str, canary: str) -> Callable[[RoleState, RoleState], bool]:
    return lambda s, c: s.settled_on(stable) and c.settled_on(canary)


def test_no_request_is_lost_while_the_only_instance_is_replaced(shop: Shop) -> None:
    shop.drive("v1", None, lambda s, c: s.settled_on("v1") and not c.running_any)
    time.sleep(1.0)
    with LoadThread(shop.haproxy.port, 200) as load:
        time.sleep(0.5)
        shop.drive("v2", None, lambda s, _: s.settled_on("v2"))
        shop.drive("v1", None, lambda s, _: s.settled_on("v1"))
        time.sleep(0.5)
    report = load.records.report()
    assert report.by_version["v2"] > 0
    assert (report.bad, report.by_status) == (0, {"200": report.requests})


def test_the_load_sees_the_share_of_the_canary_and_prometheus_sees_both_versions(shop: Shop) -> None:
    shop.drive("v1", "v2", both("v1", "v2"))
    shop.weight(20)
    with LoadThread(shop.haproxy.port, 200, users=50) as load:
        time.sleep(4.0)
    shop.weight(0)
    report = load.records.report()
    assert report.bad == 0
    assert 0.15 < report.by_version["v2"] / report.requests < 0.25
    assert report.users == 50
    shares = [share for _, share in report.canary_share[1:-1]]
    assert all(0.1 < share < 0.3 for share in shares)
    wanted, end_s = {("v1", "stable"), ("v2", "canary")}, time.monotonic() + 15.0
    while not (found := versions_scraped(shop)) >= wanted and time.monotonic() < end_s:
        time.sleep(0.2)  # Prometheus reads the list of targets every few seconds
    assert found >= wanted


def test_a_hanging_canary_costs_its_share_a_504_that_haproxy_counts_for_the_canary(shop: Shop) -> None:
    shop.drive("v1", "v6-hang", both("v1", "v6-hang"))
    shop.weight(50)
    with LoadThread(shop.haproxy.port, 100) as load:
        time.sleep(5.5)
        shop.weight(0)
    report = load.records.report()
    assert report.by_status.get("504", 0) > 20
    assert report.first_bad_s is not None
    time.sleep(1.5)
    bad = shop.query('haproxy_server_http_responses_total{proxy="shop",server="canary",code="5xx"}')
    assert float(bad[0]["value"][1]) >= report.by_status["504"]  # type: ignore[index]


def test_a_canary_pool_with_nobody_in_it_sends_its_share_to_stable(shop: Shop) -> None:
    shop.drive("v1", None, lambda s, c: s.settled_on("v1") and not c.running_any)
    shop.weight(50)
    with LoadThread(shop.haproxy.port, 100) as load:
        time.sleep(1.0)
    shop.weight(0)
    assert load.records.report().by_status.keys() == {"200"}


DEMO_THAT_DIES = """
import signal, sys, time
from tests.demo.parts import Parts
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job starts with it ignored
with Parts() as parts:
    for number in range(3):
        parts.start(f"sleeper{number}", [sys.executable, "-c", "import time; time.sleep(600)"])
    print(parts.token, parts.directory, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_however_the_demo_ends(number: signal.Signals) -> None:
    command = [sys.executable, "-c", DEMO_THAT_DIES]
    with subprocess.Popen(
        command, cwd=demo_parts.ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as demo:
        assert demo.stdout is not None
        token, directory = demo.stdout.readline().split()
        assert len(marked(token)) == 3
        os.kill(demo.pid, number)
        try:
            demo.wait(20)
        finally:
            demo.kill()
    deadline_s = time.monotonic() + 15
    while (marked(token) or Path(directory).exists()) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert marked(token) == []
    assert not Path(directory).exists()


def test_a_missing_program_says_how_to_install_it() -> None:
    with pytest.raises(Missing, match="apt-get install no-such-program"):
        demo_parts.program_path("no-such-program")


def test_a_part_that_ends_at_once_fails_with_what_it_printed() -> None:
    with Parts() as parts:
        part = parts.start("broken", [sys.executable, "-c", "raise SystemExit('no such luck')"])
        with pytest.raises(demo_parts.Failed, match="no such luck"):
            demo_parts.wait_until(part, lambda: False)


def versions_scraped(shop: Shop) -> set[tuple[str, str]]:
    found = shop.query('http_requests_total{app="shop",code="200"} > 0')
    return {(one["metric"]["version"], one["metric"]["role"]) for one in found}  # type: ignore[index]
