"""Lost requests: whether the canary completes far fewer requests than its weight. A hang leaves no other trace."""

from __future__ import annotations

from dataclasses import replace

from analysis.blocks import is_full
from analysis.evidence import SHARE_GRID, block_cap, grown, log_share, stake_of, tempered
from analysis.model import AnalysisSpec, JudgeState, MetricState
from analysis.state import ShareState
from analysis.sums import added
from analysis.tally import MetricGain


def with_share(
    spec: AnalysisSpec,
    state: JudgeState,
    before: MetricState | None,
    gain: MetricGain,
    now_s: float,
    weight_pct: float | None,
) -> ShareState:
    """The number of requests against the weight, for blocks that lie wholly within one weight."""
    share, traffic = state.share, spec.traffic
    if weight_pct is None or weight_pct != share.weight_pct:
        return replace(share, weight_pct=weight_pct, since_s=now_s)
    if weight_pct <= 0 or before is None or before.block_at_s is None or gain.problems:
        return share
    begun_s = before.block_at_s
    beside = gain.beside + (share.beside if share.beside_from_s == begun_s else 0.0)
    share = replace(share, beside=beside, beside_from_s=begun_s)
    block = added(before.block, gain.tally)
    if begun_s < max(share.since_s, state.started_at_s + traffic.warmup_s):
        return share
    if not is_full(spec, state, block, now_s - begun_s):
        return share
    least = traffic.min_share * weight_pct / 100
    stake = stake_of(bool(share.logs), share.cash, now_s - begun_s)
    block = replace(block, stable_total=block.stable_total + beside)
    gained = [log_share(block, least, part, traffic.dispersion) for part in SHARE_GRID]
    logs = grown(share.logs, tempered(gained, block_cap(spec.alpha_evidence)), stake)
    return replace(share, logs=logs, cash=share.cash - stake)
