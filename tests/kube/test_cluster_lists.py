"""Both levels: pages, watches, bookmarks and what happens when a version is too old."""

from __future__ import annotations

import itertools
import time

import pytest

from tests.kube.cluster import builders
from tests.kube.cluster.client import Answered, Client
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.raw import Raw, built_in, name_of

MAPS = built_in("configmaps")


@pytest.fixture
def client(cluster: Cluster) -> Client:
    return cluster.caller()


def make_maps(cluster: Cluster, count: int) -> None:
    for number in range(count):
        cluster.apply(builders.config_map(f"c{number}"))


def test_pages_show_one_version_whatever_is_written_meanwhile(cluster: Cluster, client: Client) -> None:
    make_maps(cluster, 5)
    first = client.list(MAPS, cluster.namespace, limit=2)
    assert [name_of(one) for one in first["items"]] == ["c0", "c1"]
    assert first["metadata"]["remainingItemCount"] == 3
    cluster.apply(builders.config_map("c2x"))
    cluster.delete("configmaps", "c4")
    rest = client.list(MAPS, cluster.namespace, limit=9, **{"continue": first["metadata"]["continue"]})
    assert [name_of(one) for one in rest["items"]] == ["c2", "c3", "c4"]
    assert rest["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert not rest["metadata"].get("continue")


def test_a_page_of_a_version_that_is_forgotten_is_gone(cluster: Cluster, client: Client) -> None:
    make_maps(cluster, 3)
    first = client.list(MAPS, cluster.namespace, limit=1)
    cluster.apply(builders.config_map("later"))
    cluster.at.compact()
    with pytest.raises(Answered) as gone:
        client.list(MAPS, cluster.namespace, limit=1, **{"continue": first["metadata"]["continue"]})
    assert (gone.value.code, gone.value.reason) == (410, "Expired")
    again = gone.value.status["metadata"]["continue"]
    rest = client.list(MAPS, cluster.namespace, **{"continue": again})
    assert [name_of(one) for one in rest["items"]] == ["c1", "c2", "later"]


def test_a_watch_tells_every_change_after_its_version(cluster: Cluster, client: Client) -> None:
    make_maps(cluster, 1)
    version = client.list(MAPS, cluster.namespace)["metadata"]["resourceVersion"]
    with client.watch(MAPS, cluster.namespace, timeout_s=5, resourceVersion=version) as watching:
        cluster.apply(builders.config_map("new"))
        cluster.patch("configmaps", "new", {"data": {"a": "1"}})
        cluster.delete("configmaps", "new")
        events = list(itertools.islice(watching, 3))
    assert [(one["type"], name_of(one["object"])) for one in events] == [
        ("ADDED", "new"),
        ("MODIFIED", "new"),
        ("DELETED", "new"),
    ]
    versions = [int(one["object"]["metadata"]["resourceVersion"]) for one in events]
    assert versions == sorted(set(versions))
    assert {one["object"]["kind"] for one in events} == {"ConfigMap"}


def test_an_object_that_leaves_the_selector_of_a_watch_is_deleted_to_it(cluster: Cluster, client: Client) -> None:
    version = client.list(MAPS, cluster.namespace)["metadata"]["resourceVersion"]
    more = {"resourceVersion": version, "labelSelector": "app=web"}
    with client.watch(MAPS, cluster.namespace, timeout_s=5, **more) as watching:
        cluster.apply(builders.config_map("c"))
        cluster.patch("configmaps", "c", {"metadata": {"labels": {"app": "web"}}})
        cluster.patch("configmaps", "c", {"metadata": {"labels": {"app": "other"}}})
        events = list(itertools.islice(watching, 2))
    assert [one["type"] for one in events] == ["ADDED", "DELETED"]


def test_a_watch_without_a_version_begins_with_what_is_there(cluster: Cluster, client: Client) -> None:
    make_maps(cluster, 2)
    with client.watch(MAPS, cluster.namespace, timeout_s=5) as watching:
        events = list(itertools.islice(watching, 2))
    assert [(one["type"], name_of(one["object"])) for one in events] == [("ADDED", "c0"), ("ADDED", "c1")]


def test_a_watch_of_a_version_that_is_forgotten_gets_an_error_event_and_ends(
    cluster: Cluster, client: Client
) -> None:  # fmt: skip
    with client.watch(MAPS, cluster.namespace, timeout_s=5, resourceVersion="1") as watching:
        events = list(watching)
    assert [one["type"] for one in events] == ["ERROR"]
    status: Raw = events[0]["object"]
    assert (status["kind"], status["code"], status["reason"]) == ("Status", 410, "Expired")
    assert status["message"].startswith("too old resource version: 1 (")


def test_a_watch_ends_by_itself_when_its_time_is_over(cluster: Cluster, client: Client) -> None:
    version = client.list(MAPS, cluster.namespace)["metadata"]["resourceVersion"]
    begin_s = time.monotonic()
    with client.watch(MAPS, cluster.namespace, timeout_s=1, resourceVersion=version) as watching:
        assert list(watching) == []
    assert 0.5 < time.monotonic() - begin_s < 4


def test_a_bookmark_moves_the_version_on_though_nothing_in_the_watch_changed(
    cluster: Cluster, client: Client
) -> None:  # fmt: skip
    version = client.list(MAPS, cluster.namespace)["metadata"]["resourceVersion"]
    more = {"resourceVersion": version, "allowWatchBookmarks": "true", "fieldSelector": "metadata.name=nobody"}
    with client.watch(MAPS, cluster.namespace, timeout_s=8, **more) as watching:
        cluster.apply(builders.config_map("other"))
        event = next(iter(watching))
    assert event["type"] == "BOOKMARK"
    marked = event["object"]
    assert int(marked["metadata"]["resourceVersion"]) > int(version)
    assert marked["kind"] == "ConfigMap"
    assert "name" not in marked["metadata"]
