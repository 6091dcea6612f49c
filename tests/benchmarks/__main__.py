"""``python -m tests.benchmarks``: every figure, one after the other, with the machine it was measured on. Ratios are
measured side by side in one run; absolute times are only as good as the machine was quiet."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping

from tests.benchmarks import bench_grading, bench_kill, bench_loop, bench_memory, bench_route, bench_store

BENCHES: tuple[tuple[str, str, Callable[[], Mapping[str, object]]], ...] = (
    (
        "loop",
        "verdict and kill to HAProxy, through every layer (aims: verdict p99 < 50 ms, kill ratio < 3)",
        bench_loop.run,
    ),
    ("guard", "the guard alone: a kill and a weight write, beside a bare write of HAProxy's socket", bench_kill.run),
    ("store", "a durable commit beside bare SQLite (aim: ratio < 3)", bench_store.run),
    ("grading", "grading one step, beside a bare digest of it (aim: p99 < 1 ms)", bench_grading.run),
    ("route", "a decision to a route of a cluster, beside a bare read and patch (aim: p99 < 500 ms)", bench_route.run),
    ("memory", "an idle controller and its guard", bench_memory.run),
)


def machine() -> str:
    """What the figures were measured on, in one line."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    python = f"Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {platform.machine()}, {python}, commit {commit.stdout.strip() or 'unknown'}"


def main() -> int:
    wanted = set(sys.argv[1:])
    unknown = wanted - {name for name, _, _ in BENCHES}
    if unknown:
        sys.stderr.write(f"no such benchmark: {', '.join(sorted(unknown))}\n")
        return 2
    sys.stdout.write(f"measured on: {machine()}\n")
    for name, about, run in BENCHES:
        if not wanted or name in wanted:
            sys.stdout.write(f"\n{name}: {about}\n{json.dumps(dict(run()), indent=2)}\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
