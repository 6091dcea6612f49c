"""The policies about routes on a real API server: a weight that was stopped cannot rise, and may always fall."""

from __future__ import annotations

import copy

import pytest

from tests.helm.chart import Raw
from tests.helm.policy_stage import HOME, SWITCHES, Stage, deleted, killed, seen_by_routes
from tests.helm.real import until
from tests.helm.routes import KINDS, NGINX, NOTE, RELEASE, note, route

pytestmark = [pytest.mark.real, pytest.mark.timeout(60), pytest.mark.xdist_group("helm")]

STOPPED = "may fall and must not rise"

# ---- a route that carries a halt


@pytest.mark.parametrize("kind", KINDS)
def test_on_a_halted_route_nobody_raises_the_canary_and_everybody_may_lower_it(calm: Stage, kind: str) -> None:
    told = note(20, halted=True)
    calm.put(route(kind, "halted", 20, told))
    for client in calm.everyone.values():
        assert STOPPED in (calm.to(client, route(kind, "halted", 30, told)) or "")
        assert calm.to(client, route(kind, "halted", 20, told)) is None
        assert calm.to(client, route(kind, "halted", 10, told)) is None
        assert calm.to(client, route(kind, "halted", 0, told)) is None


@pytest.mark.parametrize("kind", KINDS)
def test_the_controller_takes_a_halt_off_and_nobody_else_does(calm: Stage, kind: str) -> None:
    calm.put(route(kind, "halted", 20, note(20, halted=True)))
    released = route(kind, "halted", 20, note(20))
    assert calm.to(calm.controller, released) is None
    assert "holds the halt" in (calm.to(calm.person, released) or "")
    without = copy.deepcopy(released)
    without["metadata"]["annotations"][NOTE] = None
    assert "holds the halt" in (calm.to(calm.person, without) or "")


@pytest.mark.parametrize("kind", KINDS)
def test_a_weight_that_only_the_annotation_records_cannot_rise_past_a_halt(calm: Stage, kind: str) -> None:
    calm.put(route(kind, "halted", 20, note(20, halted=True)))
    assert STOPPED in (calm.to(calm.controller, route(kind, "halted", 20, note(25, halted=True))) or "")
    assert STOPPED in (calm.to(calm.controller, route(kind, "halted", 20, note(20.5))) or "")
    assert calm.to(calm.controller, route(kind, "halted", 10, note(10, halted=True))) is None


@pytest.mark.parametrize("kind", KINDS)
def test_whoever_breaks_the_glass_may_raise_it(calm: Stage, kind: str) -> None:
    calm.put(route(kind, "halted", 20, note(20, halted=True)))
    assert calm.to(calm.breaker, route(kind, "halted", 30, note(20, halted=True))) is None


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("Ingress", "EndpointSlice")])
def test_a_canary_of_another_name_is_found_by_the_annotation(calm: Stage, kind: str) -> None:
    told = note(20, halted=True, canary="next")
    calm.put(route(kind, "halted", 20, told, canary="next"))
    assert STOPPED in (calm.to(calm.person, route(kind, "halted", 30, told, canary="next")) or "")
    assert calm.to(calm.person, route(kind, "halted", 10, told, canary="next")) is None


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_stop_the_controller_raises_and_others_are_only_corrected_by_it(calm: Stage, kind: str) -> None:
    calm.put(route(kind, "free", 5, note(5)))
    assert calm.to(calm.controller, route(kind, "free", 10, note(10))) is None
    assert calm.to(calm.person, route(kind, "free", 10, note(5))) is None


def test_a_rule_of_somebody_else_may_come_and_go_on_a_halted_route(calm: Stage) -> None:
    told = note(20, halted=True)
    calm.put(route("HTTPRoute", "halted", 20, told))
    more = route("HTTPRoute", "halted", 20, told)
    more["spec"]["rules"].insert(0, {"backendRefs": [{"name": "search", "port": 80, "weight": 7}]})
    assert calm.to(calm.person, more) is None
    fewer = route("HTTPRoute", "halted", 20, told)
    del fewer["spec"]["rules"][0]
    assert calm.to(calm.person, fewer) is None


