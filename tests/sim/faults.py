"""What can go wrong at a port call, and the tape that says where it does. It knows no port and changes nothing."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What happens to one call. LOST lands and is not answered; FREEZE stops the process while a rival leads."""

    ERROR = "error"
    LOST = "lost"
    SLOW = "slow"
    SLOW_ANSWER = "slow_answer"
    CRASH_BEFORE = "crash_before"
    CRASH_AFTER = "crash_after"
    FREEZE = "freeze"


@dataclass(frozen=True, slots=True)
class Fault:
    """``amount`` is the number of steps of the world, with everybody else in them, that pass inside the call."""

    kind: Kind
    amount: int = 0


class Crashed(BaseException):
    """The process died in this call. No ``except Exception`` may catch it, since nothing survives ``kill -9``."""


RISE = "router.write up"
"""The name under which the tape is asked about a write of a weight above 0."""
DANGER = {RISE: 15.0, "router.write": 6.0, "router.claim": 6.0, "router.lower": 6.0, "store.commit": 6.0}
"""How much likelier a fault is at calls around which it does most harm; uniform noise almost never meets them."""
FREEZE_MAX = 40
SLOW_MAX = 8


@dataclass(frozen=True, slots=True)
class Mix:
    """The swarm's draw for one seed: how often a call goes wrong, and with which weight each kind does."""

    rate: float
    weights: tuple[tuple[Kind, float], ...]


NO_FAULTS = Mix(0.0, ())


class Tape:
    """Decides by the number of the call. ``played`` is what happened; ``given`` replays a choice of it instead."""

    def __init__(self, seed: str, mix: Mix, given: Mapping[int, Fault] | None = None) -> None:
        self._random = random.Random(f"{seed}:faults")
        self._kinds = [kind for kind, _ in mix.weights]
        self._weights = [weight for _, weight in mix.weights]
        self._rate, self._given = mix.rate, given
        self.played: dict[int, Fault] = {}
        self.awaited: dict[str, Fault] = {}
        self.open = True

    def at(self, number: int, name: str) -> Fault | None:
        """The fault of call ``number``, if it has one. ``awaited`` are faults of the next call of a name."""
        if not self.open:
            return None
        if name in self.awaited:
            return self.awaited.pop(name)
        fault = self._given.get(number) if self._given is not None else self._draw(name)
        if fault is not None:
            self.played[number] = fault
        return fault

    def _draw(self, name: str) -> Fault | None:
        rate = self._rate * DANGER.get(name, 1.0)
        if not self._kinds or self._random.random() >= rate:
            return None
        kind = self._random.choices(self._kinds, self._weights)[0]
        most = FREEZE_MAX if kind is Kind.FREEZE else SLOW_MAX
        return Fault(kind, self._random.randint(1, most))


def draw_mix(rng: random.Random) -> Mix:
    """Which faults exist in this run, and how often. Each kind is switched on for the run before it can ever fire."""
    weights = {Kind.ERROR: 4.0, Kind.LOST: 3.0, Kind.SLOW: 2.0, Kind.SLOW_ANSWER: 2.0}
    weights |= {Kind.CRASH_BEFORE: 1.0, Kind.CRASH_AFTER: 1.0, Kind.FREEZE: 1.5}
    there = tuple((kind, weight) for kind, weight in weights.items() if rng.random() < 0.5)
    return Mix(rng.choice((0.002, 0.006, 0.02, 0.06)), there)
