"""The ``metrics:`` and ``analysis:`` blocks of an application to an AnalysisSpec. Only it knows their form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from analysis import queries
from analysis.model import (
    ERROR_MARGINS,
    LATENCY_MARGINS,
    AnalysisSpec,
    Breaker,
    Ceiling,
    Inconclusive,
    Margins,
    Traffic,
)
from analysis.spec_metrics import (
    Block,
    Duration,
    Fraction,
    MarginsBlock,
    QuantileMarginsBlock,
    Ratio,
)
from analysis.spec_metrics import MetricsBlock as MetricsBlock

ALPHA_LEAST = 1e-12  # no amount of evidence that a release can gather proves more
LATENCY_WARMUP_S = 120.0  # caches and pools of a new instance fill slower than its first requests fail


class SpecError(ValueError):
    """The blocks cannot be used. The text has one line per mistake and says what to do."""


class ErrorsBlock(MarginsBlock):
    weight: Fraction = 0.45


class LatencyMarginsBlock(QuantileMarginsBlock):
    weight: Fraction = 0.45
    warmup: Duration | None = None


class GaugesBlock(Block):
    weight: Fraction = 0.10


class TrafficBlock(Block):
    """When requests that never complete count as harm."""

    weight: Fraction = 0.10
    min_share: Fraction = 0.3
    dispersion: Annotated[float, Field(ge=1, le=100)] = 6.0
    warmup: Duration = 60.0


class CalibrationBlock(Block):
    """The ceiling of margins that are learned from stable's own pods."""

    ratio: Annotated[float, Field(ge=0, le=10)] = 2.0
    increase: Annotated[float, Field(ge=0, le=10)] = 0.4


class BreakerBlock(Block):
    ratio: Ratio = 2.0
    errors: Fraction = 0.25
    slow: Fraction = 0.5
    fail_seconds: Annotated[float, Field(ge=0, le=300)] = 5.0


class NoDataBlock(Block):
    rollback_after: Duration = 300.0


class AnalysisBlock(Block):
    """How strictly the metrics are judged. Every field has a default."""

    alpha: Annotated[float, Field(ge=ALPHA_LEAST, le=0.2)] = 0.01
    beta: Annotated[float, Field(ge=1e-6, le=0.5)] = 0.05
    min_requests: Annotated[int, Field(ge=1, le=1_000_000)] = 50
    warmup: Duration = 15.0
    block: Annotated[Duration, Field(ge=0.5, le=60)] = 5.0
    settle: Annotated[Duration, Field(le=30)] = 1.0
    stale_after: Annotated[Duration, Field(ge=2, le=3600)] = 60.0
    window: Annotated[Duration, Field(ge=5, le=3600)] | None = None
    no_data: NoDataBlock = NoDataBlock()
    errors: ErrorsBlock = ErrorsBlock()
    latency: LatencyMarginsBlock = LatencyMarginsBlock()
    gauges: GaugesBlock = GaugesBlock()
    traffic: TrafficBlock = TrafficBlock()
    breaker: BreakerBlock = BreakerBlock()
    calibration: CalibrationBlock = CalibrationBlock()
    inconclusive: Literal["pause", "rollback", "promote"] = "pause"

    @model_validator(mode="after")
    def _times(self) -> AnalysisBlock:
        if self.window is not None and self.window < self.stale_after:
            raise ValueError("window must not be shorter than staleAfter, or old samples look like none at all")
        return self


def parse_analysis(metrics: object, analysis: object = None) -> AnalysisSpec:
    """Both blocks as read from YAML or JSON. Raises SpecError."""
    try:
        return to_spec(MetricsBlock.model_validate(metrics), AnalysisBlock.model_validate(analysis or {}))
    except ValidationError as error:
        raise SpecError(_readable(error)) from None


def to_spec(
    metrics: MetricsBlock, analysis: AnalysisBlock, target: Mapping[str, tuple[str, str]] | None = None
) -> AnalysisSpec:
    """``target`` are placeholders that the application's target knows, stable's and the canary's value each.

    Raises SpecError when nothing would be judged, a name is used twice, or margins or placeholders make no sense.
    """
    errors = _margins("errors", analysis.errors, ERROR_MARGINS)
    latency = _margins("latency", analysis.latency, LATENCY_MARGINS)
    try:
        asked = queries.built(metrics, target or {}, errors, latency)
    except queries.Unusable as mistake:
        raise SpecError(str(mistake)) from None
    return AnalysisSpec(
        prometheus_url=metrics.prometheus,
        counters=asked.counters,
        latencies=asked.latencies,
        alpha=analysis.alpha,
        beta=analysis.beta,
        min_canary_requests=analysis.min_requests,
        warmup_s=analysis.warmup,
        stale_after_s=analysis.stale_after,
        no_data_timeout_s=analysis.no_data.rollback_after,
        window_s=analysis.window if analysis.window is not None else max(60.0, 2 * analysis.stale_after),
        errors=errors,
        latency=latency,
        breaker=_breaker(analysis.breaker),
        block_s=analysis.block,
        settle_s=analysis.settle,
        latency_warmup_s=LATENCY_WARMUP_S if analysis.latency.warmup is None else analysis.latency.warmup,
        errors_weight=analysis.errors.weight,
        latency_weight=analysis.latency.weight,
        traffic=_traffic(analysis.traffic),
        gauges=asked.gauges,
        gauges_weight=analysis.gauges.weight,
        names=asked.names,
        ceiling=Ceiling(analysis.calibration.ratio, analysis.calibration.increase),
        inconclusive=Inconclusive(analysis.inconclusive),
    )


def _breaker(block: BreakerBlock) -> Breaker:
    return Breaker(block.ratio, block.errors, block.slow, block.fail_seconds)


def _traffic(block: TrafficBlock) -> Traffic:
    return Traffic(block.weight, block.min_share, block.dispersion, block.warmup)


def _margins(where: str, block: MarginsBlock | QuantileMarginsBlock, default: Margins) -> Margins:
    try:
        return queries.margins_over(block, default)
    except queries.Unusable as mistake:
        raise SpecError(f"analysis.{where}: {mistake}") from None


def _readable(error: ValidationError) -> str:
    return "\n".join(_line(item["loc"], item["type"], item["msg"]) for item in error.errors(include_url=False))


def _line(location: tuple[Any, ...], kind: str, message: str) -> str:
    where = ".".join(str(part) for part in location) or "metrics or analysis"
    if kind == "extra_forbidden":
        return f"{where}: no such field; check its spelling"
    if kind == "missing":
        return f"{where}: missing; it is required"
    return f"{where}: {re.sub('^Value error, ', '', message)}"
