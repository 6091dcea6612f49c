"""Which messages a decision sends: hooks that ask somebody to start or stop versions, and notices to people. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from analysis.model import Role
from controller.core.explain import explain
from controller.core.model import Application, HaltCause, Phase, Release
from controller.core.targets import ExternalTarget
from controller.ports import Message

TOLD = frozenset({Phase.HALTED, Phase.PAUSED, Phase.ROLLING_BACK, Phase.SUCCEEDED, Phase.ROLLED_BACK, Phase.FAILED})
"""Phases that people are told about."""


def messages_of(notify_urls: Sequence[str]) -> Callable[[Release, Release], tuple[Message, ...]]:
    """The messages of going from one state of a release to the next, for the receivers given."""

    def of(before: Release, after: Release) -> tuple[Message, ...]:
        if after.phase is before.phase:
            return ()
        return (*_hooks(before, after), *_notices(after, notify_urls))

    return of


def _notices(after: Release, urls: Sequence[str]) -> tuple[Message, ...]:
    if after.phase not in TOLD:
        return ()
    body = {
        "kind": "release_" + after.phase.value,
        "release": after.id,
        "application": after.app.name,
        "environment": after.app.environment,
        "version": after.canary,
        "code": after.reason.code,
        "text": explain(after, after.entered_at_s),
    }
    return tuple(
        Message(
            f"{after.id}:{after.revision}:{after.phase.value}:{n}",
            f"release_{after.phase.value}",
            after.id,
            after.app.name,
            url,
            body,
        )
        for n, url in enumerate(urls)
    )


def _hooks(before: Release, after: Release) -> tuple[Message, ...]:
    """What an external runner is asked for, at the moments when it has to do something."""
    asks: tuple[tuple[Role, str | None], ...] = ()
    if after.phase is Phase.PREPARING:
        asks = ((Role.STABLE, after.stable), (Role.CANARY, after.canary))
    elif after.phase is Phase.PROMOTING:
        asks = ((Role.STABLE, after.canary),)
    elif after.phase is Phase.ROLLING_BACK or after.halt is HaltCause.KILL_REVERT:
        asks = ((Role.STABLE, after.stable),)
    elif after.phase in (Phase.SUCCEEDED, Phase.ROLLED_BACK, Phase.FAILED) and before.phase is not Phase.PENDING:
        asks = ((Role.CANARY, None),)
    # Stable is never stopped; asking again for what already runs is harmless, and says it after any half-way state.
    wanted = [(role, version) for role, version in asks if version is not None or role is Role.CANARY]
    made = (hook_of(after.app, after.id, after.revision, role, version) for role, version in wanted)
    return tuple(message for message in made if message is not None)


def hook_of(app: Application, release_id: str, revision: int, role: Role, version: str | None) -> Message | None:
    """The request to whoever runs an external application: bring ``role`` to ``version``, or stop it when None."""
    if not isinstance(app.target, ExternalTarget) or app.target.hook_url is None:
        return None
    action = "stop" if version is None else "run"
    body = {
        "action": action,
        "role": role.value,
        "version": version,
        "application": app.name,
        "release": release_id,
        "environment": app.environment,
    }
    key = f"{release_id}:{revision}:{role.value}:{action}"
    return Message(key, "hook", release_id, app.name, app.target.hook_url, body)
