"""Durations as people write them ("5m", "1h30m", "500ms", 30) to seconds. It rejects what it cannot read for sure."""

from __future__ import annotations

import math
import re

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_LONGEST_TEXT = 64  # characters; no duration anyone writes is longer


def parse_duration(value: str | float) -> float:
    """Seconds. A bare number is seconds. Raises ValueError for anything else, a negative or an endless time."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(_unreadable(value))
    seconds = _from_text(value) if isinstance(value, str) else float(value)
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"a duration cannot be negative or endless: {value!r}")
    return seconds


def _from_text(text: str) -> float:
    compact = text.strip()
    if not 0 < len(compact) <= _LONGEST_TEXT:
        raise ValueError(_unreadable(text))
    parts = _PART.findall(compact)
    if "".join(number + unit for number, unit in parts) != compact:
        raise ValueError(_unreadable(text))
    units = [unit for _, unit in parts]
    if len(set(units)) != len(units):
        raise ValueError(f"a duration names each unit once: {text!r}")
    return math.fsum(float(number) * _UNITS_S[unit] for number, unit in parts)


def _unreadable(value: object) -> str:
    return f'not a duration: {value!r}; write for example "500ms", "30s", "5m" or "1h30m", or a number of seconds'
