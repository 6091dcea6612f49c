"""How long a kill takes from the call to HAProxy, as a ratio to a bare loop that only writes HAProxy's socket.

Run: ``python -m tests.benchmarks.bench_kill``. It starts its own HAProxy and guard and prints ratios; it tests nothing.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable, Mapping

from controller.core.model import Mark
from controller.ports import RouteWrite
from tests.contract.router_fixtures import HAPROXY, WITHOUT, RealWorld, real

ROUNDS = 400
WARM_UP = 40


def run(rounds: int = ROUNDS) -> dict[str, object]:
    """Interleaved, one of each per round: the bare write, the route write before the kill, the kill, its release."""
    if HAPROXY is None:
        return {"skipped": WITHOUT}
    samples: dict[str, list[float]] = {name: [] for name in ("bare", "kill_to_haproxy", "kill_total", "write_total")}
    with real() as world:
        epoch = world.router.claim(world.app, 1).epoch
        for number in range(rounds + WARM_UP):
            taken = _round(world, epoch, number)
            if number >= WARM_UP:
                for name, seconds in taken.items():
                    samples[name].append(seconds)
    figures: dict[str, object] = {"rounds": rounds}
    for name, values in samples.items():
        for percent in (50, 99):
            figures[f"{name}_p{percent}_ms"] = round(1000 * quantile(values, percent), 3)
    for name in ("kill_to_haproxy", "kill_total", "write_total"):
        for percent in (50, 99):
            ratio = quantile(samples[name], percent) / quantile(samples["bare"], percent)
            figures[f"{name}_to_bare_p{percent}"] = round(ratio, 2)
    return figures


def _round(world: RealWorld, epoch: int, number: int) -> Mapping[str, float]:
    router, app, kill = world.router, world.app, f"kill-{number}"
    bare_s = _timed(lambda: bare(str(world.directory / "haproxy.sock")))
    revision = router.read(app).revision
    write_s = _timed(lambda: router.write(app, RouteWrite(50, "r1", epoch, revision, 60.0)))
    mark = {"release_id": "r1", "code": "kill", "text": "bench", "engagement": kill}
    body = {"op": "halt", "backend": app.router.backend, "mark": mark, "revert": True}
    start_s = time.monotonic()
    answer = router.ask(app.router.guard, body)
    total_s = time.monotonic() - start_s
    assert answer["route"]["live_pct"] == 0
    assert router.halt(app, Mark("r1", "kill", "bench", kill), revert=True).live_pct == 0
    router.unhalt(app, frozenset({kill}), epoch)
    wrote_s = float(answer["wrote_s"]) - start_s
    return {"bare": bare_s, "kill_to_haproxy": wrote_s, "kill_total": total_s, "write_total": write_s}


def bare(path: str) -> None:
    """Both weights on HAProxy's socket and its answer: the least that a stop can be."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2.0)
        connection.connect(path)
        connection.sendall(b"set weight shop/canary 0;set weight shop/stable 100\n")
        while connection.recv(4096):
            pass


def _timed(call: Callable[[], object]) -> float:
    start_s = time.monotonic()
    call()
    return time.monotonic() - start_s


def quantile(values: list[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(), indent=2) + "\n")
