"""A guarded Deployment through whole releases, on both levels: adopted, promoted, taken back, given up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from controller.ports import Refused, Unavailable
from tests.kube.cluster import builders
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.raw import name_of
from tests.kube.workload_stage import CANARY, SHOP, SHOP_CANARY, STABLE, V1, V2, V3, Shop, image, no_registry, shop_in

HUNG = image("hung")


@pytest.fixture
def shop(cluster: Cluster) -> Iterator[Shop]:
    with shop_in(cluster) as shop:
        yield shop


def test_scenario_1_an_existing_deployment_is_adopted_by_one_label_and_without_a_restart(shop: Shop) -> None:
    before, uids = shop.deployment(), shop.uids()
    assert shop.workload.running(shop.app) == V1
    stable, canary = shop.observe()
    assert stable.settled_on(V1)
    assert (canary.wanted, canary.running_any) == (0, 0)
    shop.ensure(CANARY, None)
    after = shop.deployment()
    assert (after["metadata"]["generation"], shop.uids()) == (before["metadata"]["generation"], uids)
    assert after["metadata"]["annotations"] == before["metadata"]["annotations"]
    assert after["metadata"]["labels"] == (before["metadata"].get("labels") or {}) | {
        "interlock.dev/application": "shop"
    }


def owner(shop: Shop, name: str = SHOP) -> str | None:
    """Whose the Deployment says it is."""
    labels = shop.deployment(name)["metadata"].get("labels") or {}
    return labels.get("interlock.dev/application")


def test_an_application_whose_deployment_is_not_there_yet_adopts_it_when_it_is(shop: Shop) -> None:
    shop.change(deployment="later", canary_name="later-canary")
    shop.ensure(CANARY, None)
    shop.cluster.apply(builders.deployment("later", replicas=1))
    shop.ensure(CANARY, None)
    assert owner(shop, "later") == "shop"


def test_giving_up_takes_the_label_away_but_none_of_another_application(shop: Shop) -> None:
    shop.ensure(CANARY, None)
    shop.workload.forget(shop.app)
    assert owner(shop) is None
    shop.cluster.patch("deployments", SHOP, {"metadata": {"labels": {"interlock.dev/application": "till"}}})
    shop.workload.forget(shop.app)
    assert owner(shop) == "till"
    shop.ensure(CANARY, None)
    assert owner(shop) == "shop", "it is taken in again"


def test_a_release_of_an_application_that_never_rested_labels_stable_too(shop: Shop) -> None:
    shop.start_canary(V2)
    shop.until(lambda _, __: owner(shop) == "shop", "stable says whose it is", (CANARY, V2), share_pct=25)


def test_from_canary_to_promotion_stable_is_not_touched_before_its_time(shop: Shop) -> None:
    uids, generation = shop.uids(), shop.deployment()["metadata"]["generation"]
    shop.start_canary(V2, share_pct=50)
    assert (shop.uids(), shop.deployment()["metadata"]["generation"]) == (uids, generation)
    assert len(shop.uids(SHOP_CANARY)) == 2
    shop.promote(V2)
    assert shop.images() == {V2}
    assert shop.deployment()["metadata"]["annotations"]["interlock.dev/promoted"] == V2
    shop.remove_canary()
    left = [shop.cluster.find(kind, SHOP_CANARY) for kind in ("deployments", "services")]
    assert left == [None, None]
    assert shop.workload.running(shop.app) == V2
    assert shop.stable().settled_on(V2)


def test_a_promotion_never_takes_stable_below_what_its_strategy_keeps_available(shop: Shop) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 1}}
    shop.cluster.patch("deployments", SHOP, {"spec": {"strategy": strategy}})
    shop.start_canary(V2)
    least: list[int] = []

    def rolled() -> bool:
        shop.ensure(STABLE, V2)
        stable = shop.stable()
        least.append(stable.ready_any)
        return stable.settled_on(V2)

    shop.cluster.wait(rolled, "stable runs the new version")
    assert min(least) >= 3


def test_a_promotion_taken_back_in_the_middle_comes_back_to_the_very_same_pods(shop: Shop) -> None:
    template, uids = shop.deployment()["spec"]["template"], shop.uids()
    (old,) = shop.cluster.list("replicasets")
    shop.until(lambda _, canary: canary.wanted > 0, "a canary is there", (CANARY, HUNG))
    half = ((HUNG, 2), (V1, 3))
    shop.until(lambda stable, _: stable.running == half, "the new version has begun to roll", (STABLE, HUNG))
    survivors = shop.uids()
    assert survivors
    assert survivors <= uids
    shop.until(lambda stable, _: stable.settled_on(V1), "stable runs the old version again", (STABLE, V1))
    assert shop.deployment()["spec"]["template"] == template
    assert survivors <= shop.uids()
    assert active_sets(shop) == {old["metadata"]["uid"]}
    assert "interlock.dev/promoted" not in shop.deployment()["metadata"]["annotations"]


def test_a_promotion_taken_back_after_its_end_uses_the_old_replica_set_again(shop: Shop) -> None:
    template = shop.deployment()["spec"]["template"]
    (old,) = shop.cluster.list("replicasets")
    shop.start_canary(V2)
    shop.promote(V2)
    shop.until(lambda stable, _: stable.settled_on(V1), "stable runs the old version again", (STABLE, V1))
    assert shop.deployment()["spec"]["template"] == template
    assert active_sets(shop) == {old["metadata"]["uid"]}


def test_a_controller_that_starts_anew_goes_on_where_the_last_one_was(shop: Shop) -> None:
    shop.start_canary(V2)
    shop.restart()
    shop.epoch = 2
    shop.ensure(STABLE, V2)
    shop.restart()
    shop.epoch = 3
    shop.until(lambda stable, _: stable.settled_on(V1), "stable runs the old version again", (STABLE, V1))
    shop.remove_canary()


def test_the_way_back_is_found_although_the_canarys_deployment_was_deleted(shop: Shop) -> None:
    shop.start_canary(V2)
    shop.promote(V2)
    shop.cluster.delete("deployments", SHOP_CANARY)
    shop.restart()
    shop.until(lambda stable, _: stable.settled_on(V1), "stable runs the old version again", (STABLE, V1))
    assert shop.images() == {V1}


def test_scenario_10_the_canary_stays_until_it_is_taken_away_and_then_leaves_nothing(shop: Shop) -> None:
    shop.cluster.apply(builders.config_map("settings", {"a": "1"}))
    reads = [{"name": "x", "configMap": {"name": "settings"}}]
    shop.cluster.patch("deployments", SHOP, {"spec": {"template": {"spec": {"volumes": reads}}}})
    shop.cluster.rolled_out(SHOP)
    shop.start_canary(V2)
    uids = shop.uids(SHOP_CANARY)
    shop.ensure(STABLE, V1)
    assert shop.uids(SHOP_CANARY) == uids
    shop.remove_canary()
    ours = "app.kubernetes.io/managed-by=interlock"
    left = {kind: shop.cluster.list(kind, ours) for kind in ("deployments", "services", "configmaps", "pods")}
    assert all(not found for found in left.values()), left
    shop.ensure(CANARY, None)


def test_scenario_20_going_back_and_deploying_again_makes_a_new_canary(shop: Shop) -> None:
    shop.start_canary(V2)
    first = shop.deployment(SHOP_CANARY)["metadata"]["uid"]
    assert shop.workload.resolve(shop.app, "v1") == V1
    shop.ensure(STABLE, V1)
    shop.remove_canary()
    shop.start_canary(V2)
    assert shop.deployment(SHOP_CANARY)["metadata"]["uid"] != first
    assert shop.images() == {V1}


def test_scenario_23_a_bad_version_after_a_bad_one_leaves_stable_alone_and_a_good_one_gets_through(shop: Shop) -> None:
    uids = shop.uids()
    for bad in (HUNG, image("bad")):
        shop.until(lambda _, canary: canary.running_any > 0, "the canary runs", (CANARY, bad))
        assert shop.canary().ready_any == 0
        shop.ensure(STABLE, V1)
        shop.remove_canary()
        assert shop.uids() == uids
    shop.start_canary(V3)
    shop.promote(V3)
    assert shop.images() == {V3}


def test_another_version_takes_the_place_of_a_canary_that_was_left(shop: Shop) -> None:
    shop.start_canary(V2)
    shop.start_canary(V3)
    assert shop.images(SHOP_CANARY) == {V3}
    assert shop.canary().running == ((V3, 1),)


def test_what_a_person_asks_for_is_pinned_and_what_is_known_needs_no_registry(shop: Shop) -> None:
    resolve = shop.workload.resolve
    assert resolve(shop.app, "v2") == V2
    assert resolve(shop.app, "elsewhere.test/shop:v2") == V2
    assert resolve(shop.app, V2) == V2
    shop.start_canary(V2)
    shop.restart(resolve_image=no_registry)
    resolve = shop.workload.resolve
    assert resolve(shop.app, V1) == V1
    assert resolve(shop.app, V2) == V2
    with pytest.raises(Unavailable):
        resolve(shop.app, "v9")


def test_an_application_is_given_up_without_a_restart_and_without_a_trace(shop: Shop) -> None:
    shop.start_canary(V2)
    shop.promote(V2)
    uids = shop.uids()
    shop.workload.forget(shop.app)
    deployment = shop.deployment()
    assert not [key for key in deployment["metadata"].get("annotations") or {} if key.startswith("interlock.dev/")]
    assert shop.uids() == uids
    ours = "app.kubernetes.io/managed-by=interlock"
    for kind in ("deployments", "services", "configmaps", "controllerrevisions"):
        assert shop.cluster.list(kind, ours) == []
    shop.workload.forget(shop.app)


def test_a_deployment_that_replaces_everything_at_once_is_refused_before_a_canary_is_made(shop: Shop) -> None:
    strategy = {"type": "Recreate", "rollingUpdate": None}
    shop.cluster.patch("deployments", SHOP, {"spec": {"strategy": strategy}})
    with pytest.raises(Refused, match="RollingUpdate"):
        shop.workload.ensure(shop.app, CANARY, V2, 1)
    assert "Recreate" in shop.canary().note
    assert shop.cluster.find("deployments", SHOP_CANARY) is None


def active_sets(shop: Shop) -> set[str]:
    """The ReplicaSets of stable that have instances."""
    found = [one for one in shop.cluster.list("replicasets") if name_of(one).rsplit("-", 1)[0] == SHOP]
    return {one["metadata"]["uid"] for one in found if one["spec"]["replicas"] > 0}
