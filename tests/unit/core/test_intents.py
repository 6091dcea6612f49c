"""Every wish in every phase: recorded, refused, or a no-op that says so."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from controller.core.intents import hear
from controller.core.model import IntentKind, Phase
from controller.core.moves import ENDED
from tests.unit.core.build import a_release, an_intent, wants

RECORDED, REFUSED, NOTHING = "recorded", "refused", "nothing to do"
PHASES = ("pending", "preparing", "progressing", "paused", "promoting", "rolling_back", "halted", *sorted(ENDED))
Y, N, O = RECORDED, REFUSED, NOTHING  # noqa: E741  one letter each keeps the table readable
TABLE = {
    #              pend prep prog paus prom roll halt fail back succ
    "abort": (Y, Y, Y, Y, Y, O, Y, O, O, O),
    "pause": (Y, Y, Y, O, N, N, N, N, N, N),
    "resume": (Y, Y, N, Y, N, N, N, N, N, N),
    "promote_step": (N, N, Y, Y, N, N, N, N, N, N),
    "promote_full": (N, N, Y, Y, N, N, N, N, N, N),
}


@pytest.mark.parametrize(("kind", "phase"), list(product(IntentKind, Phase)))
def test_what_becomes_of_a_wish(kind: IntentKind, phase: Phase) -> None:
    expected = TABLE[kind.value][PHASES.index(phase.value)]
    release = a_release(phase)
    heard = hear(release, an_intent(kind))
    assert {True: REFUSED, False: NOTHING}[heard.refused] == expected if heard.release is None else expected == RECORDED
    assert release.id in heard.text
    if heard.release is not None:
        assert heard.release.intent is not None
        assert replace(heard.release, intent=None) == release


@pytest.mark.parametrize(
    ("phase", "kind", "text"),
    [
        ("promoting", "pause", "shop-1 is promoting: a pause needs it to be pending, preparing or progressing"),
        ("pending", "promote_step", "shop-1 is pending: a one-step promotion needs it to be paused or progressing"),
        ("paused", "pause", "shop-1 is already paused"),
        ("rolling_back", "promote_full", "shop-1 is already rolling back"),
        ("rolled_back", "promote_full", "shop-1 has already ended (rolled back): there is nothing to promote"),
        ("succeeded", "abort", "shop-1 has already ended (succeeded): there is nothing to abort"),
        ("progressing", "promote_step", "the one-step promotion of shop-1 is recorded"),
        ("progressing", "abort", "the abort of shop-1 is recorded"),
    ],
)
def test_the_answer_to_a_wish_is_a_sentence_for_people(phase: str, kind: str, text: str) -> None:
    assert hear(a_release(Phase(phase)), an_intent(IntentKind(kind))).text == text


@pytest.mark.parametrize(("kind", "phase"), list(product(IntentKind, Phase)))
def test_no_name_from_the_code_is_in_an_answer(kind: IntentKind, phase: Phase) -> None:
    assert "_" not in hear(a_release(phase), an_intent(kind)).text


@pytest.mark.parametrize("kind", list(IntentKind))
def test_no_wish_overtakes_an_abort(kind: IntentKind) -> None:
    aborting = wants(a_release(Phase.PROGRESSING), IntentKind.ABORT)
    heard = hear(aborting, an_intent(kind))
    assert heard.release is None
    assert heard.refused is (kind is not IntentKind.ABORT)


def test_an_abort_overtakes_every_other_wish() -> None:
    heard = hear(wants(a_release(), IntentKind.PROMOTE_FULL), an_intent(IntentKind.ABORT))
    assert heard.release is not None
    assert heard.release.intent == an_intent(IntentKind.ABORT)


@pytest.mark.parametrize(("asked", "kept"), [(None, 1), (0, 0), (1, 1)])
def test_a_promotion_is_bound_to_the_step_it_was_asked_for(asked: int | None, kept: int) -> None:
    release = a_release(step=1, weight_pct=20)
    heard = hear(release, an_intent(IntentKind.PROMOTE_STEP, step=asked))
    assert heard.release is not None
    assert heard.release.intent is not None
    assert heard.release.intent.step == kept
