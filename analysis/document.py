"""An AnalysisSpec as the ``metrics:`` and ``analysis:`` blocks of a document; reading them gives an equal spec."""

from __future__ import annotations

from typing import Any

from analysis.model import AnalysisSpec, CounterQuery, GaugeQuery, LatencyQuery, Margins, Policy


def metrics_document(spec: AnalysisSpec) -> dict[str, Any]:
    """Presets are written out."""
    document: dict[str, Any] = {
        "prometheus": spec.prometheus_url,
        "counters": [_counter(query) for query in spec.counters],
        "latency": [_latency(query) for query in spec.latencies],
    }
    if spec.gauges:
        document["gauges"] = [_gauge(query) for query in spec.gauges]
    if spec.names:
        document["names"] = {one.name: {"stable": one.stable, "canary": one.canary} for one in spec.names}
    return document


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
        "gauges": {"weight": spec.gauges_weight},
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
        "calibration": {"ratio": spec.ceiling.ratio, "increase": spec.ceiling.increase},
        "inconclusive": spec.inconclusive.value,
    }
    # Left out when it is what staleAfter gives by itself: that may be longer than what may be written.
    default_window_s = max(60.0, 2 * spec.stale_after_s)
    return document if spec.window_s == default_window_s else document | {"window": duration(spec.window_s)}


def _counter(query: CounterQuery) -> dict[str, Any]:
    block = {
        "name": query.name,
        "total": list(query.total),
        "bad": list(query.bad),
        "sloBadFraction": query.slo_bad_fraction,
    }
    return _some(block) | _policy(query.policy, is_latency=False)


def _latency(query: LatencyQuery) -> dict[str, Any]:
    native = not all(text.split("{")[0].strip().endswith("_bucket") for text in query.buckets)
    block = {
        "name": query.name,
        "buckets": list(query.buckets),
        "slow": query.slow_s,
        "sloBadFraction": query.slo_bad_fraction,
        "unit": "ms" if query.unit_s != 1.0 else None,
        "native": True if native else None,
    }
    return _some(block) | _policy(query.policy, is_latency=True)


def _gauge(query: GaugeQuery) -> dict[str, Any]:
    block = {
        "name": query.name,
        "value": query.value,
        "worse": "higher" if query.higher_is_worse else "lower",
        "margin": query.margin,
        "block": duration(query.block_s),
    }
    return block | _policy(query.policy, is_latency=False, critical_by_default=False)


def _policy(policy: Policy, is_latency: bool, critical_by_default: bool = True) -> dict[str, Any]:
    """What is not as it is by itself."""
    default = Policy(critical=critical_by_default)
    block: dict[str, Any] = {
        "dryRun": policy.dry_run if policy.dry_run != default.dry_run else None,
        "critical": policy.critical if policy.critical != default.critical else None,
        "required": policy.required if policy.required != default.required else None,
        "weight": policy.weight if policy.weight != default.weight else None,
        "margins": _margins(policy.margins, is_latency) if policy.margins is not None else None,
    }
    return _some(block)


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
