"""An Application object is registered, or says why not. What was registered before stays in force; no name is taken."""

from __future__ import annotations

from typing import Any

import pytest

from controller.adapters.kube.resources.objects import FINALIZER
from controller.core.model import Phase
from controller.core.targets import KubernetesTarget
from controller.ports import Refused, Unavailable
from tests.unit.kube_resources.memory import SHOP, SPEC, spec
from tests.unit.kube_resources.stage import V2, Stage

OTHER = ("other", "shop")
TILL = ("web", "till")
HTTP = {
    "name": "shop", "environment": "production", "target": {"processes": {"command": ["shop", "{port}"]}},
    "router": {"haproxy": {"guard": "/run/guard.sock", "backend": "shop"}}, "canary": {"steps": [5]},
    "metrics": {"prometheus": "http://prometheus:9090", "preset": "generic"},
}  # fmt: skip
BAD: dict[str, Any] = {**SPEC, "canary": {"steps": [50]}}


def in_web(deployment: str = "shop") -> dict[str, Any]:
    document = spec(deployment)
    document["target"]["kubernetes"]["namespace"] = "web"
    return {**document, "name": "shop"}


def accepted(stage: Stage, place: tuple[str, str] = SHOP) -> tuple[str, str]:
    found = stage.condition("Accepted", place)
    return found["status"], found["reason"]


def deployment_of(stage: Stage) -> str:
    stored = stage.registered()
    assert stored is not None
    assert isinstance(stored.app.target, KubernetesTarget)
    return stored.app.target.deployment


def test_an_object_is_registered_in_its_own_name_and_says_so(stage: Stage) -> None:
    stage.cluster.put()
    stage.settle()
    stored = stage.registered()
    assert stored is not None
    assert stored.app.target == KubernetesTarget("web", "shop", "shop", "shop-canary")
    (record,) = stage.records("application_registered")
    assert record.draft.actor == "kubernetes:web/shop"
    assert accepted(stage) == ("True", "Registered")
    assert stage.status()["observedGeneration"] == 1
    assert stage.cluster.objects[SHOP].finalizers == (FINALIZER,)


def test_the_finalizer_is_on_before_anything_is_there_to_give_back(stage: Stage) -> None:
    stage.api.fail(Unavailable("planted by the test"), "hold")
    stage.cluster.put()
    stage.beat(3)
    assert stage.registered() is None
    stage.api.heal()
    stage.beat(10)
    assert accepted(stage) == ("True", "Registered")


def test_a_finalizer_that_may_not_be_put_on_is_told(stage: Stage) -> None:
    stage.api.fail(Refused("a Role must allow patch on applications"), "hold")
    stage.cluster.put()
    stage.settle()
    assert accepted(stage) == ("False", "NotHeld")
    assert "a Role must allow patch" in stage.condition("Accepted")["message"]
    assert stage.registered() is None


def test_an_edit_is_taken_over_and_its_generation_shown(stage: Stage) -> None:
    stage.cluster.put()
    stage.settle()
    stage.cluster.put(document=spec(canary={"steps": [1, 2]}))
    stage.settle()
    stored = stage.registered()
    assert stored is not None
    assert stored.app.canary.steps == (1, 2)
    assert stage.status()["observedGeneration"] == 2
    assert stage.world.given_back == []


def test_mistakes_are_told_and_what_was_registered_stays(stage: Stage) -> None:
    stage.cluster.put()
    stage.settle()
    stage.cluster.put(document=BAD)
    stage.settle()
    assert accepted(stage) == ("False", "InvalidSpec")
    message = stage.condition("Accepted")["message"]
    assert "canary: the first step is 50 %; it must be at most 10 %" in message
    assert message.endswith("what was registered before stays in force")
    assert stage.status()["observedGeneration"] == 2
    assert stage.condition("Ready")["reason"] == "NotAccepted"
    assert len(stage.records("application_changed")) == 0
    stage.cluster.put(document=SPEC)
    stage.settle()
    assert accepted(stage) == ("True", "Registered")


