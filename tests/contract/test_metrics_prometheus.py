"""The metrics port on a real Prometheus that scrapes counters the tests drive, once a second."""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from analysis.judge import judge, new_state
from analysis.model import AnalysisSpec, CounterQuery, Judgement, JudgeState, LatencyQuery, Outcome, Readings, Role
from analysis.prometheus import PrometheusMetrics
from tests.contract.metrics_stage import Exporter, Prometheus, exporter_server, until

BOTH = {Role.STABLE: "v1", Role.CANARY: "v2"}
LABELS = 'application="$application",version="$version"'
TOTAL = f"requests_total{{{LABELS}}}"
BAD = f'requests_total{{{LABELS},code=~"5.."}}'
BUCKETS = f"seconds_bucket{{{LABELS}}}"
SETTLE_S = 0.3

pytestmark = [pytest.mark.real, pytest.mark.timeout(60)]


@pytest.fixture
def exporter() -> Iterator[tuple[Exporter, int]]:
    exporter = Exporter()
    server = exporter_server(exporter)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield exporter, server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def prometheus(exporter: tuple[Exporter, int], tmp_path: Path) -> Iterator[Prometheus]:
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("left out: the metrics contract on a real Prometheus, because no prometheus is on the PATH")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    scrape = {"job_name": "shop", "static_configs": [{"targets": [f"127.0.0.1:{exporter[1]}"]}]}
    config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [scrape]}
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    server = Prometheus(binary, tmp_path, port)
    try:
        server.start()
        yield server
    finally:
        server.stop(kill=True)


@dataclass
class Rig:
    """The door on the real server, and a judge's state that reads through it."""

    exporter: Exporter
    prometheus: Prometheus
    door: PrometheusMetrics
    spec: AnalysisSpec
    state: JudgeState

    def after_scrapes(self, count: int = 2) -> None:
        seen = self.exporter.scrapes
        until(lambda: self.exporter.scrapes >= seen + count, f"{count} scrapes")
        threading.Event().wait(SETTLE_S + 0.2)

    def read(self) -> Readings:
        return self.door.read(self.spec, BOTH, "shop", time.time())

    def count(self) -> tuple[float, float, float, float]:
        """Judge once; canary total and bad, stable total and bad since the start."""
        readings = self.read()
        self.state, _ = judge(self.spec, self.state, readings, readings.at_s)
        metric = self.state.metrics[0]
        return metric.canary_total, metric.canary_bad, metric.stable_total, metric.stable_bad

    def outcomes(self) -> set[Outcome]:
        return {item.outcome for item in self.read().items}


@pytest.fixture
def rig(exporter: tuple[Exporter, int], prometheus: Prometheus) -> Iterator[Rig]:
    door = PrometheusMetrics(time.monotonic, lambda _: None)
    spec = AnalysisSpec(
        prometheus.url,
        (CounterQuery("errors", (TOTAL,), (BAD,)),),
        stale_after_s=4.0,
        window_s=30.0,
        settle_s=SETTLE_S,
        warmup_s=0.0,
    )
    exporter[0].request("v1", 1000)
    exporter[0].request("v1", 10, "500")
    made = Rig(exporter[0], prometheus, door, spec, new_state(0.0))
    made.after_scrapes(2)
    made.state = new_state(time.time())
    yield made
    door.close()


def test_counts_are_exact_over_scrapes_resets_and_series_born_with_their_first_error(rig: Rig) -> None:
    assert rig.count() == (0, 0, 0, 0)
    for _ in range(3):
        rig.exporter.request("v1", 90)
        rig.after_scrapes(1)
        rig.count()
    rig.after_scrapes(1)
    assert rig.count() == (0, 0, 270, 0)

    rig.exporter.request("v2", 3)
    rig.exporter.request("v2", 1, "503")
    rig.after_scrapes()
    assert rig.count() == (4, 1, 270, 0)

    rig.exporter.request(
        "v1", 0 - rig.exporter.values['requests_total{application="shop",version="v1",code="200"}'] + 7
    )
    rig.after_scrapes()
    assert rig.count() == (4, 1, 277, 0)

    rig.exporter.request("v1", 2, "502")
    rig.after_scrapes()
    assert rig.count() == (4, 1, 279, 2)
    assert rig.count() == (4, 1, 279, 2)


