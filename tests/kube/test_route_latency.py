"""How long a decision takes to be on the route: a write and both stops, on every kind and level, beside the bare read
and patch that they are made of. The figures are printed with ``-rP``."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import pytest

from controller.adapters.kube.routes.kinds import strategies
from controller.adapters.kube.routes.router import KubeRouter, wait
from tests.kube.cluster.cluster import Cluster
from tests.kube.route_kits import KITS, RouteKit
from tests.kube.route_stage import ABORT, KILL, RouteStage, staged

ROUNDS = 40
P99_S = 0.5
"""Or three times what the bare calls take, on a machine that is busy with something else."""


def timed(do: Callable[[], object]) -> float:
    began_s = time.monotonic()
    do()
    return time.monotonic() - began_s


def bare(stage: RouteStage, number: int) -> None:
    kind = strategies()[stage.kit.kind].kind
    stage.api.get(kind, stage.cluster.namespace, stage.kit.carrier)
    patch = {"metadata": {"annotations": {"bare": str(number)}}}
    stage.api.patch(kind, stage.cluster.namespace, stage.kit.carrier, patch)


def quantile_ms(times_s: list[float], part: float) -> float:
    return 1000 * sorted(times_s)[min(len(times_s) - 1, int(part * len(times_s)))]


@pytest.mark.parametrize("kit", KITS, ids=lambda kit: kit.kind.value)
def test_from_the_decision_to_the_route_is_well_below_half_a_second(cluster: Cluster, kit: RouteKit) -> None:
    times_s: dict[str, list[float]] = {"bare": [], "write": [], "lower": [], "halt": []}
    with staged(cluster, kit) as stage:
        cluster.gateway.confirm_after_s = None
        stage.router = KubeRouter(stage.api, stage.clock, wait=wait)
        route = stage.at(0)
        for number in range(ROUNDS):
            times_s["bare"].append(timed(partial(bare, stage, number)))
            times_s["write"].append(timed(partial(stage.write, route, 10)))
            times_s["lower"].append(timed(partial(stage.router.lower, stage.app, ABORT, 1)))
            times_s["halt"].append(timed(partial(stage.router.halt, stage.app, KILL, revert=True)))
            stage.router.unhalt(stage.app, frozenset({"kill-1"}), 1)
            route = stage.router.read(stage.app)
    bare_ms = quantile_ms(times_s["bare"], 0.99)
    for what, taken_s in times_s.items():
        p50, p99 = quantile_ms(taken_s, 0.5), quantile_ms(taken_s, 0.99)
        print(f"{cluster.level} {kit.kind.value} {what}: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
        assert p99 < max(1000 * P99_S, 3 * bare_ms)