def test_an_object_with_mistakes_from_the_beginning_holds_nothing(stage: Stage) -> None:
    stage.cluster.put(document=BAD)
    stage.settle()
    assert accepted(stage) == ("False", "InvalidSpec")
    assert not stage.condition("Accepted")["message"].endswith("stays in force")
    assert stage.cluster.objects[SHOP].finalizers == ()
    stage.cluster.delete()
    stage.settle()
    assert SHOP not in stage.cluster.objects


def test_a_name_of_another_namespace_is_not_taken_from_it(stage: Stage) -> None:
    stage.cluster.put()
    stage.settle()
    before = stage.registered()
    stage.cluster.put(OTHER)
    stage.settle()
    assert accepted(stage, OTHER) == ("False", "NameTaken")
    assert "kubernetes:web/shop" in stage.condition("Accepted", OTHER)["message"]
    assert stage.registered() == before
    assert stage.cluster.objects[OTHER].finalizers == ()
    assert "releaseId" not in stage.status(OTHER)


def test_the_name_is_free_for_the_other_one_when_the_first_is_gone(stage: Stage) -> None:
    stage.cluster.put()
    stage.settle()
    stage.cluster.put(OTHER)
    stage.settle()
    stage.cluster.delete()
    stage.settle()
    assert SHOP not in stage.cluster.objects
    assert accepted(stage, OTHER) == ("True", "Registered")


@pytest.mark.parametrize("document", [HTTP, in_web("other")], ids=["processes", "another Deployment"])
def test_what_an_http_caller_registered_for_another_target_is_not_taken(stage: Stage, document: Any) -> None:
    stage.register(document)
    before = stage.registered()
    stage.cluster.put()
    stage.settle()
    assert accepted(stage) == ("False", "NameTaken")
    assert "registered by ci" in stage.condition("Accepted")["message"]
    assert stage.registered() == before
    stage.cluster.delete()
    stage.settle()
    assert stage.registered() == before
    assert stage.world.given_back == []


def test_what_an_http_caller_registered_for_the_same_deployment_becomes_the_objects(stage: Stage) -> None:
    stage.register({**in_web(), "canary": {"steps": [1]}})
    stage.cluster.put()
    stage.settle()
    assert accepted(stage) == ("True", "Registered")
    assert [one.draft.actor for one in stage.records("application_changed")] == ["kubernetes:web/shop"]


def test_what_became_the_objects_stays_the_objects_when_it_names_another_deployment(stage: Stage) -> None:
    stage.register({**in_web(), "canary": {"steps": [1]}})
    stage.cluster.put()
    stage.settle()
    stage.cluster.put(document=spec("till"))
    stage.settle()
    assert (accepted(stage), deployment_of(stage)) == (("True", "Registered"), "till")


def test_an_http_callers_edit_of_the_objects_application_is_put_back(stage: Stage) -> None:
    stage.cluster.put()
    stage.settle()
    stage.register({**in_web(), "canary": {"steps": [1]}})
    stage.beat()
    stored = stage.registered()
    assert stored is not None
    assert stored.app.canary.steps == (5, 25, 50)


def test_what_an_http_caller_deleted_comes_back_while_its_object_is_there(stage: Stage) -> None:
    stage.cluster.put()
    stage.settle()
    stage.plain.unregister("shop", "ci")
    stage.beat()
    stored = stage.registered()
    assert stored is not None
    assert not stored.deleted


def test_two_objects_that_claim_one_deployment_the_first_has_it_until_it_is_gone(stage: Stage) -> None:
    stage.cluster.put()
    stage.settle()
    stage.cluster.put(TILL)
    stage.settle()
    assert accepted(stage, TILL) == ("False", "RouteTaken")
    assert "belongs to application shop" in stage.condition("Accepted", TILL)["message"]
    assert stage.registered("till") is None
    stage.cluster.delete()
    stage.settle()
    assert accepted(stage, TILL) == ("True", "Registered")
    assert stage.registered("till") is not None


def test_the_second_claim_can_be_deleted_without_a_trace(stage: Stage) -> None:
    stage.cluster.put()
    stage.settle()
    stage.cluster.put(TILL)
    stage.settle()
    stage.cluster.delete(TILL)
    stage.settle()
    assert TILL not in stage.cluster.objects
    assert stage.world.given_back == []
    assert accepted(stage) == ("True", "Registered")


