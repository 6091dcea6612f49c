"""What the guard answers to a request about one route, as a pure function. It reads no clock and writes nothing.

The rule behind all of it: down is always allowed and latches; up needs the current epoch, the current revision, no
halt and a lease. A refused request raises Deny and changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

from controller.core.model import Mark
from controller.guard.model import (
    FILE_PREFIX,
    LOST_ID,
    MAX_HALTS,
    MAX_LEASE_S,
    OVERFLOW_ID,
    Claim,
    Deny,
    Halt,
    Lower,
    Names,
    Read,
    Renew,
    Route,
    RouteRequest,
    Unhalt,
    World,
    Write,
)


class Order(Enum):
    """What comes first when a change is carried out: the proxy when it lowers or latches, else the record."""

    NOTHING = "nothing"
    PROXY_FIRST = "proxy first"
    RECORD_FIRST = "record first"


def born(names: Names, lost: bool) -> Route:
    """A route nobody has asked about before: all traffic to stable. After a lost record it is halted as well."""
    text = "the guard's record was lost, so its halts may be too; look at the route, then trust it again"
    return Route(names, halts=(Mark(None, "state_lost", text, LOST_ID),) if lost else ())


SAVED_PARTS = 3
"""A lease's end is saved when it has moved by this part of the lease: one write in forty seconds at two minutes."""


def accept(route: Route, request: RouteRequest, world: World) -> Route:
    """The route after ``request``. Raises Deny. The caller has applied ``overdue`` first."""
    match request:
        case Read():
            return route
        case Claim():
            return _claim(route, request)
        case Write():
            return _write(route, request, world)
        case Renew():
            return _renew(route, request, world)
        case Lower():
            return _lower(route, request)
        case Halt():
            return halted(route, request.mark, request.revert)
        case Unhalt():
            return _unhalt(route, request, world)


def order(before: Route, after: Route) -> Order:
    """Which comes first. Latching counts as lowering: it must hold even when the disk does not."""
    if after.weight_pct < before.weight_pct or set(after.halts) - set(before.halts):
        return Order.PROXY_FIRST
    if recorded(after) != recorded(before):
        return Order.RECORD_FIRST
    return Order.NOTHING


def recorded(route: Route) -> Route:
    """Only what the disk holds of a route."""
    return replace(
        route, lease_until_s=None, settled=False, pushed=False, live_pct=None, raw=None, drift="", trouble=""
    )


def resumed(route: Route, world: World) -> Route:
    """A route read from disk: its lease goes on where it was, and never ends later than a full one from now.

    The clock runs on while the guard is down. After a restart of the machine it begins anew: then the full length
    holds.
    """
    if route.weight_pct == 0 or route.lease_s is None:
        return route
    full_s = world.now_s + min(route.lease_s, MAX_LEASE_S)
    if route.lease_saved_s is None:
        return replace(route, lease_until_s=full_s)
    return replace(route, lease_until_s=min(full_s, route.lease_saved_s + route.lease_s / SAVED_PARTS))


def _saved_end(route: Route, until_s: float, lease_s: float) -> float:
    """What the disk is to hold of a lease's end: the old value while it is less than a third of the lease behind."""
    saved_s = route.lease_saved_s
    fresh = saved_s is not None and route.lease_s == lease_s and 0 <= until_s - saved_s < lease_s / SAVED_PARTS
    return saved_s if fresh and saved_s is not None else until_s


def overdue(route: Route, world: World) -> Route:
    """What the time and the HALT files have done to the route by themselves. Only ever downward."""
    for name in sorted(world.files & {"HALT", f"HALT.{route.names.backend}"}):
        engagement = FILE_PREFIX + name
        if not any(mark.engagement == engagement for mark in route.halts) or route.weight_pct > 0:
            text = f"the file {name} is in the guard's state directory"
            route = halted(route, Mark(route.release_id, "halt_file", text, engagement), revert=True)
    if route.weight_pct > 0 and route.lease_until_s is not None and world.now_s >= route.lease_until_s:
        text = f"the lease of {route.lease_s:g} s ran out at {route.weight_pct} %: nobody renewed it"
        mark = Mark(route.release_id, "lease_expired", text)
        return replace(_down(route, mark), lease_expired=True)
    return route


def halted(route: Route, mark: Mark, revert: bool) -> Route:
    """The route with one more halt latched. The same engagement again changes nothing but, with ``revert``, weight."""
    known = {m.engagement for m in route.halts}
    overflow = f"{OVERFLOW_ID}:{mark.engagement}"
    if mark.engagement in known or overflow in known:
        return _down(route, mark) if revert and route.weight_pct > 0 else route
    if len(route.halts) >= MAX_HALTS:
        # Named after the halt that was one too many, so that letting go of it once does not let go of the next one.
        mark = replace(mark, engagement=overflow, text=f"more than {MAX_HALTS} halts; last: {mark.text}")
    if not (len(route.halts) >= MAX_HALTS and any((held or "").startswith(OVERFLOW_ID) for held in known)):
        route = replace(route, halts=(*route.halts, mark), revision=route.revision + 1)
    return _down(route, mark) if revert and route.weight_pct > 0 else route


