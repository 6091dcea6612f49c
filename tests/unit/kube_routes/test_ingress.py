"""The canary Ingress of ingress-nginx: what it takes from the user's Ingress, and what it never takes."""

from __future__ import annotations

from typing import Any

import pytest

from controller.adapters.kube.routes.ingress import CanaryIngresses
from controller.adapters.kube.routes.strategy import Found
from controller.core.targets import RouteKind, RouteObject
from controller.ports import Refused
from tests.kube.cluster.raw import Raw
from tests.unit.kube_routes.build import CANARY, STABLE, applied, found, metadata, shifted

NGINX = CanaryIngresses()
P = "nginx.ingress.kubernetes.io/"
HEADER = ("X-Canary", "yes")
FILES = {"path": "/", "pathType": "Exact", "backend": {"resource": {"kind": "Bucket", "name": "b"}}}


def path(service: str, where: str = "/", **more: Any) -> Raw:
    backend = {"service": {"name": service, "port": {"number": 80}}}
    return {"path": where, "pathType": "Prefix", "backend": backend, **more}


def rule(*paths: Raw, host: str = "shop.test") -> Raw:
    return {"host": host, "http": {"paths": list(paths)}}


def user(*rules: Raw, annotations: dict[str, str] | None = None, **spec: Any) -> Raw:
    meta = metadata(annotations=annotations or {})
    return {"metadata": meta, "spec": {"ingressClassName": "nginx", "rules": list(rules), **spec}}


def born(theirs: Raw, **more: Any) -> Found:
    seen = found(RouteKind.INGRESS, None, (theirs,), **more)
    body = NGINX.born(seen)
    return found(
        RouteKind.INGRESS, {**body, "metadata": {**body["metadata"], "resourceVersion": "1"}}, (theirs,), **more
    )


def noted(seen: Found) -> dict[str, str]:
    assert seen.carrier is not None
    held: dict[str, str] = seen.carrier["metadata"]["annotations"]
    return held


def spec(seen: Found) -> Raw:
    assert seen.carrier is not None
    held: Raw = seen.carrier["spec"]
    return held


def test_it_has_the_hosts_and_paths_of_stable_and_no_others() -> None:
    theirs = user(
        rule(path("pay", "/pay"), path(STABLE)),
        {"host": "nothing.test"},
        {"host": "empty.test", "http": None},
        rule(FILES, host="files.test"),
        rule(path("pay"), host="pay.test"),
        tls=[{"hosts": ["shop.test"], "secretName": "t"}],
    )
    seen = born(theirs)
    assert spec(seen) == {"ingressClassName": "nginx", "rules": [rule(path(CANARY))]}
    assert noted(seen)[P + "canary-weight"] == "0"
    assert NGINX.shown(seen, 0).live_pct == 0


def test_a_default_backend_is_taken_over_as_well() -> None:
    seen = born(user(defaultBackend={"service": {"name": STABLE, "port": {"name": "http"}}}))
    assert spec(seen) == {
        "ingressClassName": "nginx",
        "defaultBackend": {"service": {"name": CANARY, "port": {"name": "http"}}},
    }


def test_of_the_annotations_it_takes_what_a_canary_needs_and_unsticks_sessions() -> None:
    theirs = user(
        rule(path(STABLE)),
        annotations={
            P + "load-balance": "ewma",
            P + "upstream-hash-by": "$host",
            P + "affinity": "cookie",
            P + "configuration-snippet": "deny all;",
            "kubernetes.io/ingress.class": "nginx",
            "team": "shop",
        },
    )
    assert noted(born(theirs)) == {
        P + "load-balance": "ewma",
        P + "upstream-hash-by": "$host",
        P + "affinity-canary-behavior": "legacy",
        "kubernetes.io/ingress.class": "nginx",
        P + "canary": "true",
        P + "canary-weight": "0",
    }


def test_a_weight_is_one_annotation_and_the_extras_come_and_go_with_it() -> None:
    seen = born(user(rule(path(STABLE))), header=HEADER, cookie="who")
    up = shifted(NGINX, seen, 5)
    extras = {P + "canary-by-header": "X-Canary", P + "canary-by-header-value": "yes", P + "canary-by-cookie": "who"}
    assert noted(up) == noted(seen) | {P + "canary-weight": "5"} | extras
    assert NGINX.shown(up, 5).live_pct == 5
    assert noted(shifted(NGINX, up, 0, take=False)) == noted(seen)


