"""The status of an Application, and the merge patch that brings it about where it differs. Pure: it writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from controller.adapters.kube.kinds import Raw
from controller.core.model import Phase, Release
from controller.core.moves import ENDED
from controller.core.verdicts import said_of

TEXT_CHARS_MAX = 2_000
"""Of one text in a status. The schema allows 4096; nobody reads more than a screen of it."""
WORDING = frozenset({"verdictText", "reason"})
"""Fields that change with every request that is counted. They are shown, but less often."""


@dataclass(frozen=True, slots=True)
class Said:
    """One condition without its times."""

    status: bool
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that the status tells. ``held``: why a changed template is not being deployed. ``leaving``: why an
    object that is being deleted is still there; None when it is not."""

    generation: int
    accepted: Said
    newest: Release | None = None
    stable_version: str | None = None
    kill: str = ""
    held: Said | None = None
    leaving: str | None = None


def status_of(picture: Picture, before: Mapping[str, object], now_s: float) -> Raw:
    """The whole status. ``before`` gives the times of the conditions that stay as they are."""
    told = {"Ready": _ready(picture), "Accepted": picture.accepted, "Progressing": _progressing(picture)}
    status: Raw = {"observedGeneration": picture.generation}
    newest = picture.newest
    if newest is not None:
        status |= progress_of(newest)
        status["releaseId"] = newest.id
        if newest.phase not in ENDED:
            status["canaryVersion"] = _cut(newest.canary)
    if picture.stable_version is not None:
        status["stableVersion"] = _cut(picture.stable_version)
    if picture.kill:
        status["kill"] = _cut(picture.kill)
    status["conditions"] = [_condition(name, said, picture, before, now_s) for name, said in told.items()]
    return status


def progress_of(release: Release) -> Raw:
    """What an Application and a Release tell alike."""
    verdict = said_of(release)
    return {
        "phase": release.phase.value,
        "weightPct": release.weight_pct,
        "step": release.step,
        "verdict": verdict.word,
        "verdictText": _cut(verdict.text),
        "since": time_text(release.entered_at_s),
    }


def merge_patch(before: Mapping[str, object], after: Mapping[str, object]) -> Raw:
    """The fields that differ; None takes one away. Empty when nothing differs."""
    changed: Raw = {name: value for name, value in after.items() if before.get(name) != value}
    return changed | {name: None for name in before if name not in after}


def is_wording(patch: Raw) -> bool:
    """Whether it would only say the same in other words."""
    return bool(patch) and set(patch) <= WORDING


def time_text(at_s: float) -> str:
    """RFC 3339 to the second, which is what the cluster's own times have."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def camel(words: str) -> str:
    """``rolled_back`` becomes ``RolledBack``, as reasons of conditions are written."""
    return "".join(part.capitalize() for part in words.split("_"))


def _ready(picture: Picture) -> Said:
    """Whether what was asked for last is what serves."""
    newest = picture.newest
    if picture.leaving is not None:
        return Said(False, "Deleting", picture.leaving or "everything was given back")
    if not picture.accepted.status:
        return Said(False, "NotAccepted", picture.accepted.message)
    if newest is not None and newest.phase not in ENDED:
        return Said(False, "ReleaseRunning", _where(newest))
    if picture.held is not None:
        return picture.held
    if newest is not None and newest.phase is not Phase.SUCCEEDED:
        return Said(False, camel(newest.phase.value), _where(newest))
    if picture.stable_version is None:
        return Said(True, "NothingReleased", "no release has been made yet")
    return Said(True, "Serving", f"{picture.stable_version} serves all traffic")


def _progressing(picture: Picture) -> Said:
    newest = picture.newest
    if newest is None:
        return Said(False, "NothingReleased", "no release has been made yet")
    return Said(newest.phase not in ENDED, camel(newest.phase.value), _where(newest))


def _where(release: Release) -> str:
    """It changes with the phase only, so that a condition is not written for every request that is counted."""
    phase = release.phase.value.replace("_", " ")
    why = f": {release.reason.text}" if release.phase in ENDED else ""
    return f"release {release.id} of {release.canary}: {phase}{why}"


def _condition(name: str, said: Said, picture: Picture, before: Mapping[str, object], now_s: float) -> Raw:
    status = "True" if said.status else "False"
    old = next((one for one in _conditions(before) if one.get("type") == name), {})
    since = old.get("lastTransitionTime") if old.get("status") == status else None
    return {
        "type": name,
        "status": status,
        "reason": said.reason,
        "message": _cut(said.message),
        "observedGeneration": picture.generation,
        "lastTransitionTime": since if isinstance(since, str) else time_text(now_s),
    }


def _conditions(status: Mapping[str, object]) -> list[Raw]:
    found = status.get("conditions")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_CHARS_MAX else text[: TEXT_CHARS_MAX - 1] + "…"
