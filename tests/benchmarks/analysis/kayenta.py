"""Kayenta's judge, written anew from spinnaker/kayenta at a69573be (NetflixACAJudge, MannWhitney, BrentSolver).

Mann-Whitney on averages per step, a tolerance of a quarter of the Hodges-Lehmann estimate, mean ratio as effect size.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from tests.benchmarks.analysis.window import Window, quantile

NORMAL = {0.95: 1.959963984540054, 0.98: 2.3263478740408408}  # two-sided quantiles of the levels Kayenta uses
SOLVER_TOLERANCE = 1e-4  # absolute, as in BrentSolver.java: values far below it are not resolved


def rank_sum_excess(shift: float, quantile_: float, x: Sequence[float], y: Sequence[float]) -> float:
    """The normalised Wilcoxon statistic of ``x - shift`` against ``y``, minus a quantile. Average ranks for ties."""
    moved = [value - shift for value in x]
    ordered = sorted((*moved, *y))
    sizes = Counter(ordered)
    ranks: dict[float, float] = {}
    start = 0
    for value in sizes:
        ranks[value] = start + (sizes[value] + 1) / 2
        start += sizes[value]
    m, n = len(x), len(y)
    z = math.fsum(ranks[value] for value in moved) - m * (m + 1) / 2 - m * n / 2
    ties = math.fsum(size**3 - size for size in sizes.values())
    sigma = math.sqrt(m * n / 12 * ((m + n + 1) - ties / ((m + n) * (m + n - 1))))
    if sigma == 0:
        raise ValueError("all observations are tied")
    correction = 0.5 if z > 0 else -0.5 if z < 0 else 0.0
    return (z - correction) / sigma - quantile_


def root(low: float, high: float, f_low: float, f_high: float, f: Callable[[float], float]) -> float:
    """Brent's method as R's zeroin has it, at Kayenta's absolute tolerance."""
    a, b, fa, fb = low, high, f_low, f_high
    c, fc = a, fa
    if fa == 0:
        return a
    for _ in range(1001):
        previous = b - a
        if abs(fc) < abs(fb):
            a, b, c = b, c, b
            fa, fb, fc = fb, fc, fb
        tolerance = 2 * math.ulp(1.0) * abs(b) + SOLVER_TOLERANCE / 2
        step = (c - b) / 2
        if abs(step) <= tolerance or fb == 0:
            return b
        if abs(previous) >= tolerance and abs(fa) > abs(fb):
            step = _interpolated(a, b, c, fa, fb, fc, previous, tolerance)
        if abs(step) < tolerance:
            step = math.copysign(tolerance, step) if step else -tolerance
        a, fa = b, fb
        b += step
        fb = f(b)
        if (fb > 0) == (fc > 0) and fb != 0 and fc != 0:
            c, fc = a, fa
    return b


def _interpolated(
    a: float, b: float, c: float, fa: float, fb: float, fc: float, previous: float, tolerance: float
) -> float:
    """Linear or inverse quadratic, unless it would leave the bracket."""
    width = c - b
    if a == c:
        p, q = width * fb / fa, 1 - fb / fa
    else:
        q, t1, t2 = fa / fc, fb / fc, fb / fa
        p = t2 * (width * q * (q - t1) - (b - a) * (t1 - 1))
        q = (q - 1) * (t1 - 1) * (t2 - 1)
    p, q = (p, -q) if p > 0 else (-p, q)
    inside = p < 0.75 * width * q - abs(tolerance * q) / 2 and p < abs(previous * q / 2)
    return p / q if inside else width / 2


