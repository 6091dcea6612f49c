"""The client against an API server with real rules, on both levels: what it brings back and what its refusals mean."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from controller.adapters.clock import SystemClock
from controller.adapters.kube.api import KubeApi
from controller.adapters.kube.connect import KubeSettings, connect
from controller.adapters.kube.errors import Exists, Gone, Missing
from controller.adapters.kube.kinds import CONFIG_MAP, DEPLOYMENT, HTTP_ROUTE, POD, SECRET, Kind, Raw
from controller.ports import Conflict, Refused, Unavailable, Unknown
from tests.kube.cluster import builders
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.small.faults import Fault, Trouble
from tests.kube.cluster.starting import Started


def opened(path: Path, read_s: float = 8.0) -> KubeApi:
    return connect(KubeSettings(kubeconfig=str(path), read_s=read_s), SystemClock())


@pytest.fixture
def api(cluster: Cluster) -> Iterator[KubeApi]:
    found = opened(cluster.kubeconfig)
    yield found
    found.close()


@pytest.fixture
def small_api(small_cluster: Cluster) -> Iterator[KubeApi]:
    found = opened(small_cluster.kubeconfig, read_s=0.5)
    yield found
    found.close()


def named(name: str, **data: str) -> Raw:
    return {"metadata": {"name": name}, "data": data}


def version(told: Raw) -> str:
    return str(told["metadata"]["resourceVersion"])


def test_an_object_is_created_read_changed_and_deleted(cluster: Cluster, api: KubeApi) -> None:
    made = api.create(CONFIG_MAP, cluster.namespace, named("a", x="1", y="2"))
    assert api.get(CONFIG_MAP, cluster.namespace, "a") == made
    changed = api.patch(CONFIG_MAP, cluster.namespace, "a", {"data": {"x": "3", "y": None}})
    assert changed["data"] == {"x": "3"}
    assert cluster.get("configmaps", "a")["data"] == {"x": "3"}
    api.delete(CONFIG_MAP, cluster.namespace, "a", uid=made["metadata"]["uid"])
    with pytest.raises(Missing, match='configmaps "a" not found'):
        api.get(CONFIG_MAP, cluster.namespace, "a")
    with pytest.raises(Missing):
        api.delete(CONFIG_MAP, cluster.namespace, "a")


def test_what_exists_already_is_a_conflict_of_its_own(cluster: Cluster, api: KubeApi) -> None:
    api.create(CONFIG_MAP, cluster.namespace, named("a"))
    with pytest.raises(Exists):
        api.create(CONFIG_MAP, cluster.namespace, named("a"))


@pytest.mark.parametrize("way", ["merge", "json"])
def test_a_write_on_an_older_version_is_a_conflict_in_either_kind_of_patch(
    cluster: Cluster, api: KubeApi, way: str
) -> None:
    def patch(resource_version: str, value: str) -> Raw | list[Raw]:
        if way == "merge":
            return {"metadata": {"resourceVersion": resource_version}, "data": {"x": value}}
        test = {"op": "test", "path": "/metadata/resourceVersion", "value": resource_version}
        return [test, {"op": "replace", "path": "/data/x", "value": value}]

    old = version(api.create(CONFIG_MAP, cluster.namespace, named("a", x="1")))
    new = version(api.patch(CONFIG_MAP, cluster.namespace, "a", patch(old, "2")))
    with pytest.raises(Conflict) as caught:
        api.patch(CONFIG_MAP, cluster.namespace, "a", patch(old, "3"))
    assert not isinstance(caught.value, Exists)
    assert api.get(CONFIG_MAP, cluster.namespace, "a")["data"] == {"x": "2"}
    assert version(api.get(CONFIG_MAP, cluster.namespace, "a")) == new


@pytest.mark.parametrize("given", [{"uid": "another"}, {"resource_version": "1"}])
def test_a_deletion_of_another_object_or_state_is_a_conflict(
    cluster: Cluster, api: KubeApi, given: dict[str, str]
) -> None:
    api.create(CONFIG_MAP, cluster.namespace, named("a"))
    with pytest.raises(Conflict):
        api.delete(CONFIG_MAP, cluster.namespace, "a", **given)
    assert cluster.find("configmaps", "a") is not None


def test_a_dry_run_changes_nothing_and_says_what_would_be(cluster: Cluster, api: KubeApi) -> None:
    assert api.create(CONFIG_MAP, cluster.namespace, named("a", x="1"), dry_run=True)["data"] == {"x": "1"}
    assert cluster.find("configmaps", "a") is None
    api.create(CONFIG_MAP, cluster.namespace, named("a", x="1"))
    assert api.patch(CONFIG_MAP, cluster.namespace, "a", {"data": {"x": "2"}}, dry_run=True)["data"] == {"x": "2"}
    assert cluster.get("configmaps", "a")["data"] == {"x": "1"}


def test_an_invalid_object_is_refused_in_the_servers_words(cluster: Cluster, api: KubeApi) -> None:
    cluster.deployment("web")
    with pytest.raises(Refused, match=r"patch deployments\.apps .*/web: .*replicas"):
        api.patch(DEPLOYMENT, cluster.namespace, "web", {"spec": {"replicas": -1}})


def test_a_kind_that_the_cluster_does_not_know_is_missing_and_said_to_be_unsupported(api: KubeApi) -> None:
    unknown = Kind("nothing.example.com", "v1", "nothings", "Nothing")
    with pytest.raises(Missing, match="install its CRD"):
        api.get(unknown, "default", "a")
    assert not api.supports(unknown)
    assert not api.supports(Kind("apps", "v1", "nothings", "Nothing"))
    assert api.supports(DEPLOYMENT)
    assert api.supports(HTTP_ROUTE)
    assert api.version().startswith("v1.")


def test_a_refusal_by_rbac_says_which_rule_is_missing(cluster: Cluster) -> None:
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]
    cluster.apply(builders.config_map("a", {"x": "1"}))
    api = opened(cluster.identity("reader", rules).kubeconfig)
    assert api.get(CONFIG_MAP, cluster.namespace, "a")["data"] == {"x": "1"}
    where = f"in namespace {cluster.namespace}"
    with pytest.raises(Refused, match=f'A Role must allow patch on configmaps in apiGroup "" {where}'):
        api.patch(CONFIG_MAP, cluster.namespace, "a", {})
    with pytest.raises(Refused, match=f'A Role must allow get on httproutes in apiGroup "gateway.* {where}'):
        api.get(HTTP_ROUTE, cluster.namespace, "a")
    with pytest.raises(Refused, match="A Role must allow watch on pods"):
        api.stream(POD, cluster.namespace, "1", 1)
    with pytest.raises(Refused, match=r"A Role must allow list on secrets .* in all namespaces"):
        api.list(SECRET, None)
    api.close()


def test_a_token_that_nobody_knows_is_no_reason_to_think_that_something_was_refused(cluster: Cluster) -> None:
    path = cluster.write_kubeconfig("stranger", cluster.at.with_token("nobodys"))
    api = opened(path)
    with pytest.raises(Unavailable, match="does not accept these credentials"):
        api.get(POD, cluster.namespace, "a")
    api.close()


def test_a_list_is_whole_over_pages_and_narrowed_by_labels_and_fields(cluster: Cluster, api: KubeApi) -> None:
    for n in range(7):
        body = {"metadata": {"name": f"c{n}", "labels": {"odd": str(n % 2)}}}
        api.create(CONFIG_MAP, cluster.namespace, body)
    names = [item["metadata"]["name"] for item in api.list(CONFIG_MAP, cluster.namespace, limit=2).items]
    assert set(names) >= {f"c{n}" for n in range(7)}
    assert len(names) == len(set(names))
    assert len(api.list(CONFIG_MAP, cluster.namespace, selector="odd=1").items) == 3
    found = api.list(CONFIG_MAP, cluster.namespace, fields="metadata.name=c3").items
    assert [item["metadata"]["name"] for item in found] == ["c3"]


def test_a_stream_tells_changes_since_a_version_and_ends_in_time(cluster: Cluster, api: KubeApi) -> None:
    since = api.list(CONFIG_MAP, cluster.namespace).resource_version
    api.create(CONFIG_MAP, cluster.namespace, named("a"))
    api.patch(CONFIG_MAP, cluster.namespace, "a", {"data": {"x": "1"}})
    api.delete(CONFIG_MAP, cluster.namespace, "a")
    stream = api.stream(CONFIG_MAP, cluster.namespace, since, 1)
    events = [(event["type"], event["object"]["metadata"].get("name")) for event in stream]
    stream.close()
    told = [event for event in events if event[1] == "a"]
    assert told == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


def test_a_stream_from_a_version_that_is_gone_says_so(cluster: Cluster, api: KubeApi) -> None:
    """The real one has never had the first version of all in its cache of changes."""
    since = version(api.create(CONFIG_MAP, cluster.namespace, named("a")))
    api.create(CONFIG_MAP, cluster.namespace, named("b"))
    if cluster.level == "small":
        cluster.at.compact()
    with pytest.raises(Gone, match="too old resource version"):
        list(api.stream(CONFIG_MAP, cluster.namespace, "1" if cluster.level == "real" else since, 1))


def test_writers_from_many_threads_lose_nothing(cluster: Cluster, api: KubeApi) -> None:
    """A counter that is only ever raised on the version it was read at."""
    api.create(CONFIG_MAP, cluster.namespace, named("counter", n="0"))

    def add(_: int) -> None:
        while True:
            told = api.get(CONFIG_MAP, cluster.namespace, "counter")
            data = {"n": str(int(told["data"]["n"]) + 1)}
            try:
                patch = {"metadata": {"resourceVersion": version(told)}, "data": data}
                api.patch(CONFIG_MAP, cluster.namespace, "counter", patch)
            except Conflict:
                continue
            return

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(24)))
    assert cluster.get("configmaps", "counter")["data"] == {"n": "24"}


@pytest.mark.real
@pytest.mark.timeout(60)
@pytest.mark.xdist_group("kube")
def test_a_pods_own_token_is_enough_in_a_cluster(real_started: Started, tmp_path: Path) -> None:
    """As a pod finds it: a folder with token and authority, and the server's address in its environment."""
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]
    with real_started.fresh(f"t-{secrets.token_hex(4)}", tmp_path) as cluster:
        cluster.apply(builders.config_map("a", {"x": "1"}))
        identity = cluster.identity("pod", rules)
        assert cluster.ca_file is not None
        (tmp_path / "token").write_text(identity.endpoint.token)
        (tmp_path / "ca.crt").write_text(Path(cluster.ca_file).read_text())
        parts = urlsplit(cluster.url)
        around = {"KUBERNETES_SERVICE_HOST": str(parts.hostname), "KUBERNETES_SERVICE_PORT": str(parts.port)}
        settings = KubeSettings(in_cluster=True, service_account=str(tmp_path))
        api = connect(settings, SystemClock(), around)
        assert api.get(CONFIG_MAP, cluster.namespace, "a")["data"] == {"x": "1"}
        assert len(cluster.calls("get", "configmaps", user=identity.user)) == 1
        api.close()


