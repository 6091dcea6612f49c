"""Whether a new policy lets through what the old one did not. A loosening is a G3 step that two people decide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from gates.grading.kinds import KINDS, Effect
from gates.grading.limits import Limits
from gates.grading.rulebook import LEVELS, PROFILES, Policy, matches

_HIGHER_IS_TIGHTER = frozenset({"confidence", "reaction_s"})


@dataclass(frozen=True, slots=True)
class Loosening:
    where: str
    was: str
    becomes: str


class NotASuccessor(ValueError):
    """The new policy cannot replace the old one. The text says why."""


def loosenings(old: Policy, new: Policy) -> tuple[Loosening, ...]:
    """Everything in which ``new`` is looser; empty when it only tightens. Raises NotASuccessor."""
    if new.name != old.name:
        raise NotASuccessor(f"it is called {new.name}, the policy it would replace is {old.name}")
    if new.version <= old.version:
        raise NotASuccessor(f"version {new.version} does not follow version {old.version}; raise it")
    return (*_numbers(old.limits, new.limits), *_profiles(old, new), *_kinds(old, new), *_rest(old, new))


def _numbers(old: Limits, new: Limits) -> Iterator[Loosening]:
    for field in fields(Limits):
        was, becomes = getattr(old, field.name), getattr(new, field.name)
        looser = becomes < was if field.name in _HIGHER_IS_TIGHTER else becomes > was
        if looser:
            yield Loosening(f"limits.{field.name}", f"{was:g}", f"{becomes:g}")


def _profiles(old: Policy, new: Policy) -> Iterator[Loosening]:
    for name in ["default", *sorted({name for name, _ in (*old.profiles, *new.profiles)})]:
        was, becomes = old.profile_of(name), new.profile_of(name)
        if PROFILES.index(becomes) < PROFILES.index(was):
            yield Loosening(f"profiles.{name}", was, becomes)


def _kinds(old: Policy, new: Policy) -> Iterator[Loosening]:
    """Asked kind by kind, so that a list may be written in another way without being taken for looser."""
    for kind in _sample(old, new):
        for production in (True, False):
            where = f"{kind} {'in production' if production else 'elsewhere'}"
            was, becomes = old.ruling_of(kind, production), new.ruling_of(kind, production)
            if LEVELS.index(becomes) < LEVELS.index(was):
                yield Loosening(where, was, becomes)
            lost = old.guards_of(kind, production) - new.guards_of(kind, production)
            if lost:
                yield Loosening(where, f"guarded by {', '.join(sorted(lost))}", "not")
        if matches(old.require_approval, kind) and not matches(new.require_approval, kind):
            yield Loosening(f"requireApproval {kind}", "listed", "not listed")
        if matches(new.incident.remediations, kind) and not matches(old.incident.remediations, kind):
            yield Loosening(f"incident {kind}", "confirmed", "goes ahead with a notice")


def _sample(old: Policy, new: Policy) -> list[str]:
    """Every registered kind that changes something, and two kinds per pattern, for kinds that are not registered."""
    patterns = [pattern for one in (old, new) for pattern in (*one.require_approval, *one.incident.remediations)]
    patterns += [pattern for one in (old, new) for ruling in one.rulings for pattern in ruling.kinds]
    written = [pattern.replace("*", word).replace("?", "x") for pattern in patterns for word in ("any", "other")]
    return list(dict.fromkeys([*(kind.name for kind in KINDS if kind.effect is Effect.CHANGE), *written]))


def _rest(old: Policy, new: Policy) -> Iterator[Loosening]:
    if old.enabled and not new.enabled:
        yield Loosening("enabled", "true", "false")
    if new.incident.remediations and new.incident.minutes > old.incident.minutes:
        yield Loosening("incident.minutes", f"{old.incident.minutes:g}", f"{new.incident.minutes:g}")
