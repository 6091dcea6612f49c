"""Bugs planted in how an edit gives back what it leaves, one at a time: the tests of it must see each of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.sim.mutants.hook import ROOT, Patch
from tests.unit.analysis.test_mutants import DRIVER, FAILED_S, SEEN

HOME = "controller.registering"
TESTS = ("tests/unit/test_leaving_behind.py", "tests/unit/test_leaving_others.py")
MUTANTS = {
    "nothing is given back": Patch(
        HOME, "        try:\n            give_back(self._ports, left)\n", "        try:\n            pass\n"
    ),
    "the Deployment is forgotten": Patch(
        "controller.core.left", "before if _workload_of(before) != _workload_of(after) else None", "None"
    ),
    "a running release is left behind": Patch(HOME, "            self._require_at_rest(app.name)\n", ""),
    "passes run meanwhile": Patch(HOME, "self.busy(app.name), self._alone(app.name)", "self.busy(app.name)"),
    "a release starts meanwhile": Patch(HOME, "self.busy(app.name), self._alone(app.name)", "self._alone(app.name)"),
    "what changed meanwhile is not seen": Patch(
        HOME, "if self._ports.store.application(app.name) != stored:", "if False:"
    ),
    "a node that was overtaken gives back": Patch(
        HOME, "        self._require_leading()\n        with", "        with"
    ),
    "a node that was overtaken forgets": Patch(HOME, "        self._require_leading()\n        #", "        #"),
    "a node that does not know that it was overtaken commits": Patch(HOME, "replace(commit, epoch=epoch)", "commit"),
    "two get the same route": Patch(
        HOME, "with self._claiming:\n            self._require_own_route(app)\n", "with self._claiming:\n"
    ),
    "what another one has is given back": Patch(
        HOME, "self._without_those_of_others(left_by(before, now.app), before.name)", "left_by(before, now.app)"
    ),
    "a late halt stays": Patch(HOME, "        self._once_more(stored.app)\n", ""),
    "a release that began since is undone": Patch(
        HOME, " or self._ports.store.active(before.name)", ""
    ),
    "a Deployment that cannot be given back costs the routes": Patch(HOME, ".require_forgettable(left.workload)", ""),
    "a backend of HAProxy is forgotten": Patch(
        "controller.core.left", "return before if old != new else None", "return None"
    ),
}  # fmt: skip


@pytest.mark.timeout(60)
@pytest.mark.parametrize("bug", MUTANTS)
def test_a_planted_bug_is_seen(bug: str) -> None:
    patch = MUTANTS[bug]
    patch.applied(patch.path.read_text())
    told = subprocess.run(
        [sys.executable, "-c", DRIVER, patch.module, patch.old, patch.new, *TESTS],
        cwd=ROOT, capture_output=True, text=True, timeout=FAILED_S, check=False,
    )  # fmt: skip
    assert told.returncode == SEEN, told.stdout[-2000:] + told.stderr[-2000:]
