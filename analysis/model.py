"""The words of the analysis: what is read, what is kept with a release, what is said. Data only; it reads nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias


class Role(StrEnum):
    """Which side of the comparison a series belongs to."""

    STABLE = "stable"
    CANARY = "canary"


class Outcome(StrEnum):
    """What came back for one query and one role. Only OK carries series; none of the others ever means "fine"."""

    OK = "ok"
    NO_SERIES = "no_series"
    NOT_A_NUMBER = "not_a_number"
    INFINITE = "infinite"
    TOO_MANY_SERIES = "too_many_series"
    STALE = "stale"
    NOT_A_VECTOR = "not_a_vector"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Point:
    """One raw sample: scrape time in seconds since the epoch, and the counter's value."""

    at_s: float
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """The raw samples of one series, oldest first. ``key`` is its label set as canonical text.

    ``source`` names the scraped target: series of one source share their scrapes. ``le`` is a bucket's upper bound.
    """

    key: str
    points: tuple[Point, ...]
    le: float | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """The answer to one query for one role: ``metric`` is the selector as the spec has it.

    ``text`` says what went wrong, for people.
    """

    metric: str
    role: Role
    outcome: Outcome
    series: tuple[Series, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class Readings:
    """All answers of one pass, read at one fixed time ``at_s``."""

    at_s: float
    items: tuple[Reading, ...] = ()


class Judgement(StrEnum):
    """FAIL rolls back on evidence; TRIP is the breaker and rolls back at once; HOLD never advances and says why."""

    OK = "ok"
    HOLD = "hold"
    FAIL = "fail"
    TRIP = "trip"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the analysis says now.

    ``may_advance`` lets an intermediate step go on, ``may_promote`` also the last one. ``code`` is stable, ``text`` is
    for people, ``numbers`` are the figures the verdict rests on. ``fresh_at_s`` is the newest canary sample's time.
    """

    judgement: Judgement
    code: str
    text: str
    may_advance: bool = False
    may_promote: bool = False
    numbers: tuple[tuple[str, float], ...] = ()
    fresh_at_s: float | None = None


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
class MetricState:
    """What one metric has gathered: requests and bad requests by role, and its evidence in nats.

    ``log_harm`` has one entry per point of the grid of alternatives; ``log_safe`` likewise for the promotion bound,
    ``log_breaker`` for the breaker, ``log_slo`` and ``log_worse`` for the absolute guardrail's two halves. ``cash`` and
    ``breaker_cash`` are the prior mass not yet staked on an onset of harm. ``block`` and ``flash`` are what waits for
    the next step of the evidence and of the breaker; ``recent`` forgets with a half-life.
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


@dataclass(frozen=True, slots=True)
class ShareState:
    """Evidence that the canary completes far fewer requests than its weight; ``since_s`` is when the weight was set."""

    weight_pct: float | None = None
    since_s: float = 0.0
    logs: tuple[float, ...] = ()
    cash: float = 1.0


@dataclass(frozen=True, slots=True)
class JudgeState:
    """All the analysis keeps of a release. Small, persisted with it, and a restart continues it exactly.

    ``failed`` is the latched verdict's text, ``failed_code`` its code, ``tripped`` whether it was the breaker.
    ``moved_at_s`` is when a canary request was last seen to complete.
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


@dataclass(frozen=True, slots=True)
class CounterQuery:
    """Bad requests out of requests, as PromQL selectors of raw counters for each role.

    Selectors may hold ``$role``, ``$version`` and ``$application``. Each list is summed after differencing per series.
    """

    name: str
    total: tuple[str, ...]
    bad: tuple[str, ...]
    slo_bad_fraction: float | None = None


@dataclass(frozen=True, slots=True)
class LatencyQuery:
    """A classic histogram's bucket selector; a request slower than ``slow_s`` counts as bad."""

    name: str
    buckets: tuple[str, ...]
    slow_s: float
    slo_bad_fraction: float | None = None


Query: TypeAlias = CounterQuery | LatencyQuery


@dataclass(frozen=True, slots=True)
class Margins:
    """How much worse the canary may be: bad fraction up to ``ratio`` times stable's plus ``abs``.

    Beyond the rollback margin counts as harm; promotion needs proof that it is below the promote margin. Between the
    two either answer is right.
    """

    rollback_ratio: float
    rollback_abs: float
    promote_ratio: float
    promote_abs: float


ERROR_MARGINS = Margins(1.2, 0.0002, 1.5, 0.005)
LATENCY_MARGINS = Margins(1.2, 0.02, 1.5, 0.05)


@dataclass(frozen=True, slots=True)
class Breaker:
    """When to roll back at once: margins on failed and on slow requests, and how long an outage must last."""

    ratio: float = 2.0
    errors_abs: float = 0.25
    slow_abs: float = 0.5
    outage_s: float = 5.0


@dataclass(frozen=True, slots=True)
class AnalysisSpec:
    """Which metrics are judged and how strictly. Times in seconds; probabilities as fractions.

    ``alpha`` bounds the probability that a release within its margins is ever rolled back, ``beta`` that one beyond its
    promote margin is promoted. Evidence moves in blocks of ``block_s``. Queries look ``settle_s`` into the past, so
    that a scrape that is just being stored is seen by all of them or by none.
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

    @property
    def queries(self) -> tuple[Query, ...]:
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
