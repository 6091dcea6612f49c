"""What is written down about a decision: a record per change that a post-mortem would ask about. It writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from analysis.model import Verdict
from controller.core.explain import counted
from controller.core.intents import CALLED
from controller.core.model import Phase, Release
from controller.core.moves import ENDED
from controller.core.scene import CARRIES, Scene
from gates.audit import Draft
from gates.canonical import Json

ACTOR = "controller"


@dataclass(frozen=True, slots=True)
class _Note:
    """What is told of one record; the rest is the same for every record of a decision."""

    type: str
    text: str
    numbers: Mapping[str, Json] = field(default_factory=dict)


def drafts(before: Release, after: Release, scene: Scene, epoch: int | None) -> tuple[Draft, ...]:
    """The records of going from ``before`` to ``after``; empty when only evidence or waiting changed."""
    late, figures = _late(after, scene), numbers_of(scene.verdict)
    notes = (*_drift(before, scene), *_bypasses(before, after), *_weight(before, after), *_phase(before, after))
    return tuple(
        Draft(
            note.type,
            scene.now_s,
            ACTOR,
            note.text[:1000],
            after.id,
            after.app.name,
            after.app.environment,
            epoch,
            {**figures, **note.numbers},
            late and note.type in ("phase", "weight"),
        )
        for note in notes
    )


def _drift(before: Release, scene: Scene) -> Iterator[_Note]:
    drift = scene.seen.route.drift_count - before.drift_seen if scene.seen.route else 0
    if drift > 0 and before.phase in CARRIES:
        text = f"the route was changed from outside and put back ({counted(drift, 'time')})"
        yield _Note("drift", text, {"drift_count": drift})


def _bypasses(before: Release, after: Release) -> Iterator[_Note]:
    for intent in after.bypassed[len(before.bypassed) :]:
        why = intent.reason or "no reason given"
        yield _Note("bypass", f"{intent.actor} passed the evidence ({CALLED[intent.kind]}): {why}")


def _weight(before: Release, after: Release) -> Iterator[_Note]:
    if after.weight_pct != before.weight_pct:
        authority = after.reason.code if after.weight_pct > before.weight_pct else "lower"
        weights = {"from_pct": before.weight_pct, "to_pct": after.weight_pct, "step": after.step}
        yield _Note("weight", after.reason.text, {"authority": authority, **weights})


def _phase(before: Release, after: Release) -> Iterator[_Note]:
    if after.phase is not before.phase:
        phases = {"from_phase": before.phase.value, "to_phase": after.phase.value}
        yield _Note("phase", after.reason.text, {**phases, "code": after.reason.code})
    elif after.reason.code != before.reason.code and after.phase not in ENDED:
        yield _Note("reason", after.reason.text, {"code": after.reason.code, "phase": after.phase.value})


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