def test_going_back_looks_at_nothing_beside_and_touches_no_rule() -> None:
    up = shifted(NGINX, born(user(rule(path(STABLE))), header=HEADER), 50)
    blind = Found(up.route, up.one, up.carrier, None)
    change = NGINX.shift(blind, 0, take=False)
    assert change.steps == []
    assert NGINX.shown(applied(blind, change), 0).live_pct == 0


def test_it_follows_the_users_rules_and_that_is_no_drift() -> None:
    up = shifted(NGINX, born(user(rule(path(STABLE)))), 5)
    moved = user(rule(path(STABLE, "/new")), annotations={P + "load-balance": "ewma"})
    behind = Found(up.route, up.one, up.carrier, (moved,))
    look = NGINX.shown(behind, 5)
    assert (look.live_pct, look.edited) == (None, False)
    assert "does not have its rules" in look.differs
    after = shifted(NGINX, behind, 5)
    assert spec(after)["rules"] == [rule(path(CANARY, "/new"))]
    assert noted(after)[P + "load-balance"] == "ewma"
    assert P + "load-balance" not in noted(shifted(NGINX, Found(up.route, up.one, after.carrier, up.beside), 5))


@pytest.mark.parametrize(
    ("edit", "live"),
    [
        ({P + "canary-weight": "80"}, 80),
        ({P + "canary-weight": "1", P + "canary-weight-total": "1000"}, 1),
        ({P + "canary-weight": "much"}, 0),
        ({P + "canary": "false"}, None),
        ({P + "canary-by-header": "X-Other"}, None),
    ],
)
def test_what_a_hand_changes_is_told_and_put_back(edit: dict[str, str], live: int | None) -> None:
    up = shifted(NGINX, born(user(rule(path(STABLE)))), 5)
    wanted = dict(noted(up))
    noted(up).update(edit)
    look = NGINX.shown(up, 5)
    assert (look.live_pct, look.edited) == (live, True)
    assert noted(shifted(NGINX, up, 5)) == wanted


def test_without_the_users_ingress_nothing_rises_and_everything_goes_down() -> None:
    up = shifted(NGINX, born(user(rule(path(STABLE)))), 5)
    alone = Found(up.route, up.one, up.carrier, ())
    look = NGINX.shown(alone, 5)
    assert look.live_pct is None
    assert "Ingress shop-ns/web is missing" in look.differs
    with pytest.raises(Refused, match="is missing: create it"):
        NGINX.shift(alone, 5, take=True)
    assert NGINX.shown(shifted(NGINX, alone, 0, take=False), 0).live_pct == 0


def test_no_rule_with_stable_is_refused() -> None:
    (text,) = NGINX.troubles(found(RouteKind.INGRESS, None, (user(rule(path("pay"))),)), 5)
    assert "no rule of Ingress shop-ns/web sends to the Service shop" in text


def test_a_canary_ingress_cannot_be_the_users_own() -> None:
    marked = user(rule(path(STABLE)), annotations={P + "canary": "true"})
    assert "is a canary Ingress itself" in NGINX.troubles(found(RouteKind.INGRESS, None, (marked,)), 5)[0]


def test_a_second_canary_for_a_path_is_a_clash_and_so_is_a_second_ingress_with_stable() -> None:
    seen = born(user(rule(path(STABLE))))
    second = user(rule(path("other")), annotations={P + "canary": "true"})
    assert "allows one" in NGINX.clash(seen, second)
    assert "too" in NGINX.clash(seen, user(rule(path(STABLE, "/x"), host="b.test")))
    assert NGINX.clash(seen, user(rule(path("other"), host="b.test"), annotations={P + "canary": "true"})) == ""
    assert NGINX.clash(seen, user(rule(path("pay")))) == ""
    assert seen.carrier is not None
    assert NGINX.clash(seen, seen.carrier) == ""


def test_an_address_that_only_the_users_ingress_has_shows_that_ours_is_not_taken_yet() -> None:
    theirs = user(rule(path(STABLE)))
    theirs["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    up = shifted(NGINX, born(theirs), 5)
    assert "has none yet" in NGINX.shown(up, 5).unconfirmed
    assert NGINX.shown(shifted(NGINX, up, 0), 0).unconfirmed == ""
    assert up.carrier is not None
    up.carrier["status"] = theirs["status"]
    assert NGINX.shown(up, 5).unconfirmed == ""


def test_the_name_of_ours_fits_whatever_the_users_is() -> None:
    names = {NGINX.carrier(RouteObject(RouteKind.INGRESS, name)) for name in ("web", "w" * 236, "w" * 252, "w" * 253)}
    assert len(names) == 4
    assert all(len(name) <= 253 and name.endswith("-interlock-canary") for name in names)
