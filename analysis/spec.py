"""The ``metrics:`` and ``analysis:`` blocks of an application to an AnalysisSpec. Only it knows their form."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.alias_generators import to_camel

from analysis import presets
from analysis.durations import parse_duration
from analysis.model import (
    ERROR_MARGINS,
    LATENCY_MARGINS,
    AnalysisSpec,
    Breaker,
    CounterQuery,
    LatencyQuery,
    Margins,
    Traffic,
)
from analysis.selectors import parse_selector

QUERIES_MAX = 10  # metrics of an application; each costs requests to Prometheus on every pass
SELECTORS_MAX = 10  # selectors in one list, for the same reason

ALPHA_LEAST = 1e-12  # no amount of evidence that a release can gather proves more
LATENCY_WARMUP_S = 120.0  # caches and pools of a new instance fill slower than its first requests fail

Duration = Annotated[float, BeforeValidator(parse_duration)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Ratio = Annotated[float, Field(ge=1, le=100)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]


class SpecError(ValueError):
    """The blocks cannot be used. The text has one line per mistake and says what to do."""


class _Block(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, alias_generator=to_camel, populate_by_name=True, frozen=True, allow_inf_nan=False
    )


def _sided(text: str) -> str:
    """A selector that would read the same series for both versions compares nothing, so it is refused."""
    if not parse_selector(text).placeholders & {"role", "version"}:
        raise ValueError(f"{text!r} would read the same series for both versions; add $role or $version to a label")
    return text


SelectorText = Annotated[str, BeforeValidator(lambda value: _sided(value) if isinstance(value, str) else value)]
Selectors = Annotated[list[SelectorText], Field(min_length=1, max_length=SELECTORS_MAX)]


class CounterBlock(_Block):
    """Bad requests out of requests, as raw counters."""

    name: Name
    total: Selectors
    bad: Selectors
    slo_bad_fraction: Fraction | None = None


class LatencyBlock(_Block):
    """A classic histogram; a request slower than ``slow`` is bad."""

    name: Name
    buckets: Selectors
    slow: Duration
    slo_bad_fraction: Fraction | None = None

    @field_validator("buckets")
    @classmethod
    def _buckets(cls, value: list[str]) -> list[str]:
        wrong = [text for text in value if not parse_selector(text).name.endswith("_bucket")]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is not a histogram's bucket counter; its name must end in _bucket")
        return value


class MetricsBlock(_Block):
    """Where the metrics are and which ones count."""

    prometheus: str
    preset: Literal["generic", "haproxy"] | None = None
    backend: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.:-]{1,100}$")
    slow: Duration = 0.5
    slo_bad_fraction: Fraction | None = None
    slo_slow_fraction: Fraction | None = None
    counters: list[CounterBlock] = Field(default=[], max_length=QUERIES_MAX)
    latency: list[LatencyBlock] = Field(default=[], max_length=QUERIES_MAX)

    @field_validator("prometheus")
    @classmethod
    def _address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("write Prometheus' address as http://HOST:PORT or https://HOST:PORT/PREFIX")
        if parts.username or parts.password:
            raise ValueError("do not put credentials into the address; give the controller a file that holds them")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _complete(self) -> MetricsBlock:
        if self.preset == "haproxy" and self.backend is None:
            raise ValueError("the preset haproxy needs backend: the name of the backend that holds both servers")
        if self.preset != "haproxy" and self.backend is not None:
            raise ValueError("backend belongs to the preset haproxy; remove it or set preset: haproxy")
        if self.preset != "generic" and self.model_fields_set & {"slow", "slo_slow_fraction"}:
            raise ValueError("slow and sloSlowFraction belong to the preset generic; put them into the latency list")
        if self.preset is None and self.slo_bad_fraction is not None:
            raise ValueError("sloBadFraction here belongs to a preset; put it into the counters list")
        return self


class MarginBlock(_Block):
    ratio: Ratio | None = None
    abs: Fraction | None = None


class MarginsBlock(_Block):
    rollback: MarginBlock = MarginBlock()
    promote: MarginBlock = MarginBlock()


class ErrorsBlock(MarginsBlock):
    weight: Fraction = 0.45


class QuantileMarginBlock(MarginBlock):
    increase: Annotated[float, Field(ge=0, le=10)] | None = None


class LatencyMarginsBlock(_Block):
    rollback: QuantileMarginBlock = QuantileMarginBlock()
    promote: QuantileMarginBlock = QuantileMarginBlock()
    weight: Fraction = 0.45
    warmup: Duration | None = None


class TrafficBlock(_Block):
    """When requests that never complete count as harm."""

    weight: Fraction = 0.10
    min_share: Fraction = 0.3
    dispersion: Annotated[float, Field(ge=1, le=100)] = 6.0
    warmup: Duration = 60.0


class BreakerBlock(_Block):
    ratio: Ratio = 2.0
    errors: Fraction = 0.25
    slow: Fraction = 0.5
    fail_seconds: Annotated[float, Field(ge=0, le=300)] = 5.0


class NoDataBlock(_Block):
    rollback_after: Duration = 300.0


class AnalysisBlock(_Block):
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
    traffic: TrafficBlock = TrafficBlock()
    latency: LatencyMarginsBlock = LatencyMarginsBlock()
    breaker: BreakerBlock = BreakerBlock()

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


def to_spec(metrics: MetricsBlock, analysis: AnalysisBlock) -> AnalysisSpec:
    """Raises SpecError when nothing would be judged, a name is used twice or margins contradict each other."""
    preset = _preset(metrics)
    counters = (*preset.counters, *(_counter(block) for block in metrics.counters))
    latencies = (*preset.latencies, *(_latency(block) for block in metrics.latency))
    _distinct([query.name for query in counters] + [query.name for query in latencies])
    if not counters:
        raise SpecError("metrics: nothing counts failed requests; set preset: generic or haproxy, or add counters")
    return AnalysisSpec(
        prometheus_url=metrics.prometheus,
        counters=counters,
        latencies=latencies,
        alpha=analysis.alpha,
        beta=analysis.beta,
        min_canary_requests=analysis.min_requests,
        warmup_s=analysis.warmup,
        stale_after_s=analysis.stale_after,
        no_data_timeout_s=analysis.no_data.rollback_after,
        window_s=analysis.window if analysis.window is not None else max(60.0, 2 * analysis.stale_after),
        errors=_margins("errors", analysis.errors, ERROR_MARGINS),
        latency=_margins("latency", analysis.latency, LATENCY_MARGINS),
        breaker=_breaker(analysis.breaker),
        block_s=analysis.block,
        settle_s=analysis.settle,
        latency_warmup_s=LATENCY_WARMUP_S if analysis.latency.warmup is None else analysis.latency.warmup,
        errors_weight=analysis.errors.weight,
        latency_weight=analysis.latency.weight,
        traffic=_traffic(analysis.traffic),
    )


def _preset(metrics: MetricsBlock) -> presets.Preset:
    if metrics.preset == "generic":
        return presets.generic(metrics.slow, metrics.slo_bad_fraction, metrics.slo_slow_fraction)
    if metrics.preset == "haproxy":
        assert metrics.backend is not None, "the block was validated"
        return presets.haproxy(metrics.backend, metrics.slo_bad_fraction)
    return presets.Preset(())


def _counter(block: CounterBlock) -> CounterQuery:
    return CounterQuery(block.name, tuple(block.total), tuple(block.bad), block.slo_bad_fraction)


def _latency(block: LatencyBlock) -> LatencyQuery:
    return LatencyQuery(block.name, tuple(block.buckets), block.slow, block.slo_bad_fraction)


def _breaker(block: BreakerBlock) -> Breaker:
    return Breaker(block.ratio, block.errors, block.slow, block.fail_seconds)


def _traffic(block: TrafficBlock) -> Traffic:
    return Traffic(block.weight, block.min_share, block.dispersion, block.warmup)


def _margins(where: str, block: MarginsBlock | LatencyMarginsBlock, default: Margins) -> Margins:
    given = {
        f"{side}_{name}": value
        for side, margin in (("rollback", block.rollback), ("promote", block.promote))
        for name, value in margin.model_dump().items()
        if value is not None
    }
    margins = replace(default, **given)
    tighter = (
        margins.promote_ratio < margins.rollback_ratio
        or margins.promote_abs < margins.rollback_abs
        or margins.promote_increase < margins.rollback_increase
    )
    if tighter:
        raise SpecError(f"analysis.{where}: the promote margin must not be tighter than the rollback margin")
    return margins


def _distinct(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise SpecError(f"metrics: the name {name!r} is used twice (presets use errors and latency); rename one")
        seen.add(name)


def _readable(error: ValidationError) -> str:
    return "\n".join(_line(item["loc"], item["type"], item["msg"]) for item in error.errors(include_url=False))


def _line(location: tuple[Any, ...], kind: str, message: str) -> str:
    where = ".".join(str(part) for part in location) or "metrics or analysis"
    if kind == "extra_forbidden":
        return f"{where}: no such field; check its spelling"
    if kind == "missing":
        return f"{where}: missing; it is required"
    return f"{where}: {re.sub('^Value error, ', '', message)}"
