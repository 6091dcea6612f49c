"""What the controller asked of each Prometheus, as metrics of its own: queries, budget, breaker, sharing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from analysis.samples import GateStats


def of_prometheus(asked: Iterable[GateStats]) -> Iterator[Metric]:
    """One family per count, with the server as a label. Nothing at all until the first query."""
    servers = list(asked)
    if not servers:
        return
    for name, text, values in (
        ("queries", "Queries sent to Prometheus.", [float(one.queries) for one in servers]),
        ("query_seconds", "Seconds spent on them.", [one.seconds for one in servers]),
        ("failed_queries", "Queries without a usable answer.", [float(one.failed) for one in servers]),
        ("shared_readings", "Readings that another release had asked for.", [float(one.shared) for one in servers]),
    ):
        family = CounterMetricFamily(f"interlock_prometheus_{name}", text, labels=["server"])
        for one, value in zip(servers, values, strict=True):
            family.add_metric([one.server], value)
        yield family
    refused = CounterMetricFamily(
        "interlock_prometheus_refused_queries", "Queries not sent.", labels=["server", "reason"]
    )
    is_open = GaugeMetricFamily(
        "interlock_prometheus_breaker_open", "1 while nothing is asked, because it does not answer.", labels=["server"]
    )
    for one in servers:
        refused.add_metric([one.server, "budget"], float(one.refused_budget))
        refused.add_metric([one.server, "breaker"], float(one.refused_breaker))
        is_open.add_metric([one.server], float(one.is_open))
    yield from (refused, is_open)
