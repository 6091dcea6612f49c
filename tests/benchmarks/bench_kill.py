"""How long a kill takes from the call to HAProxy, as a ratio to a bare loop that only writes HAProxy's socket.

Run: ``python -m tests.benchmarks.bench_kill``. It starts its own HAProxy and guard and prints ratios; it tests nothing.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from controller.core.model import Mark
from controller.guard.model import Saved
from controller.guard.statefile import StateFile
from controller.ports import RouteWrite
from tests.contract.router_fixtures import HAPROXY, WITHOUT, RealWorld, real

NAMES = ("bare", "bare_durable", "kill_to_haproxy", "kill_total", "write_total")
RATIOS = (
    ("kill_to_haproxy", "bare"),
    ("kill_total", "bare"),
    ("kill_total", "bare_durable"),
    ("write_total", "bare_durable"),
)
ROUNDS = 400
WARM_UP = 40


def run(rounds: int = ROUNDS) -> dict[str, object]:
    """Interleaved, one of each per round: the bare write, it and a bare durable file, a route write, and the kill.

    ``kill_to_haproxy`` ends when HAProxy has confirmed both weights; ``kill_total`` also has the fsynced record and
    the answer in it, so it is held against ``bare_durable``.
    """
    if HAPROXY is None:
        return {"skipped": WITHOUT}
    samples: dict[str, list[float]] = {name: [] for name in NAMES}
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
    for name, base in RATIOS:
        for percent in (50, 99):
            ratio = quantile(samples[name], percent) / quantile(samples[base], percent)
            figures[f"{name}_to_{base}_p{percent}"] = round(ratio, 2)
    return figures


def _round(world: RealWorld, epoch: int, number: int) -> Mapping[str, float]:
    router, app, kill = world.router, world.app, f"kill-{number}"
    bare_s = _timed(lambda: bare(str(world.directory / "haproxy.sock")))
    durable_s = _timed(lambda: _bare_durable(str(world.directory / "haproxy.sock"), world.directory))
    revision = router.read(app).revision
    write_s = _timed(lambda: router.write(app, RouteWrite(50, "r1", epoch, revision, 60.0)))
    mark = {"release_id": "r1", "code": "kill", "text": "bench", "engagement": kill}
    body = {"op": "halt", "backend": app.haproxy.backend, "mark": mark, "revert": True}
    start_s = time.monotonic()
    answer = router.ask(app.haproxy.guard, body)
    total_s = time.monotonic() - start_s
    assert answer["route"]["live_pct"] == 0
    assert router.halt(app, Mark("r1", "kill", "bench", kill), revert=True).live_pct == 0
    router.unhalt(app, frozenset({kill}), epoch)
    wrote_s = float(answer["wrote_s"]) - start_s
    return dict(zip(NAMES, (bare_s, durable_s, wrote_s, total_s, write_s), strict=True))


def bare(path: str) -> None:
    """Both weights on HAProxy's socket and its answer: the least that a stop can be."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2.0)
        connection.connect(path)
        connection.sendall(b"set weight shop/canary 0;set weight shop/stable 100\n")
        while connection.recv(4096):
            pass


def _bare_durable(path: str, directory: Path) -> None:
    """The same, and a file of a few hundred bytes replaced durably: the least that a stop that is remembered can be."""
    bare(path)
    StateFile(directory).save(Saved())


def _timed(call: Callable[[], object]) -> float:
    start_s = time.monotonic()
    call()
    return time.monotonic() - start_s


def quantile(values: list[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(), indent=2) + "\n")
