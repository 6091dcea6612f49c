"""What is to become of the guarded Deployment next: nothing, its other version's template, a pause or its end. Pure.

It is touched only at promotion and on the way back from one, and never over somebody else's change.
"""

from __future__ import annotations

from dataclasses import dataclass

from controller.adapters.kube.workload.names import PROMOTED
from controller.adapters.kube.workload.records import Kept
from controller.adapters.kube.workload.sight import Sight, allowed_now, live_version
from controller.ports import Refused


@dataclass(frozen=True, slots=True)
class Move:
    """One write. ``version`` is the one whose template is put there (``kept`` says where it is, if that is known);
    ``paused`` is set or left as it is; ``marks``: it is noted as a promotion, or as its way ``back``."""

    version: str | None = None
    kept: Kept | None = None
    paused: bool | None = None
    marks: bool = False
    back: bool = False


CLAIM = Move()
"""Nothing but this leader's epoch, so that no older leader's write lands any more."""


def next_move(sight: Sight, version: str, epoch: int) -> Move | None:
    """Toward ``version`` on every instance of stable; None when there is nothing to do. Raises Refused."""
    assert sight.guarded is not None
    move = _by_template(sight, version) if sight.by_template else _by_image(sight, version)
    if move is not None or sight.guarded.epoch >= epoch:
        return move
    return CLAIM if _others_led(sight, epoch) else None


def _others_led(sight: Sight, epoch: int) -> bool:
    """Whether an older leader may still have a write on its way. While the one that made the canary leads, no older one
    has ever known of this release, and stable stays untouched."""
    if sight.records is None:
        return sight.promotion is not None
    return sight.promotion is not None or sight.records.canary.epoch < epoch


def is_way_back(sight: Sight, version: str) -> bool:
    """Whether ``version`` is the one that stable had before this release."""
    return sight.records is not None and sight.records.stable.kept.version == version


def _by_image(sight: Sight, version: str) -> Move | None:
    guarded, records, promotion = sight.guarded, sight.records, sight.promotion
    assert guarded is not None
    if records is None:
        return _back_from_lost(sight, version)
    stable, canary = records.stable.kept, records.canary.kept
    if version == canary.version:
        # Once begun it is not begun again: stable's own template in its place is then a person's way back.
        begun = promotion is not None and not promotion.back
        ready = guarded.digest == stable.digest and not begun
        return Move(canary.version, canary, marks=True) if ready else None
    if version != stable.version or guarded.digest == stable.digest or guarded.digest not in allowed_now(sight):
        return None
    return Move(stable.version, stable, marks=True, back=True)


def _back_from_lost(sight: Sight, version: str) -> Move | None:
    """The canary's Deployment was deleted by somebody. Only what we put there ourselves is taken away again."""
    guarded, promotion = sight.guarded, sight.promotion
    assert guarded is not None
    if promotion is None or promotion.back or promotion.digest != guarded.digest:
        return None
    if guarded.annotations.get(PROMOTED) in (None, version):
        return None
    return Move(version, marks=True, back=True, paused=False if sight.by_template else None)


def _by_template(sight: Sight, version: str) -> Move | None:
    """The template comes from Git: a promotion lets it roll, and everything else keeps the Deployment paused."""
    guarded, records, promotion = sight.guarded, sight.records, sight.promotion
    assert guarded is not None
    if records is None:
        return _by_template_alone(sight, version)
    stable, canary = records.stable.kept, records.canary.kept
    if version == canary.version:
        if guarded.digest == canary.digest:
            return _let_roll(sight, version, back=False)
        if not guarded.paused:
            return Move(paused=True)  # a third template must not roll because the second one may
        raise Refused(
            f"the template of the Deployment {guarded.name} is {live_version(sight)} by now and not {version}: "
            "nothing rolls; the newer template gets a release of its own"
        )
    if version != stable.version or promotion is None:
        return None
    if guarded.digest != stable.digest:
        return Move(stable.version, stable, paused=False, marks=True, back=True)
    return _let_roll(sight, version, back=True)


def _by_template_alone(sight: Sight, version: str) -> Move | None:
    """Without a canary: a first version, or one whose canary is gone."""
    assert sight.guarded is not None
    if version == live_version(sight):
        back = sight.promotion is not None and sight.promotion.back
        return _let_roll(sight, version, back)
    return _back_from_lost(sight, version)


def _let_roll(sight: Sight, version: str, back: bool) -> Move | None:
    """Unpaused until every instance is of the live template, and paused from then on."""
    guarded = sight.guarded
    assert guarded is not None
    active = [one for one in sight.sets_of(guarded) if one.replicas > 0] or [one for one in (sight.rolled,) if one]
    alone = bool(active) and all(one.digest == guarded.digest for one in active)
    if guarded.paused:
        return None if alone else Move(paused=False, marks=True, back=back)
    return Move(paused=True) if alone and guarded.rolled_out else None
