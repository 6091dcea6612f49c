"""What the world should be made to look like for a committed release. Derived afresh on every pass, so that a crash
between a commit and its effect needs no recovery. It performs nothing."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.model import Role
from controller.core.model import HaltCause, Mark, Observation, Phase, Release, RouteState
from controller.core.moves import ENDED
from controller.core.scene import CARRIES

AT_ZERO = "at_zero"
"""The code of a mark that only says that this release has no traffic now."""


@dataclass(frozen=True, slots=True)
class Lower:
    """All traffic to stable, unconditionally and before anything else."""

    mark: Mark


@dataclass(frozen=True, slots=True)
class SetWeight:
    """Write the committed weight under a new lease, if nothing changed on the route since it was seen."""

    weight_pct: int
    revision: int


@dataclass(frozen=True, slots=True)
class Renew:
    """The weight stays as it is for one more lease."""


@dataclass(frozen=True, slots=True)
class Unhalt:
    """Take the marks of released kills off the route."""

    engagements: frozenset[str]


@dataclass(frozen=True, slots=True)
class Ensure:
    """One move toward ``version`` on every instance of ``role``; None stops them.

    ``share_pct`` is the share of the traffic that the instances have to be able to carry.
    """

    role: Role
    version: str | None
    share_pct: int = 100


Effect = Lower | SetWeight | Renew | Unhalt | Ensure


def effects(release: Release, seen: Observation, now_s: float) -> tuple[Effect, ...]:
    """Traffic first, instances after. ``seen`` is the observation the release was decided on."""
    if release.phase in ENDED:
        return ()
    if release.phase is Phase.PENDING:
        # Whoever is in the way keeps stable itself, and may be rolling it.
        alone = release.stable is not None and seen.predecessor is None and release.app.keeps_stable
        return (Ensure(Role.STABLE, release.stable),) if alone else ()
    return (*_traffic(release, seen), *_instances(release, seen, now_s))


def _traffic(release: Release, seen: Observation) -> tuple[Effect, ...]:
    route = seen.route
    if release.weight_pct == 0 and (route is None or route.live_pct != 0 or route.weight_pct != 0):
        return (Lower(mark_of(release)),)
    if route is None:
        return ()
    stale_halts = frozenset(h.engagement for h in route.halts if h.engagement) & seen.released_kills
    unhalt = (Unhalt(stale_halts),) if stale_halts else ()
    if release.phase is Phase.HALTED:
        return (*unhalt, *_lease(release, route)) if _lowers_nothing(release, route) else unhalt
    if release.phase is Phase.PREPARING:
        taken = route.release_id == release.id and route.mark is None
        return unhalt if taken else (*unhalt, SetWeight(0, route.revision))
    if release.phase not in CARRIES:
        return unhalt
    stands = route.weight_pct == release.weight_pct and route.release_id == release.id and not route.lease_expired
    if stands and route.live_pct == release.weight_pct:
        return (*unhalt, *_lease(release, route))
    return (*unhalt, SetWeight(release.weight_pct, route.revision))


def _lease(release: Release, route: RouteState) -> tuple[Effect, ...]:
    return (Renew(),) if release.weight_pct > 0 and route.release_id == release.id else ()


def _lowers_nothing(release: Release, route: RouteState) -> bool:
    return route.weight_pct == release.weight_pct


def _instances(release: Release, seen: Observation, now_s: float) -> tuple[Effect, ...]:
    if release.phase is Phase.HALTED:
        # A halt moves nothing, so a stable that is half rolled stays so; one that is whole is still kept up.
        whole = seen.stable is not None and all(name == release.stable for name, _ in seen.stable.running)
        ours = release.stable is not None and (release.app.keeps_stable or release.halt is not HaltCause.KILL_HALT)
        serves = ours and (release.halt is not HaltCause.KILL_HALT or whole)
        return (Ensure(Role.STABLE, release.stable),) if serves else ()
    stable = release.canary if release.phase is Phase.PROMOTING else release.stable
    # Elsewhere a cluster keeps stable up by itself, and nothing touches it before a promotion.
    ours = release.app.keeps_stable or release.phase in (Phase.PROMOTING, Phase.ROLLING_BACK)
    known = stable is not None or release.phase is Phase.ROLLING_BACK
    keep = (Ensure(Role.STABLE, stable),) if ours and known else ()
    if _drained(release, now_s):
        return (*keep, Ensure(Role.CANARY, None))
    # A canary that is being taken away is left as it is until it has drained: nothing starts it again.
    wanted = release.phase is not Phase.ROLLING_BACK and release.stable is not None
    return (*keep, Ensure(Role.CANARY, release.canary, _share_pct(release))) if wanted else keep


def _share_pct(release: Release) -> int:
    """What the canary is sized for: the step to come, so that its instances are there before its traffic."""
    steps = release.app.canary.steps
    coming = steps[min(release.step + 1, len(steps) - 1)]
    return max(coming, release.weight_pct)


def _drained(release: Release, now_s: float) -> bool:
    """Whether the canary's instances may go: the release is leaving, and the route was at 0 for the drain delay."""
    leaving = release.phase in (Phase.ROLLING_BACK, Phase.PROMOTING) and release.weight_pct == 0
    if not leaving or release.zero_since_s is None:
        return False
    return now_s >= release.zero_since_s + release.app.canary.drain_s


def mark_of(release: Release) -> Mark:
    """The mark that a move back to stable leaves on the route, so that the record can follow if the store is down.

    A release that goes on stands at 0 for something that it waits for, which is no cause to roll it back later.
    """
    cause = release.cause or release.reason
    goes_on = release.cause is None and release.phase in (Phase.PREPARING, *CARRIES)
    return Mark(release.id, AT_ZERO if goes_on else cause.code, cause.text[:400])


def rest_effects(seen: Observation, stable_version: str | None, keeps_stable: bool = True) -> tuple[Effect, ...]:
    """An application with no release: all traffic on stable, stable kept up where that is ours, no canary."""
    traffic: tuple[Effect, ...] = ()
    route = seen.route
    if route is not None and (route.live_pct != 0 or route.weight_pct != 0):
        traffic = (Lower(Mark(None, "at_rest", "no release is running")),)
    elif route is not None:
        stale = frozenset(h.engagement for h in route.halts if h.engagement) & seen.released_kills
        traffic = (Unhalt(stale),) if stale else ()
    keep = (Ensure(Role.STABLE, stable_version),) if stable_version is not None and keeps_stable else ()
    return (*traffic, *keep, Ensure(Role.CANARY, None))
