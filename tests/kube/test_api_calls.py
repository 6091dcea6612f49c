"""What goes over the wire for every call, and what comes back from it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.kube.api import PAGES_MAX, KubeApi
from controller.adapters.kube.errors import Missing
from controller.adapters.kube.kinds import CONFIG_MAP, DEPLOYMENT, HTTP_ROUTE, NAMESPACE, POD, Kind, Raw
from controller.adapters.kube.transport import ANSWER_BYTES_MAX
from controller.ports import PortError, Refused, Unavailable, Unknown
from tests.kube.scripted import Heard, Scripted, Wire, client, scripted, status

DONE: Raw = {"kind": "ConfigMap", "metadata": {"name": "a", "resourceVersion": "7"}}


def done(_heard: Heard, wire: Wire) -> None:
    wire.answer(200, DONE)


def sent(tmp_path: Path, call: Any) -> Heard:
    with scripted(done) as server, client(tmp_path, server.url) as api:
        call(api)
    assert len(server.heard) == 1
    return server.heard[0]


def test_a_read_asks_for_json_and_brings_back_the_raw_object(tmp_path: Path) -> None:
    with scripted(done) as server, client(tmp_path, server.url) as api:
        assert api.get(CONFIG_MAP, "shop", "a") == DONE
    heard = server.heard[0]
    assert (heard.method, heard.path, heard.query) == ("GET", "/api/v1/namespaces/shop/configmaps/a", {})
    assert heard.headers["accept"] == "application/json"
    assert heard.headers["user-agent"] == "interlock"
    assert heard.headers.get("accept-encoding", "identity") == "identity"
    assert heard.body == b""


def test_an_object_that_the_typed_model_would_not_take_comes_back_whole(tmp_path: Path) -> None:
    """The typed client raises after the server has applied such a patch; raw objects cannot."""
    odd = {"kind": "Deployment", "spec": {"replicas": "three", "template": None}, "new": [{"field": 1.5}]}
    with scripted(lambda _, wire: wire.answer(200, odd)) as server, client(tmp_path, server.url) as api:
        assert api.patch(DEPLOYMENT, "shop", "shop", {"spec": {}}) == odd


def test_a_dict_is_a_merge_patch_and_none_in_it_deletes_a_field(tmp_path: Path) -> None:
    patch = {"metadata": {"annotations": {"interlock.dev/route": None}}}
    heard = sent(tmp_path, lambda api: api.patch(HTTP_ROUTE, "shop", "shop", patch))
    assert heard.method == "PATCH"
    assert heard.path == "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/shop"
    assert heard.headers["content-type"] == "application/merge-patch+json"
    assert heard.json() == patch
    assert b"null" in heard.body
    assert heard.query == {"fieldManager": "interlock"}


@pytest.mark.parametrize("patch", [[{"op": "test", "path": "/a", "value": "1"}], []])
def test_a_list_is_a_json_patch(tmp_path: Path, patch: list[Raw]) -> None:
    heard = sent(tmp_path, lambda api: api.patch(CONFIG_MAP, "shop", "a", patch))
    assert heard.headers["content-type"] == "application/json-patch+json"
    assert heard.json() == patch


def test_an_empty_merge_patch_is_not_sent_as_another_kind_of_patch(tmp_path: Path) -> None:
    heard = sent(tmp_path, lambda api: api.patch(CONFIG_MAP, "shop", "a", {}))
    assert heard.headers["content-type"] == "application/merge-patch+json"
    assert heard.json() == {}


def test_a_subresource_and_a_dry_run_are_said(tmp_path: Path) -> None:
    heard = sent(tmp_path, lambda api: api.patch(DEPLOYMENT, "shop", "shop", {}, subresource="scale", dry_run=True))
    assert heard.path == "/apis/apps/v1/namespaces/shop/deployments/shop/scale"
    assert heard.query == {"fieldManager": "interlock", "dryRun": "All"}


def test_a_creation_is_posted_to_the_collection(tmp_path: Path) -> None:
    body = {"metadata": {"name": "a"}, "data": {"text": "Grüße"}}
    heard = sent(tmp_path, lambda api: api.create(CONFIG_MAP, "shop", body, dry_run=True))
    assert (heard.method, heard.path) == ("POST", "/api/v1/namespaces/shop/configmaps")
    assert heard.headers["content-type"] == "application/json"
    assert heard.query == {"fieldManager": "interlock", "dryRun": "All"}
    assert heard.json() == {"apiVersion": "v1", "kind": "ConfigMap"} | body


def test_a_deletion_names_the_very_object_and_lets_what_it_owns_go_after_it(tmp_path: Path) -> None:
    heard = sent(tmp_path, lambda api: api.delete(DEPLOYMENT, "shop", "a", uid="u-1", resource_version="7"))
    assert (heard.method, heard.path) == ("DELETE", "/apis/apps/v1/namespaces/shop/deployments/a")
    assert heard.json()["propagationPolicy"] == "Background"
    assert heard.json()["preconditions"] == {"uid": "u-1", "resourceVersion": "7"}
    assert "preconditions" not in sent(tmp_path, lambda api: api.delete(DEPLOYMENT, "shop", "a")).json()


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../secrets/x", "a?x=1", "a%2fb", "-a", "a" * 254, "a b", "ä"])
def test_what_is_no_name_never_reaches_the_server(tmp_path: Path, name: str) -> None:
    """An empty name in a deletion would mean every object."""
    with scripted(done) as server, client(tmp_path, server.url) as api:
        for call in (
            lambda: api.get(POD, "shop", name),
            lambda: api.delete(POD, "shop", name),
            lambda: api.patch(POD, "shop", name, {}),
            lambda: api.get(POD, name, "a"),
            lambda: api.list(POD, name),
            lambda: api.create(POD, name, {}),
            lambda: api.get(NAMESPACE, None, name),
        ):
            with pytest.raises(Refused, match="is not the name of"):
                call()
    assert server.heard == []


def test_an_object_in_a_namespace_is_not_asked_for_without_one(tmp_path: Path) -> None:
    with scripted(done) as server, client(tmp_path, server.url) as api, pytest.raises(Refused, match="needs a namesp"):
        api.get(POD, None, "a")
    assert server.heard == []


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (POD, "/api/v1/namespaces/shop/pods/a"),
        (NAMESPACE, "/api/v1/namespaces/a"),
        (HTTP_ROUTE, "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/a"),
    ],
)
def test_where_the_server_keeps_an_object(kind: Kind, path: str) -> None:
    assert kind.path("shop", "a") == path


def page(items: list[int], follow: str, version: str = "42") -> Raw:
    named = [{"metadata": {"name": f"p{n}"}} for n in items]
    return {"metadata": {"resourceVersion": version, "continue": follow}, "items": named}


def test_a_list_is_read_in_pages_at_one_version(tmp_path: Path) -> None:
    def script(heard: Heard, wire: Wire) -> None:
        wire.answer(200, page([3], "") if "continue" in heard.query else page([1, 2], "go on/=&"))

    with scripted(script) as server, client(tmp_path, server.url) as api:
        listed = api.list(POD, "shop", selector="app in (a, b),x!=y", fields="status.phase=Running", limit=2)
    assert [item["metadata"]["name"] for item in listed.items] == ["p1", "p2", "p3"]
    assert listed.resource_version == "42"
    expected = {"limit": "2", "labelSelector": "app in (a, b),x!=y", "fieldSelector": "status.phase=Running"}
    assert [heard.query for heard in server.heard] == [expected, expected | {"continue": "go on/=&"}]


def test_a_list_over_all_namespaces_has_no_namespace_in_its_path(tmp_path: Path) -> None:
    with scripted(lambda _, wire: wire.answer(200, page([], ""))) as server, client(tmp_path, server.url) as api:
        assert api.list(POD, None).items == []
    assert server.heard[0].path == "/api/v1/pods"


def test_a_list_that_was_dropped_halfway_starts_again_and_gives_up_in_the_end(tmp_path: Path) -> None:
    drops = 1
    gone = status(410, "Expired", "The provided continue parameter is too old")

    def script(heard: Heard, wire: Wire) -> None:
        nonlocal drops
        if "continue" not in heard.query:
            wire.answer(200, page([1], "more"))
        elif drops:
            drops -= 1
            wire.answer(410, gone)
        else:
            wire.answer(200, page([2], ""))

    with scripted(script) as server, client(tmp_path, server.url) as api:
        assert [item["metadata"]["name"] for item in api.list(POD, "shop").items] == ["p1", "p2"]
        assert len(server.heard) == 4
        drops = 100
        with pytest.raises(Unavailable, match="dropped the list 3 times"):
            api.list(POD, "shop")


def test_a_list_without_an_end_is_given_up(tmp_path: Path) -> None:
    with scripted(lambda _, wire: wire.answer(200, page([], "more"))) as server, client(tmp_path, server.url) as api:
        with pytest.raises(Refused, match="more than 400 objects"):
            api.list(POD, "shop", limit=1)
        assert len(server.heard) == PAGES_MAX


@pytest.mark.parametrize("told", [{"items": [], "metadata": 1}, {"metadata": {}, "items": {"a": 1}}, {}])
def test_an_answer_that_is_no_list_is_not_taken_for_an_empty_one(tmp_path: Path, told: Raw) -> None:
    with (
        scripted(lambda _, wire: wire.answer(200, told)) as server,
        client(tmp_path, server.url) as api,
        pytest.raises(Unavailable, match="is no list"),
    ):
        api.list(POD, "shop")


@pytest.mark.parametrize("declared", [True, False])
def test_an_answer_without_measure_is_cut_off(tmp_path: Path, declared: bool) -> None:
    def script(_heard: Heard, wire: Wire) -> None:
        size = ANSWER_BYTES_MAX * 2
        wire.send(b"HTTP/1.1 200 OK\r\n" + (b"Content-Length: %d\r\n\r\n" % size if declared else b"\r\n"))
        for _ in range(size // 65_536):
            wire.send(b" " * 65_536)
        wire.close()

    with scripted(script) as server, client(tmp_path, server.url, read_s=3) as api:
        with pytest.raises(Unavailable, match="larger than"):
            api.get(CONFIG_MAP, "shop", "a")
        with pytest.raises(Unknown, match="larger than"):
            api.patch(CONFIG_MAP, "shop", "a", {})


def test_an_answer_that_trickles_ends_at_the_limit_for_a_whole_body(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every byte starts the read time-out again, so that alone would last for as long as the server likes."""
    monkeypatch.setattr("controller.adapters.kube.transport.BODY_S", 0.2)
    monkeypatch.setattr("controller.adapters.kube.transport.CHUNK_BYTES", 1)

    def script(_heard: Heard, wire: Wire) -> None:
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            wire.send(b" ")
            wire.hang(0.02)

    with (
        scripted(script) as server,
        client(tmp_path, server.url) as api,
        pytest.raises(Unavailable, match="took longer than"),
    ):
        api.get(CONFIG_MAP, "shop", "a")


