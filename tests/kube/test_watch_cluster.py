"""The cache against an API server with real rules, on both levels: it follows, survives and costs next to nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from controller.adapters.clock import SystemClock
from controller.adapters.kube.connect import KubeSettings, connect
from controller.adapters.kube.kinds import CONFIG_MAP, Raw
from controller.adapters.kube.watching import Cache, Pace, Scope
from tests.kube.cluster import builders
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.small.faults import Fault, Trouble

PACE = Pace(first_pause_s=0.05, longest_pause_s=0.3)


def value(told: Raw) -> str:
    return str(told.get("data", {}).get("x", ""))


@contextmanager
def following(
    cluster: Cluster,
    hint: Callable[[str, str], None] = lambda _namespace, _name: None,
    pace: Pace = PACE,
    selector: str = "",
) -> Iterator[Cache[str]]:
    api = connect(KubeSettings(kubeconfig=str(cluster.kubeconfig)), SystemClock())
    cache = Cache(api, SystemClock(), Scope(CONFIG_MAP, cluster.namespace, selector), value, hint, pace)
    cache.start()
    try:
        assert cache.wait(8)
        yield cache
    finally:
        cache.stop()
        api.close()


def settled(cluster: Cluster, cache: Cache[str], name: str, wanted: str | None) -> None:
    cluster.wait(lambda: cache.get(cluster.namespace, name) == wanted and cache.fresh(), f"{name} is {wanted}")


def test_it_follows_what_happens(cluster: Cluster) -> None:
    hints: list[str] = []
    cluster.apply(builders.config_map("a", {"x": "1"}))
    with following(cluster, lambda _namespace, name: hints.append(name)) as cache:
        settled(cluster, cache, "a", "1")
        cluster.patch("configmaps", "a", {"data": {"x": "2"}})
        settled(cluster, cache, "a", "2")
        cluster.apply(builders.config_map("b", {"x": "9"}))
        settled(cluster, cache, "b", "9")
        cluster.delete("configmaps", "a")
        settled(cluster, cache, "a", None)
        cluster.wait(lambda: len([name for name in hints if name in "ab"]) == 4, "every change was hinted at")


def test_what_no_longer_fits_the_selector_is_forgotten(cluster: Cluster) -> None:
    cluster.apply(builders.config_map("a", {"x": "1"}) | {"metadata": {"name": "a", "labels": {"ours": "yes"}}})
    with following(cluster, selector="ours=yes") as cache:
        settled(cluster, cache, "a", "1")
        cluster.patch("configmaps", "a", {"metadata": {"labels": {"ours": "no"}}})
        settled(cluster, cache, "a", None)


def test_an_idle_watch_asks_only_to_be_opened_anew_and_stays_fresh_over_it(cluster: Cluster) -> None:
    cluster.apply(builders.config_map("a", {"x": "1"}))
    pace = Pace(stream_s=2.0, silence_s=7.0, first_pause_s=0.05)
    with following(cluster, pace=pace) as cache:
        cluster.wait(lambda: len(cluster.calls("watch", "configmaps")) >= 2, "the watch was opened anew")
        assert cache.fresh()
        cluster.patch("configmaps", "a", {"data": {"x": "2"}})
        settled(cluster, cache, "a", "2")
    assert len(cluster.calls("list", "configmaps")) == 1


def test_a_version_that_was_compacted_away_is_listed_again(small_cluster: Cluster) -> None:
    small_cluster.apply(builders.config_map("a", {"x": "1"}))
    with following(small_cluster) as cache:
        small_cluster.faults.add(Fault(Trouble.GONE, verb="watch", times=2))
        small_cluster.server.go()
        small_cluster.server.come_back()
        small_cluster.patch("configmaps", "a", {"data": {"x": "2"}})
        settled(small_cluster, cache, "a", "2")


@pytest.mark.parametrize("trouble", [Trouble.GARBAGE, Trouble.END, Trouble.CUT_BEFORE, Trouble.GONE])
def test_a_watch_in_trouble_comes_back_by_itself(small_cluster: Cluster, trouble: Trouble) -> None:
    small_cluster.faults.add(Fault(trouble, verb="watch", resource="configmaps", times=3))
    with following(small_cluster) as cache:
        small_cluster.apply(builders.config_map("a", {"x": "1"}))
        settled(small_cluster, cache, "a", "1")
        small_cluster.apply(builders.config_map("b", {"x": "2"}))
        settled(small_cluster, cache, "b", "2")


def test_a_server_that_is_gone_makes_it_stale_and_one_that_is_back_fresh(small_cluster: Cluster) -> None:
    small_cluster.apply(builders.config_map("a", {"x": "1"}))
    with following(small_cluster) as cache:
        settled(small_cluster, cache, "a", "1")
        small_cluster.server.go()
        small_cluster.wait(lambda: not cache.fresh(), "it has noticed")
        assert cache.get(small_cluster.namespace, "a") == "1"
        small_cluster.server.come_back()
        small_cluster.apply(builders.config_map("a", {"x": "3"}))
        settled(small_cluster, cache, "a", "3")
