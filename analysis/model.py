"""The words of the analysis: what is asked for, what is said; what is read and kept comes from samples and state.

Data only; it reads nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from analysis.samples import Outcome as Outcome
from analysis.samples import Point as Point
from analysis.samples import Reading as Reading
from analysis.samples import Readings as Readings
from analysis.samples import Role as Role
from analysis.samples import Series as Series
from analysis.state import Calibration as Calibration
from analysis.state import Dispersion as Dispersion
from analysis.state import EdgeState as EdgeState
from analysis.state import GaugeState as GaugeState
from analysis.state import HistogramState as HistogramState
from analysis.state import JudgeState as JudgeState
from analysis.state import MetricState as MetricState
from analysis.state import PodState as PodState
from analysis.state import PodTally as PodTally
from analysis.state import SeriesMark as SeriesMark
from analysis.state import ShareState as ShareState
from analysis.state import Tally as Tally
from analysis.state import TrailPoint as TrailPoint


class Judgement(StrEnum):
    """FAIL rolls back on evidence; TRIP is the breaker and rolls back at once; HOLD never advances and says why."""

    OK = "ok"
    HOLD = "hold"
    FAIL = "fail"
    TRIP = "trip"


class Inconclusive(StrEnum):
    """What happens at the horizon of the analysis with proof of neither harm nor safety."""

    PAUSE = "pause"
    ROLLBACK = "rollback"
    PROMOTE = "promote"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the analysis says now.

    ``may_advance`` lets an intermediate step go on, ``may_promote`` also the last one. ``code`` is stable, ``text`` is
    for people, ``numbers`` are the figures the verdict rests on. ``fresh_at_s`` is the newest canary sample's time.
    ``may_end_unproven`` lets the last step go on without proof, where the application allows it; ``unproven`` says what
    is known instead, or what stands against it.
    """

    judgement: Judgement
    code: str
    text: str
    may_advance: bool = False
    may_promote: bool = False
    numbers: tuple[tuple[str, float], ...] = ()
    fresh_at_s: float | None = None
    may_end_unproven: bool = False
    unproven: str = ""


@dataclass(frozen=True, slots=True)
class Margins:
    """How much worse the canary may be: bad fraction up to ``ratio`` times stable's plus ``abs``.

    Beyond the rollback margin counts as harm; promotion needs proof that it is below the promote margin. Between the
    two either answer is right. For a latency stable's requests are first made slower by ``increase``: a quantile may
    be longer by that much.
    """

    rollback_ratio: float
    rollback_abs: float
    promote_ratio: float
    promote_abs: float
    rollback_increase: float = 0.0
    promote_increase: float = 0.0


@dataclass(frozen=True, slots=True)
class Policy:
    """What one metric may do. With ``dry_run`` it is counted and shown and decides nothing.

    ``critical``: promotion needs its proof. ``required``: missing data of it holds. ``weight`` is its part of the
    budget relative to the other metrics of its kind. ``margins`` replace those of its kind.
    """

    dry_run: bool = False
    critical: bool = True
    required: bool = True
    weight: float = 1.0
    margins: Margins | None = None


@dataclass(frozen=True, slots=True)
class CounterQuery:
    """Bad requests out of requests, as PromQL selectors of raw counters for each role.

    Selectors may hold ``$role``, ``$version``, ``$application`` and the spec's own names. Each list is summed after
    differencing per series.
    """

    name: str
    total: tuple[str, ...]
    bad: tuple[str, ...]
    slo_bad_fraction: float | None = None
    policy: Policy = Policy()


@dataclass(frozen=True, slots=True)
class LatencyQuery:
    """A histogram's bucket selector, classic or native; a request slower than ``slow_s`` counts as bad.

    ``unit_s`` is the unit of its bounds: 0.001 for a histogram of milliseconds.
    """

    name: str
    buckets: tuple[str, ...]
    slow_s: float
    slo_bad_fraction: float | None = None
    unit_s: float = 1.0
    policy: Policy = Policy()


