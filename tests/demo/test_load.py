"""The demo's shop and load generator: each version behaves as the table says, and the report counts what users saw."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.demo.load import LoadThread
from tests.demo.parts import SHOP, answers, free_ports
from tests.demo.records import NO_ANSWER, Records
from tests.demo.shop import VERSIONS, Behaviour, Shop


@contextmanager
def running(version: str, *more: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    (port,) = free_ports(1)
    command = [sys.executable, "-I", "-S", str(SHOP), "--version", version, "--port", str(port), *more]
    with subprocess.Popen(command) as process:
        try:
            deadline_s = time.monotonic() + 8
            while not answers(f"http://127.0.0.1:{port}/healthz") and time.monotonic() < deadline_s:
                time.sleep(0.02)
            yield port, process
        finally:
            process.terminate()


def outcomes(version: str, per_s: float, seconds: float) -> list[tuple[int, float] | None]:
    shop = Shop("shop", version, VERSIONS.get(version, Behaviour()), seed=1)
    return [shop.outcome(100.0 + number / per_s) for number in range(int(per_s * seconds))]


def bad_share(seen: list[tuple[int, float] | None]) -> float:
    return sum(one is not None and one[0] == 500 for one in seen) / len(seen)


@pytest.mark.parametrize("version", ["v1", "v2", "anything"])
def test_a_good_version_answers_everything_quickly(version: str) -> None:
    assert all(one is not None and one[0] == 200 and one[1] < 0.05 for one in outcomes(version, 200, 10))


def test_the_version_with_errors_fails_one_request_in_twenty() -> None:
    assert 0.04 < bad_share(outcomes("v3-errors", 200, 20)) < 0.06


def test_the_slow_version_has_a_slow_tail() -> None:
    slow = [one for one in outcomes("v4-slow", 200, 20) if one is not None and one[1] > 0.5]
    assert 0.15 < len(slow) / 4000 < 0.25


def test_the_hanging_version_answers_for_a_while_and_then_never_again() -> None:
    seen = outcomes("v6-hang", 100, 5)
    assert all(one is not None for one in seen[:200])
    assert all(one is None for one in seen[205:])


def test_the_version_that_fails_under_load_is_good_below_it() -> None:
    assert bad_share(outcomes("v7-load", 30, 10)) == 0.0
    assert bad_share(outcomes("v7-load", 200, 10)) > 0.3


def test_the_crashing_version_exits_at_its_start() -> None:
    command = [sys.executable, "-I", "-S", str(SHOP), "--version", "v5-crash", "--port", "1"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=10)
    assert (ended.returncode, "cannot read its configuration" in ended.stderr) == (3, True)


def test_every_request_of_the_load_is_counted_once_by_the_shop_and_by_the_report() -> None:
    with running("v1") as (port, _):
        with LoadThread(port, 200, users=40) as load:
            time.sleep(1.0)
        report = load.records.report()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as response:
            metrics = response.read().decode()
    assert 150 < report.requests < 250
    assert report.by_version == {"v1": report.requests}
    assert (report.bad, report.users) == (0, 40)
    assert f'http_requests_total{{app="shop",version="v1",code="200"}} {report.requests}\n' in metrics
    assert f'http_request_duration_seconds_count{{app="shop",version="v1"}} {report.requests}\n' in metrics
    assert f'le="+Inf"}} {report.requests}\n' in metrics


def test_sigterm_lets_requests_under_way_end() -> None:
    with running("v4-slow", "--behaviour", "slow") as (port, process), LoadThread(port, 100) as load:
        time.sleep(1.0)
        stopped_s = time.time()
        process.terminate()
        assert process.wait(8) == 0
        load.stop()
    before = load.records.report(until_s=stopped_s - 0.05)
    assert before.requests > 50
    assert before.bad == 0


def test_users_of_a_server_that_is_not_there_are_recorded_as_bad() -> None:
    (port,) = free_ports(1)
    with LoadThread(port, 100) as load:
        time.sleep(0.3)
    report = load.records.report()
    assert report.requests == report.bad == report.by_status[str(NO_ANSWER)] > 0


def test_the_report_counts_bad_requests_users_and_the_share_of_the_canary() -> None:
    records = Records()
    records.add(10.1, 0.01, 1, 200, "v1", "stable")
    records.add(10.2, 0.01, 2, 500, "v2", "canary")
    records.add(10.3, 0.90, 3, 200, "v2", "canary")
    records.add(11.4, 5.00, 2, NO_ANSWER, "", "")
    records.add(11.5, 0.01, 4, 200, "v1", "stable")
    report = records.report()
    assert (report.requests, report.bad, report.users, report.users_bad) == (5, 2, 4, 1)
    assert (report.first_bad_s, report.last_bad_s, report.last_canary_s) == (10.2, 11.4, 10.3)
    assert report.users_bad_share == 0.25
    assert report.canary_share == ((10, 2 / 3), (11, 0.0))
    assert report.by_version == {"v1": 2, "v2": 2, "none": 1}
    assert records.report(slow_s=0.5).bad == 3
    assert records.report(since_s=11.0, until_s=11.45).requests == 1


def test_the_records_have_a_bound_and_the_total_goes_on() -> None:
    records = Records(limit=3)
    for number in range(5):
        records.add(float(number), 0.0, number, 200, "v1", "stable")
    assert (records.total, records.report().requests) == (5, 3)
