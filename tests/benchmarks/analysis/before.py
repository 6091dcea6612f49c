"""The judge that Interlock had before: the same evidence without an estimate of clustering, one threshold for latency.

Kept to show what the devices buy, on the same traces and with the same alpha.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis.evidence import (
    BREAKER_GRID,
    SHARE_GRID,
    block_cap,
    e_value,
    grown,
    harm_logs,
    log_share,
    stake_of,
    tempered,
)
from analysis.state import Tally

ALPHA = 0.01
WARMUPS_S = (15.0, 120.0)
MARGINS = ((1.2, 0.0002), (1.2, 0.02))  # of failures, and of requests slower than the limit
WEIGHTS = (0.45, 0.45, 0.10)
BREAKER = ((2.0, 0.25), (2.0, 0.5))
OUTAGE_S = 5.0


@dataclass
class Mixture:
    logs: tuple[float, ...] = ()
    cash: float = 1.0

    def add(self, gained: list[float], dt_s: float) -> None:
        stake = stake_of(bool(self.logs), self.cash, dt_s)
        self.logs, self.cash = grown(self.logs, gained, stake), self.cash - stake

    @property
    def e(self) -> float:
        return e_value(self.logs, self.cash)


class Before:
    """One release; the counters of both versions are differenced as sums."""

    def __init__(self, context: Mapping[str, Any]) -> None:
        self.context = context
        self.steps = context.get("weight_steps") or [(0, context["weight"])]
        self.harm, self.share = [Mixture(), Mixture()], Mixture()
        self.breaker = [Mixture(), Mixture()]
        self.last: dict[str, tuple[float, float, float]] = {}
        self.blocks = [Tally(), Tally()]
        self.block_s = [0.0, 0.0]
        self.outage_s = 0.0

    def observe(self, t: float, canary: Any, stable: Any, pods: Any = None) -> str:
        gained = [self._gain(name, counters) for name, counters in (("canary", canary), ("stable", stable))]
        if t <= 0:
            return "continue"
        (n_c, *bad_c), (n_s, *bad_s) = gained
        for index in (0, 1):
            self._step(index, Tally(n_c, min(n_c, bad_c[index]), n_s, min(n_s, bad_s[index])), t)
        total = sum(weight * one.e for weight, one in zip(WEIGHTS, (*self.harm, self.share), strict=True))
        if total >= 1 / (0.9 * ALPHA) or self._trips():
            return "rollback"
        return "promote" if t >= self.context["horizon"] else "continue"

    def _gain(self, name: str, counters: Any) -> tuple[float, float, float]:
        if counters is None:
            return 0.0, 0.0, 0.0
        slow = counters["requests"] - counters["buckets"][self.context["slo_latency"]]
        now = float(counters["requests"]), float(counters["errors"]), float(slow)
        old = self.last.get(name, now)
        self.last[name] = now
        if now[0] < old[0]:
            return now
        return now[0] - old[0], max(0.0, now[1] - old[1]), max(0.0, now[2] - old[2])

    def _step(self, index: int, gained: Tally, t: float) -> None:
        if gained.canary_total > 0 and gained.stable_total > 0 and (index == 0 or t >= 30):
            self.breaker[index].add(harm_logs(gained, *BREAKER[index], BREAKER_GRID), self.context["interval"])
        if index == 0 and gained.canary_total > 0:
            bad = gained.canary_bad / gained.canary_total
            above = bad > 2 * gained.stable_bad / max(1.0, gained.stable_total) + 0.25
            self.outage_s = self.outage_s + self.context["interval"] * bad if above else 0.0
        if t < WARMUPS_S[index]:
            return
        block, begun_s = self.blocks[index], self.block_s[index] or t - self.context["interval"]
        block = Tally(
            block.canary_total + gained.canary_total,
            block.canary_bad + gained.canary_bad,
            block.stable_total + gained.stable_total,
            block.stable_bad + gained.stable_bad,
        )
        self.blocks[index], self.block_s[index] = block, begun_s
        if t - begun_s < 30 and (block.canary_total < 2 or block.stable_total < 8):
            return
        cap = block_cap(0.9 * ALPHA)
        self.harm[index].add(tempered(harm_logs(block, *MARGINS[index]), cap), t - begun_s)
        if index == 0 and t >= 60:
            weight = max(weight for from_s, weight in self.steps if from_s <= t)
            lost = [log_share(block, 0.3 * weight, part, 6.0) for part in SHARE_GRID]
            self.share.add(tempered(lost, cap), t - begun_s)
        self.blocks[index], self.block_s[index] = Tally(), t

    def _trips(self) -> bool:
        return sum(one.e for one in self.breaker) / 2 >= 10 / ALPHA and self.outage_s >= OUTAGE_S
