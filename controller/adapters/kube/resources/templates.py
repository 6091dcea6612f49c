"""With ``trigger: deployment``: what a change of the Deployment's template asks for. Pure, and derived from the record
each time, so that a restart neither forgets a template nor deploys one twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from controller.core.model import IntentKind, Phase, Release
from controller.core.moves import ENDED

STABLES = ""
"""The version of a template that is stable's own."""

_BEFORE_STABLE = frozenset({Phase.PENDING, Phase.PREPARING, Phase.PROGRESSING, Phase.PAUSED})
"""Only in these nothing has touched stable. While promoting, the template is stable's because it is being made so; a
halted release may have been promoting."""


@dataclass(frozen=True, slots=True)
class Noted:
    """The last change of the template that is on record. ``asked``: a release was asked for since."""

    version: str
    at_s: float
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """Put the template on record. Everything else follows from that."""

    version: str


@dataclass(frozen=True, slots=True)
class Start:
    version: str
    replace: bool


@dataclass(frozen=True, slots=True)
class GoBack:
    """The template was taken back: abort what tries it."""

    release_id: str


@dataclass(frozen=True, slots=True)
class Stay:
    """Nothing to do. ``why`` is set when the template waits for people: it was tried and did not make it."""

    why: str = ""


Wish = Note | Start | GoBack | Stay


def wish_of(
    pending: str | None, noted: Noted | None, releases: Sequence[Release], actor: str, put_back: bool = False
) -> Wish:
    """``releases`` newest first. ``actor`` is who asks in the name of the template. ``put_back``: the template was made
    stable's by ourselves, on the way back from a promotion, and not by people."""
    running = next((one for one in releases if one.phase not in ENDED and one.superseded_by is None), None)
    if pending is None:
        return Stay() if put_back else _back_at_stables(noted, running, releases, actor)
    if noted is None or noted.version != pending:
        return Note(pending)
    if running is not None and running.canary == pending and not _goes_back(running):
        return Stay()
    tried = _tried(pending, noted, releases, actor)
    if tried is not None or noted.asked:
        return Stay(_why_not(tried) if running is None else "")
    return Start(pending, replace=running is not None)


def _back_at_stables(noted: Noted | None, running: Release | None, releases: Sequence[Release], actor: str) -> Wish:
    if running is not None and running.phase not in _BEFORE_STABLE:
        return Stay()
    if noted is not None and noted.version != STABLES:
        return Note(STABLES)
    if running is None or _goes_back(running) or not _of_template(running, releases, actor):
        return Stay()
    return GoBack(running.id)


def _goes_back(release: Release) -> bool:
    aborted = release.intent is not None and release.intent.kind is IntentKind.ABORT
    return aborted or release.phase is Phase.ROLLING_BACK


def _of_template(release: Release, releases: Sequence[Release], actor: str) -> bool:
    """Asked for in the template's name, or a person's new try of such a release."""
    if release.actor == actor or release.retry_of is None:
        return release.actor == actor
    return any(one.id == release.retry_of and one.actor == actor for one in releases)


def _tried(pending: str, noted: Noted, releases: Sequence[Release], actor: str) -> Release | None:
    """The last try of this very template: the one that was asked for, or anybody's of its version that ended since."""
    for one in releases:
        ours = noted.asked and _of_template(one, releases, actor)
        theirs = one.canary == pending and one.phase in ENDED and one.entered_at_s >= noted.at_s
        if ours or theirs:
            return one
    return None


def _why_not(tried: Release | None) -> str:
    if tried is None or tried.phase not in (Phase.ROLLED_BACK, Phase.FAILED):
        return ""
    phase = tried.phase.value.replace("_", " ")
    return (
        f"release {tried.id} of {tried.canary}: {phase}: {tried.reason.text}. The Deployment stays paused on its old "
        "pods until its template changes or the release is retried"
    )
