"""What the workload costs the API server: nothing for an application at rest, a handful of calls for a pass."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from controller.adapters.clock import SystemClock
from controller.adapters.kube.kinds import DEPLOYMENT, Raw
from controller.adapters.kube.watching import Cache, Scope
from controller.adapters.kube.workload.adopting import AGAIN_S, Adopting
from controller.adapters.kube.workload.deployment import NOT_ASKED
from controller.adapters.kube.workload.names import MADE
from controller.ports import Refused
from tests.fakes.clock import ManualClock
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.small.faults import Fault, Trouble
from tests.kube.cluster.small.journal import Call
from tests.kube.workload_stage import CANARY, SHOP_CANARY, STABLE, V1, V2, Shop, shop_in


@pytest.fixture
def shop(cluster: Cluster) -> Iterator[Shop]:
    with shop_in(cluster) as shop:
        yield shop


def calls(shop: Shop, since_s: float) -> list[Call]:
    """Without those of watches."""
    return [one for one in shop.cluster.calls(since_s=since_s) if one.verb != "watch"]


def projected(raw: Raw) -> bool:
    return bool(raw["metadata"]["name"])


@contextmanager
def watched(shop: Shop) -> Iterator[Cache[bool]]:
    scope = Scope(DEPLOYMENT, shop.cluster.namespace, MADE)
    cache = Cache(shop.api, SystemClock(), scope, projected, lambda _namespace, _name: None)
    cache.start()
    try:
        assert cache.wait(8)
        yield cache
    finally:
        cache.stop()


def test_an_application_at_rest_costs_no_call_at_all(shop: Shop) -> None:
    with watched(shop) as made:
        shop.restart(made)
        shop.ensure(CANARY, None)
        since_s = time.monotonic()
        for _ in range(50):
            shop.workload.ensure(shop.app, CANARY, None, 1)
        assert calls(shop, since_s) == []


def test_a_right_to_label_that_is_missing_is_told_once_a_minute_and_costs_no_call_between(
    small_cluster: Cluster,
) -> None:
    with shop_in(small_cluster) as shop:
        clock = ManualClock()
        adopting = Adopting(shop.api, clock)
        with small_cluster.faults.on(Fault(Trouble.ANSWER, verb="patch", resource="deployments", code=403)):
            with pytest.raises(Refused, match="patch"):
                adopting.label(shop.app)
            since_s = time.monotonic()
            clock.advance(AGAIN_S - 1)
            adopting.label(shop.app)
            assert calls(shop, since_s) == []
            clock.advance(1)
            with pytest.raises(Refused):
                adopting.label(shop.app)
        clock.advance(AGAIN_S)
        adopting.label(shop.app)
        assert shop.deployment()["metadata"]["labels"]["interlock.dev/application"] == "shop"


def test_a_canary_left_behind_is_found_by_the_watch_and_taken_away(shop: Shop) -> None:
    shop.start_canary(V2)
    with watched(shop) as made:
        shop.restart(made)
        shop.remove_canary()
        assert shop.cluster.find("deployments", SHOP_CANARY) is None


def test_with_a_watch_that_is_behind_the_cluster_itself_is_asked(shop: Shop) -> None:
    shop.start_canary(V2)
    with watched(shop) as made:
        made.stop()
        assert not made.fresh()
        shop.restart(made)
        shop.remove_canary()


def a_pass(shop: Shop) -> list[tuple[str, str]]:
    since_s = time.monotonic()
    shop.observe()
    shop.ensure(CANARY, V2, 25)
    return sorted((one.verb, one.resource) for one in calls(shop, since_s))


def test_a_pass_over_a_release_that_stands_reads_two_objects_and_a_list_and_writes_nothing(shop: Shop) -> None:
    shop.start_canary(V2)
    shop.ensure(CANARY, V2, 25)
    calm = [("get", "deployments")] * 2 + [("list", "pods")]
    shop.cluster.wait(lambda: a_pass(shop) == calm, "the Deployments rest")
    assert a_pass(shop) == calm


def test_what_the_pods_hang_on_is_read_anew_as_soon_as_a_deployment_has_changed(shop: Shop) -> None:
    shop.start_canary(V2)
    shop.ensure(CANARY, V2, 25)
    looked = ("list", "replicasets")
    shop.cluster.wait(lambda: looked not in a_pass(shop), "the Deployments rest")
    shop.cluster.patch("deployments", SHOP_CANARY, {"metadata": {"annotations": {"seen": "yes"}}})
    assert looked in a_pass(shop)
    shop.cluster.wait(lambda: looked not in a_pass(shop), "they rest again")


def test_a_pass_over_a_promotion_that_rolls_writes_once(shop: Shop) -> None:
    shop.start_canary(V2)
    shop.promote(V2)
    since_s = time.monotonic()
    for _ in range(3):
        shop.observe()
        shop.ensure(STABLE, V2)
    assert [one for one in calls(shop, since_s) if one.writes] == []


def test_a_way_back_that_is_done_writes_nothing_more(shop: Shop) -> None:
    shop.start_canary(V2)
    shop.ensure(STABLE, V1)
    since_s = time.monotonic()
    for _ in range(3):
        shop.observe()
        shop.ensure(STABLE, V1)
    assert [one for one in calls(shop, since_s) if one.writes] == []


def test_a_release_is_seen_alike_by_a_controller_that_has_just_started(shop: Shop) -> None:
    shop.start_canary(V2)
    stable, canary = shop.observe()
    shop.restart()
    assert shop.observe() == (stable, replace(canary, unsized=NOT_ASKED))
    shop.ensure(CANARY, V2, 25)
    assert shop.observe() == (stable, canary)
