"""Only the controller's own fresh checks lower a grade; whatever a caller says can only raise it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gates.grading.compute import compute
from gates.grading.facts import StepError
from gates.grading.limits import Limits
from gates.grading.trust import AGE_MAX_S, Source, Sourced, believe
from gates.grading.vocabulary import VOCABULARY, Role, Shape
from tests.unit.grading.cases.build import EXERCISED, GUARDS

ACTOR = (Sourced("actor.type", "agent", Source.REGISTRY, 0.0), Sourced("actor.id", "agent:bot", Source.REGISTRY, 0.0))
PLACE = (
    Sourced("env.tier", "prod", Source.REGISTRY, 10.0),
    Sourced("env.external_users", True, Source.REGISTRY, 10.0),
)
CHECKS = (
    *(Sourced(f"guards.{name}", value, Source.GUARDS, 5.0) for name, value in GUARDS.items()),
    *(Sourced(f"reversibility.{name}", value, Source.REHEARSAL, 5.0) for name, value in EXERCISED.items()),
)
ALL = ACTOR + PLACE + CHECKS
DEPLOY: dict[str, Any] = {"kind": "deploy"}


def grade(asked: dict[str, Any], verified: tuple[Sourced, ...] = ALL) -> str:
    return compute(believe(asked, verified).facts, Limits()).grade.value


@pytest.mark.requirement("LR-18", "SKP-06", "AH-12", "AS-11")
def test_a_caller_cannot_vouch_for_its_own_safety() -> None:
    boast = DEPLOY | {"guards": GUARDS, "reversibility": EXERCISED, "env": {"tier": "preview"}, "sandboxed": True}
    assert grade(boast, ACTOR + PLACE) == "G3"
    assert any("sandboxed" in text for text in believe(boast, ACTOR).dropped)
    assert grade(DEPLOY) == "G2"


def test_without_the_registry_an_environment_is_production() -> None:
    assert grade(DEPLOY | {"env": {"tier": "staging"}}, ACTOR) == "G3"


@pytest.mark.requirement("SK-16")
@pytest.mark.parametrize(
    "one", [one for one in CHECKS if one.path != "reversibility.seconds"], ids=lambda one: one.path
)
def test_an_old_check_is_no_check(one: Sourced) -> None:
    limit = AGE_MAX_S[one.source]
    fresh = Sourced(one.path, one.value, one.source, limit)
    old = Sourced(one.path, one.value, one.source, limit + 1)
    rest = tuple(other for other in ALL if other is not one)
    assert grade(DEPLOY, (*rest, fresh)) == "G2"
    believed = believe(DEPLOY, (*rest, old))
    assert any(one.path in text for text in believed.dropped)
    assert compute(believed.facts, Limits()).grade == "G3"


def test_a_safety_fact_from_a_source_without_an_age_limit_is_dropped() -> None:
    said = tuple(Sourced(one.path, one.value, Source.CALLER, 1.0) for one in CHECKS)
    assert grade(DEPLOY, ACTOR + PLACE + said) == "G3"


def test_the_actor_is_the_credentials_not_the_bodys() -> None:
    facts = believe(DEPLOY | {"actor": {"type": "controller", "id": "root"}}, ALL).facts
    assert (facts.text("actor.type"), facts.text("actor.id")) == ("agent", "agent:bot")
    with pytest.raises(StepError, match="authenticated actor"):
        believe(DEPLOY | {"actor": {"id": "root"}}, ())


def test_an_unknown_word_is_refused_by_name() -> None:
    with pytest.raises(StepError, match="unknown: zeal"):
        believe(DEPLOY | {"zeal": 1}, ALL)


def test_what_is_asked_and_what_was_seen_must_be_one_thing() -> None:
    asked = {"kind": "k8s.patch", "k8s": {"resource": "configmaps", "verb": "patch"}}
    seen = (Sourced("k8s.resource", "secrets", Source.DRY_RUN, 1.0),)
    facts = believe(asked, ALL + seen).facts
    assert facts.texts("contradictions") == ("k8s.resource",)
    assert compute(facts, Limits()).grade == "G3"


def test_a_callers_risk_adds_to_the_controllers_own() -> None:
    seen = (Sourced("confidence", 0.9, Source.HISTORY, 1.0), Sourced("files", ["a.py"], Source.CHANGES, 1.0))
    facts = believe(DEPLOY | {"confidence": 0.4, "files": ["migrations/1.sql"]}, ALL + seen).facts
    assert facts.number("confidence") == 0.4
    assert set(facts.texts("files")) == {"a.py", "migrations/1.sql"}
    assert grade(DEPLOY | {"migration": {"additive": True}}) == "G3"


CALLER = [
    p for p, f in VOCABULARY.items() if f.role in (Role.SAFETY, Role.RISK) and f.shape in (Shape.FLAG, Shape.NUMBER)
]


@settings(max_examples=500)
@given(st.dictionaries(st.sampled_from(CALLER), st.sampled_from([True, False, 0, 0.5, 5, 100, 10_000])))
def test_nothing_a_caller_says_lowers_the_grade(said: dict[str, Any]) -> None:
    step = copy.deepcopy(DEPLOY)
    for path, drawn in said.items():
        value = min(drawn, 1) if path == "confidence" else drawn
        block, _, name = path.partition(".")
        fits = isinstance(value, bool) == (VOCABULARY[path].shape is Shape.FLAG)
        if fits and name:
            step.setdefault(block, {})[name] = value
        elif fits:
            step[block] = value
    assert grade(step) >= "G2"
    assert grade(step, ACTOR + PLACE) == "G3"
