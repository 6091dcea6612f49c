"""Values of the analysis as the JSON that schemas_analysis.py describes. It reads nothing and decides nothing."""

from __future__ import annotations

from datetime import UTC, datetime

from analysis.calibration import wanted_beyond
from analysis.model import Calibration, JudgeState
from api.http import schemas_analysis as schemas
from controller.forecasts import Outlook
from controller.ports import StoredApplication


def trail_view(judge: JudgeState) -> list[schemas.EvidencePointView]:
    return [
        schemas.EvidencePointView(at=_time(one.at_s), harm=one.harm, safe=one.safe, breaker=one.breaker)
        for one in judge.trail
    ]


def calibration_view(kept: Calibration | None, proposal: str | None = None) -> schemas.CalibrationView | None:
    if kept is None:
        return None
    return schemas.CalibrationView(
        errors=round(kept.errors, 4),
        latency=round(kept.latency, 4),
        pods=kept.pods,
        windows=kept.windows,
        made_at=_time(kept.made_at_s),
        proposal=proposal,
    )


def learned_view(stored: StoredApplication) -> schemas.CalibrationView | None:
    """What the application's pods last taught, with what its ceiling does not allow."""
    kept = stored.calibration
    return calibration_view(kept, wanted_beyond(stored.app.analysis, kept) if kept is not None else None)


def forecast_view(stored: StoredApplication, outlook: Outlook) -> schemas.ForecastView:
    found = outlook.forecast
    return schemas.ForecastView(
        text=found.text,
        requests_per_s=round(found.requests_per_s, 4),
        promotion_s=round(found.promotion_s, 1) if found.promotion_s is not None else None,
        steps=[
            schemas.SightView(
                weight_pct=sight.weight_pct,
                bake_s=sight.bake_s,
                metric=sight.metric,
                finds_pct=round(100 * sight.finds, 4) if sight.finds is not None else None,
            )
            for sight in found.sights
        ],
        start_trouble=outlook.trouble,
        calibration=learned_view(stored),
    )


def _time(at_s: float) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
