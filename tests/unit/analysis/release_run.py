"""A release under judgement on a scripted backend: one scrape and one verdict a second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from analysis.judge import judge, new_state
from analysis.model import AnalysisSpec, Judgement, JudgeState, Readings, Role, Verdict
from analysis.spec import parse_analysis
from tests.fakes.metrics import FakeMetrics

VERSIONS = {Role.STABLE: "v1", Role.CANARY: "v2"}
START_S = 10_000.0


def spec_of(**analysis: object) -> AnalysisSpec:
    metrics = {"prometheus": "http://x", "preset": "generic", "sloBadFraction": 0.01, "sloSlowFraction": 0.05}
    return parse_analysis(metrics, {"warmup": 5, "latency": {"warmup": 5}, "block": 2, "settle": 0, **analysis})


SPEC = spec_of()


@dataclass
class Even:
    """A fraction of requests as whole numbers, spread evenly."""

    left: float = 0.5

    def of(self, count: float) -> float:
        self.left += count
        whole = int(self.left)
        self.left -= whole
        return float(whole)


@dataclass
class Run:
    """A release under judgement: ten canary and ninety stable requests a second unless told otherwise."""

    spec: AnalysisSpec = SPEC
    now_s: float = START_S
    metrics: FakeMetrics = field(default_factory=FakeMetrics)
    state: JudgeState = field(default_factory=lambda: new_state(START_S))
    rates: dict[Role, float] = field(default_factory=lambda: {Role.CANARY: 10.0, Role.STABLE: 90.0})
    bad: dict[Role, float] = field(default_factory=lambda: {Role.CANARY: 0.0, Role.STABLE: 0.001})
    slow: dict[Role, float] = field(default_factory=lambda: {Role.CANARY: 0.002, Role.STABLE: 0.002})
    even: dict[tuple[Role, str], Even] = field(default_factory=dict)
    weight_pct: float | None = None

    def __post_init__(self) -> None:
        self.metrics.serve(Role.STABLE, 100_000, 100, 200)
        self.metrics.serve(Role.CANARY, 0)
        self.metrics.scrape(self.now_s - 1)

    def second(self) -> Verdict:
        for role in Role:
            count = self.share(role, "all", self.rates[role])
            self.metrics.serve(
                role,
                count,
                min(count, self.share(role, "bad", count * self.bad[role])),
                min(count, self.share(role, "slow", count * self.slow[role])),
            )
        self.now_s += 1
        self.metrics.scrape(self.now_s)
        return self.verdict()

    def share(self, role: Role, what: str, count: float) -> float:
        return self.even.setdefault((role, what), Even()).of(count)

    def read(self) -> Readings:
        return self.metrics.read(self.spec, VERSIONS, "shop", self.now_s)

    def verdict(self) -> Verdict:
        self.state, verdict = judge(self.spec, self.state, self.read(), self.now_s, self.weight_pct)
        return verdict

    def seconds(self, count: int) -> list[Verdict]:
        return [self.second() for _ in range(count)]

    def until(self, wanted: Callable[[Verdict], bool], limit: int) -> int:
        for index in range(limit):
            if wanted(self.second()):
                return index + 1
        raise AssertionError(f"not within {limit} s: {self.verdict().text}")


def failed(verdict: Verdict) -> bool:
    return verdict.judgement in (Judgement.FAIL, Judgement.TRIP)
