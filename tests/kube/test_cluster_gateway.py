"""Both levels: the stand-in for a router's controller confirms routes as a gateway does, or does not."""

from __future__ import annotations

import pytest

from tests.kube.cluster import builders
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.raw import Raw


def conditions(route: Raw) -> dict[str, tuple[str, int]]:
    parents = (route.get("status") or {}).get("parents") or []
    found = [one for parent in parents for one in parent["conditions"]]
    return {one["type"]: (one["status"], one["observedGeneration"]) for one in found}


BUILD = {"httproutes": builders.http_route, "grpcroutes": builders.grpc_route}


@pytest.mark.parametrize("plural", BUILD)
def test_a_route_whose_services_exist_is_confirmed_at_its_generation(cluster: Cluster, plural: str) -> None:
    cluster.apply(builders.service("web"))
    cluster.apply(BUILD[plural]("shop", [builders.backend("web", 1)]))
    good = {"Accepted": ("True", 1), "ResolvedRefs": ("True", 1)}
    cluster.wait(lambda: conditions(cluster.get(plural, "shop")) == good, "the route is confirmed")
    cluster.patch(plural, "shop", {"spec": {"hostnames": ["other.test"]}})
    good = {"Accepted": ("True", 2), "ResolvedRefs": ("True", 2)}
    cluster.wait(lambda: conditions(cluster.get(plural, "shop")) == good, "the change is confirmed")


def test_a_missing_service_is_told_until_it_is_there(cluster: Cluster) -> None:
    cluster.apply(builders.http_route("shop", [builders.backend("web", 1)]))
    cluster.wait(
        lambda: conditions(cluster.get("httproutes", "shop")).get("ResolvedRefs") == ("False", 1), "it is missed"
    )
    cluster.apply(builders.service("web"))
    cluster.wait(
        lambda: conditions(cluster.get("httproutes", "shop")).get("ResolvedRefs") == ("True", 1), "it is found"
    )


def test_a_gateway_that_says_nothing_leaves_the_status_behind(cluster: Cluster) -> None:
    cluster.apply(builders.service("web"))
    cluster.apply(builders.http_route("shop", [builders.backend("web", 1)]))
    cluster.wait(lambda: conditions(cluster.get("httproutes", "shop")), "the route is confirmed")
    cluster.gateway.confirm_after_s = None
    cluster.patch("httproutes", "shop", {"spec": {"hostnames": ["other.test"]}})
    route = cluster.get("httproutes", "shop")
    assert (route["metadata"]["generation"], conditions(route)["Accepted"]) == (2, ("True", 1))
    cluster.gateway.confirm_after_s = 0.0
    cluster.gateway.confirm_now()
    cluster.wait(lambda: conditions(cluster.get("httproutes", "shop"))["Accepted"] == ("True", 2), "it speaks again")


def test_a_gateway_may_refuse_a_route(cluster: Cluster) -> None:
    cluster.gateway.accepts = False
    cluster.apply(builders.http_route("shop", []))
    cluster.wait(lambda: conditions(cluster.get("httproutes", "shop")).get("Accepted") == ("False", 1), "it is refused")