def test_a_second_rule_for_the_canary_is_a_rise(calm: Stage) -> None:
    told = note(20, halted=True)
    calm.put(route("HTTPRoute", "halted", 20, told))
    more = route("HTTPRoute", "halted", 20, told)
    more["spec"]["rules"].append({"backendRefs": [{"name": "shop-canary", "port": 80}]})
    assert STOPPED in (calm.to(calm.person, more) or "")


def test_taking_stable_out_of_a_rule_is_a_rise(calm: Stage) -> None:
    told = note(20, halted=True)
    calm.put(route("VirtualService", "halted", 20, told))
    alone = route("VirtualService", "halted", 20, told)
    del alone["spec"]["http"][1]["route"][0]
    del alone["spec"]["http"][1]["route"][0]["weight"]
    assert STOPPED in (calm.to(calm.person, alone) or "")


@pytest.mark.parametrize(
    "annotations", [{NGINX: None}, {NGINX: "false"}, {f"{NGINX}-weight": "much"}, {f"{NGINX}-weight-total": "30"}]
)
def test_a_canary_ingress_cannot_become_an_ordinary_one(calm: Stage, annotations: dict[str, str | None]) -> None:
    told = note(20, halted=True)
    calm.put(route("Ingress", "halted", 20, told))
    changed = route("Ingress", "halted", 20, told)
    changed["metadata"]["annotations"].update(annotations)
    assert STOPPED in (calm.to(calm.person, changed) or "")


def test_routes_that_route_nothing_yet_break_no_expression(calm: Stage) -> None:
    """An expression that failed would be ignored, and the rise be let through."""
    told = note(0, halted=True)
    for kind, spec in (
        ("HTTPRoute", {"parentRefs": [{"name": "gateway"}], "rules": None}),
        ("VirtualService", {"http": [{"redirect": {"uri": "/"}}]}),
        ("TraefikService", {"weighted": None, "mirroring": {"name": "x"}}),
    ):
        empty = route(kind, "empty", 0, told)
        empty["spec"] = {key: value for key, value in (empty["spec"] | spec).items() if value is not None}
        calm.put(empty)
        assert STOPPED in (calm.to(calm.person, route(kind, "empty", 30, told)) or ""), kind


@pytest.mark.parametrize("kind", KINDS)
def test_a_halted_route_is_deleted_by_kubernetes_and_the_controller_alone(calm: Stage, kind: str) -> None:
    """A new one of its name would carry no halt."""
    body = route(kind, "halted", 20, note(20, halted=True))
    calm.put(body)
    assert "may not be deleted" in (deleted(calm.person, body) or "")
    collector = calm.cluster.acting("system:serviceaccount:kube-system:namespace-controller", "system:masters")
    for client in (calm.kubernetes, calm.breaker, collector):
        assert deleted(client, body) is None
    calm.put(route(kind, "free", 20, note(20)))
    assert deleted(calm.person, route(kind, "free", 20, None)) is None


@pytest.mark.parametrize("kind", ["Ingress", "EndpointSlice"])
def test_the_controller_takes_its_own_carrier_away_from_under_a_halt(calm: Stage, kind: str) -> None:
    calm.put(route(kind, "halted", 20, note(20, halted=True)))
    assert deleted(calm.controller, route(kind, "halted", 20, None)) is None


RULES = {"HTTPRoute": ("rules", "matches"), "GRPCRoute": ("rules", "matches"), "VirtualService": ("http", "match")}


