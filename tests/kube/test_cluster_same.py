"""The small API server gives the very answers of the real one: the same requests to both, every answer compared."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from tests.kube.cluster.exchanges import answered
from tests.kube.cluster.starting import Started
from tests.kube.cluster.talks_routes import ROUTE_TALKS
from tests.kube.cluster.talks_workloads import WORKLOAD_TALKS
from tests.kube.conftest import REAL_S

pytestmark = [pytest.mark.real, pytest.mark.timeout(REAL_S), pytest.mark.xdist_group("kube")]
TALKS = {**WORKLOAD_TALKS, **ROUTE_TALKS}


@pytest.mark.parametrize("talk", TALKS)
def test_both_levels_give_the_same_answers(
    talk: str, small_started: Started, real_started: Started, tmp_path: Path
) -> None:
    namespace = f"same-{secrets.token_hex(3)}"
    with small_started.fresh(namespace, tmp_path) as small, real_started.fresh(namespace, tmp_path) as real:
        for cluster in (small, real):
            cluster.gateway.confirm_after_s = None
        for exchange in TALKS[talk]:
            ours, theirs = (answered(one.tested, namespace, exchange) for one in (small, real))
            assert ours == theirs, f"{exchange.method} {exchange.path} {exchange.body}"
