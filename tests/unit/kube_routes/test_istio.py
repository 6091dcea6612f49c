"""VirtualService: hosts however they are written, copies where the first match wins, and what Istio says of it."""

from __future__ import annotations

from typing import Any

import pytest

from controller.adapters.kube.routes.istio import VirtualServices, is_host
from controller.adapters.kube.routes.strategy import Found
from controller.core.targets import RouteKind
from controller.ports import Refused
from tests.kube.cluster.raw import Raw
from tests.unit.kube_routes.build import CANARY, NAMESPACE, STABLE, found, metadata, shifted

ISTIO = VirtualServices()
HEADER = ("X-Canary", "yes")


def to(host: str, weight: int | None = None, **more: Any) -> Raw:
    return {"destination": {"host": host, **more}} | ({} if weight is None else {"weight": weight})


def service(*http: Raw, tcp: list[Raw] | None = None, tls: list[Raw] | None = None, **more: Any) -> Found:
    spec: Raw = (
        {"hosts": ["shop.test"], "http": list(http)} | ({"tcp": tcp} if tcp else {}) | ({"tls": tls} if tls else {})
    )
    return found(RouteKind.VIRTUAL_SERVICE, {"metadata": metadata(), "spec": spec}, **more)


def http(seen: Found) -> list[Raw]:
    assert seen.carrier is not None
    routes: list[Raw] = seen.carrier["spec"]["http"]
    return routes


@pytest.mark.parametrize(
    ("host", "means"),
    [
        ("shop", True),
        (f"shop.{NAMESPACE}", True),
        (f"shop.{NAMESPACE}.svc", True),
        (f"shop.{NAMESPACE}.svc.cluster.local", True),
        (f"shop.{NAMESPACE}.svc.corp.test", True),
        ("shop.elsewhere", False),
        (f"shop.{NAMESPACE}.svcs", False),
        ("shop-canary", False),
        ("shop.test", False),
        ("*", False),
        (None, False),
        (3, False),
    ],
)
def test_a_host_means_a_service_by_its_short_or_its_whole_name(host: Any, means: bool) -> None:
    assert is_host(host, STABLE, NAMESPACE) is means


@pytest.mark.parametrize("domain", ["", f".{NAMESPACE}", f".{NAMESPACE}.svc.cluster.local"])
def test_the_canary_is_added_with_its_host_written_the_same_way_and_without_stables_subset(domain: str) -> None:
    stable = {**to(STABLE + domain, subset="v1", port={"number": 80}), "headers": {"request": {"set": {"a": "b"}}}}
    after = shifted(ISTIO, service({"route": [stable]}), 25)
    canary = {**to(CANARY + domain, 25, port={"number": 80}), "headers": {"request": {"set": {"a": "b"}}}}
    assert http(after)[0]["route"] == [{**stable, "weight": 75}, canary]


def test_a_single_destination_without_a_weight_has_all_of_it() -> None:
    seen = service({"route": [to(CANARY)]}, {"route": [to(STABLE)]})
    assert ISTIO.shown(seen, 0).live_pct == 0
    assert http(shifted(ISTIO, seen, 5))[0] == {"route": [to(CANARY)]}, "a route without stable is not ours"


def test_foreign_destinations_keep_their_weights_and_are_not_taken_away() -> None:
    before = service({"route": [to(STABLE, 80), to("shadow", 20), to(CANARY, 0)]})
    after = shifted(ISTIO, before, 25)
    assert http(after)[0]["route"] == [to(STABLE, 60), to("shadow", 20), to(CANARY, 20)]


def test_tcp_and_tls_routes_are_shifted_as_well() -> None:
    tcp, tls = [{"route": [to(STABLE)]}], [{"match": [{"sniHosts": ["a.test"]}], "route": [to(STABLE), to("x", 3)]}]
    after = shifted(ISTIO, service(tcp=tcp, tls=[{**tls[0], "route": [to(STABLE, 97), to("x", 3)]}]), 10)
    assert after.carrier is not None
    assert after.carrier["spec"]["tcp"][0]["route"] == [to(STABLE, 90), to(CANARY, 10)]
    assert after.carrier["spec"]["tls"][0]["route"] == [to(STABLE, 88), to("x", 3), to(CANARY, 9)]
    assert ISTIO.shown(after, 10).live_pct == 10


def test_only_the_named_routes_are_shifted_where_some_are_named() -> None:
    routes: list[Raw] = [
        {"name": "a", "route": [to(STABLE)]},
        {"name": "b", "route": [to(STABLE)]},
        {"route": [to(STABLE)]},
    ]
    after = shifted(ISTIO, service(*routes, only=("b",)), 10)
    assert [len(one["route"]) for one in http(after)] == [1, 2, 1]
    with pytest.raises(Refused, match="no rule among c of VirtualService"):
        ISTIO.shift(service(*routes, only=("c",)), 10, take=True)


