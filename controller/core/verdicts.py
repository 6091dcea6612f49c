"""What the analysis has said of a release so far, in one word and one sentence. It weighs nothing itself."""

from __future__ import annotations

from dataclasses import dataclass

from controller.core.model import IntentKind, Phase, Release
from controller.core.moves import ENDED


@dataclass(frozen=True, slots=True)
class Said:
    """``word`` is none, watching, pass, bypass, fail or trip; the last four are final. ``code`` is for programs."""

    word: str
    code: str
    text: str


def said_of(release: Release) -> Said:
    judge = release.judge
    if judge is not None and judge.failed:
        return Said("trip" if judge.tripped else "fail", judge.failed_code, judge.failed)
    if release.phase in (Phase.PROMOTING, Phase.SUCCEEDED):
        return _passed(release)
    if judge is None:
        return Said("none", "no_traffic", "the canary had no traffic yet")
    if release.phase in ENDED or release.phase is Phase.ROLLING_BACK:
        return Said("none", "undecided", "it was ended before the evidence decided")
    return Said("watching", release.reason.code, release.reason.text)


def _passed(release: Release) -> Said:
    """What opened the way to all traffic: the evidence, a person, or that there was nothing to compare with."""
    if release.stable is None:
        return Said("none", "first_install", "the first version is not judged")
    last = len(release.app.canary.steps) - 1
    for intent in release.bypassed:
        if intent.kind is IntentKind.PROMOTE_FULL or intent.step == last:
            return Said("bypass", "bypass", f"{intent.actor} passed the evidence")
    if release.unproven is not None:
        return Said("bypass", release.unproven.code, release.unproven.text)
    by_hand = f"; {len(release.bypassed)} earlier passed by hand" if release.bypassed else ""
    return Said("pass", "pass", "the evidence sufficed" + by_hand)
