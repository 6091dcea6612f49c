"""What a command is asked with and answers: data, and refusals that say what to do. By itself it changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from controller.core.model import Application, Release
from controller.core.targets import KubernetesTarget
from controller.ports import Answered, Conflict, Store, StoredApplication
from gates.audit import Draft

T = TypeVar("T")
CONFLICT_TRIES = 5
"""A person's fact meets the controller's own commits; each try reads again, so a handful always suffices."""


class Rejected(Exception):
    """A command that was not carried out. ``code`` is stable, the text says what to do, ``facts`` go with it."""

    def __init__(self, code: str, text: str, **facts: str) -> None:
        super().__init__(text)
        self.code, self.text, self.facts = code, text, facts


@dataclass(frozen=True, slots=True)
class Submission:
    """A wish to deploy ``version`` of ``application``. ``replace`` takes the place of a release that is running."""

    application: str
    version: str
    actor: str
    replace: bool = False
    retry_of: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The release as committed and a sentence about what was done. ``durable`` is False while the store is down."""

    release: Release
    text: str
    durable: bool = True


AnswerOf = Callable[[Done], Answered]
"""The answer to remember under an Idempotency-Key, stored in the transaction that it tells about."""
ApplicationAnswerOf = Callable[[StoredApplication], Answered]


def drafted(
    at_s: float,
    kind: str,
    actor: str,
    text: str,
    release: Release | None = None,
    app: Application | None = None,
    **numbers: str,
) -> Draft:
    """The record of a command, about a release or about an application."""
    app = release.app if release is not None else app
    assert app is not None, "a command is about something"
    named = release.id if release is not None else None
    return Draft(kind, at_s, actor, text[:1000], named, app.name, app.environment, numbers=dict(numbers))


def known_application(store: Store, name: str) -> StoredApplication:
    """Raises Rejected when there is none of that name."""
    stored = store.application(name)
    if stored is None or stored.deleted:
        raise Rejected("unknown_application", f"there is no application {name[:80]!r}: register it first")
    return stored


def moves_of(app: Application) -> frozenset[tuple[str, str]]:
    """What an application changes, each with where it is; no two applications may share any of it."""
    target = app.target
    own: frozenset[tuple[str, str]] = frozenset()
    if isinstance(target, KubernetesTarget):
        own = frozenset({(f"kubernetes/{target.namespace}", f"the Deployment {target.deployment}")})
    return app.router.moves | own


def require_own_route(app: Application, other: Application) -> None:
    """Raise Rejected when ``other`` already moves what ``app`` wants: each would undo the other's weights."""
    shared = moves_of(app) & moves_of(other)
    if shared and other.name != app.name:
        what = sorted(shared)[0][1]
        text = f"{what} belongs to application {other.name}: give {app.name} one of its own"
        raise Rejected("route_taken", text, application=other.name)


def tried(name: str, attempt: Callable[[], T]) -> T:
    """Do what reads and then commits. Each try reads again: of two at the same moment, the later one meets what the
    earlier one made. Raises Rejected when that never ends."""
    trouble: Conflict | None = None
    for _ in range(CONFLICT_TRIES):
        try:
            return attempt()
        except Conflict as conflict:
            trouble = conflict
    raise Rejected("conflict", f"{name} keeps changing ({trouble}): try again")


def registered_over(stored: StoredApplication, app: Application) -> StoredApplication:
    """What was deleted and comes back with another target has no version that serves."""
    other = stored.deleted and stored.app.target != app.target
    return replace(stored, app=app, deleted=False, stable_version=None if other else stored.stable_version)