@pytest.mark.parametrize("trouble", [Trouble.CUT_AFTER, Trouble.GARBAGE, Trouble.DELAY_AFTER])
def test_a_write_that_was_carried_out_without_an_answer_is_unknown_and_not_repeated(
    small_cluster: Cluster, small_api: KubeApi, trouble: Trouble
) -> None:
    small_api.create(CONFIG_MAP, small_cluster.namespace, named("a", x="1"))
    small_cluster.faults.add(Fault(trouble, verb="patch", seconds=1.0))
    with pytest.raises(Unknown):
        small_api.patch(CONFIG_MAP, small_cluster.namespace, "a", {"data": {"x": "2"}})
    small_cluster.faults.clear()
    assert small_cluster.get("configmaps", "a")["data"] == {"x": "2"}
    small_cluster.wait(lambda: small_cluster.calls("patch", "configmaps"), "the server has written down what it did")
    assert len(small_cluster.calls("patch", "configmaps")) == 1


def test_a_server_that_is_gone_and_back_needs_no_new_client(small_cluster: Cluster, small_api: KubeApi) -> None:
    small_api.create(CONFIG_MAP, small_cluster.namespace, named("a", x="1"))
    small_cluster.server.go()
    for _ in range(2):
        with pytest.raises(Unavailable):
            small_api.get(CONFIG_MAP, small_cluster.namespace, "a")
    small_cluster.server.come_back()
    assert small_api.get(CONFIG_MAP, small_cluster.namespace, "a")["data"] == {"x": "1"}
