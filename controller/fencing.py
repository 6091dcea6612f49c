"""Who is believed when something names a newer leader. Behind HAProxy it is the guard, whose memory nobody else writes;
in a cluster whoever may change an object may write its notes, so that the store decides."""

from __future__ import annotations

from controller.core.model import Application, RouteState
from controller.core.targets import HaproxyRoute
from controller.ports import Fenced, PortError, Ports


class Outranked(PortError):
    """A note in the cluster names a newer leader, of which our store knows nothing: it concerns one application."""


def overtaken(ports: Ports, app: Application, epoch: int) -> bool:
    """Whether to stop leading after a Fenced. A store that cannot be asked has not said so: nothing is committed
    meanwhile, and the next pass asks again."""
    if isinstance(app.router, HaproxyRoute):
        return True
    try:
        return ports.store.epoch() != epoch
    except PortError:
        return False


def leads_by_store(ports: Ports, app: Application, epoch: int) -> bool:
    """Whether a note in the cluster is all that speaks against us: it holds what rises, and no stop."""
    if isinstance(app.router, HaproxyRoute):
        return False
    try:
        return ports.store.epoch() == epoch
    except PortError:
        return False


def newest_of(route: RouteState) -> int:
    return max(route.epoch, route.newest_epoch)


def outranked(app: Application, found: int, epoch: int) -> Outranked:
    text = f"{app.router.label} carries the epoch {found} in its annotation interlock.dev/route"
    return Outranked(
        f"{text}, and this controller leads in epoch {epoch} by its own store: only {app.name} is held. When no other "
        f"controller runs, remove the annotation, or start once with --min-epoch {found + 1}"
    )


def judged(ports: Ports, app: Application, epoch: int, fenced: Fenced) -> str:
    """What to say of an effect that was fenced by a note alone. Raises ``fenced`` when we were overtaken."""
    if overtaken(ports, app, epoch):
        raise fenced
    return f"{fenced}; this controller leads by its own store (epoch {epoch}), so that only {app.name} is held"
