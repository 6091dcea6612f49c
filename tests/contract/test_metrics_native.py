"""Native histograms on a real Prometheus: what its API returns is counted. Scraped as protobuf, as they must be."""

from __future__ import annotations

import json
import shutil
import socket
import struct
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from analysis.judge import judge, new_state
from analysis.model import AnalysisSpec, CounterQuery, LatencyQuery, Outcome, Role
from analysis.prometheus import PrometheusMetrics
from tests.contract.metrics_stage import Prometheus, until

pytestmark = [pytest.mark.real, pytest.mark.timeout(60)]
BOTH = {Role.STABLE: "v1", Role.CANARY: "v2"}
SCHEMA = 2  # four buckets for each doubling
SELECTOR = 'request_seconds{version="$version"}'
CONTENT = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"


def varint(value: int) -> bytes:
    out = b""
    while True:
        value, low = value >> 7, value & 0x7F
        out += bytes([low | 0x80 if value else low])
        if not value:
            return out


def signed(value: int) -> bytes:
    return varint((value << 1) ^ (value >> 63))


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def double(field: int, value: float) -> bytes:
    return varint(field << 3 | 1) + struct.pack("<d", value)


def nested(field: int, body: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(body)) + body


def text(field: int, value: str) -> bytes:
    return nested(field, value.encode())


class Histograms:
    """A scrape target with one native histogram and one counter per version. Buckets by their index: (2**(1/4))**i."""

    def __init__(self) -> None:
        self.counts: dict[str, dict[int, int]] = {"v1": {}, "v2": {}}
        self.scrapes = 0

    def observe(self, version: str, index: int, count: int) -> None:
        self.counts[version][index] = self.counts[version].get(index, 0) + count

    def page(self) -> bytes:
        self.scrapes += 1
        histograms = b"".join(nested(4, self._metric(version, counts)) for version, counts in self.counts.items())
        family = text(1, "request_seconds") + text(2, "h") + number(3, 4) + histograms
        counters = b"".join(
            nested(
                4, nested(1, text(1, "version") + text(2, version)) + nested(3, double(1, float(sum(counts.values()))))
            )
            for version, counts in self.counts.items()
        )
        totals = text(1, "requests_total") + text(2, "h") + number(3, 0) + counters
        return b"".join(varint(len(one)) + one for one in (family, totals))

    def _metric(self, version: str, counts: dict[int, int]) -> bytes:
        body = number(1, sum(counts.values())) + double(2, 1.0) + varint(5 << 3) + signed(SCHEMA) + double(6, 1e-128)
        spans = deltas = b""
        before_index, before_count = 0, 0
        for position, index in enumerate(sorted(counts)):
            offset = index if position == 0 else index - before_index - 1
            spans += nested(12, varint(1 << 3) + signed(offset) + number(2, 1))
            deltas += varint(13 << 3) + signed(counts[index] - before_count)
            before_index, before_count = index, counts[index]
        return nested(1, text(1, "version") + text(2, version)) + nested(7, body + spans + deltas)


def served(histograms: Histograms) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = histograms.page()
            self.send_response(200)
            self.send_header("Content-Type", CONTENT)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    return server


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[tuple[Histograms, Prometheus]]:
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("left out: native histograms on a real Prometheus, because no prometheus is on the PATH")
    histograms = Histograms()
    server = served(histograms)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    scrape = {"job_name": "shop", "static_configs": [{"targets": [f"127.0.0.1:{server.server_address[1]}"]}]}
    config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [scrape]}
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    prometheus = Prometheus(binary, tmp_path, port, flags=("--enable-feature=native-histograms",))
    try:
        prometheus.start()
        yield histograms, prometheus
    finally:
        prometheus.stop(kill=True)
        server.shutdown()
        thread.join()
        server.server_close()


def test_requests_of_a_native_histogram_are_counted_bucket_by_bucket(stage: tuple[Histograms, Prometheus]) -> None:
    histograms, prometheus = stage
    counter = CounterQuery(
        "errors", ('requests_total{version="$version"}',), ('requests_total{version="$version",x="1"}',)
    )
    spec = AnalysisSpec(
        prometheus.url, (counter,), (LatencyQuery("latency", (SELECTOR,), 0.5),),
        settle_s=0.3, window_s=30.0, stale_after_s=5.0, warmup_s=0.0,
    )  # fmt: skip
    door = PrometheusMetrics(time.monotonic, lambda _: None)

    def scraped() -> None:
        seen = histograms.scrapes
        until(lambda: histograms.scrapes >= seen + 2, "two scrapes")
        threading.Event().wait(0.5)

    histograms.observe("v1", -8, 100)  # up to 0.25 s
    histograms.observe("v2", -8, 1)
    scraped()
    state = new_state(time.time())
    readings = door.read(spec, BOTH, "shop", time.time())
    state, _ = judge(spec, state, readings, readings.at_s)
    assert {item.outcome for item in readings.items if item.metric == SELECTOR} == {Outcome.OK}

    histograms.observe("v1", -8, 70)
    histograms.observe("v1", 0, 30)  # up to 1 s
    histograms.observe("v2", -8, 6)
    histograms.observe("v2", 3, 4)
    scraped()
    readings = door.read(spec, BOTH, "shop", time.time())
    state, _ = judge(spec, state, readings, readings.at_s)
    door.close()
    latency = state.metrics[1]
    assert (latency.stable_total, latency.stable_bad) == (100, 30)
    assert (latency.canary_total, latency.canary_bad) == (10, 4)
    assert latency.histogram is not None
    counts = dict(zip(latency.histogram.upto, latency.histogram.known, strict=True))
    assert counts[0.25] + dict(zip(latency.histogram.upto, latency.histogram.stable, strict=True))[0.25] >= 70
