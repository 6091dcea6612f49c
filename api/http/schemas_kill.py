"""The JSON answers about the kill switch: what is engaged, what became of each path, the self-test. Shapes only."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KillView(_Answer):
    """One engagement of the kill switch. ``scope`` is fleet, environment:NAME, application:NAME or release:ID."""

    id: str
    verb: Literal["halt", "revert"]
    scope: str
    actor: str
    at: str
    reason: str


class KillPathView(_Answer):
    """``path`` is memory, file, store or route:APPLICATION."""

    path: str
    state: Literal["effective", "pending", "failed"]
    text: str = ""


class KillEngagedView(_Answer):
    """``effective`` is true when it is durable somewhere and every covered route shows it."""

    kill: KillView
    effective: bool
    paths: list[KillPathView]


class KillSelfTestView(_Answer):
    """The newest self-test: whether a kill would have been effective on every path, and what kept it from being so."""

    at: str
    ok: bool
    took_ms: float
    text: str
    paths: list[KillPathView]


class KillListView(_Answer):
    """What is engaged now. ``readable`` false means that a source cannot be read, which holds everything.

    ``self_test`` is null until the first one is done, seconds after the start.
    """

    items: list[KillView]
    next: None = None
    readable: bool
    trouble: str
    self_test: KillSelfTestView | None


class KillReleasedView(_Answer):
    kill: KillView
    released_by: str
    text: str
