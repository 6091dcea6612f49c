"""One client of Prometheus is shared by all workers: what it sends with each query does not grow with their number."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from analysis.model import Outcome
from analysis.prometheus import PrometheusMetrics
from tests.contract.metrics_stub import Handler, Stub, matrix, series, stub
from tests.contract.test_metrics_http import BOTH, Sleeps, spec_for

ROUNDS = 8


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("s3cret\n")
    return file


@contextmanager
def opened(token: Path, *listed: str) -> Iterator[PrometheusMetrics]:
    """With a token that only the listed addresses get."""
    door = PrometheusMetrics(time.monotonic, Sleeps(), token, read_s=5.0, deadline_s=9.0, credentials_for=listed)
    try:
        yield door
    finally:
        door.close()


def sent(server: Stub) -> set[str | None]:
    return {headers.get("authorization") for _, headers in server.asked}


def test_each_query_carries_its_credentials_once(token: Path) -> None:
    """Also the last of many, and from several threads at once."""
    seen: list[list[str]] = []

    def answer(handler: Handler) -> None:
        seen.append(handler.headers.get_all("Authorization", []))
        handler.send_json(matrix(series("1")))

    def one(metrics: PrometheusMetrics, number: int) -> set[Outcome]:
        readings = metrics.read(spec_for(server.url), BOTH, f"shop-{number}", 1000.0)
        return {item.outcome for item in readings.items}

    with stub(answer) as server, opened(token, server.url) as metrics, ThreadPoolExecutor(4) as threads:
        assert Outcome.UNREADABLE not in set().union(*threads.map(partial(one, metrics), range(ROUNDS)))
    assert len(seen) >= ROUNDS
    assert {tuple(values) for values in seen} == {("Bearer s3cret",)}


def test_a_prometheus_that_is_not_listed_is_asked_without_credentials(token: Path) -> None:
    """Whoever may write an Application may name any address in it."""
    with stub(lambda h: h.send(b"no", 401)) as theirs, stub(lambda h: h.send_json(matrix(series("1")))) as ours:
        with opened(token, ours.url) as metrics:
            readings = metrics.read(spec_for(theirs.url), BOTH, "shop", 1000.0)
            metrics.read(spec_for(ours.url), BOTH, "shop", 1000.0)
        assert (sent(theirs), sent(ours)) == ({None}, {"Bearer s3cret"})
    assert "answered 401" in readings.items[0].text


def test_with_nothing_listed_nobody_gets_them(token: Path) -> None:
    with stub(lambda h: h.send_json(matrix(series("1")))) as server, opened(token) as metrics:
        metrics.read(spec_for(server.url), BOTH, "shop", 1000.0)
        assert sent(server) == {None}


def test_a_redirect_carries_them_nowhere(token: Path) -> None:
    with stub(lambda h: h.send_json(matrix(series("1")))) as theirs:
        with stub(lambda h: h.send(b"", 307, (("Location", theirs.url),))) as ours, opened(token, ours.url) as metrics:
            assert "redirects" in metrics.read(spec_for(ours.url), BOTH, "shop", 1000.0).items[0].text
            assert sent(ours) == {"Bearer s3cret"}
        assert theirs.asked == []


@pytest.mark.parametrize(
    ("named", "gets"),
    [
        ("https://prometheus.test", True),
        ("https://prometheus.test:443/", True),
        ("HTTPS://Prometheus.Test/tenant/a", True),
        ("http://prometheus.test", False),
        ("http://prometheus.test:443", False),
        ("https://prometheus.test:9090", False),
        ("https://prometheus.test.evil.test", False),
        ("https://evil.test/prometheus.test", False),
        ("https://prometheus.test@evil.test", False),
        ("https://prometheus.test:443@evil.test", False),
        ("https://evil.test\\@prometheus.test", False),
        ("https://prometheus.test\\@evil.test", False),
        ("https://evil.test#@prometheus.test", False),
        ("https://evil.test?@prometheus.test", False),
        ("https://[", False),
        ("https://prometheus.test:port", False),
        ("", False),
    ],
)
def test_scheme_host_and_port_together_decide_who_gets_them(token: Path, named: str, gets: bool) -> None:
    with opened(token, "https://prometheus.test/") as metrics:
        assert (metrics.headers(named) is not None) is gets
