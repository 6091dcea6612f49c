"""The ``metrics:`` block to the queries of a spec: presets filled in, placeholders known, selectors checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from analysis.model import CounterQuery, GaugeQuery, LatencyQuery, Margins, Policy, RoleName
from analysis.presets import FIXED_NAMES, PRESETS, Options, Preset
from analysis.selectors import check_known, expression_placeholders, read_selector
from analysis.spec_metrics import (
    CounterBlock,
    GaugeBlock,
    LatencyBlock,
    MarginsBlock,
    MetricsBlock,
    PolicyBlock,
    QuantileMarginsBlock,
)

TELLS_VERSIONS = frozenset({"role", "version"})


class Unusable(ValueError):
    """A query that cannot be asked. The text says what to do."""


@dataclass(frozen=True, slots=True)
class Asked:
    counters: tuple[CounterQuery, ...]
    latencies: tuple[LatencyQuery, ...]
    gauges: tuple[GaugeQuery, ...]
    names: tuple[RoleName, ...]


def built(metrics: MetricsBlock, target: Mapping[str, tuple[str, str]], errors: Margins, latency: Margins) -> Asked:
    """Raises Unusable."""
    preset = _preset(metrics)
    names = _names(metrics, preset, target)
    counters = (*preset.counters, *(_counter(block, errors) for block in metrics.counters))
    latencies = (*preset.latencies, *(_latency(block, latency) for block in metrics.latency))
    gauges = tuple(_gauge(block) for block in metrics.gauges)
    counted = [query.name for query in counters]
    _distinct([*counted, *[query.name for query in latencies], *[query.name for query in gauges]])
    if not any(not query.policy.dry_run for query in counters):
        presets = ", ".join(PRESETS)
        raise Unusable(f"metrics: nothing counts failed requests; set preset (one of {presets}), or add counters")
    _check_placeholders(counters, latencies, gauges, names)
    return Asked(counters, latencies, gauges, names)


def margins_over(block: MarginsBlock | QuantileMarginsBlock, default: Margins) -> Margins:
    """``default`` with what the block says. Raises Unusable when promotion would be stricter than rollback."""
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
        raise Unusable("the promote margin must not be tighter than the rollback margin")
    return margins


def _preset(metrics: MetricsBlock) -> Preset:
    if metrics.preset is None:
        return Preset(())
    options = Options(
        metrics.slow, metrics.slo_bad_fraction, metrics.slo_slow_fraction, metrics.match or "", metrics.backend or ""
    )
    return PRESETS[metrics.preset](options)


def _names(metrics: MetricsBlock, preset: Preset, target: Mapping[str, tuple[str, str]]) -> tuple[RoleName, ...]:
    """The placeholders that are used, from the document, else from the target, else fixed."""
    given: dict[str, tuple[str, str]] = {}
    for name, value in metrics.names.items():
        if name in ("role", "version", "application"):
            raise Unusable(f"metrics.names: ${name} is filled in by Interlock; choose another name")
        given[name] = (value, value) if isinstance(value, str) else (value.stable, value.canary)
    missing = [name for name in preset.names if name not in given and name not in target and name not in FIXED_NAMES]
    if missing:
        raise Unusable(
            f"metrics: the preset {metrics.preset} needs names.{missing[0]}: "
            "{stable: ..., canary: ...}, or one text for both; see docs/analysis.md"
        )
    texts = [text for query in preset.counters for text in (*query.total, *query.bad)]
    wanted = {*given, *preset.names, *_mentioned(metrics, texts, target)}
    sources = {**FIXED_NAMES, **target, **given}
    return tuple(RoleName(name, *sources[name]) for name in sorted(wanted))


def _mentioned(metrics: MetricsBlock, texts: Iterable[str], target: Mapping[str, tuple[str, str]]) -> set[str]:
    """Names of the target that some query uses."""
    own = [text for block in metrics.counters for text in (*block.total, *block.bad)]
    own += [text for block in metrics.latency for text in block.buckets]
    own += [block.value for block in metrics.gauges]
    return {name for name in target if any(f"${name}" in text for text in (*texts, *own))}


def _policy(block: PolicyBlock, critical: bool, margins: Margins | None) -> Policy:
    return Policy(block.dry_run, critical, block.required, block.weight, margins)


def _own_margins(where: str, block: MarginsBlock | QuantileMarginsBlock | None, default: Margins) -> Margins | None:
    if block is None:
        return None
    try:
        return margins_over(block, default)
    except Unusable as mistake:
        raise Unusable(f"metrics: {where}: {mistake}") from None


def _counter(block: CounterBlock, default: Margins) -> CounterQuery:
    policy = _policy(block, block.critical, _own_margins(block.name, block.margins, default))
    return CounterQuery(block.name, tuple(block.total), tuple(block.bad), block.slo_bad_fraction, policy)


def _latency(block: LatencyBlock, default: Margins) -> LatencyQuery:
    policy = _policy(block, block.critical, _own_margins(block.name, block.margins, default))
    unit_s = 0.001 if block.unit == "ms" else 1.0
    return LatencyQuery(block.name, tuple(block.buckets), block.slow, block.slo_bad_fraction, unit_s, policy)


def _gauge(block: GaugeBlock) -> GaugeQuery:
    policy = _policy(block, block.critical, None)
    return GaugeQuery(block.name, block.value, block.worse == "higher", block.margin, block.block, policy)


def _check_placeholders(
    counters: Iterable[CounterQuery],
    latencies: Iterable[LatencyQuery],
    gauges: Iterable[GaugeQuery],
    names: Iterable[RoleName],
) -> None:
    """All mistakes at once, one per line."""
    known = {one.name for one in names}
    differing = TELLS_VERSIONS | {one.name for one in names if one.stable != one.canary}
    found = [(query.name, text, _in_selector) for query in counters for text in (*query.total, *query.bad)]
    found += [(query.name, text, _in_selector) for query in latencies for text in query.buckets]
    found += [(query.name, query.value, expression_placeholders) for query in gauges]
    mistakes = []
    for name, text, mentioned in found:
        try:
            placeholders = mentioned(text)
            check_known(text, placeholders, known)
        except ValueError as mistake:
            mistakes.append(f"metrics: {name}: {mistake}")
            continue
        if not placeholders & differing:
            what = f"{text!r} would read the same series for both versions; add $role or $version to a label"
            mistakes.append(f"metrics: {name}: {what}")
    if mistakes:
        raise Unusable("\n".join(dict.fromkeys(mistakes)))


def _in_selector(text: str) -> frozenset[str]:
    return read_selector(text).placeholders


def _distinct(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise Unusable(f"metrics: the name {name!r} is used twice (presets use errors and latency); rename one")
        seen.add(name)
