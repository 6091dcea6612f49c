"""The EndpointSlice of ours: how many canary endpoints a weight is, which ones, and what a pod that goes does to it."""

from __future__ import annotations

import pytest

from controller.adapters.kube.routes.replicas import CanaryEndpoints
from controller.adapters.kube.routes.strategy import Found
from controller.core.targets import RouteKind
from controller.ports import Refused
from tests.kube.cluster.raw import Raw
from tests.kube.route_kits import endpoint_slice
from tests.unit.kube_routes.build import CANARY, STABLE, applied, found, shifted

REPLICAS = CanaryEndpoints()


def beside(stable: int, canary: int, unready: int = 0) -> tuple[Raw, ...]:
    return (
        endpoint_slice("shop-a", STABLE, "10.1.0.", stable, unready),
        endpoint_slice("canary-a", CANARY, "10.2.0.", canary, unready),
    )


def born(around: tuple[Raw, ...]) -> Found:
    body = REPLICAS.born(found(RouteKind.ENDPOINT_SLICE, None, around))
    return found(RouteKind.ENDPOINT_SLICE, {**body, "metadata": {**body["metadata"], "resourceVersion": "1"}}, around)


def addresses(seen: Found) -> list[str]:
    assert seen.carrier is not None
    return [one["addresses"][0] for one in seen.carrier["endpoints"]]


def with_beside(seen: Found, around: tuple[Raw, ...] | None) -> Found:
    return Found(seen.route, seen.one, seen.carrier, around)


@pytest.mark.parametrize(
    ("weight_pct", "stable", "count"),
    [(10, 9, 1), (10, 17, 1), (10, 18, 2), (20, 9, 2), (25, 10, 3), (33, 10, 4), (50, 10, 10), (1, 99, 1), (99, 1, 99)],
)
def test_a_weight_is_so_many_endpoints_that_the_share_is_not_above_it(weight_pct: int, stable: int, count: int) -> None:
    after = shifted(REPLICAS, born(beside(stable, 120)), weight_pct)
    assert len(addresses(after)) == count
    assert 100 * count <= weight_pct * (stable + count)
    assert 100 * (count + 1) > weight_pct * (stable + count + 1)
    assert REPLICAS.shown(after, weight_pct).live_pct == weight_pct


def test_less_than_one_endpoint_is_refused_with_how_many_pods_it_takes() -> None:
    with pytest.raises(Refused, match=r"5 % of 10 ready endpoints of shop is less than one.*at least 19 stable pods"):
        REPLICAS.shift(born(beside(10, 10)), 5, take=True)
    assert REPLICAS.troubles(born(beside(10, 0)), 5) != ()
    assert REPLICAS.troubles(born(beside(19, 0)), 5) == ()


def test_all_of_the_traffic_is_refused_since_stable_stays() -> None:
    with pytest.raises(Refused, match="stable's endpoints stay"):
        REPLICAS.shift(born(beside(10, 10)), 100, take=True)


def test_a_slice_of_ours_carries_the_labels_that_put_it_behind_the_service() -> None:
    seen = born(beside(9, 0))
    assert seen.carrier is not None
    labels = seen.carrier["metadata"]["labels"]
    assert labels["kubernetes.io/service-name"] == STABLE
    assert labels["endpointslice.kubernetes.io/managed-by"] == "interlock"
    assert seen.carrier["addressType"] == "IPv4"
    assert addresses(seen) == []


def test_an_abort_is_an_empty_list_and_looks_at_no_pod() -> None:
    up = shifted(REPLICAS, born(beside(10, 10)), 50)
    down = applied(with_beside(up, None), REPLICAS.shift(with_beside(up, None), 0, take=False))
    assert addresses(down) == []
    assert REPLICAS.shown(down, 0).live_pct == 0


