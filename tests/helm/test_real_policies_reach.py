"""The policies about where a stopped canary can be reached from: its own route's hosts and parents, and others."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.helm.chart import Raw
from tests.helm.policy_stage import HOME, SWITCHES, Stage, deleted, killed
from tests.helm.real import refused, until
from tests.helm.routes import KINDS, NGINX, NOTE, note, route

pytestmark = [pytest.mark.real, pytest.mark.timeout(60), pytest.mark.xdist_group("helm")]

PARENT, OTHER = {"name": "inner", "sectionName": "web"}, {"name": "outer"}
ADDED = "no host, parent or gateway may be added"


def with_spec(kind: str, told: str, share: int = 20, **fields: Any) -> Raw:
    found = route(kind, "reached", share, told)
    found["spec"] = {**found["spec"], **fields}
    return found


WIDER: list[tuple[str, Raw, Raw]] = [
    ("HTTPRoute", {"hostnames": ["a.example"]}, {"hostnames": ["a.example", "b.example"]}),
    ("HTTPRoute", {"hostnames": ["a.example"]}, {"hostnames": ["*.example"]}),
    ("HTTPRoute", {"hostnames": ["a.example"]}, {"hostnames": None}),
    ("HTTPRoute", {"parentRefs": [PARENT]}, {"parentRefs": [PARENT, OTHER]}),
    ("HTTPRoute", {"parentRefs": [PARENT]}, {"parentRefs": [{"name": "inner"}]}),
    ("HTTPRoute", {}, {"parentRefs": [OTHER]}),
    ("GRPCRoute", {"hostnames": ["a.example"]}, {"hostnames": ["b.example"]}),
    ("GRPCRoute", {"parentRefs": [PARENT]}, {"parentRefs": [OTHER]}),
    ("VirtualService", {"hosts": ["a.example"]}, {"hosts": ["a.example", "b.example"]}),
    ("VirtualService", {"hosts": ["a.example"]}, {"hosts": ["*"]}),
    ("VirtualService", {}, {"gateways": ["outer"]}),
    ("VirtualService", {"gateways": ["inner"]}, {"gateways": ["inner", "outer"]}),
    ("VirtualService", {"gateways": ["inner"]}, {"gateways": None}),
    ("VirtualService", {"exportTo": ["."]}, {"exportTo": None}),
    ("VirtualService", {"exportTo": ["."]}, {"exportTo": [".", "*"]}),
    ("VirtualService-tcp", {"hosts": ["a.example"]}, {"hosts": ["a.example", "b.example"]}),
    ("Ingress", {"ingressClassName": "inner"}, {"ingressClassName": "nginx"}),
    ("HTTPRoute", {"hostnames": [f"h{n}.example" for n in range(16)]}, {"hostnames": ["x.example"]}),
    ("VirtualService", {"hosts": [f"h{n}.example" for n in range(60)]}, {"hosts": ["x.example"]}),
]  # fmt: skip
NARROWER: list[tuple[str, Raw, Raw]] = [
    ("HTTPRoute", {"hostnames": ["a.example", "b.example"]}, {"hostnames": ["b.example"]}),
    ("HTTPRoute", {}, {"hostnames": ["b.example"]}),
    ("HTTPRoute", {"parentRefs": [PARENT, OTHER]}, {"parentRefs": [OTHER]}),
    ("GRPCRoute", {"parentRefs": [PARENT]}, {"parentRefs": None}),
    ("VirtualService", {"hosts": ["*"]}, {"hosts": ["a.example"]}),
    ("VirtualService", {"gateways": ["inner", "outer"]}, {"gateways": ["outer"]}),
    ("VirtualService", {}, {"exportTo": ["."]}),
]


@pytest.mark.parametrize("stopped", ["halted", "killed"])
@pytest.mark.parametrize(("kind", "before", "after"), WIDER)
def test_a_route_with_a_stopped_canary_is_reached_from_nowhere_else(
    calm: Stage, kind: str, before: Raw, after: Raw, stopped: str
) -> None:
    told = note(20, halted=stopped == "halted")
    calm.put(with_spec(kind, told, **before))
    if stopped == "killed":
        killed(calm)
    wider = with_spec(kind, told, **after)
    assert ADDED in (calm.to(calm.person, wider) or "")
    assert ADDED in (calm.to(calm.person, with_spec(kind, told, 19, **after)) or ""), "lowered a little as well"
    assert calm.to(calm.person, with_spec(kind, told, 0, **after)) is None, "nothing goes to the canary then"
    for client in (calm.controller, calm.breaker):
        assert calm.to(client, wider) is None


@pytest.mark.parametrize(("kind", "before", "after"), NARROWER)
def test_it_may_be_reached_from_fewer_places(calm: Stage, kind: str, before: Raw, after: Raw) -> None:
    told = note(20, halted=True)
    calm.put(with_spec(kind, told, **before))
    assert calm.to(calm.person, with_spec(kind, told, **after)) is None


@pytest.mark.parametrize("key", ["kubernetes.io/ingress.class", "nginx.ingress.kubernetes.io/server-alias"])
def test_the_annotations_of_an_ingress_that_say_where_it_is_reached_stay(calm: Stage, key: str) -> None:
    told = note(20, halted=True)
    calm.put(route("Ingress", "reached", 20, told))
    wider = route("Ingress", "reached", 20, told)
    wider["metadata"]["annotations"][key] = "more"
    assert ADDED in (calm.to(calm.person, wider) or "")


def test_endpoints_of_a_canary_are_not_given_to_another_service(calm: Stage) -> None:
    told, label = note(20, halted=True), "kubernetes.io/service-name"
    before, after = (route("EndpointSlice", "reached", 20, told) for _ in range(2))
    before["metadata"]["labels"], after["metadata"]["labels"] = {label: "shop"}, {label: "books"}
    calm.put(before)
    assert ADDED in (calm.to(calm.person, after) or "")
    assert calm.to(calm.controller, after) is None


def test_a_route_without_a_stop_is_reached_from_where_its_owner_says(calm: Stage) -> None:
    calm.put(with_spec("HTTPRoute", note(20), hostnames=["a.example"]))
    assert calm.to(calm.person, with_spec("HTTPRoute", note(20), hostnames=None)) is None


# ---- routes of others

NAMED = {"routes/next": True}
STOPPED, BEGINS = "may fall and must not rise", "may begin to send to a canary"


def names(stage: Stage, canaries: Raw = NAMED, scopes: tuple[str, ...] = ()) -> None:
    """The kill names these canaries, and the API server has heard of it."""
    killed(stage, *scopes)
    change = {"spec": {"canaries": {**canaries, "routes/marker": True}}}
    stage.breaker.patch(SWITCHES, HOME, "interlock", change)
    marker = route("HTTPRoute", "marker", 20, None, canary="marker")
    until(lambda: stage.to(stage.person, marker) is not None, "the canaries are known")


SENDERS = [kind for kind in KINDS if kind != "EndpointSlice"]


@pytest.mark.parametrize("kind", SENDERS)
def test_during_a_kill_no_new_route_of_others_sends_to_its_canary(calm: Stage, kind: str) -> None:
    names(calm)
    sends = route(kind, "made-anew", 20, None, canary="next")
    assert BEGINS in (calm.to(calm.person, sends) or "")
    forged = calm.to(calm.person, route(kind, "made-anew", 20, note(0, canary="books"), canary="next")) or ""
    told = (BEGINS, STOPPED) if kind == "Ingress" else (BEGINS,)
    assert any(one in forged for one in told), (
        "a note of somebody else's changes nothing, whichever policy says it first"
    )
    assert calm.to(calm.person, route(kind, "made-anew", 20, None, canary="books")) is None
    for client in (calm.breaker, calm.kubernetes, *([calm.controller] if kind == "Ingress" else [])):
        assert calm.to(client, sends) is None


@pytest.mark.parametrize("kind", SENDERS)
def test_during_a_kill_no_route_of_others_is_changed_to_send_there(calm: Stage, kind: str) -> None:
    calm.put(route(kind, "stranger", 20, None, canary="books"))
    names(calm)
    assert BEGINS in (calm.to(calm.person, route(kind, "stranger", 20, None, canary="next")) or "")
    assert calm.to(calm.person, route(kind, "stranger", 30, None, canary="books")) is None


@pytest.mark.parametrize("kind", SENDERS)
def test_a_route_of_others_that_sent_there_before_may_send_less(calm: Stage, kind: str) -> None:
    calm.put(route(kind, "stranger", 20, None, canary="next"))
    names(calm)
    assert BEGINS in (calm.to(calm.person, route(kind, "stranger", 30, None, canary="next")) or "")
    for share in (20, 10, 0):
        assert calm.to(calm.person, route(kind, "stranger", share, None, canary="next")) is None
    assert deleted(calm.person, route(kind, "stranger", 20, None)) is None


@pytest.mark.parametrize(
    ("named", "told"),
    [(NAMED, True), ({"*": True}, False), ({"elsewhere/next": True}, False), ({}, False)],
)
def test_a_canary_is_known_by_its_name_and_namespace(calm: Stage, named: Raw, *, told: bool) -> None:
    names(calm, named)
    assert (calm.to(calm.person, route("HTTPRoute", "made-anew", 20, None, canary="next")) is not None) == told


def test_more_canaries_than_it_holds_are_every_name_of_that_form(calm: Stage) -> None:
    names(calm, {"*": True})
    assert BEGINS in (calm.to(calm.person, route("HTTPRoute", "made-anew", 20, None)) or "")


def across(kind: str) -> Raw:
    """From another namespace."""
    body = route(kind, "made-anew", 20, None, canary="next")
    found: dict[str, Callable[[], Any]] = {
        "HTTPRoute": lambda: body["spec"]["rules"][1]["backendRefs"][1].update(namespace="canaries"),
        "VirtualService": lambda: body["spec"]["http"][1]["route"][1]["destination"].update(
            host="next.canaries.svc.cluster.local"
        ),
        "TraefikService": lambda: body["spec"]["weighted"]["services"][1].update(namespace="canaries"),
    }
    found[kind]()
    return body


@pytest.mark.parametrize("kind", ["HTTPRoute", "VirtualService", "TraefikService"])
def test_a_canary_in_another_namespace_is_known_as_well(calm: Stage, kind: str) -> None:
    names(calm, {"canaries/next": True})
    assert BEGINS in (calm.to(calm.person, across(kind)) or "")
    assert calm.to(calm.person, route(kind, "made-anew", 20, None, canary="next")) is None


def test_a_route_that_mirrors_through_a_canary_or_defaults_to_it_sends_there(calm: Stage) -> None:
    names(calm)
    mirrored = route("TraefikService", "made-anew", 0, None)
    mirrored["spec"] = {"mirroring": {"name": "next", "port": 80}}
    default = route("Ingress", "made-anew", 0, None)
    default["spec"] = {"defaultBackend": {"service": {"name": "next", "port": {"number": 80}}}}
    for body in (mirrored, default):
        assert BEGINS in (calm.to(calm.person, body) or "")


def test_a_large_route_of_others_is_still_compared(calm: Stage) -> None:
    """An expression that took too long would be ignored, and the route be let through."""
    names(calm, {f"routes/canary-{n}": True for n in range(900)} | NAMED)
    body = route("VirtualService", "made-anew", 20, None, canary="next")
    body["spec"]["http"] = [copy.deepcopy(body["spec"]["http"][1]) for _ in range(400)]
    assert BEGINS in (calm.to(calm.person, body) or "")


def test_what_a_kill_names_as_canaries_is_taken_back_by_the_controller_alone(calm: Stage) -> None:
    names(calm)

    def told(canaries: Raw | None) -> str | None:
        change = {"spec": {"canaries": canaries}}
        return refused(lambda: calm.person.patch(SWITCHES, HOME, "interlock", change, dryRun="All"))

    for fewer in (None, {"routes/next": None}):
        assert "may only grow" in (told(fewer) or "")
    assert told({"routes/more": True}) is None
    change = {"spec": {"canaries": None}}
    assert refused(lambda: calm.controller.patch(SWITCHES, HOME, "interlock", change, dryRun="All")) is None


def test_a_note_that_somebody_puts_on_guards_nothing(calm: Stage) -> None:
    calm.put(route("HTTPRoute", "stranger", 0, None, canary="next"))
    names(calm)
    forged = route("HTTPRoute", "stranger", 20, note(0, canary="books"), canary="next")
    assert NOTE in forged["metadata"]["annotations"]
    assert BEGINS in (calm.to(calm.person, forged) or "")


@pytest.mark.parametrize("scopes", [("application:cart",), ()])
@pytest.mark.parametrize("kind", SENDERS)
def test_a_guarded_route_does_not_begin_to_send_to_the_killed_canary_of_another_application(
    calm: Stage, kind: str, scopes: tuple[str, ...]
) -> None:
    told = note(0, canary="shop-canary")
    calm.put(route(kind, "guarded", 0, told, canary="books"))
    names(calm, scopes=scopes)
    points = route(kind, "guarded", 100, told, canary="next")
    said = calm.to(calm.person, points) or ""
    assert BEGINS in said if scopes or kind != "Ingress" else said, "an Ingress of a kill over all is refused already"
    assert calm.to(calm.breaker, points) is None


def test_a_guarded_route_of_an_application_that_is_not_killed_is_left_alone(calm: Stage) -> None:
    told = note(20, canary="shop-canary")
    calm.put(route("HTTPRoute", "guarded", 20, told))
    names(calm, scopes=("application:cart",))
    for share in (30, 10):
        assert calm.to(calm.person, route("HTTPRoute", "guarded", share, told)) is None


def test_the_canary_of_a_killed_application_is_still_lowered_by_anybody_and_its_route_let_go(calm: Stage) -> None:
    told = note(20, canary="next")
    calm.put(route("HTTPRoute", "guarded", 20, told, canary="next"))
    names(calm, scopes=("application:shop",))
    for client in (calm.person, calm.controller):
        assert calm.to(client, route("HTTPRoute", "guarded", 10, told, canary="next")) is None
    assert deleted(calm.kubernetes, route("HTTPRoute", "guarded", 20, told)) is None


CHANGED = "takes may not change"


def chosen(path: str, share: int = 20) -> Raw:
    """A route of others that sends what has a header of testers to the canary."""
    body = route("HTTPRoute", "stranger", share, None, canary="next")
    rule = body["spec"]["rules"][1]
    rule["matches"] = [{"path": {"type": "PathPrefix", "value": path}, "headers": [{"name": "x-qa", "value": "1"}]}]
    if path == "/all":
        rule["matches"] = [{"path": {"type": "PathPrefix", "value": "/"}}]
    return body


def test_a_route_of_others_that_sent_there_before_takes_no_other_requests(calm: Stage) -> None:
    calm.put(chosen("/"))
    names(calm)
    for wider in (chosen("/all"), chosen("/all", 10)):
        assert CHANGED in (calm.to(calm.person, wider) or "")
        for client in (calm.breaker, calm.controller, calm.kubernetes):
            assert calm.to(client, wider) is None
    assert calm.to(calm.person, chosen("/", 10)) is None
    assert calm.to(calm.person, chosen("/all", 0)) is None


@pytest.mark.parametrize(("kind", "before", "after"), WIDER)
def test_a_route_of_others_that_sent_there_before_is_reached_from_nowhere_else(
    calm: Stage, kind: str, before: Raw, after: Raw
) -> None:
    def made(share: int, fields: Raw) -> Raw:
        found = route(kind, "stranger", share, None, canary="next")
        return {**found, "spec": {**found["spec"], **fields}}

    calm.put(made(20, before))
    names(calm)
    assert ADDED in (calm.to(calm.person, made(20, after)) or "")
    assert calm.to(calm.breaker, made(20, after)) is None


def sending(*paths: str, host: str = "shop.example", **annotations: str) -> Raw:
    """An Ingress of others with these paths to the canary."""
    body = route("Ingress", "stranger", 20, None, canary="next")
    (path,) = body["spec"]["rules"][0]["http"]["paths"]
    body["spec"]["rules"] = [{"host": host, "http": {"paths": [{**path, "path": one} for one in paths]}}]
    found = {f"{NGINX}-{key.replace('_', '-')}": value for key, value in annotations.items()}
    body["metadata"]["annotations"] |= found
    return body


def test_an_ingress_of_others_that_sent_there_before_may_only_lose_paths(calm: Stage) -> None:
    calm.put(sending("/a", "/b", by_header="x-qa"))
    names(calm)
    for wider in (
        sending("/a", "/", by_header="x-qa"),
        sending("/a", "/b", "/c", by_header="x-qa"),
        sending("/a", "/b", host="*.example", by_header="x-qa"),
        sending("/a", "/b", by_header="accept"),
    ):
        assert CHANGED in (calm.to(calm.person, wider) or "")
    assert BEGINS in (calm.to(calm.person, sending("/a", "/b", by_header="x-qa", weight="30")) or "")
    for narrower in (sending("/b", by_header="x-qa"), sending("/a", "/b", by_header="x-qa", weight="0")):
        assert calm.to(calm.person, narrower) is None


def test_an_ingress_that_a_header_alone_chooses_begins_to_send_as_well(calm: Stage) -> None:
    names(calm)
    body = sending("/", weight="0", by_header="x-qa")
    body["metadata"]["name"] = "made-anew"
    assert BEGINS in (calm.to(calm.person, body) or "")


@pytest.mark.parametrize("count", [50, 400])
def test_a_large_route_of_others_that_sent_there_before_is_still_compared(calm: Stage, count: int) -> None:
    def made(kind: str, change: str) -> Raw:
        body = route(kind, "stranger", 20, None, canary="next")
        if kind == "Ingress":
            return sending(*(f"/{n}" for n in range(count - 1)), change)
        rule = body["spec"]["http"][1]
        uris = [*(f"/{n}" for n in range(count - 1)), change]
        body["spec"]["http"] = [{**rule, "match": [{"uri": {"prefix": uri}}]} for uri in uris]
        return body

    for kind in ("VirtualService", "Ingress"):
        calm.put(made(kind, "/rare"))
    names(calm, {f"routes/canary-{n}": True for n in range(900)} | NAMED)
    for kind in ("VirtualService", "Ingress"):
        assert CHANGED in (calm.to(calm.person, made(kind, "/")) or "")
        assert calm.to(calm.person, made(kind, "/rare")) is None
