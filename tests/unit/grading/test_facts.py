"""What is no step is refused with the field and what to write; what is merely unknown is kept."""

from __future__ import annotations

from typing import Any

import pytest

from gates.grading.facts import DEPTH_MAX, TEXT_MAX, VALUES_MAX, StepError, read

STEP: dict[str, Any] = {"kind": "deploy", "actor": {"type": "ci", "id": "ci:main"}}


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.requirement("SK-28", "SKP-08")
@pytest.mark.parametrize(
    ("step", "said"),
    [
        ([], "JSON object"),
        ({}, "kind is missing"),
        (STEP | {"kind": "  "}, "kind is missing"),
        (STEP | {"kind": "x" * 101}, "100 are read"),
        ({"kind": "deploy"}, r"actor\.id is missing"),
        ({"kind": "deploy", "actor": {"id": " "}}, r"actor\.id is missing"),
        (STEP | {"kind": 3}, "kind must be a text"),
        (STEP | {"guards": True}, "guards must be an object"),
        (STEP | {"guards": {"canary": "yes"}}, r"guards\.canary must be true or false"),
        (STEP | {"blast": {"rows": -1}}, r"blast\.rows must be a number"),
        (STEP | {"blast": {"rows": True}}, r"blast\.rows must be a number"),
        (STEP | {"blast": {"rows": 1e16}}, r"blast\.rows must be a number"),
        (STEP | {"confidence": float("nan")}, "not finite"),
        (STEP | {"confidence": 95}, "from 0 to 1"),
        (STEP | {"files": [1]}, "files must be a text or a list"),
        (STEP | {"args": nested(DEPTH_MAX)}, "deeper than"),
        (STEP | {"args": nested(20_000)}, "deeper than"),
        (STEP | {"files": ["a"] * VALUES_MAX}, "values"),
        (STEP | {"intent": "x" * (TEXT_MAX + 1)}, "characters"),
        (STEP | {"args": {1: 2}}, "must be texts"),
    ],
)
def test_what_is_no_step_is_refused(step: Any, said: str) -> None:
    with pytest.raises(StepError, match=said):
        read(step)


def test_unknown_words_are_kept_and_null_says_nothing() -> None:
    facts = read(STEP | {"zeal": 1, "guards": {"hope": True}, "kind2": None, "sandboxed": None})
    assert facts.unknown == ("zeal", "guards.hope")
    assert facts.flag("sandboxed") is None


def test_spelling_slips_past_no_rule() -> None:
    assert read(STEP | {"kind": " Deploy "}).text("kind") == "deploy"


def test_the_short_form_of_the_trifecta_means_all_three() -> None:
    facts = read(STEP | {"trifecta": True})
    assert facts.flag("trifecta.private_data") is True
    assert facts.flag("trifecta.external_comms") is True
