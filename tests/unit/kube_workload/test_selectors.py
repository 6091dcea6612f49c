"""Whom a selector chooses, and that a canary's labels are chosen by none of stable's selectors."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.kube.workload.selectors import (
    Selector,
    apart,
    applied,
    matches,
    of_map,
    rewritten,
    text_of,
    text_of_both,
)
from controller.ports import Refused
from tests.kube.cluster.small.labels import by_labels

LABELS = {"app": "shop", "tier": "web"}


def needs(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        ({}, True),
        ({"matchLabels": {"app": "shop"}}, True),
        ({"matchLabels": {"app": "shop", "tier": "db"}}, False),
        (needs("app", "In", "shop", "other"), True),
        (needs("app", "In", "other"), False),
        (needs("app", "NotIn", "other"), True),
        (needs("none", "NotIn", "other"), True),
        (needs("app", "NotIn", "shop"), False),
        (needs("app", "Exists"), True),
        (needs("none", "Exists"), False),
        (needs("none", "DoesNotExist"), True),
        (needs("app", "DoesNotExist"), False),
        ({"matchLabels": {"app": "shop"}, **needs("tier", "In", "db")}, False),
    ],
)
def test_selectors_choose_as_those_of_the_cluster_do(selector: dict[str, Any], chosen: bool) -> None:
    assert matches(selector, LABELS) is chosen
    text = text_of(selector)
    assert by_labels(text)({"metadata": {"labels": LABELS}}) is chosen


def test_an_operator_that_is_not_known_chooses_rather_too_much() -> None:
    assert matches(needs("app", "Gt", "3"), LABELS)


def test_one_label_that_all_selectors_share_is_enough() -> None:
    others = [Selector("a", of_map({"app": "shop"})), Selector("b", of_map({"app": "shop", "tier": "web"}))]
    assert apart(LABELS, others, "shop-canary") == {"app": "shop-canary"}


def test_labels_that_nothing_chooses_by_stay_as_they_are() -> None:
    labels = {"app.kubernetes.io/name": "shop", "app.kubernetes.io/instance": "prod", "team": "blue"}
    others = [Selector("a", of_map({"app.kubernetes.io/name": "shop", "app.kubernetes.io/instance": "prod"}))]
    assert apart(labels, others, "c") == {"app.kubernetes.io/name": "c"}


def test_selectors_without_a_common_label_cost_one_each() -> None:
    others = [Selector("a", of_map({"app": "shop"})), Selector("b", of_map({"tier": "web"}))]
    assert apart(LABELS, others, "c") == {"app": "c", "tier": "c"}


def test_a_label_whose_mere_presence_counts_is_taken_away() -> None:
    assert apart(LABELS, [Selector("a", needs("app", "Exists"))], "c") == {"app": None}


def test_a_list_that_holds_the_new_value_as_well_takes_the_label_away() -> None:
    assert apart(LABELS, [Selector("a", needs("app", "In", "shop", "c"))], "c") == {"app": None}


def test_what_chooses_nobody_of_stable_changes_nothing() -> None:
    assert apart(LABELS, [Selector("a", of_map({"app": "other"}))], "c") == {}


@pytest.mark.parametrize("selector", [{}, needs("x", "DoesNotExist"), needs("app", "NotIn", "other")])
def test_a_selector_that_chooses_by_nothing_that_could_differ_is_refused(selector: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="the PodDisruptionBudget all chooses its pods by nothing"):
        apart(LABELS, [Selector("the PodDisruptionBudget all", selector)], "c")


KEYS = st.sampled_from(["app", "tier", "team", "name"])
VALUES = st.sampled_from(["shop", "web", "blue", "c"])
REQUIREMENTS = st.tuples(KEYS, st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]), st.lists(VALUES, min_size=1))


@st.composite
def a_selector(draw: st.DrawFn) -> dict[str, Any]:
    wanted = draw(st.dictionaries(KEYS, VALUES, max_size=3))
    listed = [
        {"key": key, "operator": operator, "values": values if operator in ("In", "NotIn") else []}
        for key, operator, values in draw(st.lists(REQUIREMENTS, max_size=2))
    ]
    return {"matchLabels": wanted, "matchExpressions": listed}


@given(st.dictionaries(KEYS, VALUES), st.lists(a_selector(), max_size=5))
def test_no_selector_ever_chooses_the_changed_labels(labels: dict[str, str], raws: list[dict[str, Any]]) -> None:
    others = [Selector("it", raw) for raw in raws]
    try:
        changes = apart(labels, others, "c")
    except Refused:
        return
    assert not any(one.chooses(applied(labels, changes)) for one in others)
    assert not changes or any(one.chooses(labels) for one in others)


@given(st.dictionaries(KEYS, VALUES), a_selector())
def test_selectors_agree_with_those_of_the_test_cluster(labels: dict[str, str], raw: dict[str, Any]) -> None:
    assert by_labels(text_of(raw))({"metadata": {"labels": labels}}) is matches(raw, labels)


def test_one_query_finds_both_roles() -> None:
    text = text_of_both({"matchLabels": {"app": "shop", "team": "blue"}}, {"app": "c", "team": "blue"})
    assert text == "app in (shop,c),team=blue"


@pytest.mark.parametrize(
    ("selector", "canary"),
    [({"matchLabels": {"app": "shop"}}, {}), ({"matchLabels": {"app": "x"}, **needs("a", "Exists")}, {"app": "y"})],
)
def test_without_a_common_query_there_is_none(selector: dict[str, Any], canary: dict[str, str]) -> None:
    assert text_of_both(selector, canary) is None


def anti_affinity(**selector: Any) -> dict[str, Any]:
    required = {"labelSelector": selector, "topologyKey": "kubernetes.io/hostname"}
    weighted = {"weight": 1, "podAffinityTerm": {"labelSelector": dict(selector), "topologyKey": "zone"}}
    rules = {
        "requiredDuringSchedulingIgnoredDuringExecution": [required],
        "preferredDuringSchedulingIgnoredDuringExecution": [weighted],
    }
    return {"affinity": {"podAntiAffinity": rules}}


def test_rules_about_its_own_kind_become_rules_about_canaries() -> None:
    spec = anti_affinity(matchLabels={"app": "shop"})
    spec["topologySpreadConstraints"] = [{"labelSelector": needs("app", "In", "shop"), "maxSkew": 1}]
    after = rewritten(spec, LABELS, {"app": "c"})
    assert after == {
        **anti_affinity(matchLabels={"app": "c"}),
        "topologySpreadConstraints": [{"labelSelector": needs("app", "In", "c"), "maxSkew": 1}],
    }
    assert spec["topologySpreadConstraints"][0]["labelSelector"] == needs("app", "In", "shop")


def test_rules_about_others_stay() -> None:
    spec = anti_affinity(matchLabels={"app": "database"})
    assert rewritten(spec, LABELS, {"app": "c"}) == spec


def test_a_label_that_is_taken_away_leaves_the_rules_too() -> None:
    spec = anti_affinity(
        matchLabels={"app": "shop", "tier": "web"}, matchExpressions=[{"key": "app", "operator": "Exists"}]
    )
    after = rewritten(spec, LABELS, {"app": None})
    required = after["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0]
    assert required["labelSelector"] == {"matchLabels": {"tier": "web"}, "matchExpressions": []}
