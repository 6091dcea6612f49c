"""One sentence that answers "why is it not moving?": the blocking condition, and the time left when time ends it."""

from __future__ import annotations

from controller.core.model import Phase, Release


def explain(release: Release, now_s: float) -> str:
    """Plain English for the person on call; the same sentence in the API, on the command line and in pages."""
    where = _where(release)
    reason = release.reason.text.rstrip(".")
    if release.phase in (Phase.SUCCEEDED, Phase.ROLLED_BACK, Phase.FAILED):
        return f"{where}: {reason}."
    until_s = release.reason.until_s
    left = f"; {duration(until_s - now_s)} left" if until_s is not None and until_s > now_s else ""
    return f"{where}: {reason}{left}."


def _where(release: Release) -> str:
    name = f"{release.app.name} {release.canary}"
    match release.phase:
        case Phase.PENDING:
            return f"{name} has not started"
        case Phase.PREPARING:
            return f"{name} is being prepared, with no traffic yet"
        case Phase.PROGRESSING:
            return f"{name} is at step {release.step + 1} of {len(release.app.canary.steps)} ({release.weight_pct} %)"
        case Phase.PAUSED:
            return f"{name} is paused at {release.weight_pct} %"
        case Phase.PROMOTING:
            return f"{name} is being promoted"
        case Phase.ROLLING_BACK:
            return f"{name} is rolling back, all traffic goes to stable"
        case Phase.HALTED:
            return f"{name} is halted at {release.weight_pct} %"
        case Phase.SUCCEEDED:
            return f"{name} succeeded"
        case Phase.ROLLED_BACK:
            return f"{name} was rolled back"
        case Phase.FAILED:
            return f"{name} failed without taking traffic" if not release.peak_weight_pct else f"{name} failed"


def duration(seconds: float) -> str:
    """``95`` becomes ``1m 35s``; less than a second becomes ``under 1s``."""
    if seconds < 1:
        return "under 1s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{hours}h" if hours else "", f"{minutes}m" if minutes else "", f"{rest}s" if rest or not minutes else ""]
    return " ".join(part for part in parts if part)