def test_a_redirect_is_not_followed_and_its_target_gets_no_token(tmp_path: Path) -> None:
    with scripted(done) as other:

        def script(_heard: Heard, wire: Wire) -> None:
            wire.answer(307, b"", Location=f"{other.url}/steal")

        with scripted(script) as server, client(tmp_path, server.url, token="t") as api:
            with pytest.raises(Refused, match="answered 307"):
                api.get(POD, "shop", "a")
            with pytest.raises(Refused, match="answered 307"):
                api.patch(POD, "shop", "a", {})
    assert other.heard == []


@pytest.mark.parametrize("trouble", ["429", "503", "500", "reset", "close"])
@pytest.mark.parametrize("write", [True, False])
def test_nothing_is_ever_repeated_below_us(tmp_path: Path, trouble: str, write: bool) -> None:
    """The client's HTTP library repeats reads on its own, and also what it was told to come back for."""

    def script(_heard: Heard, wire: Wire) -> None:
        match trouble:
            case "reset":
                wire.reset()
            case "close":
                wire.close()
            case code:
                wire.answer(int(code), b"", Retry_After="0")

    with scripted(script) as server, client(tmp_path, server.url) as api:
        with pytest.raises(PortError):
            api.patch(POD, "shop", "a", {}) if write else api.get(POD, "shop", "a")
        assert len(server.heard) == 1


