"""How long a decision takes to be on a route of a cluster: a write and both stops, on every kind, beside the bare read
and patch that they are made of. On the real API server where it is on the machine, else on that of the tests."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from controller.adapters.kube.routes.kinds import strategies
from controller.adapters.kube.routes.router import KubeRouter, wait
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.real import absent
from tests.kube.cluster.starting import start_real, start_small
from tests.kube.route_kits import KITS, RouteKit
from tests.kube.route_stage import ABORT, KILL, RouteStage, staged

ROUNDS = 200


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


def times_of(cluster: Cluster, kit: RouteKit) -> dict[str, list[float]]:
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
    return times_s


def run() -> dict[str, object]:
    missing = absent()
    figures: dict[str, object] = {"api_server": "the small one of the tests" if missing else "kube-apiserver"}
    with start_small() if missing else start_real() as started, tempfile.TemporaryDirectory() as folder:
        for kit in KITS:
            with started.fresh(f"bench-{kit.kind.value.lower()}", Path(folder)) as cluster:
                times_s = times_of(cluster, kit)
            bare_ms = quantile_ms(times_s["bare"], 0.5)
            figures[kit.kind.value] = {
                what: {
                    "p50_ms": round(quantile_ms(taken_s, 0.5), 2),
                    "p99_ms": round(quantile_ms(taken_s, 0.99), 2),
                    "p50_to_bare": round(quantile_ms(taken_s, 0.5) / bare_ms, 2),
                }
                for what, taken_s in times_s.items()
            }
    return figures
