"""When a block of evidence is full. It must not depend on how many of its requests were bad."""

from __future__ import annotations

from analysis.model import AnalysisSpec, JudgeState
from analysis.state import Tally

LONGEST_S = 30.0  # a block waits no longer for requests; longer would delay what little there is
CANARY_MIN = 2  # requests: below, a block tells next to nothing about the canary
STABLE_MIN = 8  # requests: below, the hedge on stable is mostly noise
JITTER = 0.9  # of a block's length is enough: passes and scrapes do not come to the millisecond


def length_s(spec: AnalysisSpec, state: JudgeState) -> float:
    """A block is not shorter than the time between scrapes: half of one would compare different moments."""
    return max(spec.block_s, state.interval_s or 0.0)


def is_full(spec: AnalysisSpec, state: JudgeState, block: Tally, age_s: float) -> bool:
    least_s = length_s(spec, state)
    enough = block.canary_total >= CANARY_MIN and block.stable_total >= STABLE_MIN
    return age_s >= JITTER * least_s and (enough or age_s >= max(LONGEST_S, least_s))
