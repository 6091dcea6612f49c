"""What a release of an application could find at today's traffic. It asks the metrics; it decides nothing."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.calibration import wanted_beyond
from analysis.planning import Forecast, forecast, steps_of, today_of
from analysis.samples import Outcome, Role
from controller.ports import Ports, StoredApplication, Unavailable
from controller.wishes import Rejected


@dataclass(frozen=True, slots=True)
class Outlook:
    """``trouble`` is what the check before a release finds wrong now; ``proposal`` what its pods would need and the
    ceiling of the margins does not allow. None: nothing."""

    forecast: Forecast
    trouble: str | None
    proposal: str | None


def outlook_of(ports: Ports, stored: StoredApplication) -> Outlook:
    """Raises Rejected when no version serves yet, Unavailable when the metrics do not answer."""
    app, stable = stored.app, stored.stable_version
    if stable is None:
        text = f"no version of {app.name} serves yet: there is no traffic to forecast from. Deploy the first one"
        raise Rejected("nothing_serves", text)
    now_s = ports.clock.now_s()
    look = ports.metrics.look(app.analysis, stable, app.name, now_s)
    unread = next((item for item in look.items if item.outcome is Outcome.UNREADABLE), None)
    if unread is not None:
        raise Unavailable(f"the metrics of {app.name} cannot be read: {unread.text}")
    kept = stored.calibration
    steps = steps_of(app.canary.steps, app.canary.min_bake_s)
    found = forecast(app.analysis, steps, today_of(app.analysis, look), kept)
    return Outlook(found, _trouble(ports, stored, stable, now_s), wanted_beyond(app.analysis, kept) if kept else None)


def _trouble(ports: Ports, stored: StoredApplication, stable: str, now_s: float) -> str | None:
    return ports.metrics.check(stored.app.analysis, {Role.STABLE: stable}, stored.app.name, now_s)
