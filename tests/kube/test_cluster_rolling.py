"""Both levels: what Deployments, their controllers and a stand-in for kubelets make of what is wanted."""

from __future__ import annotations

import pytest

from tests.kube.cluster import builders
from tests.kube.cluster.client import Answered
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.raw import Raw, condition, is_ready, labels_of, owner_of
from tests.kube.cluster.standins.pod_life import Behaviour

OLD, NEW = "registry.test/web:1", "registry.test/web:2"


def sets_by_image(cluster: Cluster) -> dict[str, Raw]:
    return {one["spec"]["template"]["spec"]["containers"][0]["image"]: one for one in cluster.list("replicasets")}


def progressing(cluster: Cluster) -> str:
    found = condition(cluster.get("deployments", "web"), "Progressing")
    return str(found["reason"]) if found else ""


def observed(cluster: Cluster) -> bool:
    found = cluster.get("deployments", "web")
    return bool(found["status"]["observedGeneration"] == found["metadata"]["generation"])


def reason_of(pod: Raw) -> str:
    containers = (pod.get("status") or {}).get("containerStatuses") or []
    return str(containers[0]["state"].get("waiting", {}).get("reason", "")) if containers else ""


def test_a_new_deployment_gets_its_pods_ready(cluster: Cluster) -> None:
    cluster.deployment(replicas=3)
    found = cluster.rolled_out()
    assert len(cluster.ready_pods("app=web")) == 3
    assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
    assert found["status"]["readyReplicas"] == 3
    assert condition(found, "Available")["status"] == "True"  # type: ignore[index]
    pod = cluster.pods()[0]
    assert (owner_of(pod) or {})["kind"] == "ReplicaSet"
    assert labels_of(pod)["pod-template-hash"]
    assert pod["status"]["podIP"]


