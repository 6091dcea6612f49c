"""Objects that have the name of ours and are somebody else's: told, and never written, emptied or deleted."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import pytest

from controller.core.model import Mark
from controller.ports import Refused
from tests.kube.cluster.cluster import Cluster
from tests.kube.cluster.raw import Raw
from tests.kube.route_kits import CANARY, KITS, ROUTE, STABLE, Istio, Nginx, Replicas
from tests.kube.route_stage import ABORT, KILL, RouteStage, staged

THEIR_LABELS = {"app.kubernetes.io/managed-by": "Helm"}
BODIES: dict[str, Raw] = {
    "ingresses": {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "spec": {"defaultBackend": {"service": {"name": "theirs", "port": {"number": 80}}}},
    },
    "endpointslices": {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.9.9.9"]}],
        "ports": [],
    },
    "leases": {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": {"holderIdentity": "them"}},
}
LEASE = "interlock-shop"
WRITES: dict[str, Callable[[RouteStage], object]] = {
    "claim": lambda stage: stage.router.claim(stage.app, 1),
    "lower": lambda stage: stage.router.lower(stage.app, ABORT, 1),
    "kill": lambda stage: stage.router.halt(stage.app, KILL, revert=True),
    "hold": lambda stage: stage.router.halt(stage.app, KILL, revert=False),
    "rest": lambda stage: stage.router.lower(stage.app, Mark(None, "at_rest", "no release is running"), 1),
    "rise": lambda stage: stage.at(10),
}


def theirs(cluster: Cluster, plural: str, name: str) -> Raw:
    cluster.apply({**copy.deepcopy(BODIES[plural]), "metadata": {"name": name, "labels": THEIR_LABELS}})
    return cluster.get(plural, name)


@pytest.fixture(params=[Nginx(), Replicas()], ids=lambda kit: kit.kind.value)
def own(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[RouteStage]:
    """A kind of route whose weights are in an object that we make."""
    with staged(cluster, request.param) as stage:
        yield stage


def test_an_object_of_our_name_that_is_somebody_elses_is_told_and_stays_as_it_is(own: RouteStage) -> None:
    before = theirs(own.cluster, own.kit.plural, own.kit.carrier)
    assert "is not Interlock's" in (own.router.trouble(own.app) or "")
    for write in WRITES.values():
        with pytest.raises(Refused, match=f"{own.kit.carrier} is not Interlock's, and is left as it is"):
            write(own)
    with pytest.raises(Refused, match="is not Interlock's"):
        own.router.read(own.app)
    own.router.forget(own.app)
    assert own.raw() == before


def test_one_that_takes_the_place_of_ours_is_not_stopped_and_not_deleted(own: RouteStage) -> None:
    own.at(10)
    own.cluster.delete(own.kit.plural, own.kit.carrier)
    before = theirs(own.cluster, own.kit.plural, own.kit.carrier)
    with pytest.raises(Refused, match="is not Interlock's"):
        own.router.lower(own.app, ABORT, 1)
    own.router.forget(own.app)
    assert own.raw() == before


def test_ours_whose_labels_somebody_stripped_is_still_stopped_and_taken_away(own: RouteStage) -> None:
    own.at(10)
    own.cluster.patch(own.kit.plural, own.kit.carrier, {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}})
    own.router.lower(own.app, ABORT, 1)
    assert own.share_pct == 0
    own.router.forget(own.app)
    assert own.cluster.find(own.kit.plural, own.kit.carrier) is None


@pytest.mark.parametrize(
    ("mirror_pct", "share"),
    [(None, {}), (None, {"percent": 20}), (20, {}), (20, {"percent": 5}), (100, {"percent": 5})],
)
def test_a_mirror_to_the_canary_that_is_the_users_own_stays(
    cluster: Cluster, mirror_pct: int | None, share: dict[str, int]
) -> None:
    """Ours, if any, comes behind it and goes alone."""
    with staged(cluster, KITS[0]) as stage:
        backend = {"group": "", "kind": "Service", "name": CANARY, "port": 80}
        own = {"type": "RequestMirror", "requestMirror": {"backendRef": backend, **share}}
        rules = stage.user()["spec"]["rules"]
        rules[1]["filters"].append(own)
        cluster.patch("httproutes", STABLE, {"spec": {"rules": rules}})
        before = stage.user()["spec"]["rules"][1]["filters"]
        stage.app = stage.with_route(mirror_pct=mirror_pct)
        for stop in (lambda: stage.router.lower(stage.app, ABORT, 1), lambda: stage.router.forget(stage.app)):
            stage.at(10)
            filters = stage.user()["spec"]["rules"][1]["filters"]
            assert filters[: len(before)] == before
            assert len(filters) == len(before) + (1 if mirror_pct else 0)
            assert stage.router.read(stage.app).trouble == ""
            stop()
            assert stage.user()["spec"]["rules"][1]["filters"] == before


@pytest.mark.parametrize("stripped", [False, True], ids=["noted", "annotation gone"])
def test_a_mirror_of_ours_goes_though_the_application_or_the_annotation_changed(
    cluster: Cluster, stripped: bool
) -> None:
    with staged(cluster, KITS[0]) as stage:
        before = stage.user()["spec"]["rules"][1]["filters"]
        stage.app = stage.with_route(mirror_pct=20)
        stage.at(10)
        if stripped:
            cluster.patch("httproutes", STABLE, {"metadata": {"annotations": {ROUTE: None}}})
        else:
            stage.app = stage.with_route(mirror_pct=None)
        stage.router.lower(stage.app, ABORT, 1)
        assert stage.user()["spec"]["rules"][1]["filters"] == before


def test_a_virtual_services_own_mirror_to_the_canary_stays(cluster: Cluster) -> None:
    with staged(cluster, Istio()) as stage:
        http = stage.user()["spec"]["http"]
        http[1] |= {"mirror": {"host": CANARY}, "mirrorPercentage": {"value": 5}}
        cluster.patch("virtualservices", STABLE, {"spec": {"http": http}})
        stage.at(10)
        stage.router.lower(stage.app, ABORT, 1)
        stage.router.forget(stage.app)
        after = stage.user()["spec"]["http"][1]
        assert (after["mirror"], after["mirrorPercentage"]) == ({"host": CANARY}, {"value": 5})


def test_a_lease_of_our_name_that_is_somebody_elses_keeps_the_weight_at_0_and_stays(cluster: Cluster) -> None:
    with staged(cluster, KITS[0]) as stage:
        before = theirs(cluster, "leases", LEASE)
        assert f"Lease {cluster.namespace}/{LEASE} is not Interlock's" in (stage.router.trouble(stage.app) or "")
        with pytest.raises(Refused, match="is not Interlock's, and is left as it is"):
            stage.at(10)
        assert stage.share_pct == 0
        stage.router.forget(stage.app)
        assert cluster.get("leases", LEASE) == before


def test_a_lease_that_takes_the_place_of_ours_counts_as_run_out_and_stays(cluster: Cluster) -> None:
    with staged(cluster, KITS[0]) as stage:
        stage.at(10)
        cluster.delete("leases", LEASE)
        before = theirs(cluster, "leases", LEASE)
        seen = stage.another().read(stage.app)
        assert (seen.weight_pct, seen.lease_expired) == (10, True)
        with pytest.raises(Refused, match="has run out"):
            stage.another().renew(stage.app, "r1", 1, 60.0)
        assert cluster.get("leases", LEASE) == before
        stage.router.lower(stage.app, ABORT, 1)
        assert stage.share_pct == 0
