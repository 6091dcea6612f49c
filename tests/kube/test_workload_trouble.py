"""Everything that can be wrong around a canary says so in words, and nothing of anybody's is written over."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from controller.adapters.clock import SystemClock
from controller.adapters.kube.connect import KubeSettings, connect
from controller.adapters.kube.workload.deployment import DeploymentWorkload
from controller.ports import Fenced, PortError, Refused, Unavailable, Unknown
from tests.kube.cluster import builders
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.raw import Raw, name_of
from tests.kube.cluster.small.faults import Fault, Trouble
from tests.kube.cluster.standins.pod_life import Behaviour
from tests.kube.workload_stage import CANARY, SHOP, SHOP_CANARY, STABLE, V1, V2, Shop, image, pinned, shop_in


@pytest.fixture
def shop(cluster: Cluster) -> Iterator[Shop]:
    with shop_in(cluster) as shop:
        yield shop


@pytest.fixture
def small(small_cluster: Cluster) -> Iterator[Shop]:
    with shop_in(small_cluster) as shop:
        yield shop


def asking(shop: Shop) -> tuple[Callable[[], object], ...]:
    """The question before a release, and its first move."""
    return (
        lambda: shop.workload.running(shop.app),
        lambda: shop.workload.ensure(shop.app, CANARY, V2, 1),
    )


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ("bad", "the image registry.test/shop:bad"),
        ("hung", "container main runs and is not ready: does its readiness probe pass?"),
        ("unschedulable", "cannot be scheduled: 0/1 nodes are available: 1 Insufficient cpu."),
        ("crash", "container main ended, restarted 1 time, CrashLoopBackOff"),
    ],
)
def test_scenario_17_a_canary_that_is_not_ready_says_why(shop: Shop, tag: str, words: str) -> None:
    shop.cluster.kubelet.behave(":crash", Behaviour(crash_after_s=0.0))
    version = image(tag)
    shop.until(lambda _, canary: words in canary.note, f"the note says {words}", (CANARY, version), share_pct=25)
    canary = shop.canary()
    assert (canary.wanted, canary.ready_any) == (1, 0)
    assert shop.stable().settled_on(V1)


def test_a_quota_that_is_used_up_is_told_in_the_servers_words(cluster: Cluster) -> None:
    if cluster.level == "small":
        cluster.apply(builders.quota("small", 4))
    with shop_in(cluster) as shop:
        if cluster.level == "real":
            cluster.apply(builders.quota("small", 4))
        words = "pods cannot be made:"
        shop.until(lambda _, canary: words in canary.note, "the quota is told", (CANARY, V2), share_pct=50)
        assert "exceeded quota: small" in shop.canary().note
        assert shop.canary().running_any == 0


def test_scenario_14_and_15_a_canary_without_instances_is_seen_at_once_and_comes_back(shop: Shop) -> None:
    shop.start_canary(V2)
    for pod in shop.pods(SHOP_CANARY):
        shop.cluster.kubelet.behave("", Behaviour(ready_after_s=None))
        shop.cluster.delete("pods", name_of(pod))
    assert shop.canary().ready_any == 0
    shop.ensure(STABLE, V1)
    shop.remove_canary()
    assert shop.cluster.find("deployments", SHOP_CANARY) is None


def test_scenario_16_one_instance_of_several_that_is_not_ready_leaves_the_others_counted(shop: Shop) -> None:
    shop.start_canary(V2, share_pct=75)
    victim = shop.pods(SHOP_CANARY)[0]
    shop.cluster.kubelet.set_ready(victim, ready=False)
    shop.until(lambda _, canary: canary.ready_of(V2) == 2, "two are ready")
    canary = shop.canary()
    assert (canary.wanted, canary.running) == (3, ((V2, 3),))
    assert "container main" in canary.note


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("deployments", f"there is no Deployment {SHOP} in the namespace"),
        ("services", f"there is no Service {SHOP} in the namespace"),
    ],
)
def test_what_is_missing_is_named_before_a_release_begins(shop: Shop, kind: str, words: str) -> None:
    shop.cluster.delete(kind, SHOP)
    for ask in asking(shop):
        with pytest.raises(Refused, match=words):
            ask()


def test_without_its_deployment_stable_is_seen_as_gone_and_the_canary_stays_as_it_is(shop: Shop) -> None:
    shop.start_canary(V2, share_pct=75)
    shop.cluster.delete("deployments", SHOP)
    shop.until(lambda stable, _: stable.ready_any == 0, "stable is gone")
    stable, canary = shop.observe()
    assert (stable.settled_on(V1), canary.ready_of(V2)) == (False, 3)
    assert stable.note.startswith("there is no Deployment shop")
    shop.restart()
    for role in (STABLE, CANARY):
        with pytest.raises(Refused, match="there is no Deployment shop"):
            shop.workload.ensure(shop.app, role, V2, 1, 75)
    assert shop.canary().ready_of(V2) == 3


@pytest.mark.parametrize(
    ("selector", "words"),
    [
        ({"app": "another"}, "chooses pods by app=another, and those of the Deployment shop have app=shop"),
        (None, "no selector"),
    ],
)
def test_a_service_in_front_of_other_pods_is_refused(shop: Shop, selector: Raw | None, words: str) -> None:
    shop.cluster.patch("services", SHOP, {"spec": {"selector": selector}})
    for ask in asking(shop):
        with pytest.raises(Refused, match=words):
            ask()


def test_a_deployment_of_the_canarys_name_that_is_not_ours_is_left_alone(shop: Shop) -> None:
    shop.cluster.deployment(SHOP_CANARY, V1, 1)
    before = shop.deployment(SHOP_CANARY)["spec"]
    for ask in asking(shop):
        with pytest.raises(Refused, match=r"there is a Deployment shop-canary .* that is not Interlock's"):
            ask()
    shop.ensure(CANARY, None)
    shop.workload.forget(shop.app)
    assert shop.deployment(SHOP_CANARY)["spec"] == before


def test_a_service_of_the_canarys_name_that_is_not_ours_is_left_alone(shop: Shop) -> None:
    shop.cluster.apply(builders.service(SHOP_CANARY, {"app": "mine"}))
    with pytest.raises(Refused, match=r"there is a Service shop-canary .* that is not Interlock's"):
        shop.workload.ensure(shop.app, CANARY, V2, 1)
    shop.ensure(CANARY, None)
    assert shop.cluster.get("services", SHOP_CANARY)["spec"]["selector"] == {"app": "mine"}


RULES: dict[tuple[str, str], list[str]] = {
    ("apps", "deployments"): ["get", "create", "patch", "delete"],
    ("apps", "deployments/scale"): ["patch"],
    ("apps", "replicasets"): ["list"],
    ("apps", "controllerrevisions"): ["get", "list", "create", "delete"],
    ("", "pods"): ["list"],
    ("", "services"): ["get", "list", "create", "patch", "delete"],
    ("", "configmaps"): ["get", "list", "create", "delete"],
    ("policy", "poddisruptionbudgets"): ["list"],
    ("autoscaling", "horizontalpodautoscalers"): ["list"],
}
"""What the page in the docs says that a Role has to allow."""


def rules(without: tuple[str, str] = ("", "")) -> list[Raw]:
    found = [
        {"apiGroups": [group], "resources": [resource], "verbs": [v for v in verbs if (resource, v) != without]}
        for (group, resource), verbs in RULES.items()
    ]
    return [one for one in found if one["verbs"]]


def as_account(shop: Shop, name: str, allowed: list[Raw]) -> Any:
    """From now on the workload is a ServiceAccount that may do just this."""
    who = shop.cluster.identity(name, allowed)
    api = connect(KubeSettings(kubeconfig=str(who.kubeconfig)), SystemClock())
    shop.workload = DeploymentWorkload(api, SystemClock(), pinned)
    return api


def test_the_verbs_in_the_docs_are_enough_for_a_whole_release(shop: Shop) -> None:
    api = as_account(shop, "guard", rules())
    try:
        assert shop.workload.running(shop.app) == V1
        shop.start_canary(V2)
        shop.promote(V2)
        shop.until(lambda stable, _: stable.settled_on(V1), "stable runs the old version again", (STABLE, V1))
        shop.remove_canary()
        shop.workload.forget(shop.app)
    finally:
        api.close()


@pytest.mark.parametrize(
    ("resource", "verb"),
    [
        ("services", "list"),
        ("poddisruptionbudgets", "list"),
        ("controllerrevisions", "create"),
        ("deployments", "create"),
    ],
)
def test_a_verb_that_a_role_lacks_is_named_in_what_is_seen_of_the_canary(shop: Shop, resource: str, verb: str) -> None:
    api = as_account(shop, "weak", rules((resource, verb)))
    try:
        with pytest.raises(Refused, match=f"A Role must allow {verb} on {resource}"):
            shop.workload.ensure(shop.app, CANARY, V2, 1)
        assert f"A Role must allow {verb} on {resource}" in shop.canary().note
    finally:
        api.close()


def test_an_older_leader_is_fenced_from_both_deployments(shop: Shop) -> None:
    shop.epoch = 4
    shop.start_canary(V2)
    shop.epoch = 5
    shop.ensure(STABLE, V1)
    shop.ensure(CANARY, V2)
    for role, version in ((CANARY, V2), (CANARY, None), (STABLE, V2), (STABLE, V1)):
        with pytest.raises(Fenced):
            shop.workload.ensure(shop.app, role, version, 4)
    assert shop.images() == {V1}


def test_scenario_40_a_write_of_a_leader_that_was_away_does_not_land(shop: Shop) -> None:
    """It had read everything and was about to promote when a newer one came, looked, and went back."""
    shop.start_canary(V2)
    frozen = DeploymentWorkload(shop.api, SystemClock(), pinned)
    frozen.observe(shop.app)
    reads = frozen._reader.recent(shop.app)
    frozen._reader.anew = lambda app: reads  # type: ignore[method-assign]
    shop.epoch = 2
    shop.ensure(STABLE, V1)
    with pytest.raises(PortError, match="not as it was read"):
        frozen.ensure(shop.app, STABLE, V2, 1)
    assert shop.deployment()["spec"]["template"]["spec"]["containers"][0]["image"] == V1


def test_a_write_whose_answer_is_lost_is_found_done_by_the_next_pass(small: Shop) -> None:
    lost = Fault(Trouble.CUT_AFTER, "create", "deployments", times=1)
    with small.cluster.faults.on(lost), pytest.raises(Unknown):
        small.workload.ensure(small.app, CANARY, V2, 1)
    assert small.deployment(SHOP_CANARY)["spec"]["replicas"] == 0
    small.start_canary(V2)
    with small.cluster.faults.on(Fault(Trouble.CUT_AFTER, "patch", "deployments", name=SHOP)) as fault:
        with pytest.raises(PortError):
            small.workload.ensure(small.app, STABLE, V2, 1)
        assert fault.happened
    small.promote(V2)
    small.until(lambda stable, _: stable.settled_on(V1), "stable runs the old version again", (STABLE, V1))


@pytest.mark.parametrize("resource", ["services", "configmaps", "controllerrevisions", "deployments"])
def test_a_canary_half_made_is_made_whole_by_the_next_pass(small: Shop, resource: str) -> None:
    small.cluster.apply(builders.config_map("settings", {"a": "1"}))
    volumes = [{"name": "x", "configMap": {"name": "settings"}}]
    small.cluster.patch("deployments", SHOP, {"spec": {"template": {"spec": {"volumes": volumes}}}})
    small.cluster.rolled_out(SHOP)
    verb = "patch" if resource == "deployments" else "create"
    with small.cluster.faults.on(Fault(Trouble.ANSWER, verb, resource, code=503, retry_after_s=1)):
        with pytest.raises(Unavailable):
            small.workload.ensure(small.app, CANARY, V2, 1)
        assert small.canary().running_any == 0
    small.start_canary(V2)
    small.remove_canary()
    assert small.cluster.list("configmaps", "interlock.dev/application=shop") == []


def test_conflicts_without_end_are_given_up_until_the_next_pass(small: Shop) -> None:
    small.start_canary(V2)
    with small.cluster.faults.on(Fault(Trouble.ANSWER, "patch", "deployments", code=409)) as fault:
        small.ensure(CANARY, V2, 100)
        assert fault.happened == 2
    assert small.canary().note == ""
    small.start_canary(V2, share_pct=100)


def test_an_api_server_that_is_gone_is_no_news_about_the_instances(small: Shop) -> None:
    small.start_canary(V2)
    small.cluster.server.go()
    with pytest.raises(Unavailable):
        small.observe()
    with pytest.raises(Unavailable):
        small.workload.ensure(small.app, STABLE, V2, 1)
    small.cluster.server.come_back()
    assert small.canary().ready_of(V2) == 1


def test_two_passes_at_once_make_one_canary(shop: Shop) -> None:
    other = DeploymentWorkload(shop.api, SystemClock(), pinned)
    troubles: list[str] = []

    def make(workload: DeploymentWorkload) -> None:
        try:
            workload.ensure(shop.app, CANARY, V2, 1, 50)
        except PortError as error:
            troubles.append(str(error))

    threads = [threading.Thread(target=make, args=(one,)) for one in (shop.workload, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(8)
    shop.start_canary(V2, share_pct=50)
    assert len(shop.uids(SHOP_CANARY)) == 2, troubles
