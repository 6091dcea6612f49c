"""``python -m tests.sim.mutants``: plants each bug, looks for it, and prints who caught it. Fails when one survives."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.sim.mutants.catalogue import MUTANTS
from tests.sim.mutants.hook import ROOT, StaleMutant, plant
from tests.sim.mutants.planted import Mutant

SEEDS_MAX = 600
"""Seeds tried on one mutant before it counts as a survivor."""
TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Verdict:
    mutant: str
    oracle: str
    where: str
    took_s: float

    @property
    def survived(self) -> bool:
        return not self.oracle


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if options.one:
        mutant = next(mutant for mutant in MUTANTS if mutant.name == options.one)
        return _one(mutant, [*options.first, *range(options.seeds)])
    wanted = [m for m in MUTANTS if not options.names or m.name in options.names]
    print(f"{len(wanted)} mutants, up to {options.seeds} seeds each, {options.jobs} job(s)", flush=True)
    begun_s = time.monotonic()
    with ThreadPoolExecutor(options.jobs) as pool:
        verdicts = list(pool.map(lambda mutant: judged(mutant, options.seeds), wanted))
    print(f"{'mutant':<28} {'caught by':<12} {'at':<16} seconds")
    for verdict in verdicts:
        print(f"{verdict.mutant:<28} {verdict.oracle or 'NOBODY':<12} {verdict.where:<16} {verdict.took_s:.1f}")
    left = [verdict.mutant for verdict in verdicts if verdict.survived]
    print(f"{len(wanted) - len(left)} of {len(wanted)} dead in {time.monotonic() - begun_s:.0f} s")
    return 1 if left else 0


def judged(mutant: Mutant, seeds: int, first: Sequence[int] = ()) -> Verdict:
    """Plants the mutant in a process of its own, since a module is imported once. ``first`` are tried before all."""
    begun_s = time.monotonic()
    command = [sys.executable, "-m", "tests.sim.mutants", "--one", mutant.name]
    command += ["--seeds", str(seeds), "--first", *map(str, first)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    took_s = time.monotonic() - begun_s
    if done.returncode not in (0, 1) or not done.stdout.strip():
        raise StaleMutant(f"{mutant.name} could not be run:\n{done.stderr[-2000:]}")
    oracle, _, where = done.stdout.strip().splitlines()[-1].partition(" ")
    return Verdict(mutant.name, "" if oracle == "-" else oracle, where, took_s)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.sim.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="only these")
    parser.add_argument("--seeds", type=int, default=SEEDS_MAX, help="tried on each before it counts as a survivor")
    parser.add_argument("--first", type=int, nargs="*", default=(), help=argparse.SUPPRESS)
    parser.add_argument("--jobs", type=int, default=2, help="mutants at once")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser


def _one(mutant: Mutant, seeds: Sequence[int]) -> int:
    """In the mutant's own process: prints the oracle and the seed that caught it, or a dash."""
    plant(mutant.patches)
    from tests.sim.run import run
    from tests.sim.scenario import draw

    for seed in seeds:
        result = run(draw(seed))
        if result.failed:
            print(f"# {result.text}")
            print(f"{result.oracle} seed {seed}")
            return 0
    print(f"- {len(seeds)} seeds")
    return 1


if __name__ == "__main__":
    sys.exit(main())
