"""One sentence that answers "why is it not moving?": the blocking condition, and the time left when time ends it."""

from __future__ import annotations

from controller.core.model import Phase, Release
from controller.core.moves import ENDED


def explain(release: Release, now_s: float) -> str:
    """Plain English for the person on call; the same sentence in the API, on the command line and in pages."""
    where = _where(release)
    reason = release.reason.text.rstrip(".")
    if release.unproven is not None and release.unproven.text not in reason:
        reason += f"; it was {release.unproven.text}"
    if release.phase in ENDED:
        return f"{where}: {reason}."
    until_s = release.reason.until_s
    left = f"; {duration(until_s - now_s)} left" if until_s is not None and until_s > now_s else ""
    return f"{where}: {reason}{left}."


_WHERE = {
    Phase.PENDING: "{name} has not started",
    Phase.PREPARING: "{name} is being prepared, with no traffic yet",
    Phase.PROGRESSING: "{name} is at step {step} of {steps} ({weight} %)",
    Phase.PAUSED: "{name} is paused at {weight} %",
    Phase.PROMOTING: "{name} is being promoted",
    Phase.ROLLING_BACK: "{name} is rolling back to stable",
    Phase.HALTED: "{name} is halted at {weight} %",
    Phase.SUCCEEDED: "{name} succeeded",
    Phase.ROLLED_BACK: "{name} was rolled back",
    Phase.FAILED: "{name} failed, all traffic is on stable",
}

_FIRST = {
    Phase.PROMOTING: "{name} is being installed as the first version",
    Phase.ROLLING_BACK: "{name} is being taken away, there is no earlier version",
    Phase.FAILED: "{name} failed, there is no earlier version to serve",
}
"""The same for the first version of an application, which has no stable to go back to."""


def _where(release: Release) -> str:
    name, steps = f"{release.app.name} {release.canary}", len(release.app.canary.steps)
    words = _WHERE if release.stable is not None else {**_WHERE, **_FIRST}
    if release.phase is Phase.PROGRESSING and release.step < 0:
        return f"{name} is about to start again at the first step"
    where = words[release.phase].format(name=name, step=release.step + 1, steps=steps, weight=release.weight_pct)
    why = release.cause.text if release.phase is Phase.ROLLING_BACK and release.cause else release.reason.text
    return f"{where} ({why.rstrip('.')})" if why != release.reason.text else where


def duration(seconds: float) -> str:
    """``95`` becomes ``1m 35s``; less than a second becomes ``under 1s``."""
    if seconds < 1:
        return "under 1s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{count}{unit}" for count, unit in ((hours, "h"), (minutes, "m"), (rest, "s")) if count]
    return " ".join(parts)


def counted(number: int, noun: str) -> str:
    """``1 step``, ``2 steps``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
