"""The small level can be broken on purpose; each trouble is what a client of a troubled API server sees."""

from __future__ import annotations

import http.client
import time

import pytest

from tests.kube.cluster import builders
from tests.kube.cluster.client import Answered, Client
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.raw import Raw, built_in
from tests.kube.cluster.small.faults import Fault, Trouble

MAPS = built_in("configmaps")
BROKEN = (OSError, http.client.HTTPException)


@pytest.fixture
def client(small_cluster: Cluster) -> Client:
    small_cluster.apply(builders.config_map("c", {"a": "1"}))
    return small_cluster.caller()


def patched(cluster: Cluster, client: Client, value: str) -> Raw:
    return client.patch(MAPS, cluster.namespace, "c", {"data": {"a": value}})


def value(cluster: Cluster) -> str:
    return str(cluster.get("configmaps", "c")["data"]["a"])


@pytest.mark.parametrize("code", [409, 429, 500, 503])
def test_the_next_writes_of_an_object_are_refused_and_then_no_more(
    small_cluster: Cluster, client: Client, code: int
) -> None:
    fault = small_cluster.faults.add(Fault(Trouble.ANSWER, verb="patch", name="c", times=2, code=code))
    for _ in range(2):
        with pytest.raises(Answered) as refused:
            patched(small_cluster, client, "2")
        assert refused.value.code == code
        assert refused.value.status["kind"] == "Status"
    assert value(small_cluster) == "1"
    patched(small_cluster, client, "2")
    assert (value(small_cluster), fault.happened) == ("2", 2)


def test_too_many_requests_say_when_to_come_back(small_cluster: Cluster) -> None:
    small_cluster.faults.add(Fault(Trouble.ANSWER, code=429, retry_after_s=3))
    connection = small_cluster.tested.connect(5)
    connection.request(
        "GET", f"/api/v1/namespaces/{small_cluster.namespace}/pods", headers=small_cluster.tested.headers
    )
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert (answer.status, answer.getheader("Retry-After")) == (429, "3")


def test_a_fault_meets_only_what_fits_it_and_never_the_helpers_of_the_test(
    small_cluster: Cluster, client: Client
) -> None:
    small_cluster.faults.add(Fault(Trouble.ANSWER, verb="get", resource="configmaps", name="other", code=500))
    assert client.get(MAPS, small_cluster.namespace, "c")
    small_cluster.faults.add(Fault(Trouble.ANSWER, code=500))
    assert value(small_cluster) == "1"
    with pytest.raises(Answered):
        client.get(MAPS, small_cluster.namespace, "c")


@pytest.mark.parametrize(("trouble", "left"), [(Trouble.CUT_BEFORE, "1"), (Trouble.CUT_AFTER, "2")])
def test_a_connection_is_cut_before_or_after_the_write(
    small_cluster: Cluster, client: Client, trouble: Trouble, left: str
) -> None:
    small_cluster.faults.add(Fault(trouble, verb="patch", times=1))
    with pytest.raises(BROKEN):
        patched(small_cluster, client, "2")
    assert value(small_cluster) == left


@pytest.mark.parametrize(("trouble", "left"), [(Trouble.DELAY, "1"), (Trouble.DELAY_AFTER, "2")])
def test_an_answer_comes_too_late_before_or_after_the_write(
    small_cluster: Cluster, trouble: Trouble, left: str
) -> None:  # fmt: skip
    small_cluster.apply(builders.config_map("c", {"a": "1"}))
    hasty = Client(small_cluster.tested, timeout_s=0.2)
    small_cluster.faults.add(Fault(trouble, verb="patch", seconds=1.0, times=1))
    with pytest.raises(TimeoutError):
        patched(small_cluster, hasty, "2")
    assert value(small_cluster) == left