def test_a_new_template_rolls_within_its_bounds(cluster: Cluster) -> None:
    strategy = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    cluster.deployment(image=OLD, replicas=4, strategy=strategy)
    cluster.rolled_out()
    cluster.kubelet.behave("", Behaviour(ready_after_s=0.1))
    cluster.deployment(image=NEW, replicas=4, strategy=strategy)
    seen: list[tuple[int, int]] = []

    def done() -> bool:
        pods = [one for one in cluster.pods() if "deletionTimestamp" not in one["metadata"]]
        seen.append((len(pods), sum(is_ready(one) for one in pods)))
        return len(cluster.ready_pods(image=NEW)) == 4 and len(cluster.pods()) == 4

    cluster.wait(done, "all pods are new")
    assert max(total for total, _ in seen) <= 5
    assert min(ready for _, ready in seen) >= 4
    revision = cluster.rolled_out()["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
    assert revision == "2"
    assert sets_by_image(cluster)[OLD]["spec"]["replicas"] == 0


def test_going_back_to_an_earlier_template_uses_its_replica_set_again(cluster: Cluster) -> None:
    cluster.deployment(image=OLD, replicas=1)
    first = cluster.rolled_out() and sets_by_image(cluster)[OLD]
    cluster.deployment(image=NEW, replicas=1)
    cluster.rolled_out()
    cluster.deployment(image=OLD, replicas=1)
    cluster.rolled_out()
    again = sets_by_image(cluster)[OLD]
    assert again["metadata"]["uid"] == first["metadata"]["uid"]
    assert again["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"


def test_a_paused_deployment_scales_and_does_not_roll(cluster: Cluster) -> None:
    cluster.deployment(image=OLD, replicas=2)
    cluster.rolled_out()
    cluster.deployment(image=NEW, replicas=3, paused=True)
    cluster.wait(lambda: len(cluster.ready_pods(image=OLD)) == 3, "the old pods are three")
    assert progressing(cluster) == "DeploymentPaused"
    assert NEW not in sets_by_image(cluster)
    cluster.patch("deployments", "web", {"spec": {"paused": None}})
    cluster.rolled_out()
    assert len(cluster.ready_pods(image=NEW)) == 3


def test_pausing_in_the_middle_stops_the_roll_where_it_is(cluster: Cluster) -> None:
    cluster.deployment(image=OLD, replicas=4)
    cluster.rolled_out()
    cluster.deployment(image="registry.test/web:hung", replicas=4)
    cluster.wait(lambda: len(sets_by_image(cluster)) == 2 and len(cluster.pods()) == 5, "the roll has begun")
    cluster.patch("deployments", "web", {"spec": {"paused": True}})
    cluster.wait(lambda: progressing(cluster) == "DeploymentPaused" and observed(cluster), "it is paused")
    sizes = {image: one["spec"]["replicas"] for image, one in sets_by_image(cluster).items()}
    cluster.patch("deployments", "web", {"spec": {"replicas": 8}})
    cluster.wait(lambda: sum(one["spec"]["replicas"] for one in cluster.list("replicasets")) == 10, "all have grown")
    grown = {image: one["spec"]["replicas"] for image, one in sets_by_image(cluster).items()}
    assert grown == {image: 2 * size for image, size in sizes.items()}


def test_an_image_that_cannot_be_pulled_keeps_the_old_pods_serving(cluster: Cluster) -> None:
    cluster.deployment(image=OLD, replicas=3, progressDeadlineSeconds=2)
    cluster.rolled_out()
    cluster.deployment(image="registry.test/web:bad", replicas=3, progressDeadlineSeconds=2)
    cluster.wait(lambda: "ImagePullBackOff" in map(reason_of, cluster.pods()), "a pod cannot pull its image")
    cluster.wait(lambda: progressing(cluster) == "ProgressDeadlineExceeded", "the deadline has passed")
    assert len(cluster.ready_pods(image=OLD)) == 3
    assert condition(cluster.get("deployments", "web"), "Available")["status"] == "True"  # type: ignore[index]


def test_a_crash_loop_takes_the_pod_out(cluster: Cluster) -> None:
    cluster.deployment(image="registry.test/web:crash", replicas=1)
    cluster.wait(lambda: cluster.ready_pods(), "it was ready once")
    cluster.wait(lambda: "CrashLoopBackOff" in map(reason_of, cluster.pods()), "it crashes")
    assert cluster.ready_pods() == []
    cluster.wait(lambda: not cluster.get("deployments", "web")["status"].get("availableReplicas"), "it is unavailable")


def test_a_pod_that_fits_nowhere_stays_pending_and_says_so(cluster: Cluster) -> None:
    cluster.deployment(image="registry.test/web:unschedulable", replicas=1)

    def told() -> Raw | None:
        return next((found for pod in cluster.pods() if (found := condition(pod, "PodScheduled"))), None)

    scheduled = cluster.wait(told, "the scheduler has spoken")
    assert (scheduled["status"], scheduled["reason"]) == ("False", "Unschedulable")
    assert cluster.pods()[0]["status"]["phase"] == "Pending"


def test_a_full_quota_is_told_in_the_status(cluster: Cluster) -> None:
    cluster.apply(builders.quota("few", pods=2))

    def in_force() -> bool:
        return "used" in cluster.get("resourcequotas", "few").get("status", {})

    cluster.wait(in_force, "the quota is in force")
    cluster.deployment(replicas=3)

    def failure() -> Raw | None:
        return condition(cluster.get("deployments", "web"), "ReplicaFailure")

    told = cluster.wait(failure, "the Deployment has told")
    assert told["reason"] == "FailedCreate"
    assert "exceeded quota: few, requested: pods=1, used: pods=2, limited: pods=2" in told["message"]
    assert len(cluster.pods()) == 2
    cluster.delete("resourcequotas", "few")
    cluster.rolled_out(timeout_s=30)


def test_a_test_can_take_a_pod_out_of_service_and_bring_it_back(cluster: Cluster) -> None:
    cluster.deployment(replicas=2)
    cluster.rolled_out()
    pod = cluster.ready_pods()[0]
    cluster.kubelet.set_ready(pod, ready=False)
    cluster.wait(lambda: cluster.get("deployments", "web")["status"].get("readyReplicas") == 1, "one is left")
    cluster.kubelet.set_ready(pod, ready=True)
    cluster.wait(lambda: cluster.get("deployments", "web")["status"].get("readyReplicas") == 2, "it is back")


def test_a_deleted_pod_is_replaced(cluster: Cluster) -> None:
    cluster.deployment(replicas=2)
    cluster.rolled_out()
    pod = cluster.pods()[0]
    cluster.delete("pods", pod["metadata"]["name"])

    def replaced() -> bool:
        uids = {one["metadata"]["uid"] for one in cluster.ready_pods()}
        return len(uids) == 2 and pod["metadata"]["uid"] not in uids

    cluster.wait(replaced, "there is another pod")


def test_a_deleted_deployment_takes_its_pods_along(cluster: Cluster) -> None:
    cluster.deployment(replicas=2)
    cluster.rolled_out()
    cluster.delete("deployments", "web")
    cluster.wait(lambda: not cluster.pods() and not cluster.list("replicasets"), "all have gone", timeout_s=20)


def test_recreate_ends_the_old_pods_first(cluster: Cluster) -> None:
    strategy = {"type": "Recreate"}
    cluster.deployment(image=OLD, replicas=2, strategy=strategy)
    cluster.rolled_out()
    cluster.deployment(image=NEW, replicas=2, strategy=strategy)
    mixed: list[int] = []

    def done() -> bool:
        images = {pod["spec"]["containers"][0]["image"] for pod in cluster.pods()}
        mixed.append(len(images))
        return len(cluster.ready_pods(image=NEW)) == 2

    cluster.wait(done, "the new pods are there")
    assert max(mixed) == 1


def test_endpoints_follow_the_pods_of_a_service(cluster: Cluster) -> None:
    cluster.apply(builders.service("web"))
    cluster.deployment(replicas=2)
    cluster.rolled_out()

    def serving() -> set[str]:
        slices = cluster.list("endpointslices", "kubernetes.io/service-name=web")
        endpoints = [one for found in slices for one in found["endpoints"] or []]
        return {address for one in endpoints if one["conditions"]["ready"] for address in one["addresses"]}

    def wanted() -> set[str]:
        return {pod["status"]["podIP"] for pod in cluster.ready_pods("app=web")}

    cluster.wait(lambda: len(serving()) == 2 and serving() == wanted(), "both pods are endpoints")
    ports = cluster.list("endpointslices", "kubernetes.io/service-name=web")[0]["ports"]
    assert [(one["name"], one["port"]) for one in ports] == [("http", 8080)]
    cluster.kubelet.set_ready(cluster.ready_pods()[0], ready=False)
    cluster.wait(lambda: len(serving()) == 1, "one has left")


def test_the_selector_of_a_deployment_stays(cluster: Cluster) -> None:
    cluster.deployment(replicas=0)
    changed = {"matchLabels": {"app": "web", "more": "yes"}}
    patch = {"spec": {"selector": changed, "template": {"metadata": {"labels": {"more": "yes"}}}}}
    with pytest.raises(Answered) as refused:
        cluster.patch("deployments", "web", patch)
    assert "field is immutable" in refused.value.message
