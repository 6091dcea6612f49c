"""HTTPRoute and GRPCRoute: which rules are shifted, which stay, and when a Gateway has confirmed."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from controller.adapters.kube.kinds import GRPC_ROUTE, HTTP_ROUTE
from controller.adapters.kube.routes.gateway import GatewayRoutes
from controller.adapters.kube.routes.strategy import Found
from controller.adapters.kube.routes.weighted import cookie_pattern
from controller.core.targets import RouteKind
from controller.ports import Refused
from tests.kube.cluster.raw import Raw
from tests.unit.kube_routes.build import CANARY, NAMESPACE, STABLE, found, metadata, shifted

HTTP, GRPC = GatewayRoutes(HTTP_ROUTE), GatewayRoutes(GRPC_ROUTE)
HEADER = ("X-Canary", "yes")
ADDS = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"add": [{"name": "a", "value": "b"}]}}


def backend(name: str, weight: int = 1, **more: Any) -> Raw:
    return {"group": "", "kind": "Service", "name": name, "port": 80, "weight": weight, **more}


def route(*rules: Raw, **more: Any) -> Found:
    raw = {"metadata": metadata(), "spec": {"parentRefs": [{"name": "edge"}], "rules": list(rules)}}
    return found(RouteKind.HTTP_ROUTE, raw, **more)


def rules(seen: Found) -> list[Raw]:
    assert seen.carrier is not None
    found_rules: list[Raw] = seen.carrier["spec"]["rules"]
    return found_rules


def weights(rule: Raw) -> dict[str, int]:
    return {one["name"]: one["weight"] for one in rule["backendRefs"]}


def test_every_rule_with_stable_is_shifted_and_no_other() -> None:
    other = {"backendRefs": [backend("pay", 3), backend(CANARY, 2)]}
    before = route(other, {"backendRefs": [backend(STABLE)]}, {"name": "b", "backendRefs": [backend(STABLE, 9)]})
    after = shifted(HTTP, before, 25)
    assert rules(after)[0] == other
    assert [weights(rule) for rule in rules(after)[1:]] == [{STABLE: 75, CANARY: 25}] * 2
    assert HTTP.shown(after, 25).live_pct == 25


@pytest.mark.parametrize(
    "same_name",
    [
        backend(STABLE, kind="Bucket"),
        backend(STABLE, group="a.test"),
        backend(STABLE, namespace="elsewhere"),
    ],
)
def test_what_only_has_the_name_of_stable_is_not_stable(same_name: Raw) -> None:
    seen = route({"backendRefs": [same_name]})
    assert HTTP.splits(seen) == ()
    look = HTTP.shown(seen, 0)
    assert look.live_pct is None
    assert "no rule of HTTPRoute shop-ns/web sends to the Service shop" in look.differs
    with pytest.raises(Refused, match="add it to the rules"):
        HTTP.shift(seen, 0, take=True)
    assert HTTP.shift(seen, 0, take=False).steps == []


def test_the_namespace_may_be_written_out() -> None:
    after = shifted(HTTP, route({"backendRefs": [backend(STABLE, namespace=NAMESPACE)]}), 5)
    assert rules(after)[0]["backendRefs"][1] == backend(CANARY, 5, namespace=NAMESPACE)


def test_taking_the_route_adds_the_canary_with_nothing_and_going_back_does_not() -> None:
    before = route({"backendRefs": [backend(STABLE, filters=[ADDS])]})
    taken = shifted(HTTP, before, 0)
    assert rules(taken)[0]["backendRefs"] == [backend(STABLE, 100, filters=[ADDS]), backend(CANARY, 0, filters=[ADDS])]
    assert HTTP.shift(before, 0, take=False).steps == []


def test_rules_that_differ_are_told_one_by_one() -> None:
    pair = [backend(STABLE, 75), backend(CANARY, 25)]
    low = [backend(STABLE, 100), backend(CANARY, 0)]
    look = HTTP.shown(route({"name": "a", "backendRefs": pair}, {"backendRefs": low}), 25)
    assert (look.live_pct, look.edited) == (None, True)
    assert look.differs == "rule 2 of HTTPRoute shop-ns/web gives the canary 0 %"
    high = [backend(STABLE, 20), backend(CANARY, 80)]
    assert HTTP.shown(route({"backendRefs": pair}, {"backendRefs": high}), 25).live_pct == 80


MATCH = {"path": {"type": "PathPrefix", "value": "/a"}}


def test_the_header_goes_to_the_canary_alone_by_a_copy_right_before_the_rule() -> None:
    base = {"matches": [MATCH], "filters": [ADDS], "timeouts": {"request": "1s"}, "backendRefs": [backend(STABLE)]}
    other = {"backendRefs": [backend("pay")]}
    after = shifted(HTTP, route(other, base, header=HEADER), 5)
    exact = {"type": "Exact", "name": "X-Canary", "value": "yes"}
    assert rules(after)[1] == {
        "name": "interlock-header-2",
        "matches": [{**MATCH, "headers": [exact]}],
        "filters": [ADDS],
        "timeouts": {"request": "1s"},
        "backendRefs": [backend(CANARY, 1)],
    }
    assert [rule.get("name") for rule in rules(after)] == [None, "interlock-header-2", None]
    assert HTTP.shown(after, 5).live_pct == 5
    assert rules(shifted(HTTP, after, 0)) == [
        other,
        {**base, "backendRefs": [backend(STABLE, 100), backend(CANARY, 0)]},
    ]


def test_header_and_cookie_are_two_copies_since_some_filters_allow_one_match() -> None:
    after = shifted(HTTP, route({"matches": [MATCH], "backendRefs": [backend(STABLE)]}, header=HEADER, cookie="who"), 5)
    assert [rule.get("name") for rule in rules(after)] == ["interlock-header-1", "interlock-cookie-1", None]
    (match,) = rules(after)[1]["matches"]
    assert match["headers"][0]["type"] == "RegularExpression"


@pytest.mark.parametrize(
    ("cookies", "pinned"),
    [
        ("who=canary", True),
        ("a=b; who=canary", True),
        ("a=b;who=canary; c=d", True),
        ("who=stable", False),
        ("who=canaryx", False),
        ("notwho=canary", False),
        ("a=who=canary", False),
        ("", False),
    ],
)
def test_the_cookie_pins_by_its_whole_name_and_value(cookies: str, pinned: bool) -> None:
    assert bool(re.fullmatch(cookie_pattern("who"), cookies)) is pinned
    assert bool(re.search(cookie_pattern("who"), cookies)) is pinned


def test_a_cookie_name_is_no_expression() -> None:
    assert not re.search(cookie_pattern("a.c"), "abc=canary")


def test_a_rule_that_asks_something_else_of_the_header_already_gets_no_copy() -> None:
    asks = {**MATCH, "headers": [{"type": "Exact", "name": "x-canary", "value": "no"}]}
    after = shifted(HTTP, route({"matches": [asks], "backendRefs": [backend(STABLE)]}, header=HEADER), 5)
    assert len(rules(after)) == 1
    same = {**MATCH, "headers": [{"type": "Exact", "name": "x-canary", "value": "yes"}]}
    after = shifted(HTTP, route({"matches": [same], "backendRefs": [backend(STABLE)]}, header=HEADER), 5)
    assert rules(after)[0]["matches"] == [same]


def test_a_rule_without_matches_is_copied_with_the_header_alone() -> None:
    after = shifted(GRPC, route({"backendRefs": [backend(STABLE)]}, header=HEADER, cookie="who"), 5)
    assert [list(match) for match in rules(after)[0]["matches"]] == [["headers"]]
    assert len(rules(after)) == 2, "gRPC has no cookies"


@pytest.mark.parametrize("filters", [[], [ADDS], [ADDS, ADDS]])
def test_the_mirror_comes_behind_the_filters_and_goes_without_a_trace(filters: list[Raw]) -> None:
    base = {"backendRefs": [backend(STABLE)]} | ({"filters": filters} if filters else {})
    after = shifted(HTTP, route(base, mirror_pct=20), 5)
    mirror = {"backendRef": {"group": "", "kind": "Service", "name": CANARY, "port": 80}, "percent": 20}
    assert rules(after)[0]["filters"] == [*filters, {"type": "RequestMirror", "requestMirror": mirror}]
    back = shifted(HTTP, after, 0)
    assert rules(back)[0].get("filters") == (filters or None)
    assert ("filters" in rules(back)[0]) == bool(filters)


def test_a_mirror_of_the_users_own_stays() -> None:
    theirs = {"type": "RequestMirror", "requestMirror": {"backendRef": backend("audit")}}
    after = shifted(HTTP, route({"filters": [theirs], "backendRefs": [backend(STABLE)]}, mirror_pct=100), 5)
    assert rules(after)[0]["filters"][0] == theirs
    assert "percent" not in rules(after)[0]["filters"][1]["requestMirror"]
    assert rules(shifted(HTTP, after, 0))[0]["filters"] == [theirs]


def test_extras_that_are_left_at_zero_are_no_quiet_route_and_lowering_takes_them_away() -> None:
    up = shifted(HTTP, route({"backendRefs": [backend(STABLE)]}, header=HEADER), 5)
    left = copy.deepcopy(rules(up))
    left[1]["backendRefs"] = [backend(STABLE, 100), backend(CANARY, 0)]
    seen = route(*left, header=HEADER)
    look = HTTP.shown(seen, 0)
    assert (look.live_pct, look.edited) == (None, True)
    assert len(rules(shifted(HTTP, seen, 0, take=False))) == 1


def test_extras_that_somebody_took_away_are_told_and_put_back() -> None:
    up = shifted(HTTP, route({"backendRefs": [backend(STABLE)]}, header=HEADER), 5)
    stripped = route(rules(up)[1], header=HEADER)
    assert HTTP.shown(stripped, 5).live_pct is None
    assert rules(shifted(HTTP, stripped, 5)) == rules(up)


def test_defaults_that_the_server_adds_to_our_rules_are_no_drift() -> None:
    up = shifted(HTTP, route({"backendRefs": [backend(STABLE)]}, header=HEADER), 5)
    rules(up)[0]["matches"][0]["path"] = {"type": "PathPrefix", "value": "/"}
    rules(up)[0]["added-by-the-server"] = True
    assert HTTP.shown(up, 5).live_pct == 5
    assert HTTP.shift(up, 5, take=True).steps == []


def condition(kind: str, status: str = "True", generation: int = 3) -> Raw:
    return {"type": kind, "status": status, "observedGeneration": generation, "reason": "Why", "message": "so"}


def parent(*conditions: Raw, name: str = "edge") -> Raw:
    return {"parentRef": {"name": name}, "controllerName": "c", "conditions": list(conditions)}


GOOD = parent(condition("Accepted"), condition("ResolvedRefs"))


@pytest.mark.parametrize(
    ("parents", "weight_pct", "says"),
    [
        ([GOOD], 5, ""),
        ([], 5, "no Gateway has accepted"),
        ([parent(condition("Accepted"), name="another")], 5, "no Gateway has accepted"),
        ([parent(condition("Accepted"))], 5, "has not said whether it is ResolvedRefs"),
        ([parent(condition("Accepted", "False"), condition("ResolvedRefs"))], 5, "Accepted is False: Why so"),
        ([parent(condition("Accepted"), condition("ResolvedRefs", "False"))], 5, "ResolvedRefs is False: Why so"),
        ([parent(condition("Accepted"), condition("ResolvedRefs", "False"))], 0, ""),
        ([parent(condition("Accepted", "False"), condition("ResolvedRefs"))], 0, "Accepted is False"),
        ([parent(condition("Accepted", generation=2), condition("ResolvedRefs"))], 5, "not taken the newest version"),
        ([parent(condition("Accepted"), condition("ResolvedRefs", "False", 2))], 0, "not taken the newest version"),
        ([GOOD, parent(condition("Accepted", "False"))], 5, "Accepted is False"),
        ([GOOD, parent(condition("Accepted", "False"), name="gone")], 5, ""),
    ],
)
def test_a_weight_is_confirmed_when_every_parent_has_accepted_this_very_version(
    parents: list[Raw], weight_pct: int, says: str
) -> None:
    seen = route({"backendRefs": [backend(STABLE, 100 - weight_pct), backend(CANARY, weight_pct)]})
    assert seen.carrier is not None
    seen.carrier["status"] = {"parents": parents}
    text = HTTP.shown(seen, weight_pct).unconfirmed
    assert says in text
    assert bool(text) == bool(says)


def test_another_route_with_stable_is_a_clash_and_one_without_is_none() -> None:
    seen = route({"backendRefs": [backend(STABLE)]})
    clashing = route({"backendRefs": [backend("pay"), backend(STABLE)]}).carrier
    preview = route({"backendRefs": [backend(CANARY)]}).carrier
    assert clashing is not None
    assert preview is not None
    assert "sends to the Service shop too" in HTTP.clash(seen, clashing)
    assert HTTP.clash(seen, preview) == ""