def test_an_object_that_names_another_deployment_gives_the_first_back_before_it_has_the_second(stage: Stage) -> None:
    stage.cluster.put()
    stage.settle()
    seen: list[str] = []
    stage.store.watch(
        "commit", lambda commit: seen.append(f"{commit.records[0].type} after {len(stage.world.given_back)}")
    )
    stage.cluster.put(document=spec("till"))
    stage.settle()
    assert deployment_of(stage) == "till"
    assert seen == ["application_changed after 2"]
    given = [(part, app.target.deployment) for part, app in stage.world.given_back]  # type: ignore[union-attr]
    assert given == [("routes", "shop"), ("workload", "shop")] * 2, "and once more when everybody knew of it"
    assert stage.locked == ["shop", "shop"]


def test_what_cannot_be_given_back_keeps_the_old_registration_and_says_why(stage: Stage) -> None:
    stage.cluster.put()
    stage.settle()
    stage.router.fail(Unavailable("the API server cannot be reached"), "forget")
    stage.cluster.put(document=spec("till"))
    stage.settle()
    assert accepted(stage) == ("False", "NotGivenBack")
    assert "the API server cannot be reached" in stage.condition("Accepted")["message"]
    assert deployment_of(stage) == "shop"


def test_what_could_not_be_given_back_is_tried_again_without_an_edit(stage: Stage) -> None:
    stage.cluster.put()
    stage.settle()
    stage.router.fail(Unavailable("the API server cannot be reached"), "forget")
    stage.cluster.put(document=spec("till"))
    stage.settle()
    stage.router.heal()
    stage.beat(10)
    assert (accepted(stage), deployment_of(stage)) == (("True", "Registered"), "till")


def test_a_spec_with_mistakes_is_not_looked_at_again_until_it_is_edited(stage: Stage) -> None:
    stage.cluster.put(document=BAD)
    stage.settle()
    looks: list[object] = []
    stage.store.watch("application", looks.append)
    stage.beat(50)
    assert looks == []


def test_a_target_that_was_changed_in_the_middle_of_a_release_waits_for_its_end(stage: Stage) -> None:
    stage.cluster.put()
    stage.settle()
    release = stage.deploy(V2).release
    stage.cluster.put(document=spec("till"))
    stage.settle()
    assert accepted(stage) == ("False", "ReleaseRunning")
    assert release.id in stage.condition("Accepted")["message"]
    assert (deployment_of(stage), stage.world.given_back) == ("shop", [])
    stage.move(release.id, Phase.ROLLED_BACK)
    stage.settle()
    assert accepted(stage) == ("True", "Registered")
    assert deployment_of(stage) == "till"


def test_other_edits_in_the_middle_of_a_release_are_registered_for_the_next_one(stage: Stage) -> None:
    stage.cluster.put()
    stage.settle()
    release = stage.deploy(V2).release
    stage.cluster.put(document=spec(canary={"steps": [1]}))
    stage.settle()
    assert accepted(stage) == ("True", "Registered")
    assert stage.newest().app.canary.steps == release.app.canary.steps


def test_a_store_that_is_away_changes_no_status_and_everything_follows_when_it_is_back(stage: Stage) -> None:
    stage.cluster.put()
    stage.settle()
    writes = len(stage.writes())
    stage.store.fail(Unavailable("the store is down"), "application", "commit", "releases", "active")
    stage.cluster.put(document=spec(canary={"steps": [1]}))
    stage.beat(3)
    assert len(stage.writes()) == writes
    assert ("resource_trouble", {"namespace": "web", "application": "shop", "trouble": "the store is down"}) in (
        stage.logged
    )
    stage.store.heal()
    stage.beat(10)
    assert stage.status()["observedGeneration"] == 2
    assert accepted(stage) == ("True", "Registered")


def test_an_object_that_was_made_anew_is_taken_in_with_what_served(stage: Stage) -> None:
    stage.cluster.put()
    stage.settle()
    stage.move(stage.deploy(V2).release.id, Phase.SUCCEEDED)
    stage.settle()
    stage.cluster.delete()
    stage.settle()
    stage.cluster.put()
    stage.settle()
    assert accepted(stage) == ("True", "Registered")
    assert stage.status()["stableVersion"] == V2