def choosing(kind: str, *choices: tuple[int, str]) -> Raw:
    """A halted route with one rule for each (share, path)."""
    found = route(kind, "halted", 20, note(20, halted=True))
    rules, matches = RULES[kind]
    made = []
    for share, path in choices:
        rule = copy.deepcopy(route(kind, "halted", share, None)["spec"][rules][1])
        chosen: dict[str, Raw] = {
            "HTTPRoute": {"path": {"type": "PathPrefix", "value": path}},
            "GRPCRoute": {"method": {"type": "Exact", "service": path}},
            "VirtualService": {"uri": {"prefix": path}},
        }
        made.append(rule | {matches: [chosen[kind]]})
    found["spec"][rules] = made
    return found


@pytest.mark.parametrize("kind", RULES)
def test_what_chooses_the_requests_of_a_canary_stays_under_a_halt(calm: Stage, kind: str) -> None:
    calm.put(choosing(kind, (0, "/shop"), (20, "/rare")))
    refused = {
        "widened": choosing(kind, (0, "/shop"), (20, "/")),
        "widened and lowered a little": choosing(kind, (0, "/shop"), (19, "/")),
        "swapped": choosing(kind, (20, "/shop"), (0, "/rare")),
        "a second one": choosing(kind, (10, "/shop"), (10, "/rare")),
    }
    for how, body in refused.items():
        assert "may not change" in (calm.to(calm.person, body) or ""), how
    admitted = {
        "lowered": choosing(kind, (0, "/shop"), (10, "/rare")),
        "to nothing": choosing(kind, (0, "/"), (0, "/any")),
        "another rule": choosing(kind, (0, "/books"), (20, "/rare")),
        "in another order": choosing(kind, (20, "/rare"), (0, "/shop")),
    }
    for how, body in admitted.items():
        assert calm.to(calm.person, body) is None, how
    assert calm.to(calm.controller, choosing(kind, (0, "/shop"), (19, "/"))) is None, "falling with the owner's change"


@pytest.mark.parametrize("annotation", ["canary-by-header", "canary-by-cookie"])
def test_what_chooses_the_requests_of_a_canary_ingress_stays_under_a_halt(calm: Stage, annotation: str) -> None:
    told = note(20, halted=True)
    calm.put(route("Ingress", "halted", 20, told))
    marked, wider = (route("Ingress", "halted", 20, told) for _ in range(2))
    marked["metadata"]["annotations"][f"nginx.ingress.kubernetes.io/{annotation}"] = "user-agent"
    wider["spec"]["rules"][0]["host"] = "*.example"
    assert "may not change" in (calm.to(calm.person, marked) or "")
    assert "may not change" in (calm.to(calm.person, wider) or "")


@pytest.mark.parametrize("count", [50, 51, 400])
def test_many_rules_with_the_canary_are_still_compared(calm: Stage, count: int) -> None:
    """An expression that took too long would be ignored, and the rise be let through."""
    before = choosing("VirtualService", *((20, f"/{n}") for n in range(count)))
    calm.put(before)
    for share, first in ((21, "/0"), (20, "/")):
        changed = choosing("VirtualService", (share, first), *((20, f"/{n}") for n in range(1, count)))
        assert calm.to(calm.person, changed) is not None, (share, first)
    for share in (19, 0):
        lowered = choosing("VirtualService", *((share, f"/{n}") for n in range(count)))
        assert calm.to(calm.person, lowered) is None, share


# ---- a kill that the KillSwitch shows


@pytest.mark.parametrize("kind", KINDS)
def test_while_a_kill_is_engaged_a_guarded_route_is_not_deleted_by_others(calm: Stage, kind: str) -> None:
    body = route(kind, "guarded", 20, note(20))
    calm.put(body)
    killed(calm)
    assert "may not be deleted" in (deleted(calm.person, body) or "")
    assert deleted(calm.kubernetes, body) is None


