"""A fresh baseline beside a canary: part of stable's traffic, as large as the canary, and gone with it on every way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from controller.core.model import Baseline, RoleState
from controller.ports import Fenced, Refused
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.raw import name_of
from tests.kube.test_workload_apart import autoscaler
from tests.kube.workload_stage import CANARY, SHOP, SHOP_CANARY, STABLE, V1, V2, V3, Shop, shop_in

BASELINE = "shop-baseline"


@pytest.fixture
def shop(cluster: Cluster) -> Iterator[Shop]:
    with shop_in(cluster) as shop:
        shop.app = replace(shop.app, canary=replace(shop.app.canary, baseline=True))
        yield shop


def baseline(shop: Shop) -> Baseline:
    found = shop.canary().baseline
    assert found is not None
    return found


def with_baseline(shop: Shop, version: str = V2, share_pct: int = 50) -> Baseline:
    def stands(_stable: RoleState, canary: RoleState) -> bool:
        found = canary.baseline
        alike = canary.wanted > 0 and canary.ready == ((version, canary.wanted),)
        return alike and found is not None and len(found.ready) == found.wanted == canary.wanted

    shop.ensure(CANARY, version, share_pct)
    shop.until(stands, "canary and baseline stand", (CANARY, version), share_pct=share_pct)
    return baseline(shop)


def gone(shop: Shop) -> None:
    shop.cluster.wait(
        lambda: shop.cluster.find("deployments", BASELINE) is None and not shop.pods(BASELINE), "the baseline is gone"
    )


def test_it_is_as_large_as_the_canary_runs_stables_version_and_stable_is_not_touched(shop: Shop) -> None:
    uids, generation = shop.uids(), shop.deployment()["metadata"]["generation"]
    found = with_baseline(shop)
    assert (found.wanted, found.note) == (2, "")
    assert {name for name, _ in found.ready} == {name_of(pod) for pod in shop.pods(BASELINE)}
    assert shop.images(BASELINE) == {V1}
    assert (shop.uids(), shop.deployment()["metadata"]["generation"]) == (uids, generation)
    assert shop.stable().running == ((V1, 4),), "its pods are not counted among stable's"


def test_its_pods_take_stables_traffic_and_none_of_the_canarys(shop: Shop) -> None:
    names = {name for name, _ in with_baseline(shop).ready}

    def behind(service: str) -> set[str]:
        slices = shop.cluster.list("endpointslices")
        own = [one for one in slices if one["metadata"]["labels"].get("kubernetes.io/service-name") == service]
        return {end["targetRef"]["name"] for one in own for end in one.get("endpoints") or []}

    shop.cluster.wait(lambda: names <= behind(SHOP), "stable's Service sends to the baseline")
    assert not names & behind(SHOP_CANARY)


def test_it_follows_the_size_of_the_canary(shop: Shop) -> None:
    with_baseline(shop, share_pct=25)
    assert with_baseline(shop, share_pct=75).wanted == 3


def test_it_goes_when_stable_begins_to_roll_and_stable_has_not_settled_before(shop: Shop) -> None:
    with_baseline(shop)
    shop.promote(V2)
    assert shop.cluster.find("deployments", BASELINE) is None
    assert shop.images() == {V2}
    gone(shop)
    shop.remove_canary()


def test_it_goes_with_the_canary_and_when_the_application_is_given_up(shop: Shop) -> None:
    with_baseline(shop)
    shop.remove_canary()
    gone(shop)
    with_baseline(shop)
    shop.workload.forget(shop.app)
    gone(shop)


def test_it_goes_when_somebody_deletes_the_canary_and_no_controller_is_there(shop: Shop) -> None:
    with_baseline(shop)
    shop.cluster.delete("deployments", SHOP_CANARY)
    gone(shop)


def test_it_is_taken_over_after_a_crash_and_one_of_an_earlier_canary_is_made_anew(shop: Shop) -> None:
    first = with_baseline(shop)
    shop.restart()
    assert with_baseline(shop) == first
    shop.cluster.patch("deployments", BASELINE, {"metadata": {"annotations": {"interlock.dev/beside": "another"}}})
    assert baseline(shop).ready == ()
    again = with_baseline(shop)
    assert not {name for name, _ in again.ready} & {name for name, _ in first.ready}


def test_another_release_gets_another_one(shop: Shop) -> None:
    first = {name for name, _ in with_baseline(shop).ready}
    assert not {name for name, _ in with_baseline(shop, V3).ready} & first


def test_what_is_taken_away_by_hand_comes_back(shop: Shop) -> None:
    with_baseline(shop)
    shop.cluster.delete("deployments", BASELINE)
    assert baseline(shop).ready == ()
    with_baseline(shop)
    shop.cluster.patch("deployments", BASELINE, {"spec": {"replicas": 1, "paused": True}})
    assert with_baseline(shop).wanted == 2


def test_an_older_leader_leaves_it_alone(shop: Shop) -> None:
    with_baseline(shop)
    shop.cluster.patch("deployments", BASELINE, {"metadata": {"annotations": {"interlock.dev/epoch": "9"}}})
    shop.restart()
    with pytest.raises(Fenced):
        shop.workload.ensure(shop.app, CANARY, V2, 1, 50)


def test_a_deployment_of_its_name_that_is_not_ours_is_left_as_it_is_and_said(shop: Shop) -> None:
    shop.cluster.deployment(BASELINE, image=V1, replicas=1)
    with pytest.raises(Refused, match="not Interlock's"):
        shop.workload.ensure(shop.app, CANARY, V2, 1, 50)
    assert "not Interlock's" in baseline(shop).note
    assert shop.canary().unsized == "", "the canary itself was brought to its size"


def test_an_autoscaler_of_stable_would_count_its_pods_so_there_is_none(shop: Shop) -> None:
    shop.cluster.apply(autoscaler())
    with pytest.raises(Refused, match="HorizontalPodAutoscaler"):
        shop.workload.ensure(shop.app, CANARY, V2, 1, 50)
    assert shop.cluster.find("deployments", BASELINE) is None


def test_one_that_stable_gets_later_takes_it_away_again(shop: Shop) -> None:
    with_baseline(shop)
    shop.cluster.apply(autoscaler())
    shop.restart()
    with pytest.raises(Refused, match="HorizontalPodAutoscaler"):
        shop.workload.ensure(shop.app, CANARY, V2, 1, 50)
    gone(shop)


def test_without_the_wish_there_is_none_and_nothing_is_asked(shop: Shop) -> None:
    shop.app = replace(shop.app, canary=replace(shop.app.canary, baseline=False))
    shop.start_canary(V2)
    assert shop.canary().baseline is None
    assert shop.cluster.find("deployments", BASELINE) is None
    shop.ensure(STABLE, V1)
