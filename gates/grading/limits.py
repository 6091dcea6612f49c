"""The numbers that rules compare facts with. A policy may tighten them; loosening one is a change that needs people."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Every number with its unit in its name. The defaults are the loosest that need no reason."""

    rehearsal_age_days: float = 90.0  # an older exercise of the way back proves nothing about today's code
    first_step_pct: float = 10.0
    rows: float = 1_000.0  # rows one statement may change before it counts as bulk
    capacity_share: float = 0.10
    table_rows: float = 1_000_000.0  # above it, a plain index build blocks writers too long
    dns_ttl_s: float = 300.0
    confidence: float = 0.70
    evidence_age_s: float = 300.0
    actions_10min: float = 20.0
    namespaces: float = 5.0
    reaction_s: float = 600.0  # time for a person to see and act
    diff_lines: float = 400.0  # more than a person reads with care
    objects: float = 50.0
    selftest_age_s: float = 180.0  # three missed self-tests of the kill switch