def test_while_a_kill_is_engaged_what_chooses_the_requests_of_a_canary_stays(calm: Stage) -> None:
    before, wider = choosing("HTTPRoute", (20, "/rare")), choosing("HTTPRoute", (20, "/"))
    for body in (before, wider):
        body["metadata"]["annotations"][NOTE] = note(20)
    calm.put(before)
    killed(calm)
    assert "may not change" in (calm.to(calm.person, wider) or "")


@pytest.mark.parametrize("kind", KINDS)
def test_while_a_kill_is_engaged_no_guarded_canary_rises(calm: Stage, kind: str) -> None:
    calm.put(route(kind, "guarded", 20, note(20)))
    killed(calm)
    for client in calm.everyone.values():
        assert STOPPED in (calm.to(client, route(kind, "guarded", 30, note(20))) or "")
        assert calm.to(client, route(kind, "guarded", 0, note(20))) is None
    assert STOPPED in (calm.to(calm.controller, route(kind, "guarded", 30, note(30))) or "")
    assert calm.to(calm.controller, route(kind, "guarded", 0, note(0, halted=True))) is None
    assert "the controller's" in (calm.to(calm.person, route(kind, "guarded", 20, note(10))) or "")


@pytest.mark.parametrize("kind", KINDS)
def test_a_guarded_route_is_not_made_with_a_weight_during_a_kill(calm: Stage, kind: str) -> None:
    killed(calm)
    assert STOPPED in (calm.to(calm.person, route(kind, "made-anew", 20, note(0))) or "")
    assert calm.to(calm.person, route(kind, "made-anew", 0, note(0))) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_route_that_nobody_guards_is_nobodys_business(calm: Stage, kind: str) -> None:
    calm.put(route(kind, "foreign", 20, None))
    killed(calm)
    assert calm.to(calm.person, route(kind, "foreign", 90, None)) is None


OTHER = "cart-0a1b2c3d4e"


@pytest.mark.parametrize(
    ("scopes", "release", "covered"),
    [
        ("application:shop", RELEASE, True),
        ("application:shop", OTHER, False),
        ("application:shop", "shop-eu-0a1b2c3d4e", False),
        ("application:shop", None, True),
        (f"release:{RELEASE}", RELEASE, True),
        (f"release:{RELEASE}", OTHER, False),
        (f"application:cart release:{RELEASE}", RELEASE, True),
        ("application:cart application:books", OTHER, True),
        ("application:cart application:books", RELEASE, False),
        ("application:books fleet", OTHER, True),
        ("environment:production", OTHER, True),
        ("", OTHER, True),
    ],
)
def test_a_kill_covers_its_scopes_and_on_doubt_more(
    calm: Stage, scopes: str, release: str | None, *, covered: bool
) -> None:  # fmt: skip
    """A route that names no release, and an environment, are doubts: no object says which environment it is in."""
    calm.put(route("HTTPRoute", "guarded", 20, note(20, release=release)))
    killed(calm, *scopes.split())
    raised = route("HTTPRoute", "guarded", 30, note(20, release=release))
    assert (calm.to(calm.person, raised) is not None) == covered


def test_a_kill_that_was_let_go_holds_nothing(calm: Stage) -> None:
    calm.put(route("HTTPRoute", "guarded", 20, note(20)))
    killed(calm)
    calm.no_kill()
    seen_by_routes(calm, engaged=False)
    assert calm.to(calm.person, route("HTTPRoute", "guarded", 30, note(20))) is None


def test_without_the_object_a_halt_on_a_route_holds_all_the_same(calm: Stage) -> None:
    calm.put(route("HTTPRoute", "halted", 20, note(20, halted=True)))
    calm.put(route("HTTPRoute", "guarded", 20, note(20)))
    calm.breaker.delete(SWITCHES, HOME, "interlock")
    until(lambda: calm.to(calm.person, route("HTTPRoute", "guarded", 30, note(20))) is None, "no kill is shown")
    assert STOPPED in (calm.to(calm.person, route("HTTPRoute", "halted", 30, note(20, halted=True))) or "")
