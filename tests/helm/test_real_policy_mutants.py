"""Every expression of every policy decides something: changed alone, a request is answered otherwise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.helm.policy_mutants import ASKS, ROUTES, Ground, Mutant, laid, mutants, originals, shared
from tests.helm.real import Cluster

pytestmark = [pytest.mark.real, pytest.mark.timeout(60), pytest.mark.xdist_group("helm")]

MUTANTS = list(mutants())


@pytest.fixture(scope="module")
def ground(cluster: Cluster) -> Iterator[Ground]:
    found = laid(cluster, MUTANTS)
    yield found
    found.clear()


def test_every_policy_has_requests_of_both_kinds() -> None:
    assert originals().keys() == ASKS.keys()
    for policy, asks in ASKS.items():
        assert {bool(ask.said) for ask in asks} == {True, False}, policy


def test_what_is_changed_once_for_two_policies_is_the_same_in_both() -> None:
    of = {name: {one["name"]: one["expression"] for one in originals()[name]["variables"]} for name in ROUTES}
    assert {name: of[ROUTES[0]][name] for name in shared()} == {name: of[ROUTES[1]][name] for name in shared()}


@pytest.mark.parametrize("policy", ASKS)
def test_as_it_is_every_request_is_answered_as_it_has_to_be(ground: Ground, policy: str) -> None:
    assert ground.noticed(f"m-{policy}", policy) == []


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.id)
def test_a_changed_expression_is_noticed(ground: Ground, mutant: Mutant) -> None:
    assert ground.noticed(ground.places[mutant.id], mutant.policy), "no request tells it from the policy as it is"
