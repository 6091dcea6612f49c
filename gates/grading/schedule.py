"""How often a cron expression runs, roughly: enough to see that a job would run many times as often as before."""

from __future__ import annotations

_FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_NAMED = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
          "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *"}  # fmt: skip


def times_as_often(old: str, new: str) -> float:
    """Endlessly more often when either cannot be read."""
    before, after = runs_per_year(old), runs_per_year(new)
    if before is None or after is None:
        return float("inf")
    return after / before


def runs_per_year(text: str) -> float | None:
    """None for what is no cron expression of five fields, or never runs."""
    fields = _NAMED.get(text.strip().lower(), text).split()
    if len(fields) != len(_FIELDS):
        return None
    counts = [_count(field.lower(), low, high) for field, (low, high) in zip(fields, _FIELDS, strict=True)]
    if any(count is None or count <= 0 for count in counts):
        return None
    minutes, hours, days, months, weekdays = (float(count or 0) for count in counts)
    share = (
        min(days / 31, 1.0)
        if fields[4] == "*"
        else weekdays / 7
        if fields[2] == "*"
        else min(days / 31 + weekdays / 7, 1)
    )
    return minutes * hours * share * 365 * months / 12


def _count(field: str, low: int, high: int) -> int | None:
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span == "*":
            first, last = str(low), str(high)
        if not first.isdigit() or (last and not last.isdigit()) or (step and not step.isdigit()):
            return None
        end = int(last) if last else (high if step else int(first))
        if not (low <= int(first) <= end <= high + 1) or step == "0":
            return None
        found |= set(range(int(first), end + 1, int(step or 1)))
    return len(found)