def test_a_target_that_is_down_turns_stale_and_holds_and_comes_back(rig: Rig) -> None:
    rig.exporter.request("v2", 5)
    rig.after_scrapes()
    rig.count()
    rig.exporter.down = True
    until(lambda: Outcome.STALE in rig.outcomes(), "the samples are stale")
    readings = rig.read()
    rig.state, verdict = judge(rig.spec, rig.state, readings, readings.at_s)
    assert (verdict.judgement, verdict.code) == (Judgement.HOLD, "stale")
    rig.exporter.request("v2", 5)
    rig.exporter.down = False
    until(lambda: Outcome.STALE not in rig.outcomes(), "fresh samples")
    rig.after_scrapes()
    assert rig.count() == (10, 0, 0, 0)


def test_prometheus_killed_in_the_middle_is_unreadable_and_nothing_is_lost_when_it_is_back(rig: Rig) -> None:
    rig.exporter.request("v2", 5)
    rig.after_scrapes()
    rig.count()
    rig.prometheus.stop(kill=True)
    assert rig.outcomes() == {Outcome.UNREADABLE}
    held = rig.count()
    rig.exporter.request("v2", 20)
    rig.prometheus.start()
    until(lambda: rig.outcomes() == {Outcome.OK, Outcome.NO_SERIES} or rig.outcomes() == {Outcome.OK}, "readable again")
    rig.after_scrapes()
    assert (held[0], rig.count()[0]) == (5, 25)


def test_nan_infinity_and_negative_samples_each_hold(rig: Rig) -> None:
    seen: dict[str, Outcome] = {}
    for text in ("NaN", "+Inf", "-5"):
        spec = AnalysisSpec(
            rig.spec.prometheus_url, (CounterQuery("e", (f'odd{{v="$version",is="{text}"}}',), (BAD,)),)
        )
        rig.exporter.set("odd", float(text), v="v2", **{"is": text})
        rig.after_scrapes()
        readings = rig.door.read(spec, BOTH, "shop", time.time())
        seen[text] = next(item.outcome for item in readings.items if "odd" in item.metric and item.role is Role.CANARY)
    assert seen == {"NaN": Outcome.NOT_A_NUMBER, "+Inf": Outcome.INFINITE, "-5": Outcome.NOT_A_NUMBER}


def test_check_accepts_what_can_be_answered_and_names_what_cannot(rig: Rig) -> None:
    def checked(total: str = TOTAL, bad: str = BAD, slow_s: float | None = None) -> str | None:
        latencies = (LatencyQuery("latency", (BUCKETS,), slow_s),) if slow_s is not None else ()
        spec = AnalysisSpec(rig.spec.prometheus_url, (CounterQuery("errors", (total,), (bad,)),), latencies)
        return rig.door.check(spec, BOTH, "shop", time.time())

    for bound in ("0.1", "0.5", "+Inf"):
        rig.exporter.set("seconds_bucket", 3, application="shop", version="v1", le=bound)
    rig.after_scrapes()
    assert checked() is None
    assert checked(slow_s=0.5) is None
    assert "no bucket" in (checked(slow_s=0.05) or "")
    assert "no such series" in (checked(total='requests_total{application="other$role"}') or "")
    assert "nothing exports" in (checked(bad='reqests_total{version="$version"}') or "")
    assert "answered 400" in (checked(bad='requests_total{version=~"($version"}') or "")


def test_a_histogram_splits_requests_at_the_bucket_of_the_limit(rig: Rig) -> None:
    def observe(version: str, fast: float, all_: float) -> None:
        for bound, value in (("0.1", fast / 2), ("0.5", fast), ("1", all_), ("+Inf", all_)):
            rig.exporter.set("seconds_bucket", value, application="shop", version=version, le=bound)

    observe("v1", 100, 110)
    observe("v2", 0, 0)
    rig.exporter.request("v2", 1)
    rig.after_scrapes()
    rig.spec = AnalysisSpec(
        rig.spec.prometheus_url,
        rig.spec.counters,
        (LatencyQuery("latency", (BUCKETS,), 0.7),),
        settle_s=SETTLE_S,
        warmup_s=0.0,
    )
    rig.state = new_state(time.time())
    rig.count()
    observe("v1", 190, 210)
    observe("v2", 6, 10)
    rig.after_scrapes()
    rig.count()
    metric = rig.state.metrics[1]
    assert (metric.canary_total, metric.canary_bad, metric.stable_total, metric.stable_bad) == (10, 4, 100, 10)
