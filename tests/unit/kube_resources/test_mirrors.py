"""A Release object says what the store says, and an edit of it is undone."""

from __future__ import annotations

from dataclasses import replace

from controller.adapters.kube.resources.mirrors import KEPT, body_of, correction, shown_of, status_of, status_patch
from controller.adapters.kube.resources.objects import ApplicationObject, ReleaseObject, owner_of, release_object
from controller.core.model import Phase, Reason, Release
from controller.core.targets import KubernetesTarget
from tests.unit.core.build import a_cluster_app, a_release, an_app

RELEASE = a_release(Phase.PAUSED, app=a_cluster_app(), step=1, weight_pct=20)
OWNER = owner_of(ApplicationObject("web", "shop", "uid-1", 1))


def shown(release: Release = RELEASE) -> ReleaseObject:
    body = body_of(release, OWNER)
    made = release_object({**body, "metadata": {**body["metadata"], "namespace": "web", "uid": "uid-2"}})
    return replace(made, status=status_of(release))


def test_the_object_is_the_release_with_the_application_as_its_owner() -> None:
    body = body_of(RELEASE, OWNER)
    assert (body["apiVersion"], body["kind"]) == ("interlock.dev/v1alpha1", "Release")
    assert body["metadata"] == {
        "name": "shop-1",
        "labels": {"app.kubernetes.io/managed-by": "interlock", "interlock.dev/application": "shop"},
        "ownerReferences": [
            {
                "apiVersion": "interlock.dev/v1alpha1",
                "kind": "Application",
                "name": "shop",
                "uid": "uid-1",
                "controller": True,
                "blockOwnerDeletion": False,
            }
        ],
    }
    assert body["spec"] == {
        "application": "shop",
        "environment": "production",
        "version": "v2",
        "stable": "v1",
        "steps": [10, 20, 30],
        "actor": "ci",
    }
    assert (status_of(RELEASE)["phase"], status_of(RELEASE)["step"], status_of(RELEASE)["reason"]) == (
        "paused",
        1,
        "some reason",
    )


def test_a_first_version_has_no_stable_and_an_application_without_an_object_owns_nothing() -> None:
    body = body_of(replace(RELEASE, stable=None), None)
    assert "stable" not in body["spec"]
    assert body["metadata"]["ownerReferences"] == []


def test_what_is_as_it_should_be_is_left_alone() -> None:
    assert correction(shown(), RELEASE, OWNER) is None
    assert status_patch(shown(), RELEASE) == {}


def test_an_edit_of_anything_that_never_changes_is_undone_field_by_field() -> None:
    edited = replace(
        shown(),
        spec={**shown().spec, "version": "v9", "more": 1},
        labels={"interlock.dev/application": "other"},
        owners=(),
    )
    assert correction(edited, RELEASE, OWNER) == {
        "metadata": {
            "labels": {"app.kubernetes.io/managed-by": "interlock", "interlock.dev/application": "shop"},
            "ownerReferences": [OWNER],
        },
        "spec": {"version": "v2", "more": None},
    }


def test_an_application_that_was_made_anew_owns_the_releases_of_the_one_before() -> None:
    again = owner_of(ApplicationObject("web", "shop", "uid-9", 1))
    assert correction(shown(), RELEASE, again) == {"metadata": {"ownerReferences": [again]}}
    assert correction(shown(), RELEASE, None) == {"metadata": {"ownerReferences": None}}


def test_the_status_follows_the_release() -> None:
    moved = replace(RELEASE, phase=Phase.PROGRESSING, weight_pct=30, reason=Reason("baking", "minimum bake"))
    patch = status_patch(shown(), moved)
    assert (patch["phase"], patch["weightPct"], patch["reason"]) == ("progressing", 30, "minimum bake")
    assert "since" not in patch


def test_only_the_newest_few_of_this_namespace_are_shown() -> None:
    many = [replace(RELEASE, id=f"shop-{number}") for number in range(KEPT + 5)]
    target = KubernetesTarget("other", "shop", "shop", "shop-canary")
    elsewhere = replace(RELEASE, app=replace(a_cluster_app(), target=target))
    outside = replace(RELEASE, app=an_app())
    assert shown_of([elsewhere, outside, *many], "web") == many[:KEPT]
