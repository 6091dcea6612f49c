"""Times, durations and texts as people read them in a terminal. Pure; it prints nothing."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_PART = re.compile(r"(\d+(?:\.\d+)?)(d|h|m|s)")
_SECONDS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}


def clean(text: str) -> str:
    """One printable line: what came from elsewhere must not move the cursor or turn the writing around."""
    spaced = " ".join(text.split())
    return "".join(letter if letter.isprintable() else "�" for letter in spaced)


def cut(text: str, columns: int) -> str:
    """At most ``columns`` wide, ended at a word and marked where something is left out."""
    if len(text) <= columns:
        return text
    kept = text[: columns - 1]
    if text[columns - 1] != " " and " " in kept:
        kept = kept.rsplit(" ", 1)[0]
    return kept.rstrip(" |;,:") + "…"


def parse_duration_s(text: str) -> float:
    """``90``, ``90s``, ``5m``, ``1h30m`` or ``30d`` in seconds. Raises ValueError."""
    compact = text.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", compact):
        return float(compact)
    parts = _PART.findall(compact)
    if not parts or "".join(number + unit for number, unit in parts) != compact:
        raise ValueError(f"{text[:40]!r} is no duration: write 90s, 5m, 1h30m or 30d")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def seconds_of(rfc3339: str) -> float | None:
    try:
        moment = datetime.fromisoformat(rfc3339)
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()


def moment(at: str | float | None) -> str:
    """``2026-11-21 12:04:11 UTC (13:04:11 +01:00)``; the bracket only where the local zone differs."""
    at_s = seconds_of(at) if isinstance(at, str) else at
    if at_s is None:
        return clean(at) if isinstance(at, str) else "never"
    there = datetime.fromtimestamp(at_s, UTC)
    here = there.astimezone()
    text = there.strftime("%Y-%m-%d %H:%M:%S UTC")
    if not here.utcoffset():
        return text
    day = "" if here.date() == there.date() else here.strftime("%m-%d ")
    offset = here.strftime("%z")
    return f"{text} ({day}{here.strftime('%H:%M:%S')} {offset[:3]}:{offset[3:]})"


def stamp(at_s: float) -> str:
    """``2026-11-21T12:04:11Z``, for log lines."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def count(number: float) -> str:
    return f"{round(number):,}"


def share(pct: float | None) -> str:
    """A percentage with as many digits as tell something; a missing one is said, never shown as 0."""
    if pct is None:
        return "no data"
    return f"{pct:.0f} %" if pct == round(pct) else f"{pct:.3g} %"