def test_a_route_that_redirects_or_delegates_is_left_alone() -> None:
    others: list[Raw] = [{"redirect": {"uri": "/x"}}, {"delegate": {"name": "d"}}, {"directResponse": {"status": 200}}]
    after = shifted(ISTIO, service(*others, {"route": [to(STABLE)]}), 10)
    assert http(after)[:3] == others


def test_copies_stand_right_before_the_route_and_behind_what_comes_first() -> None:
    first = {"match": [{"uri": {"prefix": "/pay"}}], "route": [to("pay")]}
    base = {"name": "all", "match": [{"uri": {"prefix": "/"}}], "timeout": "2s", "route": [to(STABLE)]}
    after = shifted(ISTIO, service(first, base, header=HEADER, cookie="who"), 5)
    assert [one.get("name") for one in http(after)] == [None, "interlock-header-all", "interlock-cookie-all", "all"]
    assert http(after)[1] == {
        "name": "interlock-header-all",
        "match": [{"uri": {"prefix": "/"}, "headers": {"x-canary": {"exact": "yes"}}}],
        "timeout": "2s",
        "route": [to(CANARY)],
    }
    assert list(http(after)[2]["match"][0]["headers"]["cookie"]) == ["regex"]
    assert http(shifted(ISTIO, after, 0)) == [first, {**base, "route": [to(STABLE, 100), to(CANARY, 0)]}]


def test_a_route_without_a_match_is_copied_with_the_header_alone() -> None:
    after = shifted(ISTIO, service({"route": [to(STABLE)]}, header=HEADER), 5)
    assert http(after)[0]["match"] == [{"headers": {"x-canary": {"exact": "yes"}}}]


def test_a_route_that_asks_something_else_of_the_header_gets_no_copy() -> None:
    asks = {"match": [{"headers": {"X-CANARY": {"exact": "no"}}}], "route": [to(STABLE)]}
    assert len(http(shifted(ISTIO, service(asks, header=HEADER), 5))) == 1


def test_the_mirror_is_there_while_the_canary_has_a_weight() -> None:
    up = shifted(ISTIO, service({"route": [to(STABLE, port={"number": 80})]}, mirror_pct=20), 5)
    assert http(up)[0]["mirror"] == {"host": CANARY, "port": {"number": 80}}
    assert http(up)[0]["mirrorPercentage"] == {"value": 20}
    assert ISTIO.shown(up, 5).live_pct == 5
    down = shifted(ISTIO, up, 0)
    assert list(http(down)[0]) == ["route"]


@pytest.mark.parametrize("theirs", [{"mirror": {"host": "audit"}}, {"mirrors": [{"destination": {"host": "audit"}}]}])
def test_a_mirror_of_the_users_own_is_refused_on_the_way_up_and_stays_on_the_way_down(theirs: Raw) -> None:
    seen = service({"route": [to(STABLE)], **theirs}, mirror_pct=20)
    with pytest.raises(Refused, match="mirrors its requests already"):
        ISTIO.shift(seen, 5, take=True)
    assert ISTIO.troubles(seen, 5) != ()
    assert ISTIO.shown(seen, 5).live_pct is None
    down = shifted(ISTIO, seen, 0)
    assert {key: http(down)[0][key] for key in theirs} == theirs


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ({}, ""),
        ({"observedGeneration": "3"}, ""),
        ({"observedGeneration": 3}, ""),
        ({"observedGeneration": "2"}, "not taken the newest version"),
        ({"observedGeneration": "what"}, ""),
        ({"validationMessages": [{"level": "WARNING", "type": {"code": "IST0101"}}]}, ""),
        ({"validationMessages": [{"level": "ERROR", "type": {"code": "IST0101"}}]}, "wrong: IST0101"),
    ],
)
def test_what_istio_says_counts_and_what_it_does_not_say_is_no_trouble(status: Raw, says: str) -> None:
    seen = service({"route": [to(STABLE, 95), to(CANARY, 5)]})
    assert seen.carrier is not None
    seen.carrier["status"] = status
    text = ISTIO.shown(seen, 5).unconfirmed
    assert says in text
    assert bool(text) == bool(says)


def test_another_object_with_stable_is_a_clash_by_any_protocol() -> None:
    seen = service({"route": [to(STABLE)]})
    for other in (service({"route": [to(f"shop.{NAMESPACE}.svc")]}), service(tcp=[{"route": [to(STABLE)]}])):
        assert other.carrier is not None
        assert ISTIO.clash(seen, other.carrier)
    harmless = service({"route": [to("pay")]}).carrier
    assert harmless is not None
    assert ISTIO.clash(seen, harmless) == ""