def test_a_kind_is_supported_when_its_version_serves_it(tmp_path: Path) -> None:
    def script(heard: Heard, wire: Wire) -> None:
        if heard.path == "/apis/gateway.networking.k8s.io/v1":
            wire.answer(200, {"resources": [{"name": "httproutes"}, {"name": "httproutes/status"}]})
        else:
            wire.answer(404, b"404 page not found")

    with scripted(script) as server, client(tmp_path, server.url) as api:
        assert api.supports(HTTP_ROUTE)
        assert not api.supports(Kind("gateway.networking.k8s.io", "v1", "grpcroutes", "GRPCRoute"))
        assert not api.supports(DEPLOYMENT)


def test_whether_a_kind_is_supported_is_not_guessed_when_nobody_answers(tmp_path: Path) -> None:
    with (
        scripted(lambda _, wire: wire.answer(503, b"")) as server,
        client(tmp_path, server.url) as api,
        pytest.raises(Unavailable),
    ):
        api.supports(HTTP_ROUTE)


def test_the_servers_version_is_told(tmp_path: Path) -> None:
    with (
        scripted(lambda _, wire: wire.answer(200, {"gitVersion": "v1.33.1"})) as server,
        client(tmp_path, server.url) as api,
    ):
        assert api.version() == "v1.33.1"
    assert server.heard[0].path == "/version"


