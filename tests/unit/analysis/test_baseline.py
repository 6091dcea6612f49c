"""A fresh baseline: the canary is compared with it alone, and with all of stable as soon as it cannot be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.baseline import unseen
from analysis.model import Judgement, Role
from tests.unit.analysis.test_pods import SPEC, Fleet, until_failed

BASELINE = frozenset({"s6", "s7"})


def fresh(baseline: frozenset[str] | None) -> Fleet:
    """What is new fails and is slow, whichever version it has, as with caches that nothing has filled yet."""
    fleet = Fleet()
    fleet.baseline = baseline
    young = ("c0", "c1", "c2", "s6", "s7")
    fleet.failing, fleet.slow = dict.fromkeys(young, 0.02), dict.fromkeys(young, True)
    return fleet


def test_what_every_new_instance_does_is_not_held_against_the_version() -> None:
    assert until_failed(fresh(None)).code == "worse_than_stable"
    verdict = fresh(BASELINE).seconds(900)
    assert verdict.judgement is not Judgement.FAIL
    assert verdict.may_advance
    assert verdict.text.endswith("; compared with the baseline's 2 instances")


def test_a_version_that_is_worse_than_its_baseline_is_found() -> None:
    fleet = fresh(BASELINE)
    fleet.failing |= dict.fromkeys(("c0", "c1", "c2"), 0.1)
    verdict = until_failed(fleet)
    assert verdict.code == "worse_than_stable"
    assert verdict.text.endswith("; compared with the baseline's 2 instances")


def test_what_the_baseline_served_is_all_that_is_counted_of_stable() -> None:
    fleet = Fleet()
    fleet.baseline = BASELINE
    fleet.seconds(60)
    for metric in fleet.state.metrics:
        assert metric.stable_total == 12 * 2 * 100


@pytest.mark.parametrize("gone", [frozenset[str](), frozenset({"s99"})])
def test_without_samples_of_it_all_of_stable_counts_from_then_on_and_it_is_said(gone: frozenset[str]) -> None:
    fleet = Fleet()
    fleet.baseline = BASELINE
    fleet.seconds(60)
    fleet.baseline = gone
    verdict = fleet.seconds(60)
    assert "no instance of the baseline is ready and has samples" in verdict.text
    assert fleet.state.metrics[0].stable_total == 12 * 2 * 100 + 12 * 8 * 100
    fleet.baseline = BASELINE
    fleet.seconds(60)
    assert fleet.state.metrics[0].stable_total == 12 * 2 * 100 + 12 * 8 * 100 + 12 * 2 * 100


def test_lost_requests_are_still_told_by_the_share_of_all_of_stables() -> None:
    plain, beside = Fleet(), Fleet()
    beside.baseline = BASELINE
    plain.seconds(300)
    beside.seconds(300)
    assert plain.state.share.logs
    assert beside.state.share.logs == pytest.approx(plain.state.share.logs)


def test_metrics_that_do_not_name_the_instances_cannot_be_compared_by_them() -> None:
    readings = Fleet().read()
    assert unseen(SPEC, readings, BASELINE) is None
    assert unseen(SPEC, readings, frozenset()) is None
    said = unseen(SPEC, readings, BASELINE | {"s99"})
    assert said is not None
    assert "errors: no series of stable names the baseline's instance s99" in said
    canary_only = replace(readings, items=tuple(one for one in readings.items if one.role is Role.CANARY))
    assert unseen(SPEC, canary_only, BASELINE) is not None


def test_the_bad_requests_of_others_are_no_reason_to_wait() -> None:
    """A counter of failures may be missing: it appears with the first one."""
    readings = Fleet().read()
    without = tuple(one for one in readings.items if not one.metric.startswith("b{"))
    assert unseen(SPEC, replace(readings, items=without), BASELINE) is None
