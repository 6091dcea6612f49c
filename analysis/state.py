"""What is kept with a release: how far the counting went, what was gathered, the evidence. Data only; no formulas."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from analysis.samples import Role


@dataclass(frozen=True, slots=True)
class SeriesMark:
    """Where the counting of one series stands: the last sample that was used. ``metric`` is "name selector"."""

    metric: str
    role: Role
    key: str
    at_s: float
    value: float


@dataclass(frozen=True, slots=True)
class Tally:
    """Requests and bad requests of both sides over one stretch of time."""

    canary_total: float = 0.0
    canary_bad: float = 0.0
    stable_total: float = 0.0
    stable_bad: float = 0.0


@dataclass(frozen=True, slots=True)
class Dispersion:
    """What the estimate of clustering rests on: fading sums of squares and what they would be without any clustering.

    ``size_sum / size_count`` is stable's mean number of requests in a block, ``block`` the last one. Where pods are
    told apart, ``pod_squares`` and ``pod_expected`` replace stable's own sums; ``open_...`` are the open block's.
    """

    stable_squares: float = 0.0
    stable_expected: float = 0.0
    canary_squares: float = 0.0
    canary_expected: float = 0.0
    size_sum: float = 0.0
    size_count: float = 0.0
    block: Tally | None = None
    pod_squares: float = 0.0
    pod_expected: float = 0.0
    open_squares: float = 0.0
    open_expected: float = 0.0


@dataclass(frozen=True, slots=True)
class HistogramState:
    """A latency's requests per bucket: those of the open block by role, and stable's of late, which fade.

    ``bounds`` are the buckets' finite upper ends in seconds; one more bucket holds what is above. ``known_s`` is how
    long stable was seen.
    """

    bounds: tuple[float, ...]
    canary: tuple[float, ...]
    stable: tuple[float, ...]
    known: tuple[float, ...]
    known_s: float = 0.0

    @property
    def upto(self) -> tuple[float, ...]:
        """The upper ends of all buckets."""
        return (*self.bounds, math.inf)


@dataclass(frozen=True, slots=True)
class EdgeState:
    """One quantile of a latency: the evidence on canary requests above ``bound_s`` against stable's, made slower.

    ``seen`` sums up what the evidence rests on.
    """

    bound_s: float
    log_harm: tuple[float, ...] = ()
    log_safe: tuple[float, ...] = ()
    dispersion: Dispersion = Dispersion()
    seen: Tally = Tally()


@dataclass(frozen=True, slots=True)
class MetricState:
    """What one metric has gathered: requests and bad requests by role, and its evidence in nats.

    ``log_harm`` has one entry per point of the grid of alternatives; ``log_safe`` likewise for the promotion bound,
    ``log_breaker`` for the breaker, ``log_slo`` and ``log_worse`` for the absolute guardrail's two halves. A latency
    has its harm and its promotion in ``edges``. ``cash`` and ``breaker_cash`` are the prior mass not yet staked on an
    onset of harm. ``block`` and ``flash`` are what waits for the next step of the evidence and of the breaker;
    ``recent`` forgets with a half-life.
    """

    metric: str
    canary_total: float = 0.0
    canary_bad: float = 0.0
    stable_total: float = 0.0
    stable_bad: float = 0.0
    log_harm: tuple[float, ...] = ()
    log_safe: tuple[float, ...] = ()
    log_breaker: tuple[float, ...] = ()
    log_slo: tuple[float, ...] = ()
    log_worse: tuple[float, ...] = ()
    cash: float = 1.0
    breaker_cash: float = 1.0
    block: Tally = Tally()
    block_at_s: float | None = None
    flash: Tally = Tally()
    flash_at_s: float | None = None
    recent: Tally = Tally()
    dispersion: Dispersion = Dispersion()
    histogram: HistogramState | None = None
    edges: tuple[EdgeState, ...] = ()


@dataclass(frozen=True, slots=True)
class GaugeState:
    """What one gauge has gathered. ``canary`` and ``stable`` are sums over the open block, ``count`` how many values.

    ``excesses`` are the last blocks' values beyond the margin, newest last; ``products`` and ``safe_products`` the
    running products of the bets, in nats.
    """

    metric: str
    canary: float = 0.0
    stable: float = 0.0
    count: int = 0
    block_at_s: float | None = None
    block_s: float = 60.0
    excesses: tuple[float, ...] = ()
    products: tuple[float, ...] = ()
    safe_products: tuple[float, ...] = ()
    canary_last: float | None = None
    stable_last: float | None = None


@dataclass(frozen=True, slots=True)
class PodTally:
    """What one canary pod has served of one metric: requests, and bad ones; of a latency, those above each edge."""

    metric: str
    total: float = 0.0
    bad: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class PodState:
    """One pod of the canary, and when it was first seen."""

    pod: str
    since_s: float
    tallies: tuple[PodTally, ...] = ()


@dataclass(frozen=True, slots=True)
class Calibration:
    """How much stable's own pods differ for good: the 95 % quantile over pods taken for a canary, as factors.

    ``errors`` multiplies a rate of failures, ``latency`` a time. Learned from ``pods`` pods over ``windows`` windows in
    which there were enough of them.
    """

    errors: float = 1.0
    latency: float = 1.0
    pods: int = 0
    windows: int = 0
    made_at_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ShareState:
    """Evidence that the canary completes far fewer requests than its weight; ``since_s`` is when the weight was set.

    ``beside`` are the requests of stable outside its baseline, in the block that began at ``beside_from_s``.
    """

    weight_pct: float | None = None
    since_s: float = 0.0
    logs: tuple[float, ...] = ()
    cash: float = 1.0
    beside: float = 0.0
    beside_from_s: float | None = None


@dataclass(frozen=True, slots=True)
class TrailPoint:
    """The evidence at one moment, for a plot: of harm, of safety, and of the breaker."""

    at_s: float
    harm: float
    safe: float
    breaker: float


@dataclass(frozen=True, slots=True)
class JudgeState:
    """All the analysis keeps of a release. Small, persisted with it, and a restart continues it exactly.

    ``failed`` is the latched verdict's text, ``failed_code`` its code, ``tripped`` whether it was the breaker.
    ``moved_at_s`` is when a canary request was last seen to complete. ``interval_s`` is the time between scrapes as
    discovered.
    """

    started_at_s: float
    step_at_s: float
    marks: tuple[SeriesMark, ...] = ()
    metrics: tuple[MetricState, ...] = ()
    step_canary_total: float = 0.0
    outage_s: float = 0.0
    fresh_at_s: float | None = None
    failed: str = ""
    extra: tuple[tuple[str, float], ...] = field(default=())
    failed_code: str = ""
    tripped: bool = False
    read_at_s: float | None = None
    moved_at_s: float | None = None
    share: ShareState = ShareState()
    interval_s: float | None = None
    gauges: tuple[GaugeState, ...] = ()
    calibration: Calibration | None = None
    pods: tuple[PodState, ...] = ()
    trail: tuple[TrailPoint, ...] = ()
