"""One application's route as the core sees it, from all of its objects. Pure.

Each object is a whole record of its own. What they agree on counts; where they differ, no answer may look as if the
traffic were where it should be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from controller.adapters.kube.routes.objects import Seen
from controller.adapters.kube.routes.splits import common_pct
from controller.core.model import Mark, RouteState
from controller.ports import Conflict, Fenced, Halted, PortError, Refused, Unavailable, Unknown

WORST_FIRST = (Fenced, Unknown, Halted, Refused, Conflict, Unavailable)
"""Of several failures the one that says most about what to do, or what may have been done."""

TEXT_CHARS_MAX = 500


@dataclass(frozen=True, slots=True)
class LeaseSeen:
    """``left_s`` is None when there is no lease. Not ``looked``: nobody knows, as after a stop."""

    left_s: float | None = None
    looked: bool = True
    trouble: str = ""


def raise_worst(results: Sequence[object]) -> None:
    failed = [one for one in results if isinstance(one, PortError)]
    for kind in WORST_FIRST:
        for error in failed:
            if isinstance(error, kind):
                raise error
    assert not failed, "every trouble of the world has its place in WORST_FIRST"


def of_all(results: Sequence[Seen | PortError]) -> list[Seen]:
    """Every object, or the worst of what went wrong."""
    raise_worst(results)
    return [one for one in results if isinstance(one, Seen)]


def weight_of(seen: Sequence[Seen]) -> int:
    return max((one.known.weight_pct for one in seen), default=0)


def release_of(seen: Sequence[Seen]) -> str | None:
    """The release that holds every object; None while they differ."""
    held = {one.known.release_id for one in seen}
    return held.pop() if len(held) == 1 else None


def epoch_of(seen: Sequence[Seen]) -> int:
    """The lowest: a leader has claimed the route when it has claimed every object of it."""
    return min((one.known.epoch for one in seen), default=0)


def revision_of(seen: Sequence[Seen]) -> int:
    return sum(one.known.revision for one in seen)


def halts_of(seen: Sequence[Seen]) -> tuple[Mark, ...]:
    """Every halt that any of the objects carries, each engagement once."""
    return tuple({mark.engagement: mark for one in seen for mark in one.known.halts}.values())


def route_state(results: Sequence[Seen | PortError], lease: LeaseSeen) -> RouteState:
    """Raises when no object could be read."""
    seen = [one for one in results if isinstance(one, Seen)]
    unread = [str(one) for one in results if isinstance(one, PortError)]
    if not seen:
        raise_worst(results)
    weight_pct = weight_of(seen)
    lives = [one.look.live_pct for one in seen]
    shares = [share for share in lives if share is not None]
    live_pct = common_pct(shares, weight_pct) if len(shares) == len(results) else None
    differing = [f"the objects differ: {_shares(seen)}"] if len(set(lives)) > 1 else []
    troubles = [*unread, *(one.look.differs for one in seen if one.look.differs), *differing]
    troubles += [lease.trouble] if lease.trouble else []
    expired = weight_pct > 0 and lease.looked and (lease.left_s is None or lease.left_s <= 0)
    return RouteState(
        revision=revision_of(seen),
        epoch=epoch_of(seen),
        weight_pct=weight_pct,
        live_pct=live_pct,
        release_id=release_of(seen),
        lease_left_s=max(0.0, lease.left_s) if weight_pct and lease.left_s is not None else None,
        lease_expired=expired,
        halts=halts_of(seen),
        mark=next((one.known.mark for one in seen if one.known.mark is not None), None),
        drift_count=sum(one.known.drift for one in seen),
        trouble="; ".join(troubles)[:TEXT_CHARS_MAX],
        unconfirmed="; ".join(one.look.unconfirmed for one in seen if one.look.unconfirmed)[:TEXT_CHARS_MAX],
        newest_epoch=max(one.known.epoch for one in seen),
    )


def _shares(seen: Sequence[Seen]) -> str:
    said = ("no single share" if one.look.live_pct is None else f"{one.look.live_pct} %" for one in seen)
    return ", ".join(f"{one.found.where} {text}" for one, text in zip(seen, said, strict=True))
