"""What becomes of the guarded Deployment: promoted once, taken back exactly, nothing written over anybody's change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.adapters.kube.workload.guarding import CLAIM, Move, is_way_back, next_move
from controller.adapters.kube.workload.names import EPOCH, PROMOTED
from controller.adapters.kube.workload.records import Promotion, kept_of
from controller.adapters.kube.workload.seen import Deployed
from controller.adapters.kube.workload.versions import canonical
from controller.ports import Refused
from tests.unit.kube_workload.objects import (
    BACK,
    BY_TEMPLATE,
    D1,
    D2,
    D3,
    NEW,
    OLD,
    T1,
    T2,
    THIRD,
    V1,
    V2,
    V3,
    a_set,
    forward,
    guarded,
    sight,
    the_canary,
)

OF_ANOTHER = Promotion("uid-of-an-earlier-one", D2)
CLAIMED = {EPOCH: "1"}


def move(stable: Deployed, version: str, canary: Deployed | None = None, epoch: int = 1) -> Move | None:
    return next_move(sight(stable, canary or the_canary()), version, epoch)


def by_image(pods: dict[str, Any], promotion: Promotion | None = None) -> Deployed:
    return guarded(pods, promotion, annotations=CLAIMED)


@pytest.mark.parametrize(
    ("stable", "version", "to"),
    [
        # toward the new version: from stable's own template, and once
        (by_image(OLD), V2, Move(V2, kept_of("shop", V2, canonical(NEW)), marks=True)),
        (by_image(OLD, OF_ANOTHER), V2, Move(V2, kept_of("shop", V2, canonical(NEW)), marks=True)),
        (by_image(OLD, BACK), V2, Move(V2, kept_of("shop", V2, canonical(NEW)), marks=True)),
        (by_image(NEW, forward(D2)), V2, None),
        (by_image(OLD, forward(D2)), V2, None),
        (by_image(THIRD), V2, None),
        (by_image(THIRD, forward(D2)), V2, None),
        # the way back: only from what we put there
        (by_image(NEW, forward(D2)), V1, Move(V1, kept_of("shop", V1, canonical(OLD)), marks=True, back=True)),
        (by_image(OLD), V1, None),
        (by_image(OLD, BACK), V1, None),
        (by_image(NEW), V1, None),
        (by_image(NEW, OF_ANOTHER), V1, None),
        (by_image(NEW, BACK), V1, None),
        (by_image(THIRD, forward(D2)), V1, None),
        # what a webhook made of our template is still ours
        (by_image(THIRD, forward(D3)), V1, Move(V1, kept_of("shop", V1, canonical(OLD)), marks=True, back=True)),
        (by_image(THIRD, forward(D3)), V2, None),
        # a version that this release knows nothing of
        (by_image(OLD), V3, None),
    ],
)
def test_stable_moves_only_between_its_own_template_and_the_one_we_put_there(
    stable: Deployed, version: str, to: Move | None
) -> None:
    assert move(stable, version) == to


def test_a_new_leader_claims_a_deployment_that_needs_no_change() -> None:
    assert move(guarded(OLD), V1) is None
    assert move(guarded(OLD), V1, epoch=2) == CLAIM
    assert move(guarded(OLD, annotations={EPOCH: "4"}), V1, epoch=4) is None
    assert move(guarded(OLD, annotations={EPOCH: "4"}), V1, epoch=5) == CLAIM


def test_without_a_release_nothing_is_claimed() -> None:
    assert next_move(sight(guarded(OLD)), V1, 3) is None


@pytest.mark.parametrize(
    ("stable", "version", "back"),
    [
        (by_image(NEW, forward(D2)), V1, True),
        (by_image(NEW, forward(D2)), V2, False),
        (by_image(NEW), V1, False),
        (by_image(THIRD, forward(D2)), V1, False),
        (by_image(OLD, BACK), V1, False),
    ],
)
def test_with_the_canary_deleted_only_our_own_template_is_taken_away_again(
    stable: Deployed, version: str, back: bool
) -> None:
    found = next_move(sight(stable), version, 1)
    assert found == (Move(V1, marks=True, back=True) if back else None)


def test_the_way_back_is_that_of_this_release() -> None:
    assert is_way_back(sight(guarded(OLD), the_canary()), V1)
    assert not is_way_back(sight(guarded(OLD), the_canary()), V2)
    assert not is_way_back(sight(guarded(OLD)), V1)


RUNS_OLD, RUNS_NEW, RUNS_BOTH = (
    (a_set("a", OLD, 4),),
    (a_set("a", OLD, 0), a_set("b", NEW, 4, 2)),
    (a_set("a", OLD, 2), a_set("b", NEW, 2, 2)),
)
LET_ROLL = Move(paused=False, marks=True)


def by_template(pods: dict[str, Any], promotion: Promotion | None = None, paused: bool = True) -> Deployed:
    return guarded(pods, promotion, annotations=CLAIMED, paused=paused)


def rolling(pods: dict[str, Any], promotion: Promotion | None) -> Deployed:
    """Not paused, and its controller has not done everything yet."""
    return replace(by_template(pods, promotion, paused=False), rolled_out=False)


@pytest.mark.parametrize(
    ("stable", "sets", "version", "to"),
    [
        # promotion: let it roll, wait, pause again
        (by_template(NEW), RUNS_OLD, T2, LET_ROLL),
        (rolling(NEW, forward(D2)), RUNS_BOTH, T2, None),
        (rolling(NEW, forward(D2)), RUNS_NEW, T2, None),
        (by_template(NEW, forward(D2), paused=False), RUNS_NEW, T2, Move(paused=True)),
        (by_template(NEW, forward(D2)), RUNS_NEW, T2, None),
        (by_template(NEW, forward(D2)), RUNS_BOTH, T2, LET_ROLL),
        # a third template that comes while it may roll is stopped at once
        (rolling(THIRD, forward(D2)), RUNS_BOTH, T2, Move(paused=True)),
        # rolled back before the promotion: it stays paused on its old pods, with the new template waiting
        (by_template(NEW), RUNS_OLD, T1, None),
        (by_template(THIRD), RUNS_OLD, T1, None),
        # in the middle of it: the old template, let roll, and paused again
        (rolling(NEW, forward(D2)), RUNS_BOTH, T1,
         Move(T1, kept_of("shop", T1, canonical(OLD)), False, marks=True, back=True)),
        (rolling(THIRD, forward(D2)), RUNS_BOTH, T1,
         Move(T1, kept_of("shop", T1, canonical(OLD)), False, marks=True, back=True)),
        (rolling(OLD, BACK), RUNS_BOTH, T1, None),
        (by_template(OLD, BACK), RUNS_BOTH, T1, Move(paused=False, marks=True, back=True)),
        (by_template(OLD, BACK, paused=False), RUNS_OLD, T1, Move(paused=True)),
        (by_template(OLD, BACK), RUNS_OLD, T1, None),
    ],
)  # fmt: skip
def test_a_deployment_from_git_rolls_only_for_a_promotion_and_its_way_back(
    stable: Deployed, sets: tuple[Any, ...], version: str, to: Move | None
) -> None:
    canary = the_canary(OLD, NEW, T1, T2)
    assert next_move(sight(stable, canary, *sets, target=BY_TEMPLATE), version, 1) == to


def test_a_template_that_has_gone_on_is_not_let_roll_in_the_place_of_another() -> None:
    look = sight(by_template(THIRD), the_canary(OLD, NEW, T1, T2), *RUNS_OLD, target=BY_TEMPLATE)
    with pytest.raises(Refused, match=r"is registry.test/shop:v3\+t.* by now and not .*v2"):
        next_move(look, T2, 1)


def test_a_first_version_from_git_is_let_roll_and_then_paused() -> None:
    first = by_template(OLD)
    assert next_move(sight(first, target=BY_TEMPLATE), T1, 1) == LET_ROLL
    rolled = guarded(OLD, Promotion("", D1), annotations={**CLAIMED, PROMOTED: T1})
    assert next_move(sight(rolled, None, *RUNS_OLD, target=BY_TEMPLATE), T1, 1) == Move(paused=True)


def test_what_was_promoted_is_told_by_its_annotation() -> None:
    assert by_image(NEW, forward(D2)).annotations[PROMOTED] == V2
    assert PROMOTED not in by_image(OLD, BACK).annotations
