"""Application objects on both levels of test cluster: taken in or refused with a reason, and let go when all is given
back."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from controller.adapters.kube.resources.objects import FINALIZER, application_object
from controller.core.model import Phase
from controller.core.targets import KubernetesTarget
from controller.ports import Conflict, Unavailable
from tests.kube.cluster.client import Answered
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.raw import built_in
from tests.kube.cluster.small.faults import Fault, Trouble
from tests.kube.conftest import LEVELS
from tests.kube.resources_stage import KubeStage, free, staged
from tests.unit.kube_resources.memory import spec
from tests.unit.kube_resources.stage import V2

RULES = [
    {"apiGroups": ["interlock.dev"], "resources": ["applications"], "verbs": ["list", "watch", "patch"]},
    {
        "apiGroups": ["interlock.dev"],
        "resources": ["releases"],
        "verbs": ["list", "watch", "create", "patch", "delete"],
    },
    {"apiGroups": ["interlock.dev"], "resources": ["releases/status"], "verbs": ["patch"]},
]
MAY_SHOW = {"apiGroups": ["interlock.dev"], "resources": ["applications/status"], "verbs": ["patch"]}


@pytest.fixture
def stage(cluster: Cluster) -> Iterator[KubeStage]:
    with staged(cluster) as made:
        yield made


def exists(stage: KubeStage, name: str = "shop") -> bool:
    return stage.cluster.find("applications", name) is not None


def finalizers(stage: KubeStage, name: str = "shop") -> list[str]:
    found: list[str] = stage.cluster.get("applications", name)["metadata"].get("finalizers") or []
    return found


def test_an_object_is_registered_held_and_says_so(stage: KubeStage) -> None:
    stage.put(finalizers=["example.com/other"])
    said = stage.until_accepted()
    stored = stage.registered()
    assert stored is not None
    assert stored.app.target == KubernetesTarget(stage.cluster.namespace, "shop", "shop", "shop-canary")
    assert (said["reason"], said["observedGeneration"], stage.status()["observedGeneration"]) == ("Registered", 1, 1)
    assert finalizers(stage) == ["example.com/other", FINALIZER]


def test_an_edit_is_taken_over_with_its_generation_and_the_time_of_the_condition_stays(stage: KubeStage) -> None:
    stage.put()
    before = stage.until_accepted()
    stage.put(document=spec(canary={"steps": [1, 2]}))
    stage.until_status("observedGeneration", 2)
    assert stage.condition("Accepted")["lastTransitionTime"] == before["lastTransitionTime"]
    stored = stage.registered()
    assert stored is not None
    assert stored.app.canary.steps == (1, 2)


def test_a_mistake_that_the_schema_does_not_see_is_told_and_what_is_registered_stays(stage: KubeStage) -> None:
    stage.put()
    stage.until_accepted()
    wrong = {"name": "errors", "total": ['requests{version="$version"'], "bad": ['errors{version="$version"']}
    stage.cluster.patch("applications", "shop", {"spec": {"metrics": {"preset": None, "counters": [wrong]}}})
    said = stage.until_accepted(status="False")
    assert said["reason"] == "InvalidSpec"
    assert said["message"].endswith("what was registered before stays in force")
    assert finalizers(stage) == [FINALIZER]


@pytest.mark.parametrize("cluster", LEVELS[1:], indirect=True)
def test_the_schema_itself_keeps_the_target_in_the_middle_of_a_release(stage: KubeStage) -> None:
    stage.put()
    stage.until_accepted()
    stage.deploy(V2)
    stage.until_status("phase", "pending")
    with pytest.raises(Answered) as refused:
        stage.put(document=spec("other"))
    assert "cannot change while a release is running" in refused.value.message


def test_two_objects_that_claim_one_deployment_the_first_has_it_until_it_is_gone(stage: KubeStage) -> None:
    stage.put()
    stage.until_accepted()
    stage.put("till")
    said = stage.until_accepted("till", "False")
    assert (said["reason"], "belongs to application shop" in said["message"]) == ("RouteTaken", True)
    stage.cluster.delete("applications", "shop")
    stage.until_accepted("till")
    assert not exists(stage)


def test_a_name_of_another_namespace_is_not_taken_from_it(cluster: Cluster) -> None:
    other = f"t-{secrets.token_hex(4)}"
    cluster.client.create(built_in("namespaces"), "", {"kind": "Namespace", "metadata": {"name": other}})
    with staged(cluster, other) as stage:
        stage.put()
        stage.until_accepted()
        stage.put(namespace=other)
        said = stage.until_accepted(status="False", namespace=other)
        assert (said["reason"], f"kubernetes:{cluster.namespace}/shop" in said["message"]) == ("NameTaken", True)
        stage.cluster.delete("applications", "shop")
        stage.until_accepted(namespace=other)
        free(cluster, other)
        cluster.client.delete(built_in("namespaces"), "", other)


def test_a_deletion_in_the_middle_of_a_release_waits_for_its_end(stage: KubeStage) -> None:
    stage.put()
    stage.until_accepted()
    release = stage.deploy(V2).release
    stage.move(release.id, Phase.PROGRESSING, step=0, weight_pct=5)
    stage.until_status("weightPct", 5)
    stage.cluster.delete("applications", "shop")
    stage.until(lambda: stage.world.lowered, "traffic is back")
    stage.until(lambda: stage.condition("Ready").get("reason") == "Deleting", "it says what it waits for")
    assert release.id in stage.condition("Ready")["message"]
    stage.beats(0.5)
    assert exists(stage)
    stage.move(release.id, Phase.ROLLED_BACK, weight_pct=0)
    stage.until(lambda: not exists(stage), "the object is gone")
    assert [part for part, _ in stage.world.given_back] == ["routes", "workload"]
    stored = stage.registered()
    assert stored is not None
    assert stored.deleted


def test_what_cannot_be_given_back_keeps_the_object_until_it_is_abandoned(stage: KubeStage) -> None:
    stage.put()
    stage.until_accepted()
    stage.router.fail(Unavailable("patch httproutes: the API server cannot be reached"), "forget")
    stage.cluster.delete("applications", "shop")
    stage.until(lambda: "cannot be given back yet" in stage.condition("Ready").get("message", ""), "it says why")
    stage.cluster.patch("applications", "shop", {"metadata": {"annotations": {"interlock.dev/abandon": "true"}}})
    stage.until(lambda: not exists(stage), "the object is gone")
    assert len(stage.records("application_abandoned")) == 1


def test_an_object_that_is_made_anew_is_taken_in_again(stage: KubeStage) -> None:
    stage.put()
    stage.until_accepted()
    stage.move(stage.deploy(V2).release.id, Phase.SUCCEEDED)
    stage.until_status("stableVersion", V2)
    stage.cluster.delete("applications", "shop")
    stage.until(lambda: not exists(stage), "the object is gone")
    stage.put()
    stage.until_accepted()
    stage.until_status("stableVersion", V2)


def test_a_new_controller_finishes_what_the_one_before_began(stage: KubeStage) -> None:
    stage.put()
    stage.until_accepted()
    stage.workload.fail(Unavailable("away"), "forget")
    stage.cluster.delete("applications", "shop")
    stage.until(lambda: stage.world.given_back, "the route is given back")
    stage.workload.heal()
    stage.restart()
    stage.until(lambda: not exists(stage), "the object is gone")


def test_a_finalizer_list_that_changed_since_it_was_seen_is_not_overwritten(stage: KubeStage) -> None:
    seen = application_object(stage.put())
    stage.cluster.patch("applications", "shop", {"metadata": {"finalizers": ["example.com/other"]}})
    with pytest.raises(Conflict):
        stage.watched.hold(seen)
    with pytest.raises(Conflict):
        stage.watched.hold(application_object({**stage.put(finalizers=["example.com/third"]), "status": {}}) and seen)
    assert finalizers(stage) == ["example.com/third"]


def test_letting_go_of_what_is_gone_is_done(stage: KubeStage) -> None:
    seen = application_object(stage.put(finalizers=[FINALIZER]))
    stage.cluster.patch("applications", "shop", {"metadata": {"finalizers": None}})
    stage.cluster.delete("applications", "shop")
    stage.cluster.wait(lambda: not exists(stage), "it is gone")
    stage.watched.let_go(seen)


@pytest.mark.parametrize("rules", [RULES, [*RULES, MAY_SHOW]], ids=["without status", "with status"])
def test_a_status_that_no_role_allows_is_told_in_the_log_and_nothing_else_suffers(
    cluster: Cluster, rules: list[dict[str, list[str]]]
) -> None:
    identity = cluster.identity("bridge", rules)
    with staged(cluster, path=str(identity.kubeconfig)) as stage:
        stage.put()
        stage.until(lambda: stage.registered(), "it is registered")
        release = stage.deploy(V2).release
        stage.until(lambda: stage.cluster.find("releases", release.id), "the release has its object")
        if MAY_SHOW in rules:
            stage.until_status("phase", "pending")
            assert stage.logged == []
            return
        told = [fields["trouble"] for event, fields in stage.logged if event == "resource_trouble"]
        assert len(told) == 1
        assert "A Role must allow patch on applications/status" in told[0]
        assert stage.status() == {}


def test_a_namespace_that_no_role_allows_to_watch_keeps_the_others_from_nothing(cluster: Cluster) -> None:
    identity = cluster.identity("bridge", [*RULES, MAY_SHOW])
    with staged(cluster, path=str(identity.kubeconfig), closed="kube-system") as stage:
        stage.put()
        stage.until_accepted()
        assert not stage.watched.fresh("kube-system")
        lost = [fields["trouble"] for event, fields in stage.logged if event == "watch_lost"]
        assert any("A Role must allow list on applications" in one for one in lost)


def test_an_api_server_that_was_gone_is_taken_up_where_it_was_left(small_cluster: Cluster) -> None:
    with staged(small_cluster) as stage:
        stage.put()
        stage.until_accepted()
        small_cluster.server.go()
        release = stage.deploy(V2).release
        small_cluster.wait(lambda: not stage.watched.fresh(small_cluster.namespace), "the watch is known to be lost")
        stage.beats(0.2)
        stage.move(release.id, Phase.ROLLED_BACK)
        small_cluster.server.come_back()
        stage.until_status("phase", "rolled_back")
        stage.until(lambda: small_cluster.find("releases", release.id), "the release has its object")


def test_conflicts_and_lost_answers_come_to_the_same_end(small_cluster: Cluster) -> None:
    with staged(small_cluster) as stage:
        small_cluster.faults.add(Fault(Trouble.ANSWER, "patch", "applications", code=409, times=1))
        small_cluster.faults.add(Fault(Trouble.CUT_AFTER, "patch", "applications", times=1))
        small_cluster.faults.add(Fault(Trouble.CUT_AFTER, "patch", "applications/status", times=1))
        small_cluster.faults.add(Fault(Trouble.CUT_AFTER, "create", "releases", times=1))
        small_cluster.faults.add(Fault(Trouble.ANSWER, "patch", "releases/status", code=429, times=1))
        stage.put()
        stage.until_accepted()
        release = stage.deploy(V2).release
        stage.until_status("releaseId", release.id)
        stage.until(
            lambda: ((small_cluster.find("releases", release.id) or {}).get("status") or {}).get("phase") == "pending",
            "the release has its object and its status",
        )
        assert finalizers(stage) == [FINALIZER]
        assert stage.releases() == [V2]


def test_nothing_is_asked_of_the_cluster_while_nothing_changes(cluster: Cluster) -> None:
    with staged(cluster) as stage:
        for number in range(5):
            stage.put(f"app-{number}", spec(f"app-{number}"))
            stage.until_accepted(f"app-{number}")
        stage.beats(0.5)
        before = len([call for call in cluster.calls() if call.verb != "watch"])
        stage.beats(2.0)
        assert len([call for call in cluster.calls() if call.verb != "watch"]) == before
