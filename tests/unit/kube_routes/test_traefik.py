"""TraefikService: the canary's entry is there only while it has a weight."""

from __future__ import annotations

from typing import Any

import pytest

from controller.adapters.kube.routes.strategy import Found
from controller.adapters.kube.routes.traefik import TraefikServices
from controller.core.targets import RouteKind
from controller.ports import Refused
from tests.kube.cluster.raw import Raw
from tests.unit.kube_routes.build import CANARY, STABLE, applied, found, metadata, shifted

TRAEFIK = TraefikServices()


def entry(name: str, weight: int | None = None, **more: Any) -> Raw:
    return {"name": name, "port": 80, **more} | ({} if weight is None else {"weight": weight})


def weighted(*entries: Raw) -> Found:
    spec = {"weighted": {"services": list(entries), "sticky": {"cookie": {"name": "lb"}}}}
    return found(RouteKind.TRAEFIK_SERVICE, {"metadata": metadata(), "spec": spec})


def entries(seen: Found) -> list[Raw]:
    assert seen.carrier is not None
    assert seen.carrier["spec"]["weighted"]["sticky"] == {"cookie": {"name": "lb"}}
    services: list[Raw] = seen.carrier["spec"]["weighted"]["services"]
    return services


def test_the_canary_comes_with_its_weight_and_goes_with_it() -> None:
    before = weighted(entry("pay", 7), entry(STABLE, passHostHeader=False))
    up = shifted(TRAEFIK, weighted(entry(STABLE, passHostHeader=False)), 25)
    assert entries(up) == [entry(STABLE, 75, passHostHeader=False), entry(CANARY, 25, passHostHeader=False)]
    assert entries(shifted(TRAEFIK, up, 0)) == [entry(STABLE, 100, passHostHeader=False)]
    assert entries(shifted(TRAEFIK, before, 0)) == entries(before)


def test_an_entry_of_the_users_for_the_canary_goes_when_the_route_is_taken_and_does_not_come_back() -> None:
    """One that Traefik cannot resolve, as after the canary is gone, would cost stable its traffic."""
    before = weighted(entry(STABLE, 100), entry(CANARY, 0))
    assert TRAEFIK.shown(before, 0).live_pct == 0
    taken = shifted(TRAEFIK, before, 0)
    assert entries(taken) == [entry(STABLE, 100)]
    given = applied(taken, TRAEFIK.given_back(taken, TRAEFIK.as_found(before)))
    assert entries(given) == [entry(STABLE, 100)]


def test_a_nested_traefik_service_of_that_name_is_not_stable() -> None:
    seen = weighted(entry(STABLE, kind="TraefikService"), entry(STABLE, namespace="elsewhere"))
    with pytest.raises(Refused, match=r"no entry in spec\.weighted\.services for the Service shop"):
        TRAEFIK.shift(seen, 5, take=True)


def test_a_mirroring_service_is_refused_in_words() -> None:
    raw = {"metadata": metadata(), "spec": {"mirroring": {"name": STABLE}}}
    seen = found(RouteKind.TRAEFIK_SERVICE, raw)
    (text,) = TRAEFIK.troubles(seen, 5)
    assert "spec.weighted.services" in text
    assert TRAEFIK.shown(seen, 0).live_pct is None
    assert TRAEFIK.shift(seen, 0, take=False).steps == []


def test_both_at_a_hundred_is_half_and_told_as_that() -> None:
    look = TRAEFIK.shown(weighted(entry(STABLE, 100), entry(CANARY, 100)), 10)
    assert (look.live_pct, look.edited) == (50, True)
