"""``python -m tests.benchmarks.fleet``: prints the figures as JSON. See --help for the sizes."""

from __future__ import annotations

import argparse
import json
import sys

from tests.benchmarks.fleet.bench import Size, run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--applications", type=int, default=1000)
    parser.add_argument("--releases", type=int, default=200)
    parser.add_argument("--tick", default="5s", help="canary.poll of every application")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each state is measured")
    parser.add_argument("--own-queries", action="store_true", help="selectors that no two releases share")
    given = parser.parse_args()
    size = Size(given.applications, given.releases, given.tick, given.seconds, given.own_queries)
    sys.stdout.write(json.dumps(run(size), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
