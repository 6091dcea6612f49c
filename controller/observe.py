"""One look at the world for one release. Each part is read alone: it succeeds, or it is None with its trouble in words.
It decides nothing; its only write is the claim of a route by a new leader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from analysis.baseline import unseen
from analysis.model import Calibration, Readings, Role
from analysis.planning import start_note, steps_of
from controller.core.model import Application, Observation, Phase, Release, RoleState, RouteState
from controller.core.scene import CARRIES
from controller.fencing import Outranked, judged, newest_of, outranked, overtaken
from controller.ports import Fenced, PortError, Ports
from gates.kill import KillAnswer, KillAnswerKind, KillState, Target, answer

Seen = TypeVar("Seen")


@dataclass(slots=True)
class _Troubles:
    """Collects what could not be read, so that the other parts still are."""

    items: list[tuple[str, str]] = field(default_factory=list)

    def read(self, part: str, read: Callable[[], Seen]) -> Seen | None:
        try:
            return read()
        except Fenced:
            raise
        except Outranked as error:
            self.items += [("fence", str(error)), (part, str(error))]
            return None
        except PortError as error:
            self.items.append((part, str(error)))
            return None


def look(ports: Ports, release: Release, epoch: int) -> Observation:
    """The first look: the switch and the route alone. Enough to go back, and it waits for nothing that is slow."""
    app, troubles = release.app, _Troubles()
    state = read_kills(ports, troubles)
    route = troubles.read("route", lambda: claimed_route(ports, app, epoch))
    kill = kill_answer(state, route, Target(app.environment, app.name, release.id))
    return Observation(kill=kill, route=route, released_kills=state.released, troubles=tuple(troubles.items))


def observe(ports: Ports, release: Release, epoch: int, predecessor: str | None = None) -> Observation:
    """Everything ``decide`` needs about ``release``. Raises Fenced when a newer leader has claimed the route."""
    return see_the_rest(ports, release, look(ports, release, epoch), predecessor)


def see_the_rest(ports: Ports, release: Release, first: Observation, predecessor: str | None) -> Observation:
    """The instances, then the metrics: what may take seconds when the other side is slow."""
    troubles = _Troubles(list(first.troubles))
    stable, canary = _roles(ports, troubles, release)
    gone = release.weight_pct > 0 and canary is not None and canary.ready_of(release.canary) == 0
    readings = None if gone else _readings(ports, release)
    seen = replace(first, stable=stable, canary=canary, readings=readings, predecessor=predecessor)
    if _starts(release, seen):
        seen = replace(
            seen,
            start_trouble=_metrics_trouble(ports, release, seen),
            start_route_trouble=_route_trouble(ports, release),
        )
        if release.judge is None and seen.start_trouble is None and seen.start_route_trouble is None:
            calibration = troubles.read("calibration", lambda: _calibration(ports, release, seen))
            note = troubles.read("forecast", lambda: _start_note(ports, release, seen, calibration))
            seen = replace(seen, calibration=calibration, start_note=note or "")
    return replace(seen, troubles=tuple(troubles.items))


def _start_note(ports: Ports, release: Release, seen: Observation, calibration: Calibration | None) -> str:
    app, plan = release.app, release.app.canary
    if release.stable is None or seen.canary is None:
        return ""
    look = ports.metrics.look(app.analysis, release.stable, app.name, ports.clock.now_s())
    return start_note(app.analysis, steps_of(plan.steps, plan.min_bake_s), look, calibration, seen.canary.wanted)


def _calibration(ports: Ports, release: Release, seen: Observation) -> Calibration | None:
    """What stable's pods teach now, else what they last taught: after a promotion they are too young to tell."""
    app = release.app
    if release.stable is None or seen.canary is None:
        return None
    now_s, pods = ports.clock.now_s(), max(1, seen.canary.wanted)
    learned = ports.metrics.learn(app.analysis, release.stable, app.name, now_s, pods)
    if learned is not None:
        return learned
    stored = ports.store.application(app.name)
    return stored.calibration if stored is not None else None