def test_garbage_comes_instead_of_an_answer_though_the_write_was_carried_out(
    small_cluster: Cluster, client: Client
) -> None:
    small_cluster.faults.add(Fault(Trouble.GARBAGE, verb="patch", times=1))
    with pytest.raises(Answered) as answered:
        patched(small_cluster, client, "2")
    assert (answered.value.code, answered.value.reason) == (200, "NotJson")
    assert value(small_cluster) == "2"


def test_the_server_goes_and_comes_back_at_the_same_address(small_cluster: Cluster, client: Client) -> None:
    small_cluster.server.go()
    with pytest.raises(ConnectionRefusedError):
        client.get(MAPS, small_cluster.namespace, "c")
    assert value(small_cluster) == "1"
    small_cluster.server.come_back()
    assert client.get(MAPS, small_cluster.namespace, "c")["data"] == {"a": "1"}


def test_the_stand_ins_go_on_while_the_server_is_gone_for_others(small_cluster: Cluster) -> None:
    small_cluster.server.go()
    small_cluster.deployment(replicas=1)
    small_cluster.rolled_out()


def test_a_watch_goes_silent_without_ending(small_cluster: Cluster, client: Client) -> None:
    version = client.list(MAPS, small_cluster.namespace)["metadata"]["resourceVersion"]
    with client.watch(MAPS, small_cluster.namespace, timeout_s=30, resourceVersion=version) as watching:
        watching.read_timeout(0.6)
        small_cluster.faults.add(Fault(Trouble.SILENT, verb="watch", resource="configmaps", times=1))
        small_cluster.patch("configmaps", "c", {"data": {"a": "2"}})
        with pytest.raises(TimeoutError):
            next(iter(watching))


@pytest.mark.parametrize(("trouble", "types"), [(Trouble.END, []), (Trouble.GONE, ["ERROR"])])
def test_an_open_watch_ends_quietly_or_with_the_news_that_its_version_is_gone(
    small_cluster: Cluster, client: Client, trouble: Trouble, types: list[str]
) -> None:
    version = client.list(MAPS, small_cluster.namespace)["metadata"]["resourceVersion"]
    with client.watch(MAPS, small_cluster.namespace, timeout_s=30, resourceVersion=version) as watching:
        small_cluster.faults.add(Fault(trouble, verb="watch", resource="configmaps", times=1))
        begin_s = time.monotonic()
        assert [event["type"] for event in watching] == types
    assert time.monotonic() - begin_s < 5


def test_garbage_comes_in_a_watch(small_cluster: Cluster, client: Client) -> None:
    version = client.list(MAPS, small_cluster.namespace)["metadata"]["resourceVersion"]
    small_cluster.faults.add(Fault(Trouble.GARBAGE, verb="watch", resource="configmaps", times=1))
    watch = client.watch(MAPS, small_cluster.namespace, timeout_s=30, resourceVersion=version)
    with watch as watching, pytest.raises(http.client.HTTPException, match="a proxy that is not well"):
        next(iter(watching))


def test_every_change_until_now_can_be_forgotten(small_cluster: Cluster, client: Client) -> None:
    version = client.list(MAPS, small_cluster.namespace)["metadata"]["resourceVersion"]
    small_cluster.patch("configmaps", "c", {"data": {"a": "2"}})
    small_cluster.server.compact()
    with client.watch(MAPS, small_cluster.namespace, timeout_s=5, resourceVersion=version) as watching:
        assert [event["object"]["code"] for event in watching] == [410]
    with pytest.raises(Answered) as gone:
        client.list(MAPS, small_cluster.namespace, resourceVersion=version, resourceVersionMatch="Exact")
    assert (gone.value.code, gone.value.reason) == (410, "Expired")


def test_a_test_leaves_no_fault_to_the_next_one(small_cluster: Cluster, client: Client) -> None:
    with small_cluster.faults.on(Fault(Trouble.ANSWER, code=500)), pytest.raises(Answered):
        client.get(MAPS, small_cluster.namespace, "c")
    assert client.get(MAPS, small_cluster.namespace, "c")
