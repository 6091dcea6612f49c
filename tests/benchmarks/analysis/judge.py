"""The benchmark's door to the production judge: counters in, ``continue``, ``rollback`` or ``promote`` out.

It holds no statistics of its own. Counters become the raw samples that Prometheus would have returned, and the judge
that the controller runs reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from analysis.judge import judge, new_state, next_step
from analysis.model import (
    AnalysisSpec,
    Calibration,
    Judgement,
    Outcome,
    Point,
    Reading,
    Readings,
    Role,
    Series,
    Verdict,
)
from analysis.pod_history import calibrated
from analysis.spec import parse_analysis

Counters: TypeAlias = Mapping[str, Any]
"""``{"requests": int, "errors": int, "buckets": {le: cumulative count}}`` of one version or of one pod."""

START_S = 1_000_000.0  # of the release on the judge's clock; any moment would do
TOTAL, BAD, BUCKETS = 'requests{v="$role"}', 'errors{v="$role"}', 'seconds_bucket{v="$role"}'
WINDOWS = 4  # of the history, to tell lasting differences between pods from noise
SLOW_FRACTION = 0.01  # "p99 at most the limit" in words of the share of slow requests


def spec_of(context: Mapping[str, Any], analysis: Mapping[str, Any] | None = None) -> AnalysisSpec:
    """The defaults, with the objectives that the context names."""
    counter = {"name": "errors", "total": [TOTAL], "bad": [BAD], "sloBadFraction": context["slo_error"]}
    latency = {
        "name": "latency",
        "buckets": [BUCKETS],
        "slow": context["slo_latency"],
        "sloBadFraction": SLOW_FRACTION,
    }
    metrics = {"prometheus": "http://127.0.0.1:9090", "counters": [counter], "latency": [latency]}
    return parse_analysis(metrics, dict(analysis or {}))


class ProductionJudge:
    """One release. ``early`` promotes as soon as the judge allows it after the minimum bake, else at the horizon.

    ``calibrate`` learns from the history of the pods, where there are pods, how much they differ for good.
    """

    def __init__(
        self,
        context: Mapping[str, Any],
        spec: AnalysisSpec,
        early: bool = False,
        bake_s: float = 300.0,
        calibrate: bool = True,
    ) -> None:
        self.spec, self.early, self.bake_s = spec, early, bake_s
        self.horizon_s = float(context["horizon"])
        self.steps: list[tuple[float, float]] = list(context.get("weight_steps") or [(0.0, context["weight"])])
        self.state = new_state(START_S)
        self.series: dict[tuple[Role, str], dict[tuple[str, float | None], Series]] = {}
        self.calibrate = calibrate
        self.step = 0
        self.verdict: Verdict | None = None

    def observe(
        self,
        t: float,
        canary: Counters | None,
        stable: Counters | None,
        pods: Mapping[str, Any] | None = None,
    ) -> str:
        """``pods`` optionally gives the counters of each pod: ``{"canary": {name: counters}, "stable": {...}}``."""
        for role, counters in ((Role.CANARY, canary), (Role.STABLE, stable)):
            by_pod = dict(_named((pods or {}).get(role.value))) or ({"": counters} if counters else {})
            self._keep(role, START_S + t, by_pod)
        if t < 0:
            return "continue"
        readings = self._readings(START_S + t)
        if self.calibrate and pods and self.state.read_at_s is None:
            self.state = new_state(START_S, self._calibration(readings))
        self._step_at(t)
        weight_pct = 100 * self.steps[self.step][1]
        self.state, self.verdict = judge(self.spec, self.state, readings, START_S + t, weight_pct)
        if self.verdict.judgement in (Judgement.FAIL, Judgement.TRIP):
            return "rollback"
        ripe = t >= self.horizon_s or (self.early and t >= self.steps[self.step][0] + self.bake_s)
        last = self.step == len(self.steps) - 1
        return "promote" if ripe and last and self.verdict.may_promote else "continue"

    def _calibration(self, readings: Readings) -> Calibration:
        """From the history before the start, in windows, as the controller does it with hours of the days before."""
        first_s = min(one.points[0].at_s for item in readings.items for one in item.series)
        length_s = (START_S - first_s) / WINDOWS
        return calibrated(self.spec, readings, [first_s + n * length_s for n in range(WINDOWS + 1)])

    def _step_at(self, t: float) -> None:
        step = max(index for index, (from_s, _) in enumerate(self.steps) if from_s <= max(t, self.steps[0][0]))
        if step != self.step:
            self.step, self.state = step, next_step(self.state, START_S + t)

    def _readings(self, at_s: float) -> Readings:
        items = []
        for role in Role:
            for metric in (TOTAL, BAD, BUCKETS):
                series = tuple(self.series.get((role, metric), {}).values())
                items.append(Reading(metric, role, Outcome.OK if series else Outcome.NO_SERIES, series))
        return Readings(at_s, tuple(items))

    def _keep(self, role: Role, at_s: float, by_pod: Mapping[str, Counters]) -> None:
        """All samples before the start, then the last two: what a longer window would add was counted before."""
        kept = None if self.state.read_at_s is None else -1
        for pod, counters in by_pod.items():
            self._add(role, TOTAL, pod, None, kept, Point(at_s, float(counters["requests"])))
            self._add(role, BAD, pod, None, kept, Point(at_s, float(counters["errors"])))
            for le, count in counters["buckets"].items():
                self._add(role, BUCKETS, pod, le, kept, Point(at_s, float(count)))

    def _add(self, role: Role, metric: str, pod: str, le: float | None, kept: int | None, point: Point) -> None:
        series = self.series.setdefault((role, metric), {})
        before = series.get((pod, le))
        if before is None:
            series[pod, le] = Series(f"{pod} {le}", (point,), le, pod, pod=pod)
        else:
            series[pod, le] = Series(before.key, (*before.points[kept:], point), le, pod, pod=pod)


def _named(pods: Any) -> Iterator[tuple[str, Counters]]:
    """A mapping from name to counters, or a plain sequence of them."""
    if isinstance(pods, Mapping):
        yield from ((str(name), counters) for name, counters in pods.items() if counters is not None)
    elif pods is not None:
        yield from ((str(number), counters) for number, counters in enumerate(pods) if counters is not None)


def factory(context: Mapping[str, Any]) -> ProductionJudge:
    """The production judge at its defaults; promotion at the horizon only."""
    return ProductionJudge(context, spec_of(context))


def factory_early(context: Mapping[str, Any]) -> ProductionJudge:
    """The same, promoting as soon as the evidence suffices and the minimum bake is over."""
    return ProductionJudge(context, spec_of(context), early=True)


def factory_plain(context: Mapping[str, Any]) -> ProductionJudge:
    """Without calibration."""
    return ProductionJudge(context, spec_of(context), calibrate=False)


def tuned(**analysis: Any) -> Callable[[Mapping[str, Any]], ProductionJudge]:
    """The production judge with some settings of the ``analysis:`` block."""
    return lambda context: ProductionJudge(context, spec_of(context, analysis))
