"""What the analysis has said of a release: one word that people and programs can rely on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from analysis.judge import new_state
from controller.core.model import Intent, IntentKind, Phase
from controller.core.verdicts import Said, said_of
from tests.unit.core.build import T0, a_release

FAILED = replace(new_state(T0), failed="errors: canary 9 %", failed_code="worse_than_stable")
STEP = Intent(IntentKind.PROMOTE_STEP, "ann", T0, step=0)
LAST = Intent(IntentKind.PROMOTE_STEP, "ann", T0, step=2)
FULL = Intent(IntentKind.PROMOTE_FULL, "ann", T0, step=0)


@pytest.mark.parametrize(
    ("phase", "changes", "said"),
    [
        (Phase.PREPARING, {}, Said("none", "no_traffic", "the canary had no traffic yet")),
        (Phase.PROGRESSING, {}, Said("watching", "because", "some reason")),
        (Phase.PROGRESSING, {"judge": FAILED}, Said("fail", "worse_than_stable", "errors: canary 9 %")),
        (
            Phase.ROLLED_BACK,
            {"judge": replace(FAILED, tripped=True)},
            Said("trip", "worse_than_stable", "errors: canary 9 %"),
        ),
        (
            Phase.ROLLING_BACK,
            {"judge": new_state(T0)},
            Said("none", "undecided", "it was ended before the evidence decided"),
        ),
        (Phase.FAILED, {"judge": new_state(T0)}, Said("none", "undecided", "it was ended before the evidence decided")),
        (Phase.PROMOTING, {}, Said("pass", "pass", "the evidence sufficed")),
        (
            Phase.SUCCEEDED,
            {"bypassed": (STEP,)},
            Said("pass", "pass", "the evidence sufficed; 1 earlier passed by hand"),
        ),
        (Phase.SUCCEEDED, {"bypassed": (LAST,)}, Said("bypass", "bypass", "ann passed the evidence")),
        (Phase.SUCCEEDED, {"bypassed": (STEP, FULL)}, Said("bypass", "bypass", "ann passed the evidence")),
        (Phase.SUCCEEDED, {"stable": None}, Said("none", "first_install", "the first version is not judged")),
    ],
)
def test_the_word_and_the_sentence(phase: Phase, changes: dict[str, Any], said: Said) -> None:
    assert said_of(a_release(phase, **changes)) == said
