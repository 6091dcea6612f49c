"""The judges of Argo Rollouts, Flagger and Netflix's count test, written anew from their sources and documents.

Argo Rollouts: analysis/analysis.go at 9f8d111d (a run fails when failed measurements exceed failureLimit, default 0,
and errs at more than four errors in a row) and the example in docs/features/analysis.md. Flagger:
pkg/controller/scheduler.go at 15bd6ad5 (a failing or empty check counts, the count is never reset, rollback at the next
interval once it reaches the threshold) and its tutorials. Lindon and Malek, Anytime-Valid Inference for Multinomial
Count Data, 2022.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from tests.benchmarks.analysis.kayenta import Kayenta
from tests.benchmarks.analysis.window import Window, quantile

Context = Mapping[str, Any]


class Judge(Protocol):
    """What the harness runs. The answer is ``continue``, ``rollback`` or ``promote``."""

    def observe(self, t: float, canary: Any, stable: Any, pods: Any = None) -> str: ...


class Argo:
    """A background AnalysisRun: the success rate, and optionally the 99th percentile, against constants."""

    ERRORS_IN_A_ROW = 4

    def __init__(
        self,
        context: Context,
        interval_s: float = 300,
        window_s: float = 300,
        irate: bool = True,
        success: float = 0.95,
        p99_s: float | None = None,
        failure_limit: int = 3,
    ) -> None:
        self.context, self.interval_s, self.window_s, self.irate = context, interval_s, window_s, irate
        self.success, self.p99_s, self.failure_limit = success, p99_s, failure_limit
        self.window = Window(2 * window_s + 60)
        self.next_s = 2.0 * context["interval"]
        self.failed_success = self.failed_p99 = self.errors = 0

    def observe(self, t: float, canary: Any, stable: Any, pods: Any = None) -> str:
        if t < 0:
            return "continue"
        self.window.add(t, canary)
        if t + 1e-9 >= self.next_s:
            self.next_s += self.interval_s
            if self._measure(t):
                return "rollback"
        return "promote" if t >= self.context["horizon"] else "continue"

    def _measure(self, t: float) -> bool:
        increase = self.window.increase(t, self.window_s, self.irate)
        if increase is None or increase[0] <= 0:
            self.errors += 1
            return self.errors > self.ERRORS_IN_A_ROW
        self.errors = 0
        self.failed_success += 1 - increase[1] / increase[0] < self.success
        if self.p99_s is not None:
            self.failed_p99 += quantile(0.99, self.context["edges"], increase[2]) > self.p99_s
        return max(self.failed_success, self.failed_p99) > self.failure_limit


class Flagger:
    """The built-in checks: success rate at least ``success`` and 99th percentile at most ``p99_s``, over a minute."""

    def __init__(
        self, context: Context, interval_s: float = 60, success: float = 0.99, p99_s: float = 0.5, threshold: int = 5
    ) -> None:
        self.context, self.interval_s, self.success, self.p99_s = context, interval_s, success, p99_s
        self.threshold, self.window_s = threshold, 60.0
        self.window = Window(2 * self.window_s + 60)
        self.next_s, self.failed = interval_s, 0

    def observe(self, t: float, canary: Any, stable: Any, pods: Any = None) -> str:
        if t < 0:
            return "continue"
        self.window.add(t, canary)
        if t + 1e-9 >= self.next_s:
            self.next_s += self.interval_s
            if self.failed >= self.threshold:
                return "rollback"
            self.failed += not self._passes(t)
        return "promote" if t >= self.context["horizon"] else "continue"

    def _passes(self, t: float) -> bool:
        increase = self.window.increase(t, self.window_s)
        if increase is None or increase[0] <= 0:
            return False
        if 1 - increase[1] / increase[0] < self.success:
            return False
        return quantile(0.99, self.context["edges"], increase[2]) <= self.p99_s


class LindonMalek:
    """Errors of two Poisson streams against the known weight: a Dirichlet mixture, one fresh test per weight."""

    def __init__(self, context: Context, alpha: float = 0.01, prior: float = 100.0) -> None:
        self.context, self.prior = context, prior
        self.steps = context.get("weight_steps") or [(0, context["weight"])]
        self.alpha = alpha / len(self.steps)
        self.step = 0
        self.before: tuple[int, int] | None = None
        self.errors = [0.0, 0.0]

    def observe(self, t: float, canary: Any, stable: Any, pods: Any = None) -> str:
        if t < 0 or canary is None or stable is None:
            return "continue"
        now = (canary["errors"], stable["errors"])
        if self.before is not None:
            for side, (old, new) in enumerate(zip(self.before, now, strict=True)):
                self.errors[side] += new - old if new >= old else new
        self.before = now
        step = max(number for number, (from_s, _) in enumerate(self.steps) if from_s <= t)
        if step != self.step:
            self.step, self.errors = step, [0.0, 0.0]
        weight = self.steps[step][1]
        proven = log_bayes_factor(self.errors[0], self.errors[1], weight, self.prior) >= math.log(1 / self.alpha)
        if proven and self.errors[0] > weight * sum(self.errors):
            return "rollback"
        return "promote" if t >= self.context["horizon"] else "continue"


def log_bayes_factor(canary: float, stable: float, weight: float, prior: float = 100.0) -> float:
    """Dirichlet-multinomial against the split by weight, in nats."""
    a, b = prior * weight, prior * (1 - weight)
    beta = math.lgamma(a + canary) + math.lgamma(b + stable) - math.lgamma(a + b + canary + stable)
    before = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    return beta - before - canary * math.log(weight) - stable * math.log(1 - weight)


PEERS: dict[str, Callable[[Context], Judge]] = {
    "argo-docs": Argo,
    "flagger-docs": Flagger,
    "kayenta-docs": Kayenta,
    "argo-tuned": lambda context: Argo(context, 60, 60, irate=False, success=0.99, p99_s=0.5, failure_limit=2),
    "flagger-fast": lambda context: Flagger(context, interval_s=30, threshold=2),
    "kayenta-fast": lambda context: Kayenta(context, 300, 15, min_points=20, allowed_increase=1.2),
    "lindon-malek": LindonMalek,
}
"""As documented, as someone who knows the objectives would set them, and the plain sequential test."""