Query: TypeAlias = CounterQuery | LatencyQuery


@dataclass(frozen=True, slots=True)
class GaugeQuery:
    """Any PromQL that gives one number per role; the canary's may be worse than stable's by ``margin``, relative.

    Promotion, where the metric is critical for it, needs proof that it is not worse by twice that. Blocks of
    ``block_s`` are averaged first.
    """

    name: str
    value: str
    higher_is_worse: bool = True
    margin: float = 0.2
    block_s: float = 60.0
    policy: Policy = Policy(critical=False)


@dataclass(frozen=True, slots=True)
class RoleName:
    """A placeholder of one's own in selectors, such as ``$workload``: what it stands for in each role, as written."""

    name: str
    stable: str
    canary: str


ERROR_MARGINS = Margins(1.2, 0.0002, 1.5, 0.005)
LATENCY_MARGINS = Margins(1.05, 0.002, 1.05, 0.01, 0.15, 0.30)


@dataclass(frozen=True, slots=True)
class Breaker:
    """When to roll back at once: margins on failed and on slow requests, and how long an outage must last."""

    ratio: float = 2.0
    errors_abs: float = 0.25
    slow_abs: float = 0.5
    outage_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Ceiling:
    """How far margins learned from stable's own pods may loosen the rollback margins; 0 and below them: not at all."""

    ratio: float = 2.0
    increase: float = 0.4


@dataclass(frozen=True, slots=True)
class Traffic:
    """When lost requests count as harm: a canary that completes less than ``min_share`` of its weight.

    ``weight`` is its part of the release's budget. Arrivals cluster, so evidence on them is divided by ``dispersion``.
    """

    weight: float = 0.10
    min_share: float = 0.3
    dispersion: float = 6.0
    warmup_s: float = 60.0


@dataclass(frozen=True, slots=True)
class AnalysisSpec:
    """Which metrics are judged and how strictly. Times in seconds; probabilities as fractions.

    ``alpha`` bounds the probability that a release within its margins is ever rolled back, ``beta`` that one beyond its
    promote margin is promoted. Evidence moves in blocks of ``block_s``, or of a scrape if that is longer. Queries look
    ``settle_s`` into the past, so that a scrape that is just being stored is seen by all of them or by none.
    """

    prometheus_url: str
    counters: tuple[CounterQuery, ...]
    latencies: tuple[LatencyQuery, ...] = ()
    alpha: float = 0.01
    min_canary_requests: int = 50
    warmup_s: float = 15.0
    stale_after_s: float = 60.0
    no_data_timeout_s: float = 300.0
    window_s: float = 60.0
    beta: float = 0.05
    errors: Margins = ERROR_MARGINS
    latency: Margins = LATENCY_MARGINS
    breaker: Breaker = Breaker()
    block_s: float = 5.0
    settle_s: float = 1.0
    latency_warmup_s: float = 15.0
    errors_weight: float = 0.45
    latency_weight: float = 0.45
    traffic: Traffic = Traffic()
    gauges: tuple[GaugeQuery, ...] = ()
    gauges_weight: float = 0.10
    names: tuple[RoleName, ...] = ()
    ceiling: Ceiling = Ceiling()
    inconclusive: Inconclusive = Inconclusive.PAUSE

    @property
    def queries(self) -> tuple[Query, ...]:
        """The metrics that count requests."""
        return (*self.counters, *self.latencies)

    def warmup_of(self, query: Query) -> float:
        """How long a new canary is left alone by ``query``, in seconds."""
        return self.warmup_s if isinstance(query, CounterQuery) else max(self.warmup_s, self.latency_warmup_s)

    @property
    def alpha_breaker(self) -> float:
        """The breaker's share of ``alpha``."""
        return self.alpha / 10

    @property
    def alpha_evidence(self) -> float:
        return self.alpha - self.alpha_breaker
