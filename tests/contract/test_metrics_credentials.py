"""One client of Prometheus is shared by all workers: what it sends with each query does not grow with their number."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from analysis.model import Outcome
from analysis.prometheus import PrometheusMetrics
from tests.contract.metrics_stub import Handler, matrix, series, stub
from tests.contract.test_metrics_http import BOTH, Sleeps, spec_for

ROUNDS = 8


@pytest.fixture
def metrics(tmp_path: Path) -> Iterator[PrometheusMetrics]:
    file = tmp_path / "token"
    file.write_text("s3cret\n")
    door = PrometheusMetrics(time.monotonic, Sleeps(), file, bearer=True, read_s=5.0, deadline_s=9.0)
    yield door
    door.close()


def test_each_query_carries_its_credentials_once(metrics: PrometheusMetrics) -> None:
    """Also the last of many, and from several threads at once."""
    seen: list[list[str]] = []

    def answer(handler: Handler) -> None:
        seen.append(handler.headers.get_all("Authorization", []))
        handler.send_json(matrix(series("1")))

    def one(number: int) -> set[Outcome]:
        readings = metrics.read(spec_for(server.url), BOTH, f"shop-{number}", 1000.0)
        return {item.outcome for item in readings.items}

    with stub(answer) as server, ThreadPoolExecutor(4) as threads:
        assert Outcome.UNREADABLE not in set().union(*threads.map(one, range(ROUNDS)))
    assert len(seen) >= ROUNDS
    assert {tuple(values) for values in seen} == {("Bearer s3cret",)}