def observe_rest(ports: Ports, app: Application, epoch: int) -> Observation:
    """The little that an application without a release needs."""
    troubles = _Troubles()
    state = read_kills(ports, troubles)
    route = troubles.read("route", lambda: claimed_route(ports, app, epoch, hint=True))
    return Observation(route=route, released_kills=state.released, troubles=tuple(troubles.items))


def read_kills(ports: Ports, troubles: _Troubles) -> KillState:
    state = troubles.read("kill", ports.kills)
    return state if state is not None else KillState(readable=False, trouble="the kill switch could not be read")


def claimed_route(ports: Ports, app: Application, epoch: int, hint: bool = False) -> RouteState:
    """The route, with this leader's epoch on it: a leader decides about no route that it has not claimed. Raises
    Fenced, or Outranked when nothing but a note on it names a newer one."""
    route = ports.router.read(app, hint)
    newest = newest_of(route)
    if newest > epoch and not overtaken(ports, app, epoch):
        raise outranked(app, newest, epoch)
    if newest > epoch:
        raise Fenced(f"the route of {app.name} was claimed by a newer leader (epoch {newest}, ours is {epoch})")
    try:
        return ports.router.claim(app, epoch) if route.epoch < epoch else route
    except Fenced as fenced:
        raise Outranked(judged(ports, app, epoch, fenced)) from fenced


def kill_answer(state: KillState, route: RouteState | None, target: Target) -> KillAnswer:
    """The switch's answer, with the route itself as one more source: a halt that nobody has released counts."""
    said = answer(state, target)
    if said.kind in (KillAnswerKind.REVERT, KillAnswerKind.HALT) or route is None:
        return said
    held = [mark for mark in route.halts if mark.engagement is None or mark.engagement not in state.released]
    if not held:
        return said
    kind = KillAnswerKind.REVERT if route.weight_pct == 0 else KillAnswerKind.HALT
    ids = tuple(mark.engagement for mark in held if mark.engagement is not None)
    return KillAnswer(kind, ids, f"the route itself carries a kill: {held[0].text}")


def _roles(ports: Ports, troubles: _Troubles, release: Release) -> tuple[RoleState | None, RoleState | None]:
    if release.phase is Phase.PENDING:
        return None, None
    both = troubles.read("workload", lambda: ports.workload(release.app).observe(release.app))
    return both if both is not None else (None, None)


def versions_of(release: Release) -> dict[Role, str]:
    return {Role.STABLE: release.stable or release.canary, Role.CANARY: release.canary}


def _readings(ports: Ports, release: Release) -> Readings | None:
    if release.phase not in CARRIES or release.judge is None:
        return None
    return ports.metrics.read(release.app.analysis, versions_of(release), release.app.name, ports.clock.now_s())


def _starts(release: Release, seen: Observation) -> bool:
    """The checks before a first weight cost a round of calls: asked only when everything else is ready."""
    ready = seen.canary is not None and seen.canary.ready_of(release.canary) >= max(1, seen.canary.wanted)
    starts = release.phase is Phase.PREPARING or (release.phase is Phase.PROGRESSING and release.step < 0)
    return starts and ready


def _metrics_trouble(ports: Ports, release: Release, seen: Observation) -> str | None:
    spec, name, now_s = release.app.analysis, release.app.name, ports.clock.now_s()
    trouble = ports.metrics.check(spec, versions_of(release), name, now_s)
    found = seen.canary.baseline if seen.canary is not None else None
    if trouble is not None or found is None or release.stable is None:
        return trouble
    return unseen(spec, ports.metrics.look(spec, release.stable, name, now_s), {pod for pod, _ in found.ready})


def _route_trouble(ports: Ports, release: Release) -> str | None:
    """Behind a guard the first read has already said it; a cluster is asked what it would make of a weight."""
    if release.app.keeps_stable:
        return None
    try:
        return ports.router.trouble(release.app)
    except PortError as error:
        return str(error)
