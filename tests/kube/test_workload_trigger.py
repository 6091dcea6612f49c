"""A Deployment whose template comes from Git: its changes are versions, and it rolls for a promotion alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from controller.core.targets import Trigger
from controller.ports import Refused
from tests.kube.cluster.cluster import Cluster
from tests.kube.test_workload_edits import image_now, set_image
from tests.kube.test_workload_release import active_sets
from tests.kube.workload_stage import CANARY, SHOP, SHOP_CANARY, STABLE, V1, V2, V3, Shop, shop_in

HUNG = "registry.test/shop:hung"


@pytest.fixture
def shop(cluster: Cluster) -> Iterator[Shop]:
    with shop_in(cluster, Trigger.DEPLOYMENT) as shop:
        pause(shop)
        yield shop


def pause(shop: Shop) -> None:
    shop.cluster.patch("deployments", SHOP, {"spec": {"paused": True}})


def is_paused(shop: Shop) -> bool:
    return shop.deployment()["spec"].get("paused") is True


def change(shop: Shop, image: str = V2, **env: Any) -> str:
    """A change from Git, and the version that it is."""
    set_image(shop, image)
    if env:
        value = [{"name": key, "value": text} for key, text in env.items()]
        path = "/spec/template/spec/containers/0/env"
        shop.cluster.patch("deployments", SHOP, [{"op": "add", "path": path, "value": value}])
    pending = shop.workload.pending_version(shop.app)
    assert pending is not None
    return pending


def running(shop: Shop) -> str:
    found = shop.workload.running(shop.app)
    assert found is not None
    return found


def until_paused(shop: Shop, version: str) -> None:
    """Rolled out, and paused again."""
    shop.until(
        lambda stable, _: is_paused(shop) and stable.settled_on(version),
        f"stable runs {version} and is paused",
        (STABLE, version),
    )


def test_a_template_that_runs_is_pending_no_more_than_that_of_a_deployment_that_is_not_paused(shop: Shop) -> None:
    assert shop.workload.pending_version(shop.app) is None
    assert running(shop).startswith(f"{V1}+t")
    shop.cluster.patch("deployments", SHOP, {"spec": {"paused": False}})
    set_image(shop, V2)
    assert shop.workload.pending_version(shop.app) is None


def test_any_change_of_the_template_is_a_version_and_taking_it_back_is_none(shop: Shop) -> None:
    first = change(shop, V1, COLOUR="blue")
    second = change(shop, V1, COLOUR="red")
    assert first != second
    assert first.startswith(f"{V1}+t")
    assert shop.images() == {V1}
    shop.cluster.patch("deployments", SHOP, [{"op": "remove", "path": "/spec/template/spec/containers/0/env"}])
    assert shop.workload.pending_version(shop.app) is None


def test_a_change_runs_beside_stable_is_let_roll_at_its_promotion_and_paused_again(shop: Shop) -> None:
    old, uids = running(shop), shop.uids()
    new = change(shop, COLOUR="blue")
    assert shop.workload.resolve(shop.app, new) == new
    shop.start_canary(new)
    container = shop.deployment(SHOP_CANARY)["spec"]["template"]["spec"]["containers"][0]
    assert (container["image"], container["env"]) == (V2, [{"name": "COLOUR", "value": "blue"}])
    stable = shop.stable()
    assert (stable.settled_on(old) or stable.settling, stable.foreign, shop.uids()) == (True, None, uids)
    assert is_paused(shop)
    template = shop.deployment()["spec"]["template"]
    until_paused(shop, new)
    assert (shop.images(), running(shop)) == ({V2}, new)
    assert shop.deployment()["spec"]["template"] == template
    assert shop.workload.pending_version(shop.app) is None
    shop.remove_canary()


def test_a_rollback_before_the_promotion_leaves_it_paused_on_its_old_pods(shop: Shop) -> None:
    old, uids = running(shop), shop.uids()
    new = change(shop)
    shop.start_canary(new)
    generation = shop.deployment()["metadata"]["generation"]
    for _ in range(3):
        shop.ensure(STABLE, old)
    shop.remove_canary()
    shop.ensure(STABLE, old)
    after = shop.deployment()
    assert (after["metadata"]["generation"], is_paused(shop), shop.uids()) == (generation, True, uids)
    assert shop.workload.pending_version(shop.app) == new
    assert shop.stable().foreign is None


def test_an_abort_in_the_middle_of_the_roll_puts_the_old_template_back_and_pauses(shop: Shop) -> None:
    old, template = running(shop), shop.deployment()["spec"]["template"]
    (replica_set,) = shop.cluster.list("replicasets")
    new = change(shop, HUNG)
    shop.until(lambda _, canary: canary.wanted > 0, "a canary is there", (CANARY, new))
    shop.until(lambda stable, _: len(stable.running) == 2, "the new template has begun to roll", (STABLE, new))
    assert shop.stable().foreign is None
    until_paused(shop, old)
    assert shop.deployment()["spec"]["template"] == template
    assert active_sets(shop) == {replica_set["metadata"]["uid"]}
    assert shop.workload.pending_version(shop.app) is None


def test_a_newer_template_that_comes_before_the_promotion_does_not_roll_in_its_place(shop: Shop) -> None:
    new = change(shop)
    shop.start_canary(new)
    newer = change(shop, V3)
    with pytest.raises(Refused, match="the newer template gets a release of its own"):
        shop.workload.ensure(shop.app, STABLE, new, 1)
    assert (is_paused(shop), shop.images(), shop.stable().foreign) == (True, {V1}, None)
    assert shop.workload.resolve(shop.app, new) == new
    shop.start_canary(newer)
    until_paused(shop, newer)
    assert shop.images() == {V3}


def test_a_newer_template_that_comes_while_the_other_may_roll_is_stopped_and_taken_back(shop: Shop) -> None:
    old, new = running(shop), change(shop, HUNG)
    shop.until(lambda _, canary: canary.wanted > 0, "a canary is there", (CANARY, new))
    shop.until(lambda _, __: not is_paused(shop), "it may roll", (STABLE, new))
    set_image(shop, V3)
    foreign = shop.stable().foreign
    assert foreign is not None
    assert foreign.startswith(f"{V3}+t")
    shop.until(lambda _, __: is_paused(shop), "it is stopped", (STABLE, new))
    until_paused(shop, old)
    assert (image_now(shop), shop.images()) == (V1, {V1})


def test_a_deployment_that_somebody_lets_roll_is_told(shop: Shop) -> None:
    new = change(shop)
    shop.start_canary(new)
    shop.cluster.patch("deployments", SHOP, {"spec": {"paused": False}})
    shop.until(lambda stable, _: stable.foreign == new, "somebody else let it roll")


def test_a_first_version_is_let_roll_and_then_paused(cluster: Cluster) -> None:
    with shop_in(cluster, Trigger.DEPLOYMENT, paused=True) as shop:
        assert shop.workload.running(shop.app) is None
        first = shop.workload.pending_version(shop.app)
        assert first is not None
        until_paused(shop, first)
        assert (shop.images(), running(shop)) == ({V1}, first)


def test_a_version_of_ones_own_is_refused_with_what_to_do_instead(shop: Shop) -> None:
    with pytest.raises(Refused, match="change the template instead"):
        shop.workload.resolve(shop.app, "v2")
    assert shop.workload.resolve(shop.app, running(shop)) == running(shop)


def test_it_is_given_up_with_its_pause_when_nothing_waits(shop: Shop) -> None:
    uids = shop.uids()
    shop.workload.forget(shop.app)
    assert not is_paused(shop)
    shop.cluster.rolled_out(SHOP)
    assert shop.uids() == uids


def test_it_is_not_given_up_while_a_template_waits_that_would_roll(shop: Shop) -> None:
    change(shop)
    uids, since = shop.uids(), len(shop.cluster.calls())
    for look in (shop.workload.require_forgettable, shop.workload.forget):
        with pytest.raises(Refused, match="rollout resume deployment/shop"):
            look(shop.app)
    assert (is_paused(shop), shop.uids()) == (True, uids)
    set_image(shop, V1)
    shop.workload.require_forgettable(shop.app)
    assert [one for one in shop.cluster.calls()[since:] if one.writes] == []
    shop.workload.forget(shop.app)
    assert not is_paused(shop)
