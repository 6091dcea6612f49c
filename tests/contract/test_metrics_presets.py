"""Every preset on a real Prometheus: the metrics and labels it names, as the system it is for exports them.

The exporter writes series as the systems do, both versions beside another application's, so that a selector that is too
wide or too narrow counts wrong.
"""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from analysis.judge import judge, new_state
from analysis.model import AnalysisSpec, JudgeState, MetricState, Role
from analysis.presets import PRESETS
from analysis.prometheus import PrometheusMetrics
from analysis.spec import AnalysisBlock, MetricsBlock, to_spec
from tests.contract.metrics_stage import Exporter, Prometheus, exporter_server, until

pytestmark = [pytest.mark.real, pytest.mark.timeout(60), pytest.mark.xdist_group("presets")]
BOTH = {Role.STABLE: "v1", Role.CANARY: "v2"}
TARGET = {"namespace": ("shop", "shop"), "workload": ("shop", "shop-canary"), "service": ("shop", "shop-canary")}
SECONDS = ("0.1", "0.3", "0.5", "1.2", "5", "+Inf")
MILLISECONDS = ("100", "250", "500", "1000", "+Inf")


@dataclass(frozen=True)
class System:
    """How one system writes the two versions of an application, and a neighbour that must not be counted."""

    total: str
    bad: dict[str, str]
    good: dict[str, str]
    buckets: str
    bounds: tuple[str, ...]
    stable: dict[str, str]
    canary: dict[str, str]
    neighbour: dict[str, str]
    block: dict[str, Any]


def mesh(workload: str) -> dict[str, str]:
    return {"reporter": "source", "destination_workload_namespace": "shop", "destination_workload": workload}


def called(workload: str) -> dict[str, str]:
    return {"direction": "outbound", "dst_namespace": "shop", "dst_deployment": workload}


def ingress(alternative: str, name: str = "shop") -> dict[str, str]:
    return {"exported_namespace": "shop", "ingress": name, "service": "shop", "canary": alternative}


CLUSTER = "httproute/shop/shop/rule/0/backend/"
SYSTEMS: dict[str, System] = {
    "generic": System(
        "http_requests_total", {"code": "503"}, {"code": "200"}, "http_request_duration_seconds", SECONDS,
        {"application": "shop", "version": "v1"}, {"application": "shop", "version": "v2"},
        {"application": "cart", "version": "v1"}, {},
    ),
    "istio": System(
        "istio_requests_total", {"response_code": "500"}, {"response_code": "200"},
        "istio_request_duration_milliseconds", MILLISECONDS, mesh("shop"), mesh("shop-canary"),
        {**mesh("shop"), "reporter": "destination"}, {},
    ),
    "linkerd": System(
        "response_total", {"classification": "failure"}, {"classification": "success"}, "response_latency_ms",
        MILLISECONDS, called("shop"), called("shop-canary"), {**called("shop"), "direction": "inbound"}, {},
    ),
    "traefik": System(
        "traefik_service_requests_total", {"code": "502"}, {"code": "200"}, "traefik_service_request_duration_seconds",
        SECONDS, {"service": "shop-shop-80@kubernetescrd"}, {"service": "shop-shop-canary-80@kubernetescrd"},
        {"service": "shop-shop-80@kubernetes"}, {},
    ),
    "ingressNginx": System(
        "nginx_ingress_controller_requests", {"status": "504"}, {"status": "200"},
        "nginx_ingress_controller_request_duration_seconds", SECONDS, ingress(""), ingress("shop-shop-canary-80"),
        ingress("", "cart"), {"names": {"ingress": "shop"}},
    ),
    "envoyGateway": System(
        "envoy_cluster_upstream_rq_xx", {"envoy_response_code_class": "5"}, {"envoy_response_code_class": "2"},
        "envoy_cluster_upstream_rq_time", MILLISECONDS, {"envoy_cluster_name": CLUSTER + "0"},
        {"envoy_cluster_name": CLUSTER + "1"}, {"envoy_cluster_name": "httproute/shop/cart/rule/0"},
        {"names": {"cluster": {"stable": CLUSTER + "0", "canary": CLUSTER + "1"}}},
    ),
}  # fmt: skip


