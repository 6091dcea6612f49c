"""The invariants of a release, checked on every decision, always on. A violation is a bug of ours, never trouble."""

from __future__ import annotations

from analysis.model import Inconclusive, Judgement, Verdict
from controller.core.model import Observation, Phase, Release, RoleState
from controller.core.moves import ENDED, MOVES
from controller.core.scene import at_last_step, past_horizon
from gates.kill import KillAnswerKind

FIRST_STEP_PCT_MAX = 10
"""The first step is at most this, whatever the plan says: the smallest blast radius comes first."""


class Violation(AssertionError):
    """An invariant does not hold. The release is parked and somebody is paged; other releases go on."""


def check(before: Release, after: Release, seen: Observation, verdict: Verdict | None) -> None:
    """Raise Violation when going from ``before`` to ``after`` would break an invariant."""
    for name, holds in _invariants(before, after, seen, verdict):
        if not holds:
            raise Violation(
                f"{name}: {before.id} from {before.phase} {before.weight_pct} % to {after.phase} {after.weight_pct} %"
            )


def _invariants(
    before: Release, after: Release, seen: Observation, verdict: Verdict | None
) -> tuple[tuple[str, bool], ...]:
    ends = after.phase in ENDED and before.phase not in ENDED
    rises = after.weight_pct > before.weight_pct
    return (
        ("the move is in the table", before.phase is after.phase or MOVES.legal(before.phase, after.phase)),
        (
            "identity never changes",
            (before.id, before.app, before.canary, before.stable, before.revision)
            == (after.id, after.app, after.canary, after.stable, after.revision),
        ),
        ("weight within the step and the cap (I1)", after.weight_pct <= ceiling_pct(after)),
        ("weight is not negative", after.weight_pct >= 0),
        ("no rise under a kill (I2)", not rises or seen.kill.kind is KillAnswerKind.NONE),
        ("no rise on a canary that was not sized (I4)", not (rises or _promotes(before, after)) or _sized(after, seen)),
        ("a rise has its authority (I4)", not rises or _authorised(before, after, seen, verdict)),
        ("a promotion has its authority (I4)", _promotion_authorised(before, after, seen, verdict)),
        ("an end is known-good (I3)", not ends or _known_good(before, after, seen)),
        ("an ended release never moves again", before.phase not in ENDED or after.phase is before.phase),
    )


def ceiling_pct(release: Release) -> int:
    """The highest weight this release may have at its step."""
    plan = release.app.canary
    if release.step < 0:
        return 0
    step = plan.steps[min(release.step, len(plan.steps) - 1)]
    first = FIRST_STEP_PCT_MAX if release.step == 0 else 100
    return min(step, plan.max_weight_pct, first)


def _authorised(before: Release, after: Release, seen: Observation, verdict: Verdict | None) -> bool:
    """A verdict that allows it, a person's recorded bypass, or a start check on a verified route at 0."""
    route = seen.route
    if after.phase is not Phase.PROGRESSING or route is None or route.halts:
        return False
    if route.live_pct != before.weight_pct or route.unconfirmed:
        return False
    if after.step == 0 and before.weight_pct == 0:
        ready = seen.canary is not None and seen.canary.ready_of(after.canary) > 0
        fit = seen.start_trouble is None and seen.start_route_trouble is None
        return ready and fit and after.reason.code == "start_check"
    bypassed = len(after.bypassed) == len(before.bypassed) + 1
    return (
        not _harmed(verdict)
        and after.step == before.step + 1
        and (bypassed or (verdict is not None and verdict.may_advance))
    )


def _promotes(before: Release, after: Release) -> bool:
    return after.phase is Phase.PROMOTING and before.phase is not Phase.PROMOTING


def _sized(after: Release, seen: Observation) -> bool:
    """A first install has no canary."""
    return after.stable is None or seen.canary is None or not seen.canary.unsized


def _promotion_authorised(before: Release, after: Release, seen: Observation, verdict: Verdict | None) -> bool:
    """The largest step of all: promotion evidence, a person's recorded bypass, or the application's word for the end
    of the analysis while nothing speaks for harm. A first install has none of them."""
    if not _promotes(before, after):
        return True
    if _harmed(verdict) or seen.kill.kind is not KillAnswerKind.NONE:
        return False
    bypassed = len(after.bypassed) == len(before.bypassed) + 1
    proven = verdict is not None and verdict.may_promote and at_last_step(after)
    return after.stable is None or bypassed or proven or _may_end_unproven(before, after, verdict)


def _may_end_unproven(before: Release, after: Release, verdict: Verdict | None) -> bool:
    allowed = after.app.analysis.inconclusive is Inconclusive.PROMOTE and past_horizon(before, after.entered_at_s)
    clear = verdict is not None and verdict.may_end_unproven
    return allowed and clear and at_last_step(after) and after.unproven is not None


def _harmed(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.judgement in (Judgement.FAIL, Judgement.TRIP)


def _known_good(before: Release, after: Release, seen: Observation) -> bool:
    if before.phase is Phase.PENDING:
        return after.phase is Phase.FAILED and after.weight_pct == 0
    unreadable = seen.route is None or seen.route.live_pct is None
    if unreadable and after.phase is Phase.FAILED and before.peak_weight_pct == 0:
        return after.weight_pct == 0
    route_clear = seen.route is not None and seen.route.live_pct == 0 and not seen.route.unconfirmed
    serving = after.canary if after.phase is Phase.SUCCEEDED else after.stable
    stable_ready = serving is None or (seen.stable is not None and _serves(seen.stable, serving))
    return after.weight_pct == 0 and route_clear and stable_ready


def _serves(stable: RoleState, version: str) -> bool:
    """Ready in this version, or in the one that somebody else put in its place."""
    replaced = stable.foreign is not None and stable.ready_of(stable.foreign) > 0
    return stable.ready_of(version) > 0 or replaced
