"""Bugs planted in the judge's safety rules, one at a time: the tests beside this one must see each of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.sim.mutants.hook import ROOT, Patch

DRIVER = """
import sys
from tests.sim.mutants.hook import Patch, plant
plant([Patch(*sys.argv[1:4])])
import pytest
sys.exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *sys.argv[4:]]))
"""
SEEN, FAILED_S = 1, 50
"""Pytest's exit code when a test failed, and how long the tests of one mutant may take."""

MUTANTS = {
    "missing data is taken for a healthy canary": (
        Patch("analysis.rules", "    if not view.problems:\n", "    if True:\n"),
        "test_judge_holds.py::test_missing_stable_data_has_its_own_code",
    ),
    "a canary that completes nothing is taken for a healthy one": (
        Patch("analysis.rules", "    if silent_s <= view.spec.stale_after_s:\n", "    if True:\n"),
        "test_judge_holds.py::test_a_canary_that_stops_answering_holds_though_its_record_is_clean",
    ),
    "suspicion lets a step advance": (
        Patch("analysis.rules", "    if shown.total_e < LOW_EVIDENCE:\n", "    if True:\n"),
        "test_judge_holds.py::test_a_suspicion_holds_before_it_is_proof",
    ),
    "an incident of stable does not stop a promotion": (
        Patch("analysis.rules", "if _stable_suffers(one) or _only_absolute(", "if False and _only_absolute("),
        "test_judge.py::test_an_incident_of_both_versions_holds_and_never_rolls_back",
    ),
    "a blip trips the breaker": (
        Patch("analysis.rules", " or outage_s < view.spec.breaker.outage_s:", ":"),
        "test_judge.py::test_the_breaker_needs_both_the_evidence_and_the_outage",
    ),
    "an incident of both versions rolls back": (
        Patch("analysis.figures", "else min(self.slo_e, self.worse_e)", "else self.slo_e"),
        "test_judge.py::test_both_versions_slightly_outside_the_objective_hold_without_blaming_the_canary",
    ),
    "one proven metric is enough for a promotion": (
        Patch("analysis.figures", "return min([one.safe_e for one", "return max([one.safe_e for one"),
        "test_judge.py::test_promotion_needs_at_most_the_rule_of_three_when_no_version_has_errors",
    ),
    "a failure is forgotten when the canary recovers": (
        Patch("analysis.judge", "    if state.failed:\n", "    if False:\n"),
        "test_judge.py::test_a_failure_is_not_taken_back_by_a_long_healthy_time",
    ),
    "a metric that runs dry decides": (
        Patch("analysis.figures", "[query for query in queries if not query.policy.dry_run]", "list(queries)"),
        "test_gauges.py",
    ),
    "a gauge without a value passes": (
        Patch("analysis.gauges", "if query.policy.required and not query.policy.dry_run:", "if False:"),
        "test_gauges.py",
    ),
    "one burst carries the whole evidence": (
        Patch("analysis.evidence", "[cap if log > most else log / phi for", "[log / phi for"),
        "test_evidence.py",
    ),
    "clustered failures count as independent ones": (
        Patch("analysis.dispersion", "return min(MOST, max(LEAST, found))", "return LEAST"),
        "test_dispersion.py",
    ),
    "what pods taught loosens beyond the approved ceiling": (
        Patch("analysis.calibration", "min(kept.errors, spec.ceiling.ratio / margins.rollback_ratio)", "kept.errors"),
        "test_calibration.py",
    ),
    "the names of a proxy are taken for pods": (
        Patch("analysis.calibration", "return state.calibration if state.pods else None", "return state.calibration"),
        "test_pods.py",
    ),
    "buckets that do not add up count nothing and say nothing": (
        Patch("analysis.buckets", "elif reached < below - EXACT * max(1.0, below):", "elif False:"),
        "test_tally.py",
    ),
    "a histogram that is not cumulative is read": (
        Patch("analysis.shapes", "        if not any(map(gt, lower, upper)):\n", "        if True:\n"),
        "test_read.py",
    ),
    "some evidence of harm passes at the horizon": (
        Patch("analysis.unproven", "        if one.harm_e > NO_EVIDENCE + EXACT:\n", "        if False:\n"),
        "test_unproven.py",
    ),
    "more failures than the margin pass at the horizon": (
        Patch("analysis.unproven", "    return t.canary_bad / t.canary_total <= allowed\n", "    return True\n"),
        "test_unproven.py",
    ),
    "lost requests pass at the horizon": (
        Patch("analysis.unproven", "    if shown.share_e > NO_EVIDENCE + EXACT:\n", "    if False:\n"),
        "test_unproven.py",
    ),
    "a verdict that holds passes at the horizon": (
        Patch("analysis.judge", "if may_advance and view.spec.inconclusive", "if view.spec.inconclusive"),
        "test_unproven.py",
    ),
    "an end without proof comes before its time": (
        Patch("controller.core.advance", " or not past_horizon(release, scene.now_s):", ":"),
        "../core/test_unproven.py",
    ),
    "a step before the last ends without proof": (
        Patch("controller.core.advance", " or not at_last_step(release) or not past", " or not past"),
        "../core/test_unproven.py",
    ),
    "an end without proof that nobody wanted": (
        Patch("controller.core.advance", "is not Inconclusive.PROMOTE or release", "is None or release"),
        "../core/test_unproven.py",
    ),
    "the invariants let an end without proof pass on any verdict": (
        Patch("controller.core.check", "    return allowed and clear and at_last", "    return allowed and at_last"),
        "../core/test_unproven.py",
    ),
    "the canary is compared with all of stable though it has a baseline": (
        Patch("analysis.tally", "        if role is Role.CANARY or not self.compared:\n", "        if True:\n"),
        "test_baseline.py",
    ),
    "a baseline without samples stands for stable": (
        Patch("analysis.tally", "return self.baseline & self.pods[Role.STABLE]", "return self.baseline"),
        "test_baseline.py",
    ),
    "requests outside the baseline are lost to the share": (
        Patch("analysis.share", "stable_total=block.stable_total + beside)", "stable_total=block.stable_total)"),
        "test_baseline.py",
    ),
    "a first weight without its baseline": (
        Patch("controller.core.beside", "    if ready >= wanted:\n", "    if True:\n"),
        "../core/test_beside.py",
    ),
    "a baseline's young instance stands for stable": (
        Patch("controller.core.beside", "max(begun_s, warm_s)", "now_s"),
        "../core/test_beside.py",
    ),
    "the old version is served beside the new one after a promotion": (
        Patch("controller.adapters.kube.workload.baseline", "if sight.promotion is not None:", "if False:"),
        "../../kube/test_workload_baseline.py",
    ),
    "a baseline that nobody owns stays for ever": (
        Patch("controller.adapters.kube.workload.baseline", '"ownerReferences": [owner_reference(canary)],', ""),
        "../../kube/test_workload_baseline.py",
    ),
    "a gap of the last hour lets a release start": (
        Patch("analysis.preflight", "trouble = _gap(query, looks) or", "trouble = None or"),
        "test_preflight.py",
    ),
    "a Prometheus that is away is asked on": (
        Patch("analysis.prometheus.gate", " >= FAILURES:\n                if", " < 0:\n                if"),
        "test_gate.py",
    ),
    "a release is given an answer of long ago": (
        Patch("analysis.prometheus.sharing", " and now_s - group.asked_s <= self._fresh_s:", ":"),
        "test_sharing.py",
    ),
}  # fmt: skip


@pytest.mark.timeout(60)
@pytest.mark.parametrize("bug", list(MUTANTS))
def test_a_planted_bug_is_seen(bug: str) -> None:
    patch, file = MUTANTS[bug]
    patch.applied(patch.path.read_text())
    run = subprocess.run(
        [sys.executable, "-c", DRIVER, patch.module, patch.old, patch.new, f"tests/unit/analysis/{file}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=FAILED_S,
        check=False,
    )
    assert run.returncode == SEEN, f"{bug}: exit {run.returncode}\n{run.stdout[-2000:]}{run.stderr[-2000:]}"
