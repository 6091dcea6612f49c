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


_FITS: dict[IntentKind, frozenset[Phase]] = {
    IntentKind.ABORT: frozenset(Phase) - ENDED,
    IntentKind.PAUSE: frozenset({Phase.PENDING, Phase.PREPARING, Phase.PROGRESSING}),
    IntentKind.RESUME: frozenset({Phase.PENDING, Phase.PREPARING, Phase.PAUSED}),
    IntentKind.PROMOTE_STEP: frozenset({Phase.PROGRESSING, Phase.PAUSED}),
    IntentKind.PROMOTE_FULL: frozenset({Phase.PROGRESSING, Phase.PAUSED}),
}


def hear(release: Release, intent: Intent) -> Heard:
    """Record ``intent`` on the release, or say why it changes nothing."""
    if release.phase in ENDED:
        text = f"{release.id} has already ended ({release.phase.value}): nothing to {intent.kind.value}"
        return Heard(None, text, refused=intent.kind is not IntentKind.ABORT)
    if release.phase is Phase.ROLLING_BACK:
        text = f"{release.id} is already rolling back"
        return Heard(None, text, refused=intent.kind is not IntentKind.ABORT)
    if release.phase not in _FITS[intent.kind]:
        fits = ", ".join(sorted(phase.value for phase in _FITS[intent.kind]))
        text = f"{release.id} is {release.phase.value}: {intent.kind.value} needs one of {fits}"
        same = intent.kind is IntentKind.PAUSE and release.phase is Phase.PAUSED
        return Heard(None, text, refused=not same)
    if release.intent is not None and release.intent.kind is IntentKind.ABORT:
        return Heard(None, f"{release.id} is already being aborted", refused=intent.kind is not IntentKind.ABORT)
    if intent.kind in (IntentKind.PROMOTE_STEP, IntentKind.PROMOTE_FULL):
        intent = replace(intent, step=release.step if intent.step is None else intent.step)
    return Heard(replace(release, intent=intent), f"{intent.kind.value} of {release.id} is recorded")
