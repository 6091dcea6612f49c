"""Wall-clock times as instants. Where a clock change makes one unclear, the longer reading counts."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


class UnknownZone(ValueError):
    """No such time zone. A freeze is never read in another zone than the one it names."""


def zone(name: str) -> ZoneInfo:
    """The IANA zone ``name``. Raises UnknownZone."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UnknownZone(f"unknown time zone {name[:60]!r}: use an IANA name, as in Europe/Berlin or UTC") from None


def starts_at_s(wall: datetime, where: tzinfo) -> float:
    """The earliest instant that ``wall`` can mean in ``where``."""
    return min(_readings(wall, where))


def ends_at_s(wall: datetime, where: tzinfo) -> float:
    """The latest instant that ``wall`` can mean in ``where``."""
    return max(_readings(wall, where))


def wall_of(at_s: float, where: tzinfo) -> datetime:
    """What the clocks of ``where`` show at ``at_s``."""
    return datetime.fromtimestamp(at_s, UTC).astimezone(where).replace(tzinfo=None, fold=0)


def _readings(wall: datetime, where: tzinfo) -> tuple[float, float]:
    """An hour that is there twice has two, and so has one that is skipped: by the clock before, by the clock after."""
    assert wall.tzinfo is None, "a wall-clock time carries no zone of its own"
    first = wall.replace(tzinfo=where, fold=0).timestamp()
    second = wall.replace(tzinfo=where, fold=1).timestamp()
    return first, second
