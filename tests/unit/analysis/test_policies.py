"""What a metric may do beside being measured: one that runs dry, or may be missing, stops and speeds nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.breaker import outage_s
from analysis.model import Judgement, JudgeState, Readings
from analysis.samples import Outcome, Reading
from analysis.spec import parse_analysis
from analysis.state import Tally
from analysis.tally import Gathered, MetricGain
from tests.unit.analysis.release_run import START_S, Run


class Blind(Run):
    """A release one of whose metrics is exported by nobody."""

    def read(self) -> Readings:
        readings = super().read()
        items = [
            Reading(item.metric, item.role, Outcome.NO_SERIES) if "search" in item.metric else item
            for item in readings.items
        ]
        return replace(readings, items=tuple(items))


def blind(**policy: object) -> Blind:
    counter = {"name": "errors", "total": ['t{v="$version"}'], "bad": ['b{v="$version"}']}
    search = {"name": "search", "buckets": ['search_bucket{v="$version"}'], "slow": 0.5, **policy}
    metrics = {"prometheus": "http://x", "counters": [counter], "latency": [search]}
    return Blind(spec=parse_analysis(metrics, {"warmup": 5, "latency": {"warmup": 300}, "block": 2, "settle": 0}))


def test_a_metric_that_is_needed_and_missing_holds() -> None:
    verdict = blind().seconds(60)[-1]
    assert (verdict.judgement, verdict.code) == (Judgement.HOLD, "no_stable_data")


def test_a_metric_that_runs_dry_and_is_missing_delays_nothing_and_the_verdict_stays_fresh() -> None:
    run = blind(dryRun=True)
    verdict = run.seconds(60)[-1]
    assert verdict.may_advance
    assert verdict.fresh_at_s == run.now_s


def test_a_metric_that_is_not_required_and_is_missing_leaves_the_verdict_fresh() -> None:
    run = blind(required=False, critical=False)
    assert run.seconds(60)[-1].fresh_at_s == run.now_s


@pytest.mark.parametrize(("dry", "seconds"), [(False, 4.0), (True, 0.0)])
def test_an_outage_of_a_metric_that_runs_dry_is_no_outage(dry: bool, seconds: float) -> None:
    spec = blind(dryRun=dry).spec
    gains = (MetricGain("errors", Tally(10, 0, 90, 0)), MetricGain("search", Tally(10, 10, 90, 0)))
    state = JudgeState(START_S, START_S)
    assert outage_s(spec, state, {}, Gathered(gains, (), START_S + 4.0)) == seconds
