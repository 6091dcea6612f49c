"""Who may do what: one table. What is not in it is denied."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from gates.kill import Scope, ScopeKind


class Role(StrEnum):
    VIEWER = "viewer"
    CI = "ci"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"


class Action(StrEnum):
    """What a route does, in words that fit behind "may not"."""

    READ = "read"
    KILL = "kill"
    DEPLOY = "deploy"
    ABORT = "abort"
    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"
    UNKILL = "release kills"
    APPLICATIONS = "change applications"
    TOKENS = "manage tokens"


class Reach(StrEnum):
    """How far a permission goes: only what the caller started itself, only up to one application, or everything."""

    OWN = "own"
    APPLICATION = "application"
    ALL = "all"


_EVERYONE = {Action.READ: Reach.ALL, Action.KILL: Reach.ALL}

TABLE: Mapping[Role, Mapping[Action, Reach]] = {
    Role.VIEWER: _EVERYONE,
    Role.CI: {**_EVERYONE, Action.DEPLOY: Reach.OWN, Action.ABORT: Reach.OWN, Action.PAUSE: Reach.OWN},
    Role.OPERATOR: {
        **_EVERYONE,
        Action.DEPLOY: Reach.ALL,
        Action.ABORT: Reach.ALL,
        Action.PAUSE: Reach.ALL,
        Action.RESUME: Reach.ALL,
        Action.PROMOTE: Reach.ALL,
        Action.UNKILL: Reach.APPLICATION,
    },
    Role.APPROVER: {**_EVERYONE, Action.UNKILL: Reach.ALL},
    Role.ADMIN: dict.fromkeys(Action, Reach.ALL),
}

UNLIMITED = frozenset({Action.KILL, Action.ABORT, Action.PAUSE})
"""Stops: never rate-limited, and they never wait for a thread that other requests use."""


def reach(role: str, action: Action) -> Reach | None:
    """How far ``role`` may do ``action``; None when it may not, or when there is no such role."""
    try:
        return TABLE[Role(role)].get(action)
    except ValueError:
        return None


def within_application(scope: Scope) -> bool:
    return scope.kind in (ScopeKind.APPLICATION, ScopeKind.RELEASE)


def roles_with(action: Action) -> str:
    """The roles that may do ``action``, for the sentence that refuses it: "the role operator or admin"."""
    *others, last = (role.value for role in Role if action in TABLE[role])
    return "the role " + (f"{', '.join(others)} or {last}" if others else last)
