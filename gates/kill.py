"""The kill switch as a value: scopes, engagements, and what they mean for one target. It reads no source itself."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Verb(StrEnum):
    """What an engagement asks for. A bare kill is REVERT: halt, then send traffic back to stable."""

    HALT = "halt"
    REVERT = "revert"


class ScopeKind(StrEnum):
    FLEET = "fleet"
    ENVIRONMENT = "environment"
    APPLICATION = "application"
    RELEASE = "release"


NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,126}")


@dataclass(frozen=True, slots=True)
class Scope:
    """What an engagement covers. ``name`` is empty for the fleet."""

    kind: ScopeKind
    name: str = ""

    def __str__(self) -> str:
        return self.kind.value if self.kind is ScopeKind.FLEET else f"{self.kind.value}:{self.name}"


def parse_scope(text: str) -> Scope:
    """Read ``fleet``, ``environment:NAME``, ``application:NAME`` or ``release:ID``.

    Raises ValueError for anything else: an unknown scope must be loud, never "nothing matched".
    """
    kind_text, colon, name = text.strip().partition(":")
    try:
        kind = ScopeKind(kind_text)
    except ValueError:
        raise ValueError(_unknown(text)) from None
    if kind is ScopeKind.FLEET:
        if colon:
            raise ValueError(_unknown(text))
        return Scope(kind)
    if not NAME.fullmatch(name):
        raise ValueError(_unknown(text))
    if kind is ScopeKind.ENVIRONMENT and name == "prod":
        name = "production"
    return Scope(kind, name)


def _unknown(text: str) -> str:
    return (
        f"unknown scope {text[:80]!r}: use fleet, environment:NAME, application:NAME or release:ID; nothing was engaged"
    )


@dataclass(frozen=True, slots=True)
class Target:
    """What is about to be acted on. ``release_id`` is None for an application at rest."""

    environment: str
    application: str
    release_id: str | None = None


@dataclass(frozen=True, slots=True)
class Engagement:
    """One press of the button. It stays until a person releases this id; it never times out."""

    id: str
    verb: Verb
    scope: Scope
    actor: str
    at_s: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class KillState:
    """One source's answer, or the union of several. ``readable`` is False when any source could not be read."""

    engaged: tuple[Engagement, ...] = ()
    released: frozenset[str] = frozenset()
    readable: bool = True
    trouble: str = ""


class KillAnswerKind(StrEnum):
    NONE = "none"
    HALT = "halt"
    REVERT = "revert"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class KillAnswer:
    """What the switch means for one target now. UNREADABLE means hold: nothing toward the canary, no revert either."""

    kind: KillAnswerKind
    ids: tuple[str, ...] = ()
    text: str = ""


NOT_ENGAGED = KillAnswer(KillAnswerKind.NONE)


def covers(scope: Scope, target: Target) -> bool:
    match scope.kind:
        case ScopeKind.FLEET:
            return True
        case ScopeKind.ENVIRONMENT:
            return scope.name == target.environment
        case ScopeKind.APPLICATION:
            return scope.name == target.application
        case ScopeKind.RELEASE:
            return target.release_id is not None and scope.name == target.release_id


def union(states: Iterable[KillState]) -> KillState:
    """The OR of independent sources. A release recorded in any readable source releases that id everywhere.

    Merging is a union, never "last write wins": a source that came back empty cannot release anything.
    """
    engaged: dict[str, Engagement] = {}
    released: set[str] = set()
    troubles: list[str] = []
    for state in states:
        released |= state.released
        for engagement in state.engaged:
            engaged.setdefault(engagement.id, engagement)
        if not state.readable:
            troubles.append(state.trouble or "a kill source could not be read")
    left = tuple(e for key, e in sorted(engaged.items()) if key not in released)
    return KillState(left, frozenset(released), readable=not troubles, trouble="; ".join(troubles))


def answer(state: KillState, target: Target) -> KillAnswer:
    """What ``state`` means for ``target``: revert wins over halt, any engagement wins over an unreadable source."""
    hits = tuple(e for e in state.engaged if covers(e.scope, target))
    if hits:
        verb = Verb.REVERT if any(e.verb is Verb.REVERT for e in hits) else Verb.HALT
        first = next(e for e in hits if e.verb is verb)
        text = f"kill {first.id} ({verb.value}) is engaged over {first.scope} by {first.actor}"
        return KillAnswer(KillAnswerKind(verb.value), tuple(e.id for e in hits), text)
    if not state.readable:
        return KillAnswer(KillAnswerKind.UNREADABLE, (), f"the kill switch cannot be read: {state.trouble}")
    return NOT_ENGAGED
