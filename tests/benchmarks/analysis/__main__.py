"""``python -m tests.benchmarks.analysis``: our judge and the peers' on the same simulated releases, as tables."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time

from tests.benchmarks.__main__ import machine
from tests.benchmarks.analysis import cost
from tests.benchmarks.analysis.judges import COMPARED, JUDGES
from tests.benchmarks.analysis.run import run
from tests.benchmarks.analysis.scenarios import HARMFUL, HEALTHY, SCENARIOS
from tests.benchmarks.analysis.table import tables


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--judges", default=",".join(COMPARED), help=f"of {', '.join(JUDGES)}")
    parser.add_argument("--scenarios", default=",".join(one.name for one in (*HEALTHY, *HARMFUL)), help="or 'all'")
    parser.add_argument("--healthy", type=int, default=40, help="releases per healthy scenario")
    parser.add_argument("--harmful", type=int, default=20, help="releases per harmful scenario")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--interval", type=int, default=0, help="of the scrapes, in whole seconds; 0: the scenario's")
    parser.add_argument("--cost", action="store_true", help="what a pass costs, and nothing else")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


def main() -> int:
    args = arguments()
    if args.cost:
        sys.stdout.write(f"measured on: {machine()}\n{json.dumps(dict(cost.run()), indent=2)}\n")
        return 0
    names = [name for name in args.judges.split(",") if name]
    scenarios = list(SCENARIOS) if args.scenarios == "all" else args.scenarios.split(",")
    unknown = [*(set(names) - set(JUDGES)), *(set(scenarios) - set(SCENARIOS))]
    if unknown:
        sys.stderr.write(f"no such judge or scenario: {', '.join(sorted(unknown))}\n")
        return 2
    start_s = time.monotonic()

    def progress(text: str) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{text}, {time.monotonic() - start_s:.0f} s ")

    releases = {False: args.healthy, True: args.harmful}
    results = run(names, scenarios, releases, args.seed, args.interval, args.jobs, progress)
    sys.stdout.write(
        f"{args.healthy} healthy and {args.harmful} harmful releases per scenario, seeds from {args.seed}; "
    )
    sys.stdout.write(f"{machine()}; {time.monotonic() - start_s:.0f} s\n\n{tables(results, names)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
