"""Margins from stable's own pods: lasting differences widen them, noise does not, and the ceiling holds."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from random import Random

import pytest

from analysis.calibration import factor_of, margins_of, wanted_beyond
from analysis.model import AnalysisSpec, Calibration, Ceiling, CounterQuery, LatencyQuery
from analysis.pod_history import calibrated, lasting, rate_ratios, time_shifts, upper
from analysis.samples import Outcome, Point, Reading, Readings, Role, Series
from tests.benchmarks.analysis.chance import binomial, multinomial

ERRORS = CounterQuery("errors", ("total",), ("bad",))
LATENCY = LatencyQuery("latency", ("buckets",), 0.5)
SPEC = AnalysisSpec("http://x", (ERRORS,), (LATENCY,))
UPTO = (0.025, 0.05, 0.1, 0.25, 0.5, math.inf)


def shares(slowness: float) -> list[float]:
    """Cumulative, of a log-normal with a median of 50 ms times ``slowness``."""
    inner = [0.5 * (1 + math.erf((math.log(le / 0.05 / slowness)) / 0.7 / math.sqrt(2))) for le in UPTO[:-1]]
    return [*inner, 1.0]


class Past:
    """Pods with lasting factors on failures and on times, scraped at the ends of windows."""

    def __init__(self, pods: int, errors: float, latency: float, requests: int, windows: int = 12, seed: int = 1):
        chance = Random(seed)
        self.cuts = [60.0 * n for n in range(windows + 1)]
        self.series: dict[tuple[str, str, float | None], list[Point]] = {}
        for number in range(pods):
            bad_rate = 0.003 * math.exp(chance.gauss(0, errors))
            cumulative = shares(math.exp(chance.gauss(0, latency)))
            self._pod(chance, f"pod-{number}", requests, bad_rate, cumulative)

    def _pod(self, chance: Random, pod: str, requests: int, bad_rate: float, cumulative: list[float]) -> None:
        total = bad = 0
        counts = [0] * len(UPTO)
        for cut in self.cuts:
            self._add("total", pod, None, cut, total)
            self._add("bad", pod, None, cut, bad)
            for index, le in enumerate(UPTO):
                self._add("buckets", pod, le, cut, sum(counts[: index + 1]))
            total += requests
            bad += binomial(chance, requests, bad_rate)
            counts = [a + b for a, b in zip(counts, multinomial(chance, requests, cumulative), strict=True)]

    def _add(self, metric: str, pod: str, le: float | None, at_s: float, value: float) -> None:
        self.series.setdefault((metric, pod, le), []).append(Point(at_s, float(value)))

    def readings(self) -> Readings:
        items = []
        for metric in ("total", "bad", "buckets"):
            found = [(key, points) for key, points in self.series.items() if key[0] == metric]
            series = tuple(Series(f"{pod} {le}", tuple(points), le, pod, pod=pod) for (_, pod, le), points in found)
            items.append(Reading(metric, Role.STABLE, Outcome.OK, series))
        return Readings(self.cuts[-1], tuple(items))

    def learned(self, canary_pods: int = 1) -> Calibration:
        return calibrated(SPEC, self.readings(), self.cuts, canary_pods)


def test_pods_that_are_alike_widen_nothing_however_noisy_their_windows_are() -> None:
    for seed in range(5):
        learned = Past(12, 0.0, 0.0, requests=2_000, seed=seed).learned()
        assert learned.errors < 1.15
        assert learned.latency < 1.02


def test_lasting_differences_come_back_as_their_upper_quantile() -> None:
    learned = Past(20, 0.3, 0.15, requests=50_000).learned()
    assert 1.3 < learned.errors < 2.2  # exp(1.645 * 0.3) is 1.64
    assert 1.15 < learned.latency < 1.5  # exp(1.645 * 0.15) is 1.28
    assert (learned.pods, learned.windows) == (20, 12)


def test_a_canary_of_several_pods_averages_their_differences() -> None:
    past = Past(12, 0.0, 0.2, requests=20_000)
    assert past.learned(canary_pods=4).latency < past.learned(canary_pods=1).latency


def test_too_few_pods_or_a_single_window_teach_nothing() -> None:
    for past in (Past(3, 0.5, 0.5, requests=20_000), Past(12, 0.5, 0.5, requests=20_000, windows=1)):
        learned = past.learned()
        assert (learned.errors, learned.latency) == (1.0, 1.0)


def test_without_names_of_pods_nothing_is_learned() -> None:
    readings = Past(12, 0.5, 0.5, requests=5_000).readings()
    nameless = tuple(
        replace(item, series=tuple(replace(one, pod="") for one in item.series)) for item in readings.items
    )
    learned = calibrated(SPEC, replace(readings, items=nameless), [0.0, 300.0, 600.0])
    assert (learned.errors, learned.latency, learned.pods) == (1.0, 1.0, 0)


def test_each_pod_is_compared_with_the_others() -> None:
    ratios = rate_ratios({"a": (1000, 30), "b": (1000, 10), "c": (1000, 10)})
    assert ratios["a"] == pytest.approx(2.0)
    assert ratios["b"] == pytest.approx(-0.5)
    assert rate_ratios({"a": (10, 3), "b": (1000, 10)}) == {}


def test_a_slower_pod_shifts_every_edge_by_its_slowness() -> None:
    def counts(slowness: float) -> tuple[float, ...]:
        cumulative = [0.0, *shares(slowness)]
        return tuple(1e6 * (b - a) for a, b in itertools.pairwise(cumulative))

    window = {"slow": counts(1.2), **{f"p{n}": counts(1.0) for n in range(9)}}
    shifts = time_shifts(UPTO, window, (0.05, 0.1))
    assert shifts["slow"] == pytest.approx(math.log(1.2), abs=0.06)  # buckets this wide tell no better
    assert shifts["p0"] == pytest.approx(0.0, abs=0.03)


def test_what_comes_and_goes_is_not_lasting() -> None:
    chance = Random(3)
    noise = [{f"p{n}": chance.gauss(0, 0.5) for n in range(10)} for _ in range(20)]
    level = {f"p{n}": 0.4 * (-1) ** n for n in range(10)}
    lasts = [{pod: level[pod] + chance.gauss(0, 0.5) for pod in level} for _ in range(20)]
    assert upper(lasting(noise).values(), 1) < 0.15
    assert upper(lasting(lasts).values(), 1) == pytest.approx(0.4, abs=0.15)


LEARNED = Calibration(errors=1.5, latency=1.2, pods=12, windows=24)


def test_the_version_may_be_worse_by_its_margin_on_top_of_what_pods_differ() -> None:
    errors, latency = (margins_of(SPEC, LEARNED, query) for query in (ERRORS, LATENCY))
    assert errors.rollback_ratio == pytest.approx(1.2 * 1.5)
    assert errors.promote_ratio == pytest.approx(1.5 * 1.5)
    assert latency.rollback_increase == pytest.approx(1.15 * 1.2 - 1)
    assert latency.promote_increase == pytest.approx(1.3 * 1.2 - 1)
    assert errors.rollback_abs == SPEC.errors.rollback_abs


def test_nothing_learned_changes_nothing() -> None:
    assert margins_of(SPEC, None, ERRORS) == SPEC.errors
    assert margins_of(SPEC, Calibration(), LATENCY) == SPEC.latency


@pytest.mark.parametrize(("ratio", "increase"), [(1.3, 0.2), (0.0, 0.0), (1.0, 0.1)])
def test_the_ceiling_that_was_approved_is_never_passed_and_never_tightens(ratio: float, increase: float) -> None:
    spec = replace(SPEC, ceiling=Ceiling(ratio, increase))
    wild = Calibration(errors=9.0, latency=9.0)
    assert margins_of(spec, wild, ERRORS).rollback_ratio == pytest.approx(max(1.2, ratio))
    assert margins_of(spec, wild, LATENCY).rollback_increase == pytest.approx(max(0.15, increase))
    assert factor_of(spec, wild, ERRORS) >= 1


def test_what_the_ceiling_does_not_allow_is_proposed_in_words() -> None:
    assert wanted_beyond(SPEC, LEARNED) is None
    text = wanted_beyond(SPEC, replace(LEARNED, errors=2.0, latency=1.5))
    assert text is not None
    assert "calibration.ratio of 2.40 for errors (now 2)" in text
    assert "calibration.increase of 0.73 for latency (now 0.4)" in text
