"""A stored answer comes out again from the same facts, policy and engine, and nothing else passes for it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from gates.canonical import canonical
from gates.grading.answer import ENGINE, NotReplayable, answer, as_json, replay
from gates.grading.facts import read
from gates.grading.rulebook import Policy, Profile
from tests.unit.grading.cases import CASES

POLICY = Policy()
STEP = CASES[0].step


def stored(step: dict[str, Any] = STEP, policy: Policy = POLICY) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(json.dumps(as_json(answer(read(step), policy))))
    return loaded


@pytest.mark.requirement("SK-22", "LR-09")
def test_every_answer_comes_out_again() -> None:
    for case in CASES:
        assert replay(case.step, POLICY, stored(case.step))


def test_an_answer_that_was_touched_does_not() -> None:
    assert not replay(STEP, POLICY, stored() | {"grade": "G3"})


@pytest.mark.parametrize(
    ("step", "policy", "changed", "said"),
    [
        (STEP, POLICY, {"engine": "0"}, "by engine 0"),
        (STEP | {"sandboxed": False}, POLICY, {}, "other facts"),
        (STEP, replace(POLICY, version=2), {}, "another policy"),
        ({"kind": "x"}, POLICY, {}, "cannot be read"),
    ],
)
def test_what_does_not_belong_together_is_told(step: Any, policy: Policy, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(NotReplayable, match=said):
        replay(step, policy, stored() | changed)


def test_the_wished_profile_is_part_of_the_input() -> None:
    assert as_json(answer(read(STEP), POLICY, Profile.STRICT))["input_digest"] != stored()["input_digest"]


def test_a_changed_rule_needs_a_new_engine_number() -> None:
    """When this fails, an answer has changed: raise ENGINE, and write the new pair here."""
    answers = [as_json(answer(read(case.step), POLICY)) for case in CASES]
    seen = hashlib.sha256(canonical(answers)).hexdigest()[:16]
    assert (ENGINE, seen) == ("1", "8626e5682a4158d7")
