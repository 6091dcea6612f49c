"""Sizes: of a canary for its share, of stable under an autoscaler, and what becomes of both when stable is scaled."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from controller.adapters.kube.lists import AGE_S_MAX
from controller.ports import Refused
from tests.kube.cluster.cluster import Cluster
from tests.kube.test_workload_apart import autoscaler
from tests.kube.workload_stage import CANARY, SHOP, SHOP_CANARY, STABLE, V1, V2, Shop, application, image, shop_in


@pytest.fixture
def shop(cluster: Cluster) -> Iterator[Shop]:
    with shop_in(cluster) as shop:
        yield shop


def scale(shop: Shop, replicas: int, name: str = SHOP) -> None:
    shop.cluster.patch("deployments", name, {"spec": {"replicas": replicas}}, "scale")


def wanted(shop: Shop, name: str = SHOP_CANARY) -> int:
    return int(shop.deployment(name)["spec"]["replicas"])


def test_a_canary_grows_before_its_traffic_and_shrinks_with_it(shop: Shop) -> None:
    for share_pct, replicas in ((1, 1), (50, 2), (75, 3), (100, 4), (25, 1)):
        shop.ensure(CANARY, V2, share_pct)
        shop.ensure(CANARY, V2, share_pct)
        assert wanted(shop) == replicas


def test_scenario_24_a_canary_follows_stable_that_is_scaled_in_the_middle(shop: Shop) -> None:
    scale(shop, 2)
    shop.start_canary(V2, share_pct=25)
    for replicas, canary in ((8, 2), (4, 1)):
        scale(shop, replicas)
        shop.until(
            lambda stable, seen, r=replicas, c=canary: (stable.ready_any, seen.ready_of(V2), seen.wanted) == (r, c, c),  # type: ignore[misc]
            f"{canary} beside {replicas}",
            (CANARY, V2),
            share_pct=25,
        )
    scale(shop, 0)
    shop.ensure(CANARY, V2, 25)
    assert wanted(shop) == 1


def test_scenario_25_without_a_proxy_there_are_as_many_instances_as_the_route_will_take_in(shop: Shop) -> None:
    shop.app = application(shop.cluster.namespace, replicas_route=True)
    for share_pct, replicas in ((20, 1), (50, 4), (20, 1)):
        shop.until(
            lambda _, canary, r=replicas: (canary.wanted, canary.running) == (r, ((V2, r),)),  # type: ignore[misc]
            f"{replicas} for {share_pct} %",
            (CANARY, V2),
            share_pct=share_pct,
        )


def test_scenario_26_a_new_version_and_a_new_size_at_once_do_not_get_in_each_others_way(shop: Shop) -> None:
    shop.start_canary(V2)
    shop.ensure(STABLE, V2)
    scale(shop, 6)
    shop.promote(V2)
    assert (len(shop.uids()), shop.images(), wanted(shop, SHOP)) == (6, {V2}, 6)


def test_stables_size_is_never_written_while_a_canary_grows_and_is_promoted(shop: Shop) -> None:
    shop.cluster.apply(autoscaler())
    shop.start_canary(V2, share_pct=50)
    scale(shop, 3)
    shop.promote(V2)
    shop.remove_canary()
    assert wanted(shop, SHOP) == 3


def test_what_an_autoscaler_took_from_stable_is_given_back_once_on_the_way_back(shop: Shop) -> None:
    shop.cluster.apply(autoscaler())
    shop.start_canary(V2)
    scale(shop, 2)
    shop.until(lambda stable, _: stable.ready_any == 2, "stable is smaller")
    assert "stable has 2 ready instances, and had 4 when the release began" in shop.stable().note
    shop.ensure(CANARY, V2, 25)
    assert wanted(shop, SHOP) == 2
    shop.until(lambda stable, _: stable.ready_any == 4, "stable has its old size", (STABLE, V1))
    scale(shop, 3)
    for _ in range(3):
        shop.ensure(STABLE, V1)
    assert wanted(shop, SHOP) == 3


def test_an_autoscaler_that_shrinks_stable_leaves_the_canary_what_its_share_needs(shop: Shop) -> None:
    shop.cluster.apply(autoscaler())
    shop.start_canary(V2, share_pct=50)
    scale(shop, 2)
    shop.restart()
    shop.ensure(CANARY, V2, 50)
    assert wanted(shop) == 2
    scale(shop, 8)
    shop.until(lambda _, canary: canary.wanted == 4, "it grows with stable", (CANARY, V2), share_pct=50)


def test_a_canary_does_not_shrink_when_stable_is_scaled_to_nothing(shop: Shop) -> None:
    shop.start_canary(V2, share_pct=75)
    scale(shop, 0)
    shop.restart()
    shop.ensure(CANARY, V2, 75)
    assert wanted(shop) == 3


def test_what_a_person_took_from_stable_stays_taken(shop: Shop) -> None:
    shop.cluster.apply(autoscaler("another"))
    shop.start_canary(V2)
    scale(shop, 2)
    for _ in range(3):
        shop.ensure(STABLE, V1)
    assert wanted(shop, SHOP) == 2


def test_the_template_goes_back_first_although_stable_is_too_small(shop: Shop) -> None:
    shop.cluster.apply(autoscaler(most=3))
    hung = image("hung")
    shop.until(lambda _, canary: canary.wanted > 0, "a canary is there", (CANARY, hung))
    shop.ensure(STABLE, hung)
    scale(shop, 2)
    shop.until(
        lambda stable, _: stable.settled_on(V1) and stable.wanted == 3,
        "stable runs the old version again, with as many as its autoscaler allows",
        (STABLE, V1),
    )


def test_a_pod_disruption_budget_is_neither_used_up_nor_gone_round(shop: Shop) -> None:
    body = {"selector": {"matchLabels": {"app": SHOP}}, "maxUnavailable": 0}
    kind = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget"}
    shop.cluster.apply({**kind, "metadata": {"name": SHOP}, "spec": body})
    shop.start_canary(V2)
    shop.promote(V2)
    shop.remove_canary()
    assert shop.images() == {V2}
    assert not [call for call in shop.cluster.calls("create") if call.resource == "pods/eviction"]
    assert not [call for call in shop.cluster.calls("delete") if call.resource == "pods"]


def test_an_application_of_the_same_deployment_under_another_name_finds_no_canary_of_its_own(shop: Shop) -> None:
    shop.start_canary(V2)
    other = replace(shop.app, name="other")
    assert shop.workload.observe(other)[1].wanted == 0
    shop.workload.ensure(other, CANARY, None, 1)
    assert wanted(shop) == 1


def test_a_canary_whose_size_is_refused_or_undone_says_so_until_it_has_it(shop: Shop) -> None:
    shop.start_canary(V2)
    assert shop.canary().unsized == ""
    selector = {"selector": {"interlock.dev/role": "canary"}, "ports": [{"port": 80}]}
    shop.cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "past"}, "spec": selector})
    time.sleep(AGE_S_MAX)  # a list that others asked for may be as old
    with pytest.raises(Refused):
        shop.workload.ensure(shop.app, CANARY, V2, 1, 75)
    assert "the Service past chooses the canary's pods" in shop.canary().unsized
    shop.cluster.delete("services", "past")
    shop.ensure(CANARY, V2, 75)
    assert (shop.canary().unsized, shop.canary().wanted) == ("", 3)
    scale(shop, 1, SHOP_CANARY)
    assert shop.canary().unsized == "3 instances were asked for, and the Deployment shop-canary was set to 1"
    shop.ensure(CANARY, V2, 75)
    assert shop.canary().unsized == ""
