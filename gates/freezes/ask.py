"""Whether a freeze stands in the way of one action now. The one answer for every path; stopping never asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gates.freezes.model import Freeze, OnRunning
from gates.freezes.repeats import falls_on
from gates.freezes.zones import ends_at_s, starts_at_s, wall_of, zone


class Action(StrEnum):
    """What somebody wants to do. There is no action that means "some mutation or other"."""

    READ = "read"
    STOP = "stop"
    ABORT = "abort"
    PAUSE = "pause"
    ROLL_BACK = "roll_back"
    KILL = "kill"
    START = "start"
    ADVANCE = "advance"
    PROMOTE = "promote"
    EXECUTE = "execute"


NEVER_FROZEN = frozenset({Action.READ, Action.STOP, Action.ABORT, Action.PAUSE, Action.ROLL_BACK, Action.KILL})
"""Everything that only looks, stops or goes back."""

UNDER_WAY = frozenset({Action.ADVANCE, Action.PROMOTE})


@dataclass(frozen=True, slots=True)
class Ask:
    """``started_at_s`` is when the release that advances began; None for what has not begun."""

    action: Action
    application: str
    environment: str
    production: bool
    now_s: float
    started_at_s: float | None = None
    break_glass: bool = False


@dataclass(frozen=True, slots=True)
class FreezeAnswer:
    """``blocked`` with the freezes' ids and when the last of them ends; ``roll_back`` when one of them asks for it."""

    blocked: bool
    ids: tuple[str, ...] = ()
    text: str = ""
    until_s: float | None = None
    roll_back: bool = False


NOT_FROZEN = FreezeAnswer(False)


@dataclass(frozen=True, slots=True)
class Scene:
    ask: Ask
    freezes: tuple[Freeze, ...]
    readable: bool


Rule = Callable[[Scene], FreezeAnswer | None]


def answer(freezes: Iterable[Freeze], ask: Ask, readable: bool = True) -> FreezeAnswer:
    """What the freezes say to ``ask``. The first rule that answers decides."""
    scene = Scene(ask, tuple(freezes), readable)
    return next(said for rule in RULES if (said := rule(scene)) is not None)


def rule_never_frozen(scene: Scene) -> FreezeAnswer | None:
    return NOT_FROZEN if scene.ask.action in NEVER_FROZEN else None


def rule_break_glass(scene: Scene) -> FreezeAnswer | None:
    """An emergency waives freezes; the kill switch and the record it does not."""
    return NOT_FROZEN if scene.ask.break_glass else None


def rule_unreadable(scene: Scene) -> FreezeAnswer | None:
    """A calendar that cannot be read, or a freeze that cannot be evaluated, is a freeze in production."""
    ask = scene.ask
    broken = [one for one in scene.freezes if not _evaluable(one) and _concerns(one, ask)]
    if not ask.production or (scene.readable and not broken):
        return None
    return FreezeAnswer(True, (), "the freezes cannot be read: production is frozen until they can")


def rule_frozen(scene: Scene) -> FreezeAnswer | None:
    """Any window counts; where several lie over each other, the last end and the strictest wish hold."""
    hits = [(one, end_s) for one in scene.freezes if (end_s := _stands_in_the_way(one, scene.ask)) is not None]
    if not hits:
        return None
    until_s = max(end_s for _, end_s in hits)
    text = "; ".join(f"freeze {one.id} of {one.owner}: {one.reason}" for one, _ in hits)
    back = scene.ask.started_at_s is not None and any(one.on_running is OnRunning.ROLL_BACK for one, _ in hits)
    return FreezeAnswer(True, tuple(one.id for one, _ in hits), text, until_s, back)


def rule_free(scene: Scene) -> FreezeAnswer | None:
    return NOT_FROZEN


RULES: tuple[Rule, ...] = (rule_never_frozen, rule_break_glass, rule_unreadable, rule_frozen, rule_free)


def window(freeze: Freeze, now_s: float) -> tuple[float, float] | None:
    """The instants between which ``freeze`` holds at ``now_s``: several that hold count as one."""
    here = [(start_s, end_s) for start_s, end_s in _near(freeze, now_s) if start_s <= now_s < end_s]
    return (min(start for start, _ in here), max(end for _, end in here)) if here else None


def _stands_in_the_way(freeze: Freeze, ask: Ask) -> float | None:
    """When the window that blocks ``ask`` ends; None when ``freeze`` does not concern it."""
    held = window(freeze, ask.now_s) if _concerns(freeze, ask) and _evaluable(freeze) else None
    if held is None:
        return None
    begun_before = ask.started_at_s is not None and ask.started_at_s < held[0]
    if ask.action in UNDER_WAY and begun_before and freeze.on_running is OnRunning.FINISH:
        return None
    return held[1]


def _concerns(freeze: Freeze, ask: Ask) -> bool:
    excepted = any(one.covers(ask.application, ask.environment) for one in freeze.exceptions)
    return not freeze.lifted and not excepted and freeze.scope.covers(ask.application, ask.environment)


def _near(freeze: Freeze, now_s: float) -> Iterator[tuple[float, float]]:
    """The windows that could hold ``now_s``: those that begin at most a length and two days before, or a day after."""
    where, length = zone(freeze.zone), freeze.end - freeze.start
    rule, today = freeze.rule, wall_of(now_s, where).date()
    if rule is None:
        yield starts_at_s(freeze.start, where), ends_at_s(freeze.end, where)
        return
    for back in range(-1, length.days + 3):
        day = today - timedelta(days=back)
        if falls_on(rule, freeze.start.date(), day):
            start = datetime.combine(day, freeze.start.time())
            yield starts_at_s(start, where), ends_at_s(start + length, where)


def _evaluable(freeze: Freeze) -> bool:
    try:
        zone(freeze.zone)
        return freeze.rule is not None or not freeze.repeat
    except ValueError:
        return False
