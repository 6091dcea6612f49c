"""The ``metrics:`` block of an application: which metrics there are and where. Only it and ``spec`` know their form."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from analysis.durations import parse_duration
from analysis.presets import PRESETS
from analysis.selectors import expression_placeholders, read_selector

QUERIES_MAX = 10  # metrics of an application; each costs requests to Prometheus on every pass
SELECTORS_MAX = 10  # selectors in one list, for the same reason
NAMES_MAX = 10  # placeholders of one's own

Duration = Annotated[float, BeforeValidator(parse_duration)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Ratio = Annotated[float, Field(ge=1, le=100)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]


def _selector(value: Any) -> Any:
    """A selector that would read the same series for both versions compares nothing, so it is refused."""
    if isinstance(value, str) and not read_selector(value).placeholders:
        raise ValueError(f"{value!r} would read the same series for both versions; add $role or $version to a label")
    return value


def _expression(value: Any) -> Any:
    if isinstance(value, str) and not expression_placeholders(value):
        raise ValueError(f"{value!r} has the same value for both versions; add $role or $version to a label")
    return value


SelectorText = Annotated[str, BeforeValidator(_selector)]
Selectors = Annotated[list[SelectorText], Field(min_length=1, max_length=SELECTORS_MAX)]
Expression = Annotated[str, BeforeValidator(_expression)]


class Block(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, alias_generator=to_camel, populate_by_name=True, frozen=True, allow_inf_nan=False
    )


class MarginBlock(Block):
    ratio: Ratio | None = None
    abs: Fraction | None = None


class QuantileMarginBlock(MarginBlock):
    increase: Annotated[float, Field(ge=0, le=10)] | None = None


class MarginsBlock(Block):
    rollback: MarginBlock = MarginBlock()
    promote: MarginBlock = MarginBlock()


class QuantileMarginsBlock(Block):
    rollback: QuantileMarginBlock = QuantileMarginBlock()
    promote: QuantileMarginBlock = QuantileMarginBlock()


class PolicyBlock(Block):
    """What one metric may do, beside what it measures."""

    dry_run: bool = False
    required: bool = True
    weight: Annotated[float, Field(gt=0, le=100)] = 1.0


class CounterBlock(PolicyBlock):
    """Bad requests out of requests, as raw counters."""

    name: Name
    total: Selectors
    bad: Selectors
    slo_bad_fraction: Fraction | None = None
    critical: bool = True
    margins: MarginsBlock | None = None


class LatencyBlock(PolicyBlock):
    """A histogram; a request slower than ``slow`` is bad. ``unit`` is that of its bounds."""

    name: Name
    buckets: Selectors
    slow: Duration
    slo_bad_fraction: Fraction | None = None
    unit: Literal["s", "ms"] = "s"
    native: bool = False
    critical: bool = True
    margins: QuantileMarginsBlock | None = None

    @model_validator(mode="after")
    def _histogram(self) -> LatencyBlock:
        wrong = [text for text in self.buckets if not self.native and not read_selector(text).name.endswith("_bucket")]
        if wrong:
            raise ValueError(
                f"{wrong[0]!r} is not a histogram's bucket counter; its name must end in _bucket, or set native: true"
            )
        return self


class GaugeBlock(PolicyBlock):
    """Any PromQL with one value per role."""

    name: Name
    value: Expression
    worse: Literal["higher", "lower"] = "higher"
    margin: Annotated[float, Field(gt=0, le=10)] = 0.2
    block: Annotated[Duration, Field(ge=10, le=960)] = 60.0
    critical: bool = False


class SidesBlock(Block):
    stable: Annotated[str, Field(max_length=300)]
    canary: Annotated[str, Field(max_length=300)]


OwnName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
OwnNames = Annotated[dict[OwnName, str | SidesBlock], Field(max_length=NAMES_MAX)]


PresetName = Literal["generic", "haproxy", "istio", "ingressNginx", "envoyGateway", "traefik", "linkerd"]


def _preset_name(value: Any) -> Any:
    if isinstance(value, str) and value not in PRESETS:
        raise ValueError(f"there is no preset {value!r}; there are {', '.join(map(repr, PRESETS))}")
    return value


class MetricsBlock(Block):
    """Where the metrics are and which ones count."""

    prometheus: str
    preset: Annotated[PresetName, BeforeValidator(_preset_name)] | None = None
    backend: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.:-]{1,100}$")
    match: str | None = Field(default=None, min_length=1, max_length=500)
    names: OwnNames = {}
    slow: Duration = 0.5
    slo_bad_fraction: Fraction | None = None
    slo_slow_fraction: Fraction | None = None
    counters: list[CounterBlock] = Field(default=[], max_length=QUERIES_MAX)
    latency: list[LatencyBlock] = Field(default=[], max_length=QUERIES_MAX)
    gauges: list[GaugeBlock] = Field(default=[], max_length=QUERIES_MAX)

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
        if self.preset != "generic" and self.match is not None:
            raise ValueError("match belongs to the preset generic; other presets know how a version is recognised")
        if self.preset in (None, "haproxy") and self.model_fields_set & {"slow", "slo_slow_fraction"}:
            raise ValueError(
                "slow and sloSlowFraction belong to a preset with latencies; put them into the latency list"
            )
        if self.preset is None and self.slo_bad_fraction is not None:
            raise ValueError("sloBadFraction here belongs to a preset; put it into the counters list")
        return self
