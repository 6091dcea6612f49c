"""Thousands of drawn steps: less safety or more risk never lowers a grade, and nothing but the facts counts."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gates.grading.answer import answer, as_json
from gates.grading.compute import compute
from gates.grading.facts import read
from gates.grading.kinds import REGISTRY
from gates.grading.limits import Limits
from gates.grading.rulebook import PROFILES, Policy
from gates.grading.vocabulary import VOCABULARY, Role, Shape
from tests.unit.grading.cases import CASES

LIMITS = Limits()
EXAMPLES = settings(max_examples=400)
TEXTS = {
    "env.tier": ["prod", "staging", "preview", "dev", "ci", "blue"],
    "target_role": ["read_replica", "primary"],
    "reversibility.path": ["tested", "captured_previous", "none"],
    "k8s.dry_run": ["server", "none"],
    "declared_grade": ["G0", "G1", "G2", "G3"],
    "sql": ["SELECT id FROM a WHERE id = 1", "SELECT * FROM a", "UPDATE a SET b = 1 WHERE id = 2", "DROP TABLE a"],
    "files": ["app/a.py", "migrations/1.sql", ".github/workflows/a.yml"],
    "k8s.rendered_kinds": ["Deployment", "ClusterRole"],
    "guards.circuit_breaker": ["error_rate", "latency"],
    "k8s.resource": ["pods", "deployments", "secrets", "configmaps", "crd", "cronjobs", "roles", "widgets", "pvc"],
    "k8s.verb": ["patch", "delete", "create", "get"],
}
NUMBERS = [0, 1, 4, 10, 50, 89, 91, 1000, 1001, 5000]


def value_of(path: str) -> st.SearchStrategy[Any]:
    shape = VOCABULARY[path].shape
    if shape is Shape.FLAG:
        return st.booleans()
    if shape is Shape.NUMBER:
        return st.sampled_from([0, 0.05, 0.4, 0.7] if path in ("confidence", "blast.share_of_capacity") else NUMBERS)
    words = st.sampled_from(TEXTS.get(path, ["one", "two"]))
    return st.lists(words, max_size=3) if shape is Shape.TEXTS else words


PATHS = sorted(path for path, field in VOCABULARY.items() if field.role in (Role.SAFETY, Role.RISK))
SAFETY = [path for path in PATHS if VOCABULARY[path].role is Role.SAFETY]
RISK = [path for path in PATHS if VOCABULARY[path].role is Role.RISK]


def put(step: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(step)
    block, _, name = path.partition(".")
    if name:
        changed.setdefault(block, {})[name] = value
    else:
        changed[block] = value
    return changed


def taken(step: dict[str, Any], path: str) -> dict[str, Any]:
    changed = copy.deepcopy(step)
    block, _, name = path.partition(".")
    if not name:
        changed.pop(block, None)
    elif isinstance(changed.get(block), dict):
        changed[block].pop(name, None)
    return changed


def rank(step: dict[str, Any]) -> int:
    return compute(read(step), LIMITS).grade.rank


@st.composite
def steps(draw: st.DrawFn) -> dict[str, Any]:
    """One of the hand-written steps with facts drawn over it, or a step of any kind with drawn facts."""
    if draw(st.booleans()):
        step = copy.deepcopy(draw(st.sampled_from(CASES)).step)
    else:
        step = {"kind": draw(st.sampled_from([*sorted(REGISTRY), "no.such"])), "actor": {"type": "agent", "id": "a"}}
        step["k8s"] = {"resource": draw(value_of("k8s.resource")), "verb": draw(value_of("k8s.verb"))}
    for path in draw(st.lists(st.sampled_from(PATHS), max_size=8, unique=True)):
        step = put(step, path, draw(value_of(path)))
    return step


def bad_already(step: dict[str, Any], path: str, value: Any) -> bool:
    """A safety fact that states the danger itself; taking it away is not taking away safety.

    Proof of a migration says, where no SQL is, that a migration hides inside.
    """
    if path.startswith("migration.") and not step["kind"].startswith(("sql.", "migration.")):
        return True
    return value is False or (VOCABULARY[path].lower_is_worse and value == 0)


@pytest.mark.requirement("SK-17", "LRP-01")
@EXAMPLES
@given(steps(), st.sampled_from(SAFETY))
def test_taking_a_safety_fact_away_never_lowers_the_grade(step: dict[str, Any], path: str) -> None:
    value = read(step).values.get(path)
    if not bad_already(step, path, value):
        assert rank(taken(step, path)) >= rank(step)


@EXAMPLES
@given(steps(), st.sampled_from([path for path in SAFETY if VOCABULARY[path].shape is Shape.FLAG]))
def test_turning_a_safety_fact_off_never_lowers_the_grade(step: dict[str, Any], path: str) -> None:
    if path == "env.external_users" or bad_already(step, path, True):
        return  # that nobody outside uses it is the safe answer
    assert rank(put(step, path, False)) >= rank(taken(step, path))
    assert rank(put(step, path, False)) >= rank(put(step, path, True))


@EXAMPLES
@given(steps(), st.sampled_from(RISK), st.data())
def test_adding_a_risk_fact_never_lowers_the_grade(step: dict[str, Any], path: str, data: st.DataObject) -> None:
    without, value = taken(step, path), data.draw(value_of(path))
    if value is False:
        return  # a risk that is denied is not one that is added
    if path == "sql" and not read(without).texts("sql") and without["kind"].startswith(("sql.", "migration.")):
        return  # for SQL itself the statements are what is done: none at all is the worst
    assert rank(put(without, path, value)) >= rank(without)


@EXAMPLES
@given(steps(), st.sampled_from(RISK), st.data())
def test_more_of_a_risk_never_lowers_the_grade(step: dict[str, Any], path: str, data: st.DataObject) -> None:
    shape, value = VOCABULARY[path].shape, data.draw(value_of(path))
    if shape is Shape.TEXTS and value:
        assert rank(put(step, path, [*value, *data.draw(value_of(path))])) >= rank(put(step, path, value))
    elif shape is Shape.NUMBER:
        worse = value / 2 if VOCABULARY[path].lower_is_worse else value * 2
        assert rank(put(step, path, worse)) >= rank(put(step, path, value))


@EXAMPLES
@given(steps(), st.sampled_from(["G0", "G1", "G2", "G3"]))
def test_a_declared_grade_can_only_raise(step: dict[str, Any], said: str) -> None:
    honest = taken(step, "declared_grade")
    expected = rank(honest) if read(step).text("kind") in STOPS else max(rank(honest), int(said[1]))
    assert rank(put(step, "declared_grade", said)) == expected


STOPS = {name for name, kind in REGISTRY.items() if kind.effect == "stop"}


@EXAMPLES
@given(steps(), st.text("abcdefgh", min_size=4, max_size=8), st.sampled_from([True, False, 0, "x", [], {}]))
def test_an_unknown_word_never_lowers_the_grade(step: dict[str, Any], word: str, value: Any) -> None:
    assert rank(step | {word: value}) >= rank(step)


@settings(max_examples=300)
@given(steps(), st.sampled_from([None, *PROFILES]), st.randoms(use_true_random=False))
def test_the_same_facts_in_any_order_give_the_same_answer(step: dict[str, Any], asked: Any, chance: Any) -> None:
    names = list(step)
    chance.shuffle(names)
    turned = json.loads(json.dumps({name: step[name] for name in names}))
    assert as_json(answer(read(turned), Policy(), asked)) == as_json(answer(read(step), Policy(), asked))
