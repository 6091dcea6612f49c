"""A guarded Deployment through whole releases, on both levels: adopted, canary beside it, promoted, taken back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kube.cluster.cluster import Cluster
from tests.kube.workload_stage import CANARY, SHOP, SHOP_CANARY, STABLE, V1, V2, Shop, shop_in


@pytest.fixture
def shop(cluster: Cluster) -> Iterator[Shop]:
    with shop_in(cluster) as shop:
        yield shop


def test_an_existing_deployment_is_adopted_without_a_restart_or_a_change(shop: Shop) -> None:
    before, uids = shop.deployment(), shop.uids()
    assert shop.workload.running(shop.app) == V1
    stable, canary = shop.observe()
    assert stable.settled_on(V1)
    assert (canary.wanted, canary.running_any) == (0, 0)
    shop.ensure(CANARY, None)
    assert (shop.deployment()["metadata"]["generation"], shop.uids()) == (before["metadata"]["generation"], uids)


def test_a_release_from_canary_to_promotion_leaves_stable_on_the_new_version(shop: Shop) -> None:
    uids = shop.uids()
    shop.start_canary(V2, share_pct=50)
    assert shop.uids() == uids
    assert len(shop.uids(SHOP_CANARY)) == 2
    shop.promote(V2)
    assert shop.images() == {V2}
    shop.remove_canary()
    assert shop.cluster.find("deployments", SHOP_CANARY) is None
    assert shop.cluster.find("services", SHOP_CANARY) is None
    assert shop.workload.running(shop.app) == V2


def test_a_promotion_that_is_taken_back_uses_the_old_replica_set_again(shop: Shop) -> None:
    template = shop.deployment()["spec"]["template"]
    (before,) = shop.cluster.list("replicasets")
    shop.start_canary(V2)
    shop.ensure(STABLE, V2)
    assert shop.deployment()["spec"]["template"]["spec"]["containers"][0]["image"] == V2
    shop.until(lambda stable, _: stable.settled_on(V1), "stable runs the old version", (STABLE, V1))
    assert shop.deployment()["spec"]["template"] == template
    sets = [
        one for one in shop.cluster.list("replicasets") if one["spec"]["replicas"] and SHOP in one["metadata"]["name"]
    ]
    assert before["metadata"]["uid"] in {one["metadata"]["uid"] for one in sets}