def test_the_ports_are_those_of_the_canarys_pods() -> None:
    around = beside(9, 9)
    around[1]["ports"] = [{"name": "http", "port": 9090, "protocol": "TCP"}]
    up = shifted(REPLICAS, born(around), 10)
    assert up.carrier is not None
    assert up.carrier["ports"] == around[1]["ports"]


def test_only_ready_endpoints_count_on_either_side() -> None:
    around = beside(9, 2, unready=5)
    around[1]["endpoints"][0]["conditions"]["terminating"] = True
    up = shifted(REPLICAS, born(around), 10)
    assert addresses(up) == ["10.2.0.2"]
    around[0]["endpoints"][0].pop("conditions")
    assert REPLICAS.shown(up, 10).live_pct == 10, "no condition means ready"


def test_fewer_ready_pods_than_the_weight_needs_is_a_share_below_it_and_no_drift() -> None:
    up = shifted(REPLICAS, born(beside(10, 4)), 50)
    assert len(addresses(up)) == 4
    look = REPLICAS.shown(up, 50)
    assert (look.live_pct, look.edited) == (28, False)
    assert "4 canary endpoints beside 10 of stable" in look.differs
    with pytest.raises(Refused, match="no endpoint of the Service shop-canary is ready"):
        REPLICAS.shift(born(beside(10, 0, unready=3)), 50, take=True)


def test_a_pod_that_goes_is_told_and_replaced_and_those_that_serve_stay() -> None:
    up = shifted(REPLICAS, born(beside(18, 4)), 10)
    assert addresses(up) == ["10.2.0.1", "10.2.0.2"]
    around = beside(18, 4)
    around[1]["endpoints"][0]["conditions"]["ready"] = False
    seen = with_beside(up, around)
    look = REPLICAS.shown(seen, 10)
    assert (look.live_pct, look.edited) == (None, False)
    assert "1 of the 2 canary endpoints" in look.differs
    assert addresses(shifted(REPLICAS, seen, 10)) == ["10.2.0.2", "10.2.0.3"]


def test_stable_that_shrinks_makes_the_share_too_high_and_it_is_corrected_without_a_drift() -> None:
    up = shifted(REPLICAS, born(beside(18, 4)), 10)
    seen = with_beside(up, beside(9, 4))
    look = REPLICAS.shown(seen, 10)
    assert (look.live_pct, look.edited) == (19, False)
    assert len(addresses(shifted(REPLICAS, seen, 10))) == 1


def test_a_hand_in_the_slice_is_a_drift() -> None:
    up = shifted(REPLICAS, born(beside(18, 4)), 10)
    assert up.carrier is not None
    extra = [{"addresses": ["10.9.9.9"], "conditions": {"ready": True}}]
    edited = found(
        RouteKind.ENDPOINT_SLICE, {**up.carrier, "endpoints": up.carrier["endpoints"] + extra}, beside(18, 4)
    )
    assert REPLICAS.shown(edited, 10).edited
    assert REPLICAS.shown(with_beside(edited, None), 10).live_pct is None
    assert addresses(shifted(REPLICAS, edited, 10)) == addresses(up)
    emptied = found(RouteKind.ENDPOINT_SLICE, {**up.carrier, "endpoints": None}, beside(18, 4))
    look = REPLICAS.shown(emptied, 10)
    assert (look.live_pct, look.edited) == (0, True)


def test_a_service_without_endpoints_is_told() -> None:
    (text,) = REPLICAS.troubles(found(RouteKind.ENDPOINT_SLICE, None, ()), 10)
    assert "has no endpoints" in text


def test_of_two_address_families_the_slices_own_counts() -> None:
    around = beside(9, 9)
    six = [
        {**one, "addressType": "IPv6", "metadata": {**one["metadata"], "name": one["metadata"]["name"] + "6"}}
        for one in around
    ]
    up = shifted(REPLICAS, born((*around, *six)), 10)
    assert REPLICAS.shown(up, 10).live_pct == 10
    assert len(addresses(up)) == 1