def mann_whitney(x: Sequence[float], y: Sequence[float], confidence: float = 0.98) -> tuple[float, float, float]:
    """Lower and upper bound and estimate of the shift of ``x`` against ``y``."""
    low, high = min(x) - max(y), max(x) - min(y)

    def at(level: float) -> float:
        f_low, f_high = rank_sum_excess(low, level, x, y), rank_sum_excess(high, level, x, y)
        if level != 0 and f_low <= 0:
            return low
        if level != 0 and f_high >= 0:
            return high
        return root(low, high, f_low, f_high, lambda shift: rank_sum_excess(shift, level, x, y))

    z = NORMAL[confidence]
    return at(z), at(-z), at(0.0)


def classify(
    control: Sequence[float], canary: Sequence[float], allowed_increase: float = 1.0, tolerance: float = 0.25
) -> str:
    """Pass, High, Nodata or Error for one metric in the direction of an increase."""
    c = [value for value in control if not math.isnan(value)]
    e = [value for value in canary if not math.isnan(value)]
    if not c or not e:
        return "Nodata"
    if sorted(c) == sorted(e) or len({*c, *e}) == 1:
        return "Pass"
    if len(set(c)) == 1 and len(set(e)) == 1:
        chance = Random(0)
        e = [value + chance.gauss(0, abs(e[0]) * 1e-5) for value in e]
        c = [value + chance.gauss(0, abs(c[0]) * 1e-5) for value in c]
    try:
        low, _, estimate = mann_whitney(e, c)
    except (ValueError, ZeroDivisionError):
        return "Error"
    mean_c, mean_e = math.fsum(c) / len(c), math.fsum(e) / len(e)
    effect = math.nan if mean_c == 0 or mean_e == 0 else mean_e / mean_c
    beyond = low > tolerance * abs(estimate) and (math.isnan(effect) or effect >= allowed_increase)
    return "High" if beyond else "Pass"


class Kayenta:
    """A growing window: error rate in percent, median and 99th percentile in milliseconds, one group each."""

    def __init__(
        self,
        context: Mapping[str, Any],
        interval_s: float = 3600,
        step_s: float = 60,
        min_points: int = 50,
        allowed_increase: float = 1.0,
        marginal: float = 75.0,
        passing: float = 95.0,
    ) -> None:
        self.context, self.interval_s, self.step_s, self.min_points = context, interval_s, step_s, min_points
        self.allowed_increase, self.marginal, self.passing = allowed_increase, marginal, passing
        self.canary, self.stable = Window(3 * step_s + 60), Window(3 * step_s + 60)
        self.next_step_s, self.next_s = step_s, interval_s
        self.points: list[tuple[list[float], list[float]]] = []

    def observe(self, t: float, canary: Any, stable: Any, pods: Any = None) -> str:
        if t < 0:
            return "continue"
        self.canary.add(t, canary)
        self.stable.add(t, stable)
        if t + 1e-9 >= self.next_step_s:
            self.next_step_s += self.step_s
            self.points.append((self._values(self.canary, t), self._values(self.stable, t)))
        if t + 1e-9 >= self.next_s and len(self.points) >= self.min_points:
            self.next_s += self.interval_s
            final = t >= self.context["horizon"] - 1e-9
            if self._score() < (self.passing if final else self.marginal):
                return "rollback"
        return "promote" if t >= self.context["horizon"] else "continue"

    def _values(self, window: Window, t: float) -> list[float]:
        increase = window.increase(t, self.step_s)
        if increase is None or increase[0] <= 0:
            return [math.nan] * 3
        requests, errors, buckets = increase
        quantiles = [1000 * quantile(q, self.context["edges"], buckets) for q in (0.5, 0.99)]
        return [100 * errors / requests, *quantiles]

    def _score(self) -> float:
        verdicts = []
        for metric in range(3):
            control = [stable[metric] for _, stable in self.points]
            canary = [canary[metric] for canary, _ in self.points]
            verdicts.append(classify(control, canary, self.allowed_increase))
        graded = [verdict for verdict in verdicts if verdict in ("Pass", "High")]
        if not graded or 2 * verdicts.count("Nodata") >= len(verdicts):
            return 0.0
        return 100 * graded.count("Pass") / len(graded)
