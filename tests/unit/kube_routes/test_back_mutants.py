"""Bugs planted in how routes are given back, one at a time: the tests of it must see each of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.sim.mutants.hook import ROOT, Patch
from tests.unit.analysis.test_mutants import DRIVER, FAILED_S, SEEN

SPLITS, LEAVING = "tests/unit/kube_routes/test_splits.py", "tests/unit/kube_resources/test_leaving.py"
HOME = "controller.adapters.kube"
MUTANTS = {
    "an entry without traffic is written to without a note": (
        Patch(f"{HOME}.routes.splits", "keep=keep) if self.canary_total else []", "keep=keep)"),
        SPLITS,
    ),
    "an entry is taken out without a note": (
        Patch(f"{HOME}.routes.splits", "add=False, keep=keep) if", "add=False, keep=False) if"),
        SPLITS,
    ),
    "a refusal is asked for again at once": (
        Patch(f"{HOME}.resources.leaving", "REFUSED_S if isinstance(error, Refused) else AGAIN_S", "AGAIN_S"),
        LEAVING,
    ),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("bug", MUTANTS)
def test_a_planted_bug_is_seen(bug: str) -> None:
    patch, tests = MUTANTS[bug]
    patch.applied(patch.path.read_text())
    told = subprocess.run(
        [sys.executable, "-c", DRIVER, patch.module, patch.old, patch.new, tests],
        cwd=ROOT, capture_output=True, text=True, timeout=FAILED_S, check=False,
    )  # fmt: skip
    assert told.returncode == SEEN, told.stdout[-2000:] + told.stderr[-2000:]
