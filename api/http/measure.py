"""The controller's own metrics on a registry of its own. Counters of requests, and gauges read at the moment of asking;
what cannot be read is left out, never shown as zero."""

from __future__ import annotations

import threading
from collections import Counter as Count
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.http.measure_prometheus import of_prometheus
from controller.core.model import Phase, Release
from controller.ports import Page, PortError
from controller.runtime.doors import Doors

SCRAPE_S = 2.0
"""How long one look at the store serves every scraper."""
RELEASES_MAX = 1_000
EVER_S = 1e12
"""Later than any wake-up: asks for every release that has not ended."""
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Measures:
    """Everything behind /metrics."""

    def __init__(self, doors: Doors) -> None:
        self._registry = CollectorRegistry(auto_describe=True)
        self._requests = Counter(
            "interlock_http_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry
        )
        self._took_s = Histogram(
            "interlock_http_request_duration_seconds",
            "Time to answer.",
            ("method", "route"),
            buckets=BUCKETS_S,
            registry=self._registry,
        )
        self._registry.register(_Node(doors))

    def request(self, method: str, route: str, status: int, took_s: float) -> None:
        known = method if method in ("GET", "POST", "PUT", "DELETE") else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._took_s.labels(known, route).observe(took_s)

    def text(self) -> bytes:
        return generate_latest(self._registry)


class _Node(Collector):
    """Gauges of the running node. Looks at most every SCRAPE_S."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._lock = threading.Lock()
        self._looked: tuple[float, list[Metric]] | None = None

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            now_s = self._doors.clock.monotonic_s()
            if self._looked is None or now_s - self._looked[0] > SCRAPE_S:
                asked = of_prometheus(self._doors.asked())
                self._looked = (now_s, [*self._health(), *self._kills(), *self._self_test(), *asked, *self._stored()])
            return list(self._looked[1])

    def _health(self) -> Iterator[Metric]:
        health = self._doors.health()
        yield _gauge("interlock_leading", "1 while this node leads.", float(health.leading))
        yield _gauge("interlock_epoch", "Epoch of this node's leadership.", float(health.epoch))
        yield _gauge("interlock_parked_releases", "Releases held because of a bug of ours.", float(len(health.parked)))
        yield _gauge("interlock_loop_lag_seconds", "How late the looks at releases are.", health.lag_s)
        ages = GaugeMetricFamily("interlock_beat_age_seconds", "Age of the last success.", labels=["beat"])
        failures = GaugeMetricFamily("interlock_beat_failures", "Failures in a row.", labels=["beat"])
        for beat in health.beats:
            ages.add_metric([beat.name], beat.age_s)
            failures.add_metric([beat.name], float(beat.failures))
        yield from (ages, failures)

    def _kills(self) -> Iterator[Metric]:
        state = self._doors.kills.state()
        yield _gauge("interlock_kills_engaged", "Engagements of the kill switch.", float(len(state.engaged)))
        yield _gauge("interlock_kills_readable", "1 while every source can be read.", float(state.readable))

    def _self_test(self) -> Iterator[Metric]:
        """Nothing before the first one: a self-test that never ran is found by its absence."""
        tested = self._doors.self_test()
        if tested is not None:
            age_s = max(0.0, self._doors.clock.now_s() - tested.at_s)
            yield _gauge("interlock_kill_self_test_ok", "1 while a kill would be effective.", float(tested.ok))
            yield _gauge("interlock_kill_self_test_age_seconds", "Age of the newest self-test.", age_s)

    def _stored(self) -> Iterator[Metric]:
        try:
            families = [*_of_releases(_running(self._doors)), _audit_head(self._doors)]
        except PortError:
            yield _gauge("interlock_store_up", "1 while the store answers.", 0.0)
            return
        yield _gauge("interlock_store_up", "1 while the store answers.", 1.0)
        yield from families


def _running(doors: Doors) -> list[Release]:
    found = (doors.store.release(release_id) for release_id, _ in doors.store.due(EVER_S, RELEASES_MAX))
    return [release for release in found if release is not None]


def _of_releases(running: list[Release]) -> list[Metric]:
    phases = Count(release.phase for release in running)
    by_phase = GaugeMetricFamily("interlock_releases", "Releases that have not ended.", labels=["phase"])
    for phase in (p for p in Phase if p not in (Phase.SUCCEEDED, Phase.ROLLED_BACK, Phase.FAILED)):
        by_phase.add_metric([phase.value], float(phases[phase]))
    weights = GaugeMetricFamily(
        "interlock_canary_weight_pct", "Committed weight of the canary.", labels=["application", "environment"]
    )
    for release in running:
        if release.superseded_by is None:
            weights.add_metric([release.app.name, release.app.environment], float(release.weight_pct))
    return [by_phase, weights]


def _audit_head(doors: Doors) -> Metric:
    newest = doors.store.audit(Page(limit=1), newest_first=True)
    return _gauge("interlock_audit_head_seq", "Number of the newest record.", float(newest[0].seq if newest else 0))


def _gauge(name: str, text: str, value: float) -> Metric:
    family = GaugeMetricFamily(name, text)
    family.add_metric([], value)
    return family
