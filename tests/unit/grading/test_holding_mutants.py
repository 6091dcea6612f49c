"""Each thing that holds a step is needed: with one left out, some step would go ahead that must not."""

from __future__ import annotations

from typing import Any

import pytest

from gates.grading import decide as deciding
from gates.grading.answer import answer
from gates.grading.decide import REASONS
from gates.grading.facts import read
from gates.grading.rulebook import Policy
from tests.unit.grading.cases.build import Case, case, deploy

HELD: dict[str, Case] = {
    "low-confidence": deploy("x", "G2", confidence=0.1),
    "uncertain": deploy("x", "G2", intent_ambiguous=True),
    "first-time": deploy("x", "G2", novelty={"seen": 0}),
    "weak-evidence": deploy("x", "G2", evidence={"truncated": True}),
    "boundary": deploy("x", "G2", boundary="legal"),
    "unresolved-targets": deploy("x", "G2", evidence={"targets_resolved": False}),
    "many-small-actions": deploy("x", "G2", cumulative={"same_actor_10min": 40}),
}
"""A guarded deploy that nothing else would hold. The other reasons go with a G3, which is held anyway."""


def outcome(one: Case) -> str:
    return answer(read(one.step), Policy()).decided.outcome.value


@pytest.mark.requirement("HG-04", "HG-08", "HG-09", "HG-23", "SK-17", "LRP-03")
@pytest.mark.parametrize("rule", sorted(HELD))
def test_without_its_reason_a_step_would_go_ahead(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert outcome(HELD[rule]) == "held"
    monkeypatch.setattr(deciding, "REASONS", {name: reason for name, reason in REASONS.items() if name != rule})
    assert outcome(HELD[rule]) == "guarded"


@pytest.mark.parametrize("rule", sorted(set(REASONS) - set(HELD)))
def test_every_other_reason_is_named_beside_a_grade_that_holds_by_itself(rule: str) -> None:
    facts: dict[str, dict[str, Any]] = {
        "message-to-outsiders": {"kind": "chat.post", "audience": "all"},
        "call-to-outsiders": {"kind": "http.call", "method": "POST", "destination": "https://example.com"},
        "public-registry": {"kind": "artifact.publish"},
        "unknown-fields": {"kind": "vcs.open_pr", "zeal": 1},
        "unread-facts": {"kind": "vcs.open_pr", "unread": ["files"]},
        "embedded-migration": {"kind": "deploy", "sql": ["DROP TABLE a"]},
    }
    step = case("x", "G3", "-").step | facts[rule]
    given = answer(read(step), Policy())
    assert given.grade == "G3"
    assert REASONS[rule] in given.decided.reasons
