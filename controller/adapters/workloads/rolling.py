"""Decides the next moves from the instances that are there to those that are wanted. Pure: it starts and stops nothing.

The order of the moves is the promise: a ready instance goes only when a successor is ready and in the pool.
"""

from __future__ import annotations

from dataclasses import dataclass

from controller.adapters.workloads.process_table import Instance, State

MAX_STARTS = 8
"""Starts per pass, so that one pass stays short; the next pass goes on."""

BACKOFF_FIRST_S = 0.5
BACKOFF_CAP_S = 30.0
"""A crash loop restarts at most twice a minute in the end, so it does not burn the machine."""

STEADY_S = 60.0
"""An instance that served this long was fine: its next crash starts the back-off from the beginning."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a role should run. ``grace_s`` is the time to drain, and again the time to end after SIGTERM.

    ``pool_ok`` says whether the pool was just set: without it nothing that may get traffic is taken away.
    """

    version: str | None
    count: int
    grace_s: float
    pool_ok: bool = True


@dataclass(frozen=True, slots=True)
class Seen:
    """An instance, whether its process lives, and whether its checks are good."""

    instance: Instance
    alive: bool
    ready: bool


@dataclass(frozen=True, slots=True)
class StartNew:
    version: str


@dataclass(frozen=True, slots=True)
class Restart:
    instance: Instance


@dataclass(frozen=True, slots=True)
class Drain:
    """Take it out of the pool, and let it finish what it has."""

    instance: Instance


@dataclass(frozen=True, slots=True)
class Revive:
    """Put a draining one back: it is wanted again and still runs."""

    instance: Instance


@dataclass(frozen=True, slots=True)
class Terminate:
    instance: Instance


@dataclass(frozen=True, slots=True)
class Kill:
    instance: Instance


@dataclass(frozen=True, slots=True)
class Drop:
    """Forget it: no process is left."""

    instance: Instance


Move = StartNew | Restart | Drain | Revive | Terminate | Kill | Drop

LIVE = (State.STARTING, State.SERVING, State.WAITING)


def backoff_s(restarts: int) -> float:
    """How long to wait before restart number ``restarts``."""
    return float(min(BACKOFF_CAP_S, BACKOFF_FIRST_S * 2 ** min(max(restarts - 1, 0), 10)))


def plan(seen: tuple[Seen, ...], wanted: Wanted, now_s: float) -> tuple[Move, ...]:
    """The moves of one pass. Each instance gets at most one."""
    live = [one for one in seen if one.instance.state in LIVE]
    new = [one for one in live if one.instance.version == wanted.version]
    old = [one for one in live if one.instance.version != wanted.version]
    revived = _revived(seen, new, wanted)
    leaving = _leaving(new, old, wanted)
    going = {one.instance.id for one in leaving}
    staying = [one for one in live if one.instance.id not in going]
    return (
        *(Revive(one.instance) for one in revived),
        *(_end(one, wanted) for one in leaving if _may_end(one, wanted)),
        *_ended(seen, wanted, {one.instance.id for one in revived}, now_s),
        *_started(staying, len(new) + len(revived), bool(old), wanted, now_s),
    )


def _revived(seen: tuple[Seen, ...], new: list[Seen], wanted: Wanted) -> list[Seen]:
    back = [
        one
        for one in seen
        if one.instance.state is State.DRAINING and one.alive and one.instance.version == wanted.version
    ]
    room = max(0, wanted.count - len(new)) if wanted.version is not None else 0
    return back[:room]


def _leaving(new: list[Seen], old: list[Seen], wanted: Wanted) -> list[Seen]:
    """Old ones beyond what ready new ones leave open, and new ones beyond the wanted number; the least useful first."""
    if wanted.version is None:
        return [*new, *old]
    ready_new = sum(_serves(one) for one in new)
    spare_old = len(old) - max(0, wanted.count - ready_new)
    spare_new = len(new) - wanted.count
    by_use = sorted(old, key=_usefulness)
    youngest_last = sorted(new, key=lambda one: (_usefulness(one), -one.instance.since_s))
    return [*by_use[: max(0, spare_old)], *youngest_last[: max(0, spare_new)]]


def _serves(one: Seen) -> bool:
    return one.instance.state is State.SERVING and one.alive and one.ready


def _usefulness(one: Seen) -> int:
    return (one.alive) + (one.instance.state is State.SERVING) + (one.ready)


def _may_end(one: Seen, wanted: Wanted) -> bool:
    return one.instance.state is not State.SERVING or not one.alive or wanted.pool_ok


def _end(one: Seen, wanted: Wanted) -> Move:
    if not one.alive:
        return Drop(one.instance)
    return Drain(one.instance) if one.instance.state is State.SERVING else Terminate(one.instance)


def _ended(seen: tuple[Seen, ...], wanted: Wanted, revived: set[str], now_s: float) -> list[Move]:
    moves: list[Move] = []
    for one in seen:
        instance = one.instance
        if instance.state not in (State.DRAINING, State.STOPPING) or instance.id in revived:
            continue
        over = not 0 <= now_s - instance.since_s < wanted.grace_s
        if not one.alive:
            moves.append(Drop(instance))
        elif instance.state is State.STOPPING and over:
            moves.append(Kill(instance))
        elif instance.state is State.DRAINING and over and wanted.pool_ok:
            moves.append(Terminate(instance))
    return moves


def _started(staying: list[Seen], new_count: int, replacing: bool, wanted: Wanted, now_s: float) -> list[Move]:
    """Restarts that are due, then new ones: all at once on an empty role, one at a time while others are replaced."""
    due: list[Move] = [
        Restart(one.instance)
        for one in staying
        if one.instance.state is State.WAITING
        and not 0 <= now_s - one.instance.since_s < backoff_s(one.instance.restarts)
    ]
    if wanted.version is None:
        return []
    missing = max(0, wanted.count - new_count)
    if replacing:
        unready = any(not _serves(one) for one in staying if one.instance.version == wanted.version)
        missing = 0 if unready else min(missing, 1)
    return [*due, *(StartNew(wanted.version) for _ in range(missing))][:MAX_STARTS]
