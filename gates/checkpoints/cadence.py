"""When a checkpoint is due. What is behind the last one can be cut off unseen, so important records wait for none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

RECORDS_MAX = 100
AGE_S_MAX = 60.0

AT_ONCE = frozenset({
    "kill_engaged", "kill_released", "approved", "approval_denied", "approval_reserved", "approval_executing",
    "approval_killed", "run_stopped", "break_glass_opened", "break_glass_reviewed",
})  # fmt: skip
"""Every decision of a person over a held step, and every kill."""


@dataclass(frozen=True, slots=True)
class Last:
    """The newest checkpoint: the number of records it covers, and when it was made."""

    size: int
    at_s: float


def due(last: Last, size: int, newest: Iterable[str], now_s: float) -> bool:
    """Whether to sign now. ``newest`` are the types of the records behind the last checkpoint.

    A clock that was set back counts as time that has passed: one checkpoint too many harms nobody.
    """
    if size <= last.size:
        return False
    if size - last.size >= RECORDS_MAX or any(kind in AT_ONCE for kind in newest):
        return True
    return not 0 <= now_s - last.at_s < AGE_S_MAX
