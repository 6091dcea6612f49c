"""The test clusters: ``cluster`` runs a test on both levels, ``small_cluster`` on the one that can be broken."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.starting import Started, start_real, start_small

REAL_S = 90
LEVELS = [
    pytest.param("small", id="small"),
    pytest.param(
        "real",
        id="real",
        # One real API server a run: its tests stay on one worker.
        marks=[pytest.mark.real, pytest.mark.timeout(REAL_S), pytest.mark.xdist_group("kube")],
    ),
]


@pytest.fixture(scope="session")
def small_started() -> Iterator[Started]:
    with start_small() as started:
        yield started


@pytest.fixture(scope="session")
def real_started() -> Iterator[Started]:
    with start_real() as started:
        yield started


@pytest.fixture(params=LEVELS)
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    """A fresh namespace in the cluster of each level."""
    started: Started = request.getfixturevalue(f"{request.param}_started")
    with started.fresh(f"t-{secrets.token_hex(4)}", tmp_path) as fresh:
        yield fresh


@pytest.fixture
def small_cluster(small_started: Started, tmp_path: Path) -> Iterator[Cluster]:
    """A fresh namespace in the small cluster, which can be troubled: see ``Cluster.faults``."""
    with small_started.fresh(f"t-{secrets.token_hex(4)}", tmp_path) as fresh:
        yield fresh
