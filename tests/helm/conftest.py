"""One real API server for all tests of this folder, which therefore share a worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.helm.policy_stage import Stage, in_force, seen_by_deployments, seen_by_routes
from tests.helm.real import Cluster, foreign
from tests.kube.cluster.starting import start_real


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """With our kinds and minimal ones of others. Skips where the real API server is not on the machine."""
    with start_real() as started:
        found = Cluster(started)
        try:
            found.define(foreign())
            yield found
        finally:
            found.close()


@pytest.fixture(scope="module")
def stage(cluster: Cluster) -> Iterator[Stage]:
    """The admission policies in force."""
    with in_force(cluster) as found:
        yield found


@pytest.fixture
def calm(stage: Stage) -> Iterator[Stage]:
    """Nothing is engaged, before and after."""
    yield stage
    stage.no_kill()
    seen_by_routes(stage, engaged=False)
    seen_by_deployments(stage, engaged=False)