def may_rise(route: Route, world: World) -> str:
    """Empty when nothing forbids the canary's weight to rise; else what does, for people."""
    if route.halts:
        return f"halted by {', '.join(sorted(mark.engagement or '?' for mark in route.halts)[:10])}"
    if not world.files_readable:
        return "the guard cannot look for HALT files in its state directory"
    return ""


def fence(epoch: int, held: int, what: str) -> None:
    if epoch < held:
        raise Deny("fenced", f"{what} is held by epoch {held}; yours is {epoch}")


def _down(route: Route, mark: Mark) -> Route:
    return replace(
        route,
        weight_pct=0,
        lease_s=None,
        lease_until_s=None,
        lease_saved_s=None,
        mark=mark,
        revision=route.revision + 1,
    )


def _claim(route: Route, request: Claim) -> Route:
    fence(request.epoch, route.epoch, _name(route))
    if request.epoch == route.epoch and request.names == route.names:
        return route
    settled = route.settled and request.names == route.names
    return replace(route, epoch=request.epoch, names=request.names, settled=settled, revision=route.revision + 1)


def _write(route: Route, request: Write, world: World) -> Route:
    fence(request.epoch, route.epoch, _name(route))
    if request.epoch > route.epoch:
        raise Deny("conflict", f"{_name(route)} is at epoch {route.epoch}: claim it with epoch {request.epoch} first")
    if request.revision != route.revision:
        raise Deny("conflict", f"{_name(route)} is at revision {route.revision}, not {request.revision}: read it again")
    if request.names != route.names:
        raise Deny("refused", f"{_name(route)} is recorded with other server names: claim it to change them")
    if not 0 <= request.weight_pct <= 100:
        raise Deny("refused", "weight_pct must be from 0 to 100")
    same = request.release_id == route.release_id and request.weight_pct <= route.weight_pct
    if request.weight_pct > 0 and not same and (why := may_rise(route, world)):
        kind = "halted" if route.halts else "refused"
        raise Deny(kind, f"{_name(route)} may not rise to {request.weight_pct} %: {why}")
    if request.weight_pct > 0:
        _check_lease(request.lease_s)
    held = request.weight_pct > 0
    return replace(
        route,
        weight_pct=request.weight_pct,
        release_id=request.release_id,
        lease_s=request.lease_s if held else None,
        lease_until_s=world.now_s + request.lease_s if held else None,
        lease_saved_s=world.now_s + request.lease_s if held else None,
        lease_expired=False,
        mark=None,
        settled=True,
        revision=route.revision + 1,
    )


def _renew(route: Route, request: Renew, world: World) -> Route:
    fence(request.epoch, route.epoch, _name(route))
    if request.epoch > route.epoch:
        raise Deny("refused", f"{_name(route)} is at epoch {route.epoch}: claim it with epoch {request.epoch} first")
    if request.release_id != route.release_id:
        raise Deny("refused", f"{_name(route)} holds no lease of release {request.release_id}")
    if route.lease_expired:
        raise Deny("refused", f"the lease of release {request.release_id} on {_name(route)} has run out")
    _check_lease(request.lease_s)
    if route.weight_pct == 0:
        return route
    until_s = world.now_s + request.lease_s
    saved_s = _saved_end(route, until_s, request.lease_s)
    return replace(route, lease_s=request.lease_s, lease_until_s=until_s, lease_saved_s=saved_s)


def _lower(route: Route, request: Lower) -> Route:
    fence(request.epoch, route.epoch, _name(route))
    if route.weight_pct == 0 and route.mark == request.mark and route.epoch == request.epoch:
        return route
    return replace(_down(route, request.mark), epoch=request.epoch)


def _unhalt(route: Route, request: Unhalt, world: World) -> Route:
    fence(request.epoch, route.epoch, _name(route))
    held = {mark.engagement for mark in route.halts} & request.engagements
    stuck = sorted(name for name in held if name and name.removeprefix(FILE_PREFIX) in world.files)
    if stuck:
        raise Deny("refused", f"{', '.join(stuck)} still holds {_name(route)}: remove the file first")
    if not world.files_readable and any(name and name.startswith(FILE_PREFIX) for name in held):
        raise Deny("refused", "the guard cannot see whether the HALT file is gone")
    if not held and request.epoch == route.epoch:
        return route
    left = tuple(mark for mark in route.halts if mark.engagement not in held)
    return replace(route, halts=left, epoch=request.epoch, revision=route.revision + 1)


def _check_lease(lease_s: float) -> None:
    if not 0 < lease_s <= MAX_LEASE_S:
        raise Deny("refused", f"lease_s must be above 0 and at most {MAX_LEASE_S:g}")


def _name(route: Route) -> str:
    return f"route {route.names.backend}"
