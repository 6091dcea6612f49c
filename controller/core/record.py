"""What is written down about a decision: a record per change that a post-mortem would ask about. It writes nothing."""

from __future__ import annotations

from analysis.model import Verdict
from controller.core.model import Phase, Release
from controller.core.moves import ENDED
from controller.core.scene import CARRIES, Scene
from gates.audit import Draft
from gates.canonical import Json

ACTOR = "controller"


def drafts(before: Release, after: Release, scene: Scene, epoch: int | None) -> tuple[Draft, ...]:
    """The records of going from ``before`` to ``after``; empty when only evidence or waiting changed."""
    written: list[Draft] = []

    def add(kind: str, text: str, **numbers: Json) -> None:
        late = kind in ("phase", "weight") and _late(after, scene)
        written.append(
            Draft(
                kind,
                scene.now_s,
                ACTOR,
                text[:1000],
                after.id,
                after.app.name,
                after.app.environment,
                epoch,
                {**numbers_of(scene.verdict), **numbers},
                late,
            )
        )

    drift = scene.seen.route.drift_count - before.drift_seen if scene.seen.route else 0
    if drift > 0 and before.phase in CARRIES:
        add("drift", f"the route was changed from outside and put back ({drift} time(s))", drift_count=drift)
    bypasses = after.bypassed[len(before.bypassed) :]
    for intent in bypasses:
        add("bypass", f"{intent.actor} passed the evidence ({intent.kind.value}): {intent.reason or 'no reason given'}")
    if after.weight_pct != before.weight_pct:
        kind = after.reason.code if after.weight_pct > before.weight_pct else "lower"
        add(
            "weight",
            after.reason.text,
            authority=kind,
            from_pct=before.weight_pct,
            to_pct=after.weight_pct,
            step=after.step,
        )
    if after.phase is not before.phase:
        add(
            "phase",
            after.reason.text,
            from_phase=before.phase.value,
            to_phase=after.phase.value,
            code=after.reason.code,
        )
    elif after.reason.code != before.reason.code and after.phase not in ENDED:
        add("reason", after.reason.text, code=after.reason.code, phase=after.phase.value)
    return tuple(written)


def _late(after: Release, scene: Scene) -> bool:
    """True when the route had gone back to stable before this record could be written."""
    route = scene.seen.route
    marked = route is not None and route.mark is not None and route.mark.release_id == after.id
    return marked and after.phase in (Phase.ROLLING_BACK, Phase.HALTED)


def numbers_of(verdict: Verdict | None) -> dict[str, Json]:
    """The verdict and its figures as they go into a record. Not a number becomes text: JSON holds none."""
    if verdict is None:
        return {}
    figures: dict[str, Json] = {"verdict": verdict.judgement.value, "verdict_code": verdict.code}
    for name, value in verdict.numbers:
        finite = value == value and value not in (float("inf"), float("-inf"))
        figures[name] = round(value, 6) if finite else str(value)
    return figures
