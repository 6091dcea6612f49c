"""``python -m tests.sim``: runs a range of seeds, or replays one. Says first what it runs; ends with a shrunk trace."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

from tests.sim.run import Result, run
from tests.sim.scenario import draw
from tests.sim.shrink import shrink

CHUNK = 10
"""Seeds given to a worker at once."""
TRACE_LINES = 120


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if options.seed is not None:
        return _replay(options.seed, options.trace, options.shrink)
    first, last = options.start, options.start + options.seeds
    print(f"seeds {first} to {last - 1}, commit {_commit()}, {options.jobs} job(s)", flush=True)
    begun_s = time.monotonic()
    results = list(_all(first, last, options.jobs))
    took_s = time.monotonic() - begun_s
    failed = [result for result in results if result.failed]
    calls, releases = sum(r.calls for r in results), sum(r.releases for r in results)
    print(
        f"{len(results)} seeds, {releases} releases, {calls} port calls, {sum(len(r.played) for r in results)} faults "
        f"in {took_s:.1f} s: {releases / took_s:.1f} releases/s, {len(results) / took_s:.1f} seeds/s"
    )
    for result in failed:
        print(f"FAILED seed {result.scenario.seed}: {result.oracle}: {result.text}")
    if failed:
        _show(shrink(failed[0]), TRACE_LINES)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=300, help="how many")
    parser.add_argument("--start", type=int, default=0, help="the first one")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--seed", type=int, help="replay this one")
    parser.add_argument("--trace", action="store_true", help="with --seed: print everything that happened")
    parser.add_argument("--shrink", action="store_true", help="with --seed: print the smallest run that fails alike")
    return parser


def _all(first: int, last: int, jobs: int) -> Iterator[Result]:
    chunks = [range(at, min(at + CHUNK, last)) for at in range(first, last, CHUNK)]
    if jobs == 1:
        for chunk in chunks:
            yield from run_seeds(chunk)
        return
    with ProcessPoolExecutor(jobs) as pool:
        for results in pool.map(run_seeds, chunks):
            yield from results


def run_seeds(seeds: range) -> list[Result]:
    return [_light(run(draw(seed))) for seed in seeds]


def _light(result: Result) -> Result:
    """Without the trace, which is replayed when it is wanted."""
    return replace(result, trace=())


def _replay(seed: int, trace: bool, smaller: bool) -> int:
    print(f"seed {seed}, commit {_commit()}")
    result = run(draw(seed))
    if smaller and result.failed:
        result = shrink(result)
    _show(result, len(result.trace) if trace else TRACE_LINES)
    return 1 if result.failed else 0


def _show(result: Result, lines: int) -> None:
    if result.failed:
        for line in result.trace[-lines:]:
            print(line)
        print(f"seed {result.scenario.seed}: {result.oracle}: {result.text}")
    else:
        if lines > TRACE_LINES:
            print("\n".join(result.trace))
        print(f"seed {result.scenario.seed}: every oracle held; digest {result.digest}")
    print(f"{len(result.played)} fault(s), {len(result.scenario.events)} event(s), {result.calls} calls")


def _commit() -> str:
    try:
        shown = subprocess.run(
            ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return shown.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
