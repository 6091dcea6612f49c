"""The JSON answers about the analysis: evidence over time, what was learned of the pods, the forecast. Shapes only."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EvidencePointView(_Answer):
    """E-values at one moment, for a plot: of harm, of safety, and of the breaker. ``numbers`` has what is needed."""

    at: str
    harm: float
    safe: float
    breaker: float


class CauseView(_Answer):
    """One metric and what its evidence rests on. ``one_in`` is null while nothing speaks for harm.

    Counts are of requests, for a latency of those slower than ``above_s``, stable's made slower by the margin; a gauge
    has values instead. More than ``allowed_pct`` of the canary's requests bad is harm.
    """

    metric: str
    text: str
    evidence: float
    one_in: int | None
    promotion: float
    weight: float
    canary_requests: float | None = None
    canary_bad: float | None = None
    stable_requests: float | None = None
    stable_bad: float | None = None
    allowed_pct: float | None = None
    above_s: float | None = None
    canary_value: float | None = None
    stable_value: float | None = None


class ProofView(_Answer):
    """The evidence of the whole release, what it needs, its causes with the worst first, and its course for a plot."""

    harm: float
    harm_needed: float
    one_in: int | None
    safe: float
    safe_needed: float
    breaker: float
    breaker_needed: float
    requests_lost: float
    causes: list[CauseView]
    series: list[EvidencePointView]


class CalibrationView(_Answer):
    """How much stable's own pods differ, as factors. ``proposal`` is what they need and the ceiling does not allow."""

    errors: float
    latency: float
    pods: int
    windows: int
    made_at: str
    proposal: str | None = None


class SightView(_Answer):
    """Bad requests from ``finds_pct`` on are found within the step's bake, on average; null: not even if all are."""

    weight_pct: float
    bake_s: float
    metric: str
    finds_pct: float | None


class ForecastView(_Answer):
    """What a release could find at today's traffic. ``start_trouble`` is what would keep one from starting now."""

    text: str
    requests_per_s: float
    promotion_s: float | None
    steps: list[SightView]
    start_trouble: str | None
    calibration: CalibrationView | None
