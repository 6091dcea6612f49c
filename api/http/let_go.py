"""Says what the release of a kill lets go of, and never more than is true: another kill may hold the same. It releases
nothing itself."""

from __future__ import annotations

from collections.abc import Sequence

from controller.core.explain import counted
from controller.core.model import Phase, Release
from controller.ports import Page, PortError, Store
from controller.runtime.killswitch import KillSwitch
from gates.kill import Engagement, KillAnswerKind, KillState, Scope, ScopeKind, Target, answer, covers

HALTED_MAX = 200
"""Halted releases looked at; more than that are never named anyway."""
NAMED_MAX = 5


def halted_under(store: Store, scope: Scope) -> tuple[Release, ...]:
    """What kills keep halted within ``scope``; empty when it cannot be read. Ask before the release: it is quick."""
    try:
        found = store.releases(Page(limit=HALTED_MAX), phase=Phase.HALTED)
    except PortError:
        return ()
    return tuple(r for r in found if (r.halt is None or r.halt.by_kill) and covers(scope, _target(r)))


def let_go(kills: KillSwitch, released: Engagement, halted: Sequence[Release]) -> str:
    """One sentence about what was ``halted`` under the kill that was just released."""
    said = f"kill {released.id} over {released.scope} is released"
    state = kills.state()
    if not state.readable:
        return f"{said}; everything is still held, because a source of kills cannot be read: {state.trouble}"
    held = [r for r in halted if answer(state, _target(r)).kind is not KillAnswerKind.NONE]
    free = [r for r in halted if r not in held]
    holding = f"halted under {_named(_over(state, held))}"
    parts = (
        _told([r for r in free if r.cause is None], "starts again at step 0", "start again at step 0"),
        _told(
            [r for r in free if r.cause is not None],
            "rolls back, since harm was found",
            "roll back, since harm was found",
        ),
        _told(held, f"stays {holding}", f"stay {holding}"),
    )
    told = [part for part in parts if part] or [_without_releases(kills, state, released)]
    return "; ".join([said, *told])


def _target(release: Release) -> Target:
    return Target(release.app.environment, release.app.name, release.id)


def _over(state: KillState, releases: Sequence[Release]) -> list[Engagement]:
    return [kill for kill in state.engaged if any(covers(kill.scope, _target(r)) for r in releases)]


def _told(releases: Sequence[Release], one: str, many: str) -> str:
    if not releases:
        return ""
    few = len(releases) <= NAMED_MAX
    names = ", ".join(r.id for r in releases) if few else counted(len(releases), "release")
    return f"{names} {one if len(releases) == 1 else many}"


def _named(kills: Sequence[Engagement]) -> str:
    more = f" and {len(kills) - NAMED_MAX} more" if len(kills) > NAMED_MAX else ""
    return ", ".join(f"{kill.id} ({kill.scope})" for kill in kills[:NAMED_MAX]) + more


def _without_releases(kills: KillSwitch, state: KillState, released: Engagement) -> str:
    """Nothing was halted yet: whether something else still covers the same applications."""
    try:
        mine = _applications(kills, released.scope)
        others = [
            kill
            for kill in state.engaged
            if _applications(kills, kill.scope) & mine and not _two_releases(kill.scope, released.scope)
        ]
    except PortError:
        return "whether another kill holds the same cannot be read now"
    if not others:
        return "no other kill covers it"
    return f"{_named(others)} still {'holds' if len(others) == 1 else 'hold'} it, or a part of it"


def _applications(kills: KillSwitch, scope: Scope) -> frozenset[str]:
    return frozenset(app.name for app in kills.covered(scope))


def _two_releases(one: Scope, other: Scope) -> bool:
    return one.kind is other.kind is ScopeKind.RELEASE and one != other
