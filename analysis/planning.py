"""Before the start: what a plan can find at today's traffic, and how long a healthy promotion takes. Pure arithmetic.

The expected time to find a rate p1 at a canary rate of lambda requests a second is that of Wald's sequential test,
phi log(J / (alpha v m)) / (lambda KL), KL = p1 log(p1/p0) - (p1 - p0), for the mixture over J alternatives.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analysis import wording
from analysis.blocks import length_s
from analysis.calibration import margins_of, wanted_beyond
from analysis.evidence import HARM_GRID, SAFE_GRID, START_MASS, block_cap, safe_logs
from analysis.figures import GUARD_PART, weights_of
from analysis.model import AnalysisSpec, Calibration, CounterQuery, JudgeState, Margins, Query
from analysis.preflight import stable_counts, stable_span_s
from analysis.samples import Outcome, Readings
from analysis.state import Tally

SLACK = 1.25  # measured delays are 1 to 1.5 times the formula: margins of the grid, blocks, clustering
TAIL_SLOPE = 4.0  # a tenth more time near the 99th percentile is exceeded about half as often again
NEVER_S = 7 * 86_400.0  # longer than anybody waits for a release


@dataclass(frozen=True, slots=True)
class Today:
    """What stable does now: all requests a second, and the part of them that is bad, by the metric's name."""

    requests_per_s: float
    bad: tuple[tuple[str, float], ...] = ()
    phi: float = 1.1

    def bad_of(self, name: str) -> float:
        return dict(self.bad).get(name, 0.0)


@dataclass(frozen=True, slots=True)
class Step:
    weight_pct: float
    bake_s: float


@dataclass(frozen=True, slots=True)
class Sight:
    """What one step can find: bad requests from ``finds`` on are found within its bake, on average."""

    weight_pct: float
    bake_s: float
    metric: str
    finds: float | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """``promotion_s`` is how long a healthy release takes; None: it would never be proven safe."""

    sights: tuple[Sight, ...]
    requests_per_s: float
    promotion_s: float | None
    text: str


def forecast(
    spec: AnalysisSpec, steps: Sequence[Step], today: Today, calibration: Calibration | None = None
) -> Forecast:
    """For every step and metric that decides, and for the whole plan."""
    queries = [query for query in spec.queries if not query.policy.dry_run]
    sights = tuple(
        Sight(step.weight_pct, step.bake_s, query.name, finds_from(spec, query, step, today, calibration))
        for step in steps
        for query in queries
    )
    promotion_s = promotion_time_s(spec, steps, today, calibration)
    return Forecast(
        sights, today.requests_per_s, promotion_s, " ".join(_sentences(spec, steps, today, sights, promotion_s))
    )


def today_of(spec: AnalysisSpec, look: Readings, phi: float = 1.1) -> Today:
    """From what stable's queries answer now, while it has all the traffic."""
    first = spec.queries[0]
    total, _ = stable_counts(first, look)
    span_s = stable_span_s(first, look)
    bad = []
    for query in spec.queries:
        seen, its_bad = stable_counts(query, look)
        bad.append((query.name, its_bad / seen if seen > 0 else 0.0))
    return Today(total / span_s if span_s > 0 else 0.0, tuple(bad), phi)


def detection_s(
    spec: AnalysisSpec, query: Query, step: Step, today: Today, bad: float, calibration: Calibration | None = None
) -> float:
    """How long it takes to find that a share ``bad`` of the canary's requests is bad; infinite within the margin."""
    margins = margins_of(spec, calibration, query)
    least = _allowed(margins, today.bad_of(query.name))
    rate = today.requests_per_s * step.weight_pct / 100
    if bad <= least or rate <= 0:
        return math.inf
    divergence = bad * math.log(bad / least) - (bad - least)
    weight = weights_of(spec)[query.name] * (1.0 if query.slo_bad_fraction is None else 1 - GUARD_PART)
    needed = math.log(len(HARM_GRID) / (spec.alpha_evidence * weight * START_MASS))
    block_s = length_s(spec, JudgeState(0.0, 0.0))
    by_cap_s = math.ceil(needed / block_cap(spec.alpha_evidence)) * block_s
    return spec.warmup_of(query) + max(by_cap_s, SLACK * today.phi * needed / (rate * divergence))


def finds_from(
    spec: AnalysisSpec, query: Query, step: Step, today: Today, calibration: Calibration | None = None
) -> float | None:
    """The smallest share of bad requests that is found within the step's bake; None: not even if all are bad."""
    if detection_s(spec, query, step, today, 1.0, calibration) > step.bake_s:
        return None
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        found = detection_s(spec, query, step, today, middle, calibration) <= step.bake_s
        low, high = (low, middle) if found else (middle, high)
    return high


