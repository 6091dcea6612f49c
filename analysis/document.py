"""An AnalysisSpec as the ``metrics:`` and ``analysis:`` blocks of a document; reading them gives an equal spec."""

from __future__ import annotations

from typing import Any

from analysis.model import AnalysisSpec, Margins


def metrics_document(spec: AnalysisSpec) -> dict[str, Any]:
    """Presets are written out."""
    counters = [
        _some({"name": q.name, "total": list(q.total), "bad": list(q.bad), "sloBadFraction": q.slo_bad_fraction})
        for q in spec.counters
    ]
    latency = [
        _some({"name": q.name, "buckets": list(q.buckets), "slow": q.slow_s, "sloBadFraction": q.slo_bad_fraction})
        for q in spec.latencies
    ]
    return {"prometheus": spec.prometheus_url, "counters": counters, "latency": latency}


def analysis_document(spec: AnalysisSpec) -> dict[str, Any]:
    document = {
        "alpha": spec.alpha,
        "beta": spec.beta,
        "minRequests": spec.min_canary_requests,
        "warmup": duration(spec.warmup_s),
        "block": duration(spec.block_s),
        "settle": duration(spec.settle_s),
        "staleAfter": duration(spec.stale_after_s),
        "noData": {"rollbackAfter": duration(spec.no_data_timeout_s)},
        "errors": {"weight": spec.errors_weight} | _margins(spec.errors, is_latency=False),
        "latency": {"weight": spec.latency_weight, "warmup": duration(spec.latency_warmup_s)}
        | _margins(spec.latency, is_latency=True),
        "traffic": {
            "weight": spec.traffic.weight,
            "minShare": spec.traffic.min_share,
            "dispersion": spec.traffic.dispersion,
            "warmup": duration(spec.traffic.warmup_s),
        },
        "breaker": {
            "ratio": spec.breaker.ratio,
            "errors": spec.breaker.errors_abs,
            "slow": spec.breaker.slow_abs,
            "failSeconds": spec.breaker.outage_s,
        },
    }
    # Left out when it is what staleAfter gives by itself: that may be longer than what may be written.
    default_window_s = max(60.0, 2 * spec.stale_after_s)
    return document if spec.window_s == default_window_s else document | {"window": duration(spec.window_s)}


def _margins(margins: Margins, is_latency: bool) -> dict[str, Any]:
    rollback: dict[str, Any] = {"ratio": margins.rollback_ratio, "abs": margins.rollback_abs}
    promote: dict[str, Any] = {"ratio": margins.promote_ratio, "abs": margins.promote_abs}
    if is_latency:
        rollback |= {"increase": margins.rollback_increase}
        promote |= {"increase": margins.promote_increase}
    return {"rollback": rollback, "promote": promote}


def _some(block: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in block.items() if value is not None}


def duration(seconds: float) -> str | float:
    """``300.0`` becomes "5m"; a fraction of a second stays a number, which reads back exactly."""
    whole = int(seconds)
    if seconds != whole:
        return seconds
    if whole == 0:
        return "0s"
    for unit, size in (("h", 3_600), ("m", 60)):
        if whole % size == 0:
            return f"{whole // size}{unit}"
    return f"{whole}s"
