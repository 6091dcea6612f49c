"""What a command is asked with and answers: data, and the refusal that says what to do. It carries out nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from controller.core.model import Application, Release
from controller.core.targets import KubernetesTarget
from controller.ports import Answered, StoredApplication


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
