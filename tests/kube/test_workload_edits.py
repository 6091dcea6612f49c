"""Hands of others in the middle of a release: whatever they change, something serves and it is said who changed it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from controller.adapters.kube.workload.versions import with_digest
from controller.ports import Refused
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.raw import Raw
from tests.kube.workload_stage import CANARY, SHOP, SHOP_CANARY, STABLE, V1, V2, V3, Shop, shop_in


@pytest.fixture
def shop(cluster: Cluster) -> Iterator[Shop]:
    with shop_in(cluster) as shop:
        yield shop


def set_image(shop: Shop, version: str, name: str = SHOP) -> None:
    step = {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": version}
    shop.cluster.patch("deployments", name, [step])


def image_now(shop: Shop, name: str = SHOP) -> str:
    return str(shop.deployment(name)["spec"]["template"]["spec"]["containers"][0]["image"])


def test_a_third_version_put_into_stable_is_seen_and_never_written_over(shop: Shop) -> None:
    shop.start_canary(V2)
    set_image(shop, V3)
    assert shop.stable().foreign == V3
    for version in (V2, V1):
        shop.ensure(STABLE, version)
        assert image_now(shop) == V3
    shop.until(lambda stable, _: stable.ready_of(V3) == 4 and stable.foreign == V3, "the third version serves")
    shop.ensure(STABLE, V1)
    shop.remove_canary()
    shop.ensure(STABLE, V1)
    assert shop.stable().foreign == V3
    assert shop.workload.running(shop.app) == V3


def test_the_same_image_with_another_setting_is_a_change_of_stable_too(shop: Shop) -> None:
    shop.start_canary(V2)
    step = {"op": "add", "path": "/spec/template/spec/containers/0/env", "value": [{"name": "A", "value": "b"}]}
    shop.cluster.patch("deployments", SHOP, [step])
    foreign = shop.stable().foreign
    assert foreign is not None
    assert foreign.startswith(f"{V1}+t")
    shop.ensure(STABLE, V2)
    assert image_now(shop) == V1
    assert with_digest(V1, foreign[-8:] * 8) == foreign


def test_a_promotion_that_somebody_takes_back_by_hand_is_not_begun_again(shop: Shop) -> None:
    template = shop.deployment()["spec"]["template"]
    shop.start_canary(V2)
    shop.ensure(STABLE, V2)
    assert image_now(shop) == V2
    shop.cluster.patch("deployments", SHOP, [{"op": "replace", "path": "/spec/template", "value": template}])
    assert shop.stable().foreign == V1
    shop.ensure(STABLE, V2)
    assert image_now(shop) == V1


def test_a_new_version_put_into_stable_while_it_is_promoted_stays(shop: Shop) -> None:
    shop.start_canary(V2)
    shop.ensure(STABLE, V2)
    set_image(shop, V3)
    assert shop.stable().foreign == V3
    for version in (V2, V1):
        shop.ensure(STABLE, version)
    assert image_now(shop) == V3


def test_the_canarys_own_version_put_into_stable_by_hand_is_somebody_elses_doing(shop: Shop) -> None:
    shop.start_canary(V2)
    set_image(shop, V2)
    assert shop.stable().foreign == V2
    shop.ensure(STABLE, V1)
    assert image_now(shop) == V2


def test_stable_changed_between_a_submission_and_its_canary_is_told_on_the_way_back(shop: Shop) -> None:
    set_image(shop, V3)
    shop.cluster.rolled_out(SHOP)
    shop.start_canary(V2)
    shop.ensure(STABLE, V1)
    assert shop.stable().foreign == V3
    shop.start_canary(V2)
    assert shop.stable().foreign is None


def test_stable_is_not_written_at_all_by_a_release_that_is_taken_back_before_its_promotion(shop: Shop) -> None:
    before = shop.deployment()
    shop.start_canary(V2)
    for _ in range(3):
        shop.ensure(STABLE, V1)
    shop.remove_canary()
    after = shop.deployment()
    assert (after["spec"], after["metadata"]["annotations"]) == (before["spec"], before["metadata"]["annotations"])
    assert after["metadata"]["generation"] == before["metadata"]["generation"]


def test_scaling_relabelling_and_annotating_stable_is_nobodys_concern(shop: Shop) -> None:
    shop.start_canary(V2)
    patch = {"metadata": {"labels": {"team": "blue"}, "annotations": {"note": "mine"}}, "spec": {"replicas": 3}}
    shop.cluster.patch("deployments", SHOP, patch)
    assert shop.stable().foreign is None
    shop.promote(V2)
    after = shop.deployment()
    assert (after["metadata"]["labels"]["team"], after["metadata"]["annotations"]["note"]) == ("blue", "mine")


def test_a_canary_edited_under_judgement_is_another_version_and_is_put_back(shop: Shop) -> None:
    shop.start_canary(V2)
    set_image(shop, V3, SHOP_CANARY)
    shop.until(lambda _, canary: canary.ready_of(V2) == 0, "none of its instances counts as the version")
    assert "somebody changed the template of the Deployment shop-canary" in shop.canary().note
    as_it_was = ((V2, 1),)
    shop.until(lambda _, canary: canary.ready == as_it_was, "it is as it was", (CANARY, V2), share_pct=25)
    assert shop.images(SHOP_CANARY) == {V2}


def test_a_canary_scaled_or_paused_by_hand_is_put_right(shop: Shop) -> None:
    shop.start_canary(V2)
    shop.cluster.patch("deployments", SHOP_CANARY, {"spec": {"replicas": 0, "paused": True}})
    shop.start_canary(V2)
    spec = shop.deployment(SHOP_CANARY)["spec"]
    assert (spec["replicas"], spec.get("paused", False)) == (1, False)


def test_a_canary_whose_records_were_damaged_is_left_serving_and_told(shop: Shop) -> None:
    shop.start_canary(V2)
    note = {"metadata": {"annotations": {"interlock.dev/stable": "nonsense"}}}
    shop.cluster.patch("deployments", SHOP_CANARY, note)
    with pytest.raises(Refused, match="cannot be read"):
        shop.workload.ensure(shop.app, CANARY, V2, 1)
    assert shop.canary().ready_of(V2) == 1
    shop.remove_canary()


@pytest.mark.parametrize("kind", ["deployments", "services"])
def test_a_canary_deleted_by_hand_leaves_stable_serving_and_is_made_again(shop: Shop, kind: str) -> None:
    shop.start_canary(V2)
    uids = shop.uids()
    shop.cluster.delete(kind, SHOP_CANARY)
    assert shop.uids() == uids
    shop.restart()

    def whole() -> Raw | None:
        shop.ensure(CANARY, V2, 25)
        return shop.cluster.find(kind, SHOP_CANARY) if shop.canary().ready_of(V2) == 1 else None

    shop.cluster.wait(whole, "the canary is whole again")
    assert shop.uids() == uids


def test_a_canary_deleted_while_stable_rolls_is_not_made_again(shop: Shop) -> None:
    shop.start_canary(V2)
    shop.ensure(STABLE, V2)
    shop.cluster.delete("deployments", SHOP_CANARY)
    with pytest.raises(Refused, match=r"stable runs .* already"):
        shop.workload.ensure(shop.app, CANARY, V2, 1)
    shop.promote_without_canary(V2)


def test_stable_deleted_and_made_again_by_its_owner_ends_the_release_on_what_is_there(shop: Shop) -> None:
    shop.start_canary(V2)
    shop.cluster.delete("deployments", SHOP)
    shop.cluster.wait(lambda: not shop.pods(), "stable is gone")
    assert shop.canary().ready_of(V2) == 1
    shop.cluster.deployment(SHOP, V3, 2)
    shop.cluster.rolled_out(SHOP)
    assert shop.stable().foreign == V3
    shop.ensure(STABLE, V1)
    assert image_now(shop) == V3


def test_a_deployment_that_its_owner_has_paused_says_so(shop: Shop) -> None:
    shop.start_canary(V2)
    shop.cluster.patch("deployments", SHOP, {"spec": {"paused": True}})
    shop.ensure(STABLE, V2)
    assert "is paused" in shop.stable().note
    assert not shop.stable().settled_on(V2)