def promotion_time_s(
    spec: AnalysisSpec, steps: Sequence[Step], today: Today, calibration: Calibration | None = None
) -> float | None:
    """From the first weight to the proof for promotion, when the canary is as good as stable; None: never."""
    critical = [query for query in spec.queries if query.policy.critical and not query.policy.dry_run]
    bakes_s = math.fsum([step.bake_s for step in steps])
    longest_s = max((_proof_s(spec, query, steps, today, calibration) for query in critical), default=math.inf)
    total_s = max(bakes_s, longest_s)
    return total_s if total_s < NEVER_S else None


def _proof_s(
    spec: AnalysisSpec, query: Query, steps: Sequence[Step], today: Today, calibration: Calibration | None
) -> float:
    """Evidence gathers at the weights of the plan, and at the last one for as long as it takes."""
    margins, bad = margins_of(spec, calibration, query), today.bad_of(query.name)
    needed = math.log(len(SAFE_GRID) / spec.beta)
    gathered = [0.0] * len(SAFE_GRID)
    passed_s, warm_s = 0.0, spec.warmup_of(query)
    for index, step in enumerate(steps):
        gains = _gains_per_s(margins, bad, today, step.weight_pct)
        last = index == len(steps) - 1
        usable_s = math.inf if last else max(0.0, passed_s + step.bake_s - max(passed_s, warm_s))
        times = [(needed - have) / gain for have, gain in zip(gathered, gains, strict=True) if gain > 0]
        if times and min(times) <= usable_s:
            return max(passed_s, warm_s) + max(0.0, min(times))
        gathered = (
            [have + gain * usable_s for have, gain in zip(gathered, gains, strict=True)] if not last else gathered
        )
        passed_s += step.bake_s
    return math.inf


def _gains_per_s(margins: Margins, bad: float, today: Today, weight_pct: float) -> list[float]:
    """Expected evidence of safety a second, for each bet, at the rate that stable has now."""
    wider = math.pow(1 + margins.promote_increase, TAIL_SLOPE)
    canary = today.requests_per_s * weight_pct / 100
    stable = today.requests_per_s - canary
    expected = Tally(canary, canary * bad, stable, stable * min(1.0, bad * wider))
    return safe_logs(expected, margins.promote_ratio, margins.promote_abs, today.phi)


def _allowed(margins: Margins, bad: float) -> float:
    """A quantile that may be longer lets more requests be slow: near the tail about the fourth power of it."""
    return margins.rollback_ratio * bad * math.pow(1 + margins.rollback_increase, TAIL_SLOPE) + margins.rollback_abs


def _sentences(
    spec: AnalysisSpec, steps: Sequence[Step], today: Today, sights: Sequence[Sight], promotion_s: float | None
) -> Iterable[str]:
    own = [(query, [sight for sight in sights if sight.metric == query.name]) for query in spec.queries]
    found = "; ".join(_found(query, its) for query, its in own if its)
    yield f"At {wording.number(today.requests_per_s)} requests a second each step finds, within its bake: {found}."
    if promotion_s is None:
        yield "A healthy release would never be proven safe: raise the weight of the last step, or the promote margin."
    else:
        yield f"A healthy promotion takes about {max(1.0, promotion_s / 60):.0f} minutes."


def _found(query: Query, sights: Sequence[Sight]) -> str:
    """One sentence a metric: what each step finds within its bake."""
    bad = "failures" if isinstance(query, CounterQuery) else f"requests slower than {wording.number(query.slow_s)} s"
    seen = [sight for sight in sights if sight.finds is not None]
    if not seen:
        return f"no {bad}, not even if every request is bad ({query.name})"
    shares = [f"from {wording.percent(100 * (one.finds or 0.0))} at weight {one.weight_pct:g} %" for one in seen]
    blind = "" if len(seen) == len(sights) else ", none before"
    return f"{bad} {', '.join(shares)}{blind} ({query.name})"


def steps_of(weights: Iterable[float], bake_s: float) -> tuple[Step, ...]:
    return tuple(Step(float(weight), bake_s) for weight in weights)


def start_note(
    spec: AnalysisSpec, steps: Sequence[Step], look: Readings, kept: Calibration | None, canary_pods: int
) -> str:
    """What is said when a release starts: the forecast, what its pods taught, and what one pod cannot show."""
    unread = any(item.outcome is Outcome.UNREADABLE for item in look.items)
    found = [] if unread else [forecast(spec, steps, today_of(spec, look), kept).text]
    if kept is not None:
        differ = f"failures {kept.errors:.2f} times, latencies {kept.latency:.2f} times"
        found.append(f"Stable's own {kept.pods} pods differ by up to {differ}; the margins are wider by that.")
        proposal = wanted_beyond(spec, kept)
        found += [f"{proposal[0].upper()}{proposal[1:]}."] if proposal else []
    if canary_pods == 1:
        found.append("The canary is a single pod: a bad node cannot be told from a bad version.")
    return " ".join(found)
