"""An object's spec becomes an application of its own name and namespace, or sentences; and nobody's name is taken."""

from __future__ import annotations

from typing import Any

import pytest

from controller.adapters.kube.resources.documents import (
    SENTENCES_MAX,
    guards_the_same,
    is_ours,
    read,
    sentences,
    taken_text,
)
from controller.adapters.kube.resources.objects import ApplicationObject
from controller.core.left import left_by
from controller.core.targets import KubernetesRoute, KubernetesTarget, Trigger
from controller.ports import StoredApplication
from controller.spec import InvalidDocument
from tests.unit.core.build import an_app
from tests.unit.kube_resources.memory import SPEC, spec


def an_object(document: Any = None, name: str = "shop", namespace: str = "web") -> ApplicationObject:
    return ApplicationObject(namespace, name, "uid-1", 1, spec=SPEC if document is None else document)


def with_target(**block: Any) -> Any:
    return {**SPEC, "target": {"kubernetes": {"deployment": "shop", "service": "shop", **block}}}


def test_the_objects_name_and_namespace_are_the_applications() -> None:
    app = read(an_object(spec(trigger="deployment"), "till", "shops"))
    assert (app.name, app.environment) == ("till", "production")
    assert app.target == KubernetesTarget("shops", "shop", "shop", "shop-canary", trigger=Trigger.DEPLOYMENT)
    assert isinstance(app.router, KubernetesRoute)
    assert app.router.namespace == "shops"


def test_a_name_and_a_namespace_that_only_repeat_the_objects_are_no_mistake() -> None:
    assert read(an_object({**with_target(namespace="web"), "name": "shop"})) == read(an_object())


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({**SPEC, "name": "other"}, "name"),
        (with_target(namespace="other"), "target.kubernetes.namespace"),
        ({**SPEC, "target": {"processes": {"command": ["x", "{port}"]}}}, "target"),
        ({**SPEC, "target": {}}, "target"),
        ({**SPEC, "target": "shop"}, "target"),
        ({**SPEC, "target": None}, "target"),
        ({name: value for name, value in SPEC.items() if name != "target"}, "target"),
        ({}, "target"),
        ({**SPEC, "canary": {"steps": [50]}}, "canary"),
        ({**SPEC, "nonsense": 1}, "nonsense"),
    ],
)
def test_a_spec_that_cannot_be_used_says_where_and_what_to_do(document: Any, place: str) -> None:
    with pytest.raises(InvalidDocument) as invalid:
        read(an_object(document))
    assert any(where.startswith(place) and text for where, text in invalid.value.mistakes)


def test_every_mistake_is_told_in_one_text_that_is_never_a_page() -> None:
    with pytest.raises(InvalidDocument) as invalid:
        read(an_object({"name": "other", "target": {}}))
    told = sentences(invalid.value)
    assert "name: " in told
    assert "; target: " in told
    many = InvalidDocument(tuple((f"place{n}", "x" * 90) for n in range(100)))
    assert len(sentences(many)) == SENTENCES_MAX


def test_a_registration_for_the_same_deployment_is_the_objects_whoever_made_it() -> None:
    stored = StoredApplication(read(an_object()))
    assert is_ours(stored, an_object(), "ci")
    assert guards_the_same(stored, an_object(with_target(service="other")))


def test_a_registration_for_another_target_is_the_objects_only_if_the_object_made_it() -> None:
    stored = StoredApplication(read(an_object()))
    edited = an_object(with_target(deployment="other"))
    assert is_ours(stored, edited, "kubernetes:web/shop")
    assert not is_ours(stored, edited, "ci")
    assert not is_ours(stored, edited, None)
    assert not is_ours(stored, an_object(namespace="other"), "kubernetes:web/shop")
    assert not is_ours(StoredApplication(an_app()), an_object(), "ci")


@pytest.mark.parametrize("document", [{}, {"target": None}, {"target": {"kubernetes": []}}])
def test_an_object_whose_spec_is_nonsense_guards_nothing(document: Any) -> None:
    assert not guards_the_same(StoredApplication(read(an_object())), an_object(document))


def test_who_has_the_name_is_told_with_what_it_is_for() -> None:
    assert "was registered by ci for the Deployment web/shop" in taken_text(StoredApplication(read(an_object())), "ci")
    assert "was registered for a target outside of the cluster" in taken_text(StoredApplication(an_app()), None)


@pytest.mark.parametrize(
    ("change", "routes", "workload"),
    [
        ({"canary": {"steps": [1, 2]}}, 0, False),
        ({"trigger": "deployment"}, 0, True),
        ({"router": {"gatewayApi": {"httpRoutes": ["shop", "more"]}}}, 0, False),
        ({"router": {"gatewayApi": {"httpRoute": "more"}}}, 1, False),
        ({"router": {"traefik": {"traefikService": "shop"}}}, 1, False),
        (with_target(service="other", canaryName="other-canary"), 1, True),
        (with_target(deployment="other"), 1, True),
        (with_target(container="main"), 0, False),
    ],
)
def test_an_edit_leaves_behind_just_what_it_no_longer_names(change: Any, routes: int, workload: bool) -> None:
    before = read(an_object())
    left = left_by(before, read(an_object({**SPEC, **change})))
    assert left.workload == (before if workload else None)
    assert len(left.routes.router.objects if left.routes else ()) == routes  # type: ignore[union-attr]
    assert left.nothing == (not routes and not workload)


def test_of_several_routes_only_the_one_that_is_no_longer_named_is_left_behind() -> None:
    before = read(an_object({**SPEC, "router": {"gatewayApi": {"httpRoutes": ["one", "two"]}}}))
    left = left_by(before, read(an_object({**SPEC, "router": {"gatewayApi": {"httpRoute": "two"}}})))
    assert left.routes is not None
    assert [one.name for one in left.routes.router.objects] == ["one"]  # type: ignore[union-attr]
