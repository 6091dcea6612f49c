"""Runs a test cluster on its own, to look at or to measure against: ``python -m tests.kube.cluster [small|real]``.

It prints where its kubeconfig is, and ends with the end of its standard input or Ctrl-C."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.kube.cluster.real import absent
from tests.kube.cluster.starting import start_real, start_small

LEVELS = {"small": start_small, "real": start_real}


def main(arguments: Sequence[str]) -> int:
    level = arguments[0] if arguments else "small"
    if level not in LEVELS:
        sys.stderr.write(f"{level!r} is no level: {' or '.join(LEVELS)}\n")
        return 2
    missing = absent() if level == "real" else None
    if missing:
        sys.stderr.write(f"{missing}\n")
        return 1
    with (
        tempfile.TemporaryDirectory() as folder,
        LEVELS[level]() as started,
        started.fresh("demo", Path(folder)) as cluster,
        contextlib.suppress(KeyboardInterrupt),
    ):
        sys.stdout.write(f"{cluster.kubeconfig}\n")
        sys.stdout.flush()
        sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
