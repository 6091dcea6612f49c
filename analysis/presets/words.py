"""What a preset is made of, and what it is told about the application. Data only."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.model import CounterQuery, LatencyQuery


@dataclass(frozen=True, slots=True)
class Preset:
    """``names`` are the placeholders that its selectors need beside $role, $version and $application."""

    counters: tuple[CounterQuery, ...]
    latencies: tuple[LatencyQuery, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Options:
    """``slow_s`` is the limit of a slow request; the fractions are the objectives, None where there is none.

    ``match`` replaces the labels by which the preset generic tells versions apart, ``backend`` is HAProxy's.
    """

    slow_s: float = 0.5
    slo_bad_fraction: float | None = None
    slo_slow_fraction: float | None = None
    match: str = ""
    backend: str = ""


def errors(total: str, bad: str, options: Options) -> CounterQuery:
    return CounterQuery("errors", (total,), (bad,), options.slo_bad_fraction)


def latency(buckets: str, options: Options, unit_s: float = 1.0) -> LatencyQuery:
    return LatencyQuery("latency", (buckets,), options.slow_s, options.slo_slow_fraction, unit_s)