class Traffic:
    """Requests of every system at once, on one scrape target."""

    def __init__(self, exporter: Exporter) -> None:
        self.exporter = exporter
        self.counts: dict[tuple[str, str], list[int]] = {}

    def serve(self, name: str, role: str, good: int, bad: int, slow: int) -> None:
        """``slow`` of the requests take longer than half a second."""
        system = SYSTEMS[name]
        labels = {"stable": system.stable, "canary": system.canary, "neighbour": system.neighbour}[role]
        labels = {key.removeprefix("exported_"): value for key, value in labels.items()}
        sums = self.counts.setdefault((name, role), [0, 0, 0])
        sums[:] = [sums[0] + good, sums[1] + bad, sums[2] + slow]
        self.exporter.set(system.total, sums[0], **labels, **system.good)
        self.exporter.set(system.total, sums[1], **labels, **system.bad)
        total = sums[0] + sums[1]
        for bound in system.bounds:
            limit_s = float(bound) * (0.001 if system.bounds is MILLISECONDS else 1.0)
            reached = total - sums[2] if 0.3 <= limit_s <= 0.5 else 0 if limit_s < 0.3 else total
            self.exporter.set(f"{system.buckets}_bucket", reached, **labels, le=bound)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Exporter, Prometheus, Traffic]]:
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("left out: the presets on a real Prometheus, because no prometheus is on the PATH")
    exporter, directory = Exporter(), tmp_path_factory.mktemp("presets")
    server = exporter_server(exporter)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    targets = {"targets": [f"127.0.0.1:{server.server_address[1]}"]}
    scrape = {"job_name": "shop", "honor_labels": True, "static_configs": [targets]}
    config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [scrape]}
    (directory / "prometheus.yml").write_text(json.dumps(config))
    traffic = Traffic(exporter)
    for name in SYSTEMS:
        for role in ("stable", "neighbour"):
            traffic.serve(name, role, 1000, 10, 20)
    prometheus = Prometheus(binary, directory, port)
    try:
        prometheus.start()
        scraped(exporter)
        yield exporter, prometheus, traffic
    finally:
        prometheus.stop(kill=True)
        server.shutdown()
        thread.join()
        server.server_close()


def scraped(exporter: Exporter, count: int = 2) -> None:
    seen = exporter.scrapes
    until(lambda: exporter.scrapes >= seen + count, f"{count} scrapes")
    threading.Event().wait(0.5)


def spec_of(name: str, url: str) -> AnalysisSpec:
    metrics = {"prometheus": url, "preset": name, "slow": 0.5, **SYSTEMS[name].block}
    analysis = {"settle": 0.3, "staleAfter": 5, "window": 30, "warmup": 0, "latency": {"warmup": 0}}
    return to_spec(MetricsBlock.model_validate(metrics), AnalysisBlock.model_validate(analysis), TARGET)


def test_every_preset_but_haproxys_own_is_tried_here() -> None:
    assert set(SYSTEMS) == set(PRESETS) - {"haproxy"}


@pytest.mark.parametrize("name", list(SYSTEMS))
def test_a_preset_passes_its_check_and_counts_each_version_by_itself(
    name: str, stage: tuple[Exporter, Prometheus, Traffic]
) -> None:
    exporter, prometheus, traffic = stage
    spec, door = spec_of(name, prometheus.url), PrometheusMetrics(time.monotonic, lambda _: None)
    assert door.check(spec, BOTH, "shop", time.time()) is None
    state = new_state(time.time())

    def count(state: JudgeState) -> tuple[JudgeState, list[MetricState]]:
        readings = door.read(spec, BOTH, "shop", time.time())
        state, _ = judge(spec, state, readings, readings.at_s)
        return state, list(state.metrics)

    state, _ = count(state)
    traffic.serve(name, "stable", 190, 10, 30)
    traffic.serve(name, "neighbour", 5000, 500, 500)
    traffic.serve(name, "canary", 0, 0, 0)
    scraped(exporter)
    state, _ = count(state)
    traffic.serve(name, "canary", 16, 4, 3)
    scraped(exporter)
    state, (errors, latency) = count(state)
    assert (errors.canary_total, errors.canary_bad, errors.stable_total, errors.stable_bad) == (20, 4, 200, 10)
    assert (latency.canary_total, latency.canary_bad) == (20, 3)
    assert (latency.stable_total, latency.stable_bad) == (200, 30)
    assert door.learn(spec, "v1", "shop", time.time(), 1) is None, "seconds of history teach nothing"
    (asked,) = door.stats()
    assert (asked.failed, asked.is_open) == (0, False)
    assert asked.queries > 20
    door.close()


@pytest.mark.parametrize("name", [name for name in SYSTEMS if name != "generic"])
def test_a_workload_that_is_not_there_is_named_before_a_release_starts(
    name: str, stage: tuple[Exporter, Prometheus, Traffic]
) -> None:
    names = {"namespace": "elsewhere", "ingress": "elsewhere", "cluster": {"stable": "x", "canary": "y"}}
    _, prometheus, _ = stage
    metrics = {"prometheus": prometheus.url, "preset": name, "names": names}
    spec = to_spec(MetricsBlock.model_validate(metrics), AnalysisBlock(), TARGET)
    door = PrometheusMetrics(time.monotonic, lambda _: None)
    assert "no such series" in (door.check(spec, BOTH, "shop", time.time()) or "")
    door.close()
