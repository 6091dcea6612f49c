"""Values of the analysis as the JSON that schemas_analysis.py describes. It reads nothing and decides nothing."""

from __future__ import annotations

from datetime import UTC, datetime

from analysis.calibration import wanted_beyond
from analysis.causes import Cause, causes, one_in
from analysis.figures import figures
from analysis.model import AnalysisSpec, Calibration, JudgeState
from api.http import schemas_analysis as schemas
from controller.forecasts import Outlook
from controller.ports import StoredApplication

MOST = 1e300  # what an e-value is shown as at most


def trail_view(judge: JudgeState) -> list[schemas.EvidencePointView]:
    return [
        schemas.EvidencePointView(at=_time(one.at_s), harm=one.harm, safe=one.safe, breaker=one.breaker)
        for one in judge.trail
    ]


def proof_view(spec: AnalysisSpec, judge: JudgeState | None) -> schemas.ProofView | None:
    """None before the canary had traffic."""
    if judge is None:
        return None
    shown = figures(spec, judge)
    return schemas.ProofView(
        harm=_short(shown.total_e),
        harm_needed=_short(shown.needed_e),
        one_in=one_in(shown.total_e),
        safe=_short(shown.safe_e),
        safe_needed=_short(shown.safe_needed_e),
        breaker=_short(shown.breaker_e),
        breaker_needed=_short(shown.breaker_needed_e),
        requests_lost=_short(shown.share_e),
        causes=[_cause(one) for one in causes(shown)],
        series=trail_view(judge),
    )


def _cause(one: Cause) -> schemas.CauseView:
    counts, values = one.counts, one.values or (None, None)
    return schemas.CauseView(
        metric=one.metric,
        text=one.text,
        evidence=_short(one.harm_e),
        one_in=one.one_in,
        promotion=_short(one.safe_e),
        weight=round(one.weight, 4),
        canary_requests=counts.canary_total if counts else None,
        canary_bad=counts.canary_bad if counts else None,
        stable_requests=counts.stable_total if counts else None,
        stable_bad=counts.stable_bad if counts else None,
        allowed_pct=round(100 * one.allowed, 4) if one.allowed is not None else None,
        above_s=one.above_s,
        canary_value=values[0],
        stable_value=values[1],
    )


def _short(value: float) -> float:
    """Six digits; JSON knows no infinity."""
    return float(f"{min(value, MOST):.6g}")


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
