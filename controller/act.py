"""Carry out the effects of a committed decision, traffic first. It decides nothing and repeats nothing by itself:
what did not work is derived again from the state on the next pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from controller.core.effects import Effect, Ensure, Lower, Renew, SetWeight, Unhalt
from controller.core.model import Application, Mark, Observation, Release
from controller.fencing import judged, leads_by_store, newest_of
from controller.ports import Fenced, PortError, Ports, RouteWrite
from gates.kill import KillAnswerKind, Target, answer


@dataclass(frozen=True, slots=True)
class Acted:
    """What went wrong, in words; empty when everything was carried out."""

    troubles: tuple[str, ...] = ()


def lower_first(ports: Ports, release: Release, seen: Observation, wanted: Sequence[Effect], epoch: int) -> Acted:
    """The one effect that waits for no commit: a move back to stable, marked on the route in the same write."""
    return act(ports, release, seen, [e for e in wanted if isinstance(e, Lower)], epoch)


def act(ports: Ports, release: Release, seen: Observation, wanted: Sequence[Effect], epoch: int) -> Acted:
    """Carry out ``wanted`` in order. Raises Fenced; any other trouble of one effect leaves the others to be done."""
    troubles: list[str] = []
    for effect in wanted:
        try:
            _perform(ports, release, seen, effect, epoch)
        except Fenced as fenced:
            troubles.append(f"{type(effect).__name__.lower()}: {judged(ports, release.app, epoch, fenced)}")
        except PortError as error:
            troubles.append(f"{type(effect).__name__.lower()}: {error}")
    return Acted(tuple(troubles))


def _perform(ports: Ports, release: Release, seen: Observation, effect: Effect, epoch: int) -> None:
    app = release.app
    match effect:
        case Lower(mark):
            _lower(ports, app, mark, epoch)
        case SetWeight(weight_pct, revision):
            if _rises(seen, weight_pct) and _killed(ports, release):
                return
            write = RouteWrite(weight_pct, release.id, epoch, revision, app.canary.lease_s)
            ports.router.write(app, write)
        case Renew():
            ports.router.renew(app, release.id, epoch, app.canary.lease_s)
        case Unhalt(engagements):
            ports.router.unhalt(app, engagements, epoch)
        case Ensure(role, version, share_pct):
            ports.workload(app).ensure(app, role, version, epoch, share_pct)


def _lower(ports: Ports, app: Application, mark: Mark, epoch: int) -> None:
    """A stop is not held by a note alone: where the store says that we lead, it goes under the epoch of the route."""
    try:
        ports.router.lower(app, mark, epoch)
    except Fenced:
        if not leads_by_store(ports, app, epoch):
            raise
        ports.router.lower(app, mark, newest_of(ports.router.read(app)))


def _rises(seen: Observation, weight_pct: int) -> bool:
    live = seen.route.live_pct if seen.route else None
    return live is None or weight_pct > live


def _killed(ports: Ports, release: Release) -> bool:
    """The switch once more, right before a weight rises: it may have been pressed since the pass began."""
    target = Target(release.app.environment, release.app.name, release.id)
    return answer(ports.kills(), target).kind is not KillAnswerKind.NONE


def act_at_rest(ports: Ports, app: Application, wanted: Sequence[Effect], epoch: int) -> Acted:
    """The same for an application without a release; it never raises a weight."""
    troubles: list[str] = []
    for effect in wanted:
        assert not isinstance(effect, SetWeight | Renew), "an application at rest has no canary weight"
        try:
            match effect:
                case Lower(mark):
                    _lower(ports, app, mark, epoch)
                case Unhalt(engagements):
                    ports.router.unhalt(app, engagements, epoch)
                case Ensure(role, version, share_pct):
                    ports.workload(app).ensure(app, role, version, epoch, share_pct)
        except Fenced as fenced:
            troubles.append(f"{type(effect).__name__.lower()}: {judged(ports, app, epoch, fenced)}")
        except PortError as error:
            troubles.append(f"{type(effect).__name__.lower()}: {error}")
    return Acted(tuple(troubles))