def test_a_missing_kind_is_told_from_a_missing_object(tmp_path: Path) -> None:
    def script(heard: Heard, wire: Wire) -> None:
        told = status(404, "NotFound", 'httproutes "shop" not found', name="shop")
        wire.answer(404, told if heard.path.endswith("/shop") else b"404 page not found")

    with scripted(script) as server, client(tmp_path, server.url) as api:
        with pytest.raises(Missing) as caught:
            api.get(HTTP_ROUTE, "shop", "shop")
        assert "CRD" not in str(caught.value)
        with pytest.raises(Missing, match="install its CRD"):
            api.get(HTTP_ROUTE, "shop", "other")


def many(api: KubeApi, server: Scripted, threads: int, calls: int) -> list[str]:
    together = threading.Barrier(threads)

    def work(worker: int) -> list[str]:
        names = []
        for n in range(calls):
            if n == 0:
                together.wait(10)
            names.append(str(api.get(POD, f"ns{worker}", f"p{n}")["asked"]))
        return names

    with ThreadPoolExecutor(threads) as pool:
        return [name for names in pool.map(work, range(threads)) for name in names]


def test_sixteen_threads_share_one_client_and_each_gets_its_own_answers(tmp_path: Path) -> None:
    """Connections are kept: as many as threads, however many calls they make."""
    with (
        scripted(lambda heard, wire: wire.answer(200, {"asked": heard.path})) as server,
        client(tmp_path, server.url, connect_s=5, read_s=5) as api,
    ):
        names = many(api, server, threads=16, calls=25)
        assert names == [f"/api/v1/namespaces/ns{w}/pods/p{n}" for w in range(16) for n in range(25)]
        assert server.connections <= 16
        many(api, server, threads=16, calls=25)
        assert server.connections <= 16


def test_a_connection_that_held_half_an_answer_is_not_used_again(tmp_path: Path) -> None:
    def script(heard: Heard, wire: Wire) -> None:
        if heard.connection == 0:
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}")
            wire.hang()
        else:
            wire.answer(200, {"connection": heard.connection})

    with scripted(script) as server, client(tmp_path, server.url) as api:
        with pytest.raises(Unavailable):
            api.get(POD, "shop", "a")
        assert api.get(POD, "shop", "a") == {"connection": 1}


def test_a_connection_that_the_server_closed_while_it_was_idle_is_replaced_unnoticed(tmp_path: Path) -> None:
    closed = threading.Event()

    def script(heard: Heard, wire: Wire) -> None:
        wire.answer(200, {"connection": heard.connection})
        if heard.connection == 0:
            wire.close()
            closed.set()

    with scripted(script) as server, client(tmp_path, server.url) as api:
        api.get(POD, "shop", "a")
        assert closed.wait(5)
        assert api.patch(POD, "shop", "a", {}) == {"connection": 1}
    assert len(server.heard) == 2
