"""Which wish of a person fits which phase. It records the wish on the release; the rules carry it out."""

from __future__ import annotations

from dataclasses import dataclass, replace

from controller.core.model import Intent, IntentKind, Phase, Release
from controller.core.moves import ENDED


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of a wish: the release to commit (None: nothing to do) and a sentence for the person."""

    release: Release | None
    text: str
    refused: bool = False


CALLED = {
    IntentKind.ABORT: "abort",
    IntentKind.PAUSE: "pause",
    IntentKind.RESUME: "resume",
    IntentKind.PROMOTE_STEP: "one-step promotion",
    IntentKind.PROMOTE_FULL: "full promotion",
}
"""What people call each wish, in sentences and in the record."""

_FITS: dict[IntentKind, frozenset[Phase]] = {
    IntentKind.ABORT: frozenset(Phase) - ENDED,
    IntentKind.PAUSE: frozenset({Phase.PENDING, Phase.PREPARING, Phase.PROGRESSING}),
    IntentKind.RESUME: frozenset({Phase.PENDING, Phase.PREPARING, Phase.PAUSED}),
    IntentKind.PROMOTE_STEP: frozenset({Phase.PROGRESSING, Phase.PAUSED}),
    IntentKind.PROMOTE_FULL: frozenset({Phase.PROGRESSING, Phase.PAUSED}),
}


def hear(release: Release, intent: Intent) -> Heard:
    """Record ``intent`` on the release, or say why it changes nothing."""
    called, stops = CALLED[intent.kind], intent.kind is IntentKind.ABORT
    if release.phase in ENDED:
        verb = intent.kind.value.partition("_")[0]
        text = f"{release.id} has already ended ({_shown(release.phase)}): there is nothing to {verb}"
        return Heard(None, text, refused=not stops)
    if release.phase is Phase.ROLLING_BACK:
        return Heard(None, f"{release.id} is already rolling back", refused=not stops)
    if release.intent is not None and release.intent.kind is IntentKind.ABORT:
        return Heard(None, f"{release.id} is already being aborted", refused=not stops)
    if intent.kind is IntentKind.PAUSE and release.phase is Phase.PAUSED:
        return Heard(None, f"{release.id} is already paused")
    if release.phase not in _FITS[intent.kind]:
        *others, last = sorted(phase.value for phase in _FITS[intent.kind])
        text = f"{release.id} is {_shown(release.phase)}: a {called} needs it to be {', '.join(others)} or {last}"
        return Heard(None, text, refused=True)
    if intent.kind in (IntentKind.PROMOTE_STEP, IntentKind.PROMOTE_FULL):
        intent = replace(intent, step=release.step if intent.step is None else intent.step)
    return Heard(replace(release, intent=intent), f"the {called} of {release.id} is recorded")


def _shown(phase: Phase) -> str:
    return phase.value.replace("_", " ")
