"""How many instances a canary needs, and when stable has too few for its traffic to come back. Pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

ENDPOINTS_MAX = 1_000
"""What one EndpointSlice holds: more instances would never be in it."""


def canary_replicas(stable_wanted: int, share_pct: int, by_endpoints: bool) -> int:
    """For ``share_pct`` of what ``stable_wanted`` instances carry: rounded up, at least one, at most as many as stable.

    ``by_endpoints``: no proxy splits the traffic, so that the share is that of the canary's endpoints among all, and
    takes at least as many as the route will put beside those of stable.
    """
    needed = min(-(-stable_wanted * share_pct // 100), stable_wanted)
    if by_endpoints and share_pct < 100:
        needed = max(needed, min(-(-stable_wanted * share_pct // (100 - share_pct)), ENDPOINTS_MAX))
    return max(1, needed)


def measure(started: int, now: int, autoscaled: bool) -> int:
    """How many instances of stable a canary's share is a share of.

    An autoscaler that takes some away because the canary carries a part of the traffic must not make the canary
    smaller; a person who scales stable means both.
    """
    return max(started, now) if autoscaled else now


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """A HorizontalPodAutoscaler and what it keeps to."""

    name: str
    most: int


def capacity_short(started: int, now: int, autoscaler: Autoscaler | None, raised: bool) -> int | None:
    """The replicas to raise stable to at once before all traffic is on it again; None when there is nothing to raise.

    ``started`` is what stable wanted when the release began, ``now`` what it wants. Only what an autoscaler took away
    while the canary carried a part of the traffic is given back, within its own limit and once: it may lower it again
    when it sees less load. What a person scaled stays as it is.
    """
    if autoscaler is None or raised:
        return None
    wanted = min(started, autoscaler.most)
    return wanted if now < wanted else None
